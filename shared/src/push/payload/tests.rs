//! Payloads of any text.

use jiff::Timestamp;

use super::*;
use crate::id::UserId;
use crate::notification::Recipient;
use crate::outcome::Outcome;
use crate::push_options::Push;

/// Pieces that join with what stands before them, turn the direction, or grow in JSON.
const PIECES: [&str; 14] = [
    "a",
    "щ",
    "🌅",
    "👩\u{200d}👩\u{200d}👧",
    "e\u{301}\u{302}",
    "\u{200d}",
    "\u{fe0f}",
    "\u{202e}",
    "שלום",
    "\u{1}",
    "\"",
    "🇵🇹",
    "👍🏽",
    " ",
];

fn next(state: &mut u64) -> usize {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    usize::try_from(*state >> 33).unwrap()
}

/// A text of up to `max` characters.
fn text(state: &mut u64, max: usize) -> String {
    let (count, one_kind) = (next(state) % (max + 1), next(state).is_multiple_of(4));
    let (mut text, kind) = (String::new(), next(state));
    for _ in 0..count {
        let any = char::from_u32(u32::try_from(next(state) % 0x11_0000).unwrap());
        let kind = if one_kind { kind } else { next(state) };
        match kind % 16 {
            15 => text.extend(any),
            kind => text.push_str(PIECES[kind % 14]),
        }
    }
    text.chars().take(max).collect()
}

fn notification(state: &mut u64) -> Notification {
    let url = |state: &mut u64| Some(format!("https://{}", text(state, 990)));
    Notification {
        schedule_id: None,
        recipient: Recipient::User(UserId::parse("ana").unwrap()),
        id: crate::id::NotificationId::draw(Timestamp::UNIX_EPOCH),
        content: Content {
            kind: "video.liked".to_owned(),
            title: Some(text(state, 200)),
            body: Some(text(state, 1_000)),
            actor: None,
            group: Some(text(state, 128)),
            link: url(state),
            image: url(state),
            data: None,
            occurred_at: None,
            origin_device: None,
            push: Push::default(),
            traceparent: None,
        },
        expires_at: 0,
        read_at: None,
        seen_at: None,
        archived_at: None,
        dedupe_key: None,
        outcome: Outcome::default(),
        carried_at: None,
    }
}

#[test]
fn f24_whatever_the_text_a_payload_fits_and_ends_with_a_whole_character() {
    let runs = 300;
    let (mut state, mut cut, options) = (0x9e37_79b9_7f4a_7c15, 0, Options::default());
    for run in 0..runs {
        let notification = notification(&mut state);
        let limit = if run % 3 == 0 { SHORTER } else { LIMIT };
        let platform = if run % 2 == 0 {
            Platform::Fcm
        } else {
            Platform::Apns
        };
        let message = message(&Sending {
            notification: &notification,
            options: &options,
            platform,
            ttl: 60,
            badge: Some(7),
            limit,
        });
        let body: Value = serde_json::from_str(&message.body).unwrap();
        let payload = body
            .get("GCM")
            .or(body.get("APNS"))
            .unwrap()
            .as_str()
            .unwrap();
        assert!(payload.len() <= limit, "run {run}: {} bytes", payload.len());
        let payload: Value = serde_json::from_str(payload).unwrap();
        let alert = payload.pointer("/aps/alert");
        let alert = alert.or(payload.pointer("/fcmV1Message/message/notification"));
        let shown = alert.and_then(|alert| alert["body"].as_str());
        let full = notification.content.body.as_deref().unwrap_or_default();
        let shown = shown.unwrap_or_default();
        if shown == full {
            continue;
        }
        cut += 1;
        let kept = shown.strip_suffix('…').unwrap_or(shown);
        let mut ends = full.grapheme_indices(true).map(|(start, _)| start);
        assert!(
            full.starts_with(kept) && ends.any(|end| end == kept.len()),
            "run {run}: {kept:?}"
        );
    }
    assert!(cut > runs / 10, "{cut} of {runs} were cut");
}
