//! Notifications as lines of JSON: how they move in from another system, and out again.
//!
//! A line that moved in has the id that follows from its own moment and from what it says, so whoever sends it again
//! meets its row. The row is born with an outcome, so nothing is pushed.

use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::contract::Fields;
use crate::error::{Error, Result, Violation};
use crate::id::{NotificationId, UserId, derived_tail};
use crate::json;
use crate::marks::Marks;
use crate::notification::{
    Content, MAX_DEDUPE_KEY, MAX_EXPIRES_IN, Notification, Recipient, parse_content,
};
use crate::outcome::{Outcome, Reason, State};
use crate::push_options::{Options, Push};
use crate::store::{Found, Holder, Mark, Put, Store};

/// The longest line, in bytes.
pub const MAX_LINE: usize = 64 * 1024;

/// Who holds a dedupe key and has no row may be about to put it, for this long.
const SETTLED: Duration = Duration::from_secs(5);

/// What became of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Brought {
    /// Its row is stored.
    Stored,
    /// It, or a live notification with its dedupe key, was there; it has the line's marks.
    There,
}

/// What is said, in the spelling by which a repeat is known.
#[derive(Serialize)]
struct Said<'n> {
    r#type: &'n str,
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<&'n str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<&'n str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    actor: Option<Doer<'n>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    group: Option<&'n str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    link: Option<&'n str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    image: Option<&'n str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'n Map<String, Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    occurred_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    silent: Option<bool>,
}

#[derive(Serialize)]
struct Doer<'n> {
    id: &'n str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'n str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    image: Option<&'n str>,
}

/// A line as it is written. Recipient and moment stand first, so that the order of bytes is theirs.
#[derive(Serialize)]
struct Line<'n> {
    recipient: &'n str,
    created_at: String,
    /// Where it does not follow from the rest.
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dedupe_key: Option<&'n str>,
    expires_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    read_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seen_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    archived_at: Option<String>,
    #[serde(flatten)]
    said: Said<'n>,
}

/// A moment as lines have it, always as long.
fn stamp(at: Timestamp) -> String {
    to_millis(at).strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

/// The moment as the table keeps it.
fn to_millis(at: Timestamp) -> Timestamp {
    Timestamp::from_millisecond(at.as_millisecond()).unwrap_or(at)
}

fn said(content: &Content) -> Said<'_> {
    Said {
        r#type: &content.kind,
        title: content.title.as_deref(),
        body: content.body.as_deref(),
        actor: content.actor.as_ref().map(|actor| Doer {
            id: actor.id.as_str(),
            name: actor.name.as_deref(),
            image: actor.image.as_deref(),
        }),
        group: content.group.as_deref(),
        link: content.link.as_deref(),
        image: content.image.as_deref(),
        data: content.data.as_ref(),
        occurred_at: content.occurred_at.map(stamp),
        silent: content.push.is_silent().then_some(true),
    }
}

/// The id of what says this to this user and was created then: 80 bits of SHA-256 over all three. A dedupe key names
/// what it says.
fn derived(
    user: &UserId,
    at: Timestamp,
    content: &Content,
    dedupe_key: Option<&str>,
) -> NotificationId {
    let at_ms = at.as_millisecond();
    let key = if let Some(key) = dedupe_key {
        format!("key {at_ms} {key}")
    } else {
        let said = serde_json::to_value(said(content)).unwrap_or_default();
        format!("said {at_ms} {}", json::canonical(&said))
    };
    NotificationId::new(at, derived_tail(&key, 0, user.as_str()))
}

/// Reads a line. Without an end of its own a notification is kept `life` seconds from when it was created. Every broken
/// rule is in the error.
pub fn read(text: &[u8], now: Timestamp, life: u32) -> Result<Notification> {
    let value = json::parse(text, MAX_LINE)?;
    let mut violations = Vec::new();
    let notification =
        Fields::of(value, "", &mut violations).and_then(|fields| notification(fields, now, life));
    match notification {
        Some(notification) if violations.is_empty() => Ok(notification),
        _ => Err(Error::Invalid(violations)),
    }
}

fn notification(mut fields: Fields, now: Timestamp, life: u32) -> Option<Notification> {
    for name in ["recipient", "created_at"] {
        if !fields.has(name) {
            fields.refuse(name, "required", "is required");
        }
    }
    let user = fields.user("recipient");
    let created_at = fields.moment("created_at").map(to_millis);
    if created_at.is_some_and(|at| at > now) {
        fields.refuse("created_at", "range", "must have passed");
    }
    let id = fields.text("id", 26);
    let silent = fields.flag("silent").unwrap_or_default();
    let push = Push::On(Options {
        silent,
        ..Options::default()
    });
    let content = parse_content(&mut fields, Some(push));
    let dedupe_key = fields.text("dedupe_key", MAX_DEDUPE_KEY);
    let mut moment = |name| fields.moment(name).map(to_millis);
    let (read_at, seen_at) = (moment("read_at"), moment("seen_at"));
    let archived_at = moment("archived_at");
    let expires_at = expiry(&mut fields, created_at, now, life);
    let id = match (id, user.as_ref().zip(created_at)) {
        (Some(text), Some((_, at))) => {
            let id = NotificationId::parse(&text).filter(|id| id.at() == at);
            if id.is_none() {
                fields.refuse("id", "format", "must be an id of the moment in created_at");
            }
            id
        }
        (None, Some((user, at))) => Some(derived(user, at, &content, dedupe_key.as_deref())),
        (_, None) => None,
    };
    fields.finish();
    Some(Notification {
        recipient: Recipient::User(user?),
        id: id?,
        content,
        expires_at: expires_at?,
        read_at,
        seen_at,
        archived_at,
        dedupe_key,
        schedule_id: None,
        carried_at: None,
        outcome: Outcome {
            state: Some(State::Skipped),
            reason: Some(Reason::Imported.word().to_owned()),
            at: now.as_millisecond(),
            ..Outcome::default()
        },
    })
}

/// When it ends, in epoch seconds: `expires_at`, or `expires_in` or `life` seconds after it was created.
fn expiry(
    fields: &mut Fields,
    created_at: Option<Timestamp>,
    now: Timestamp,
    life: u32,
) -> Option<i64> {
    let name = if fields.has("expires_at") {
        "expires_at"
    } else {
        "expires_in"
    };
    if fields.has("expires_at") && fields.has("expires_in") {
        fields.refuse(
            "expires_in",
            "exclusive",
            "cannot be given beside expires_at",
        );
    }
    let at = fields.moment("expires_at");
    let after = fields.whole("expires_in", 60, MAX_EXPIRES_IN);
    let end = match at {
        Some(at) => at.as_second(),
        None => created_at?.as_second() + i64::from(after.unwrap_or(life)),
    };
    if end <= now.as_second() {
        let end = Timestamp::from_second(end).map_or_else(|_| String::new(), |end| end.to_string());
        fields.refuse(name, "expired", format!("it ended at {end}"));
    }
    if end > now.as_second() + i64::from(MAX_EXPIRES_IN) {
        fields.refuse(name, "range", "must be within two years");
    }
    Some(end)
}

/// Whose it is; `None` for what a topic or everyone gets.
pub fn user(notification: &Notification) -> Option<&UserId> {
    match &notification.recipient {
        Recipient::User(user) => Some(user),
        Recipient::Topic(_) | Recipient::Everyone => None,
    }
}

/// The reasons why a line is refused.
pub fn reasons(error: Error) -> Vec<Violation> {
    match error {
        Error::Invalid(violations) => violations,
        Error::Malformed { code, detail } => vec![Violation::new("", code, detail)],
        other => vec![Violation::new("", "too_large", other.to_string())],
    }
}

/// The line of a notification, with what its user's watermarks say of it; `None` for what everyone gets. When something
/// was seen that a watermark covers is not kept: it counts as seen when it was created.
pub fn write(notification: Notification, marks: &Marks) -> Option<String> {
    let user = user(&notification)?.clone();
    let notification = marks.apply(notification);
    let at = notification.id.at();
    let dedupe_key = notification.dedupe_key.as_deref();
    let id = derived(&user, at, &notification.content, dedupe_key);
    let covered = notification.is_unread() && marks.is_seen(&notification);
    let ends = Timestamp::from_second(notification.expires_at).unwrap_or(Timestamp::MAX);
    let line = Line {
        recipient: user.as_str(),
        created_at: stamp(at),
        id: (id != notification.id).then(|| notification.id.to_string()),
        dedupe_key,
        expires_at: stamp(ends),
        read_at: notification.read_at.map(stamp),
        seen_at: notification.seen_at.or(covered.then_some(at)).map(stamp),
        archived_at: notification.archived_at.map(stamp),
        said: said(&notification.content),
    };
    serde_json::to_string(&line).ok()
}

/// Stores a line's notification, unless it is there: then it gets the marks that the line has and it has not. Repeating
/// it is harmless. [`Error::Conflict`] says that another notification is about to take its dedupe key: try again.
///
/// The key is held a moment before the row is there. Who creates another notification with the same key in this very
/// moment takes the key over, and both are stored; so no two lines with one key may be on their way together.
pub async fn bring(store: &Store, line: &Notification, now: Timestamp) -> Result<Brought> {
    let Recipient::User(user) = &line.recipient else {
        return Err(Error::Conflict("what everyone gets is not imported"));
    };
    if let Some(key) = &line.dedupe_key {
        let held = store.hold(user, key, line.id, line.expires_at, now).await?;
        if let Holder::Other(other) = held {
            let rows = [(line.recipient.clone(), other)];
            match store.existing(&rows).await?.into_values().next() {
                Some(Found::Live) => return mark(store, user, other, line).await,
                None if now.duration_since(other.at()) < SETTLED.try_into().unwrap_or_default() => {
                    return Err(Error::Conflict("somebody is about to use the dedupe key"));
                }
                None | Some(_) => {
                    let ours = (line.id, line.expires_at);
                    store.take_over(user, key, other, ours).await?;
                }
            }
        }
    }
    match store.put(line).await? {
        Put::Created => Ok(Brought::Stored),
        Put::Exists => mark(store, user, line.id, line).await,
    }
}

/// Marks go one way: a line makes nothing unread.
async fn mark(
    store: &Store,
    user: &UserId,
    id: NotificationId,
    line: &Notification,
) -> Result<Brought> {
    let marks = [
        (Mark::Read, line.read_at),
        (Mark::Seen, line.seen_at),
        (Mark::Archived, line.archived_at),
    ];
    for (mark, at) in marks {
        let Some(at) = at else {
            continue;
        };
        match store.mark(user, id, mark, at).await {
            // Taken back or expired meanwhile.
            Ok(_) | Err(Error::NotFound) => {}
            Err(other) => return Err(other),
        }
    }
    Ok(Brought::There)
}
