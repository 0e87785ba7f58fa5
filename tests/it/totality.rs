//! Whatever comes in: a documented status, no panic, nothing that is not as it must be. And time that
//! is not as it should be.

use std::collections::BTreeMap;

use futures_util::stream::{self, StreamExt};
use jiff::{SignedDuration, Timestamp};
use reqwest::Method;
use serde_json::{Value, json};
use shared::clock::Clock;
use shared::create::create_drawn;
use shared::id::NotificationId;
use shared::notification;
use shared::store::Store;
use shared::store::keys::Key;

use crate::caller::send;
use crate::chance::Chance;
use crate::create::{inbox, note};
use crate::fuzz::damage;
use crate::stack::{shared, unique};

/// Requests that are made at random in `cargo test`; `TIDINGS_INPUTS` takes as many as it says.
const INPUTS: usize = 400;

fn seed() -> u64 {
    let given = std::env::var("TIDINGS_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok());
    given.unwrap_or_else(|| u64::try_from(Timestamp::now().as_microsecond()).unwrap())
}

/// What is mutated: bodies, and queries of what has no body.
fn valid(user: &str) -> Vec<(Method, &'static str, String)> {
    let note = json!({
        "recipients": [user], "type": "a.b", "title": "t", "body": "b", "group": "g",
        "actor": {"id": "bo", "name": "Bo"}, "data": {"a": [1, {"b": null}]}, "expires_in": 600,
        "occurred_at": "2026-11-20T10:00:00Z", "dedupe_key": "k",
        "push": {"ttl": 60, "priority": "high"},
    });
    let up_to = json!({"up_to": "01KAB0000000000000000000AA"});
    let quiet = json!({"from": "22:00", "to": "07:00", "time_zone": "UTC"});
    let preferences = json!({"types": {"a": {"push": false}}, "quiet_hours": quiet});
    let device = json!({"platform": "fcm", "token": "t", "badge": true});
    let event = json!({
        "specversion": "1.0", "id": unique("event"), "source": "/fuzz", "type": "video.seen", "subject": "video:42",
        "time": "2026-11-20T10:00:00Z", "data": {"actor": {"id": "bo"}, "video": {"id": 42}},
    });
    let until = json!({"until": "2030-01-01T00:00:00Z"});
    let query =
        "limit=5&status=unread&type=a,b&data.a.b=[1]&grouped=true&since=2026-01-01T00:00:00Z";
    vec![
        (Method::POST, "/v1/notifications", note.to_string()),
        (
            Method::POST,
            "/v1/notifications/batch",
            json!({"notifications": [note]}).to_string(),
        ),
        (Method::POST, "/v1/me/notifications/read", up_to.to_string()),
        (Method::POST, "/v1/me/notifications/seen", up_to.to_string()),
        (Method::PUT, "/v1/me/devices/phone", device.to_string()),
        (Method::PUT, "/v1/me/preferences", preferences.to_string()),
        (Method::PUT, "/v1/me/mutes/actor/bo", until.to_string()),
        (Method::GET, "/v1/me/notifications", query.to_owned()),
        (
            Method::GET,
            "/v1/me/notifications",
            "cursor=AQGS7vN3ewAAAAAAAAAAAAAAAAAAAAAAAA".to_owned(),
        ),
        (Method::POST, "/v1/events", event.to_string()),
        (
            Method::GET,
            "/v1/events",
            "subject=video:42&type=video.liked&since=2026-01-01T00:00:00Z&data.video.id=42&limit=3"
                .to_owned(),
        ),
        (
            Method::POST,
            "/v1/topics/fuzz/members",
            json!({"users": [user, "bo"]}).to_string(),
        ),
        (
            Method::DELETE,
            "/v1/notifications",
            "dedupe_key=k&recipient=ana".to_owned(),
        ),
    ]
}

/// A query as a client sends it: what a URL cannot hold is escaped.
fn escaped(query: &[u8]) -> String {
    let escape = |byte: &u8| {
        if byte.is_ascii_alphanumeric() || b"=&.,:[]-_%".contains(byte) {
            char::from(*byte).to_string()
        } else {
            format!("%{byte:02X}")
        }
    };
    query.iter().map(escape).collect()
}

#[tokio::test]
async fn i14_any_input_gets_a_documented_status() {
    let stack = shared();
    let seed = seed();
    println!("TIDINGS_SEED={seed}");
    let given = std::env::var("TIDINGS_INPUTS").ok();
    let count = given.and_then(|count| count.parse().ok()).unwrap_or(INPUTS);
    let user = unique("ana");
    let (ana, producer) = (stack.user(&user), stack.producer());
    let (valid, mut chance) = (valid(&user), Chance::new(seed));
    let requests: Vec<_> = (0..count)
        .map(|_| {
            let (method, path, valid) = &valid[chance.below(valid.len())];
            let who = if path.contains("/me/") {
                &ana
            } else {
                &producer
            };
            let input = damage::bytes(&mut chance, valid.as_bytes());
            let shown = format!("{method} {path} {}", input.escape_ascii());
            let request = if *method == Method::POST || *method == Method::PUT {
                let request = who.request(method.clone(), path);
                request
                    .header("content-type", "application/json")
                    .body(input)
            } else {
                who.request(method.clone(), &format!("{path}?{}", escaped(&input)))
            };
            (shown, request)
        })
        .collect();
    stream::iter(requests)
        .for_each_concurrent(8, |(shown, request)| async move {
            let status = send(request).await.status;
            assert!(status < 500, "TIDINGS_SEED={seed}: {status} for {shown}");
        })
        .await;
    assert!(!stack.log().contains("panicked"));
}

#[tokio::test]
async fn f47_no_id_has_control_characters_white_space_or_a_hash() {
    let stack = shared();
    let user = unique("ana");
    for bad in [
        "a\u{0}",
        "a\u{7f}",
        "a\tb",
        "a#b",
        "a b",
        "a\u{2028}b",
        "a\u{feff}b",
        "",
    ] {
        let fields = [
            ("recipients", json!([user, bad])),
            ("actor", json!({"id": bad})),
            ("origin_device", json!(bad)),
        ];
        for (field, value) in fields {
            let mut note = note(&user);
            note[field] = value;
            let answer = stack.producer().post("/v1/notifications", &note).await;
            assert_eq!(
                (answer.status, answer.violations().is_empty()),
                (422, false),
                "{field} {bad:?}"
            );
        }
    }
    assert!(inbox(stack, &user).await.is_empty());
}

#[tokio::test]
async fn f9_a_key_that_is_reused_after_a_day_is_a_new_request() {
    let stack = shared();
    let (user, key) = (unique("ana"), unique("key"));
    let producer = stack.producer();
    producer
        .post_keyed("/v1/notifications", &key, &note(&user))
        .await
        .expect(201);
    let again = producer
        .post_keyed("/v1/notifications", &key, &note(&user))
        .await;
    assert!(again.replayed);
    let sub = stack.producer_claims()["sub"].as_str().unwrap().to_owned();
    let guard = Key::Guard(sub, key.clone());
    let text = |text: String| aws_sdk_dynamodb::types::AttributeValue::S(text);
    let update = stack
        .dynamodb_client()
        .update_item()
        .table_name(stack.table());
    let update = update
        .key("pk", text(guard.pk()))
        .key("sk", text(guard.sk()))
        .condition_expression("attribute_exists(pk)")
        .update_expression("SET f = f - :day")
        .expression_attribute_values(
            ":day",
            aws_sdk_dynamodb::types::AttributeValue::N("90000000".to_owned()),
        );
    update.send().await.unwrap();
    let later = producer
        .post_keyed("/v1/notifications", &key, &note(&user))
        .await;
    assert!(!later.replayed);
    later.expect(201);
    assert_eq!(inbox(stack, &user).await.len(), 2);
}

#[tokio::test]
async fn f10_clocks_that_disagree_lose_nothing_and_ids_do_not_collide() {
    let at = Timestamp::now();
    let mut ids: Vec<NotificationId> = (0..100_000).map(|_| NotificationId::draw(at)).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 100_000, "of one millisecond");

    let stack = shared();
    let client = stack.dynamodb_client();
    let store = Store::new(client, stack.table().to_owned());
    let user = unique("ana");
    let mut broken = Vec::new();
    let draft = notification::parse(note(&user), "", Timestamp::now(), &mut broken).unwrap();
    let mut stored = Vec::new();
    for turn in 0..12 {
        let skew = SignedDuration::from_secs([-5, 0, 5][turn % 3]);
        let clock = Clock::starting(Timestamp::now().checked_add(skew).unwrap());
        let accepted = create_drawn(&store, clock, std::slice::from_ref(&draft), 3_600).await;
        stored.push(accepted.unwrap().receipts[0][0].id.to_string());
    }
    stored.sort();
    stored.reverse();
    let ids = |rows: Vec<Value>| -> Vec<String> {
        rows.iter()
            .map(|row| row["id"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(ids(inbox(stack, &user).await), stored);
}

#[tokio::test]
async fn f45_every_time_to_live_is_a_number_of_seconds_that_the_table_understands() {
    let stack = shared();
    let user = unique("ana");
    for expires_in in [60, 63_072_000] {
        let mut note = note(&user);
        note["expires_in"] = json!(expires_in);
        note["dedupe_key"] = json!(unique("key"));
        stack
            .producer()
            .post_keyed("/v1/notifications", &unique("key"), &note)
            .await
            .expect(201);
    }
    for expires_in in [
        json!(59),
        json!(63_072_001),
        json!("600"),
        json!(-1),
        json!(600.5),
    ] {
        let mut note = note(&user);
        note["expires_in"] = expires_in;
        stack
            .producer()
            .post("/v1/notifications", &note)
            .await
            .expect(422);
    }
    let client = stack.dynamodb_client();
    let scan = client
        .scan()
        .table_name(stack.table())
        .projection_expression("pk, expires_at");
    let pages = scan.into_paginator().items().send();
    let rows = pages.collect::<Result<Vec<_>, _>>().await.unwrap();
    let latest = Timestamp::now().as_second() + 63_072_000;
    let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
    for row in rows.iter().filter(|row| row.contains_key("expires_at")) {
        let pk = row["pk"].as_s().unwrap();
        let seconds: i64 = row["expires_at"].as_n().unwrap().parse().unwrap();
        // What a test has put there itself.
        if seconds == crate::table::FUTURE {
            continue;
        }
        assert!(
            (1_700_000_000..=latest).contains(&seconds),
            "{pk}: {seconds}"
        );
        *kinds.entry(pk[..2].to_owned()).or_default() += 1;
    }
    assert!(
        kinds.contains_key("U#") && kinds.contains_key("R#"),
        "{kinds:?}"
    );
}
