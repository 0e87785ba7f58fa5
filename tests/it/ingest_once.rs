//! An event is logged once and told once, however often, however late and by whichever way it comes.

use std::collections::BTreeSet;

use futures_util::stream::{self, StreamExt};
use local::function::Function;
use serde_json::{Value, json};
use shared::id::NotificationId;

use crate::event_log::event;
use crate::ground::{Ground, Http, Reply, RowKey, create};
use crate::ingest_queue::{failures, messages};
use crate::proxy::{Fault, Rule};
use crate::stack::unique;

/// Puts the rule that tells the fans of a video.
pub async fn rule(function: &Function) {
    let mut sample = event("video:1", "1");
    sample["data"]["fans"] = json!(["ana"]);
    let rule = json!({
        "recipients": {"path": "data.fans"},
        "title": "{{ actor.name }} liked a video",
        "sample": sample,
    });
    let request = Http::new("PUT /v1/rules/{type}", "admin").path("type", "video.liked");
    let reply = request.json(&rule).send(function).await.unwrap();
    assert!(reply.status < 300, "{reply:?}");
}

/// An event about this subject that two users hear of, who are named after it.
pub fn liked(subject: &str) -> Value {
    let mut liked = event(subject, &format!("{subject}-id"));
    liked["data"]["fans"] = json!([format!("{subject}-1"), format!("{subject}-2")]);
    liked
}

pub fn post(event: &Value) -> Http {
    Http::new("POST /v1/events", "likes").json(event)
}

/// Sends an event, by HTTP or as a message of the queue; whether it was taken.
pub async fn sent(function: &Function, event: &Value, by_queue: bool) -> bool {
    if by_queue {
        return failures(function, &messages(&[event.to_string()]))
            .await
            .is_empty();
    }
    let reply = post(event).send(function).await.unwrap();
    assert!(
        [200, 201, 409, 429, 503].contains(&reply.status),
        "{reply:?}"
    );
    reply.status < 300
}

/// The log rows of a subject, and the notifications of its two users.
pub async fn left(ground: &Ground, subject: &str) -> (usize, Vec<RowKey>) {
    let rows = ground.rows().await;
    let under = format!("S#{subject}");
    let logged = rows.keys().filter(|(pk, _)| *pk == under).count();
    let users = [format!("U#{subject}-1"), format!("U#{subject}-2")];
    let told = rows
        .into_keys()
        .filter(|(pk, sk)| users.contains(pk) && sk.starts_with("N#"));
    (logged, told.collect())
}

#[track_caller]
pub fn is_once((logged, told): &(usize, Vec<RowKey>), at: &str) {
    assert_eq!(*logged, 1, "{at}: log rows");
    let users: BTreeSet<&str> = told.iter().map(|(pk, _)| &**pk).collect();
    assert_eq!((told.len(), users.len()), (2, 2), "{at}: {told:?}");
}

const HOUR: i64 = 3_600;

#[tokio::test(flavor = "multi_thread")]
async fn f1_i2_an_event_by_http_and_by_queue_in_any_order_hours_apart_is_told_once() {
    let ground = Ground::new().await;
    let hours = [0, 1, 5, 20];
    let functions = hours.map(|hour| ground.function_ahead("ingest-events", None, hour * HOUR));
    rule(&functions[0]).await;
    // By queue or not, for each of four copies: every order of two and two.
    let orders = (0_u8..16).filter(|order| order.count_ones() == 2);
    let runs = stream::iter(orders).map(async |order| {
        let subject = unique("order");
        let mut liked = liked(&subject);
        if order % 2 == 0 {
            // Without a time it has a guard of its own.
            liked["time"] = Value::Null;
        }
        for (copy, function) in functions.iter().enumerate() {
            let by_queue = order & (1 << copy) != 0;
            assert!(
                sent(function, &liked, by_queue).await,
                "{order:04b} copy {copy}"
            );
            is_once(
                &left(&ground, &subject).await,
                &format!("{order:04b} copy {copy}"),
            );
        }
    });
    runs.buffer_unordered(6).collect::<Vec<()>>().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i2_what_a_repeat_completes_hours_later_is_not_born_behind_a_watermark() {
    let ground = Ground::new().await;
    let proxy = ground.proxy(false).await;
    let function = ground.function("ingest-events", Some(&proxy));
    rule(&function).await;
    let subject = unique("late");
    let event = liked(&subject);
    let down = Fault::Status(500, "InternalServerError");
    proxy.add(Rule::on("PutItem", 1..=99, down).containing(&format!("U#{subject}-2")));
    assert!(!sent(&function, &event, true).await);
    assert_eq!(left(&ground, &subject).await.1.len(), 1);
    let later = ground.function_ahead("ingest-events", None, 5 * HOUR);
    assert!(sent(&later, &event, false).await);
    let found = left(&ground, &subject).await;
    is_once(&found, "later");
    let moment = |index: usize| {
        let sk: &str = &found.1[index].1;
        NotificationId::parse(&sk[2..]).unwrap().at()
    };
    let apart = moment(1).duration_since(moment(0)).as_secs();
    assert!(
        apart >= 5 * HOUR,
        "{apart} s apart: its moment is the repeat's"
    );
}

async fn answer(function: &Function, event: &Value) -> Reply {
    post(event).send(function).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn f2_an_id_that_names_another_event_is_refused_and_after_a_day_without_a_time_it_is_new() {
    let ground = Ground::new().await;
    let function = ground.function("ingest-events", None);
    for time in [json!("2026-11-20T10:00:00Z"), Value::Null] {
        let subject = unique("reused");
        let mut first = event(&subject, &subject);
        first["time"] = time.clone();
        assert_eq!(answer(&function, &first).await.status, 201);
        let mut other = first.clone();
        other["data"]["video"]["id"] = json!(43);
        let refused = answer(&function, &other).await;
        assert_eq!(refused.status, 422);
        assert_eq!(
            refused.body["errors"][0]["code"], "event_id_reused",
            "{refused:?}"
        );
        // Another spelling and another trace are the same event.
        other["data"]["video"]["id"] = json!(42.0);
        other["traceparent"] = json!("00-2");
        assert_eq!(answer(&function, &other).await.status, 200);
        let next_day = ground.function_ahead("ingest-events", None, 25 * HOUR);
        let again = answer(&next_day, &first).await.status;
        assert_eq!(again, if time.is_null() { 201 } else { 200 });
        let (logged, _) = left(&ground, &subject).await;
        assert_eq!(logged, if time.is_null() { 2 } else { 1 });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_taken_back_does_not_come_again_with_a_repeat_days_later() {
    let ground = Ground::new().await;
    let function = ground.function("ingest-events", None);
    rule(&function).await;
    let subject = unique("gone");
    let event = liked(&subject);
    assert!(sent(&function, &event, false).await);
    let (_, told) = left(&ground, &subject).await;
    let (pk, sk) = &told[0];
    let taken = Http::new("DELETE /v1/notifications/{id}", "likes")
        .path("id", &sk[2..])
        .query(&format!("recipient={}", &pk[2..]));
    let creator = ground.function("create-notifications", None);
    assert_eq!(taken.send(&creator).await.unwrap().status, 204);
    // A day later the tombstone is removed by the table.
    let delete = ground.client().delete_item().table_name(ground.table());
    let key = |text: &str| aws_sdk_dynamodb::types::AttributeValue::S(text.to_owned());
    delete
        .key("pk", key(pk))
        .key("sk", key(sk))
        .send()
        .await
        .unwrap();
    let later = ground.function_ahead("ingest-events", None, 25 * HOUR);
    for by_queue in [false, true] {
        assert!(sent(&later, &event, by_queue).await);
        let (logged, still) = left(&ground, &subject).await;
        assert_eq!((logged, still), (1, told[1..].to_vec()));
    }
    // An ordinary notification to the same user is not held up.
    let note = create(None, &crate::create::note(&pk[2..]));
    assert_eq!(note.send(&creator).await.unwrap().status, 201);
}
