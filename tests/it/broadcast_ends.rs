//! What everyone gets and topics are pushed: taken back, read, scheduled, and found again.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;
use serde_json::json;
use shared::id::{NotificationId, UserId};

use crate::broadcast_pushes::{carrier, news, shown};
use crate::caller::eventually;
use crate::fan_out::job;
use crate::ground::{Http, RowKey, create};
use crate::proxy::{Fault, Rule};
use crate::stack::unique;
use crate::tasks::{Field, NOTHING_LEFT, Phone, ahead, batch, pushes};

/// The row as a step puts it, at a moment in milliseconds since 1970.
fn as_carried(row: &RowKey, at: i64) -> HashMap<String, AttributeValue> {
    let number = |number: i64| AttributeValue::N(number.to_string());
    let fields = [
        ("pk", AttributeValue::S(row.0.clone())),
        ("sk", AttributeValue::S(row.1.clone())),
        ("v", number(1)),
        ("bc", number(at)),
        ("expires_at", number(at / 1_000 + 900)),
    ];
    fields.map(|(name, value)| (name.to_owned(), value)).into()
}

#[tokio::test(flavor = "multi_thread")]
async fn f34_taken_back_it_goes_from_every_screen_and_what_is_on_its_way_reaches_none() {
    let field = Field::new().await;
    let phones = [
        field.phone("gone").await,
        field.phone("gone").await,
        field.phone("gone").await,
    ];
    let [pushed, waits, late] = &phones;
    let members = [&pushed.user, &waits.user, &late.user].map(String::as_str);
    let topic = field.topic(&members.map(str::to_owned)).await;
    let id = field.announce(&topic, &json!({})).await;
    field.reach_and_push(&id, &[&pushed.user]).await;
    field.reach(&id, &[&waits.user]).await;
    // A push that has been read and not yet been recorded.
    let proxy = field.ground.proxy(false).await;
    let slow = field.ground.function("push-notifications", Some(&proxy));
    let held = Fault::Delay(Duration::from_millis(400));
    proxy.script(vec![Rule::on("UpdateItem", 1..=1, held)]);
    let row = carrier(&waits.user, &id);
    let (answer, ()) = tokio::join!(slow.invoke(batch([&row])), async {
        eventually("the push", async || {
            (pushes(&waits.token).await.len() == 1).then_some(())
        })
        .await;
        field.take_back(&id).await;
        let retract = format!("retract-{id}");
        field.reach(&retract, &members).await;
    });
    assert_eq!(answer.unwrap(), NOTHING_LEFT);
    field.take_back(&id).await;
    assert_eq!(field.progress(&id).await["state"], "cancelled");
    // As if its step had been running.
    let carried_at = Timestamp::now().as_millisecond();
    let row = carrier(&late.user, &id);
    field.fill([as_carried(&row, carried_at)]).await;
    field.push(&row).await;
    // All the rest runs, too; the watchdog finds it done.
    let runner = field.runner(0);
    field.bring_steps(&runner).await;
    for (phone, expected) in [(pushed, 2), (waits, 2), (late, 0)] {
        let shown = pushes(&phone.token).await;
        assert_eq!(shown.len(), expected, "{}", phone.user);
        assert_eq!(
            shown
                .last()
                .map_or(json!(id), |last| last["data"]["clear"].clone()),
            json!(id)
        );
    }
    assert!(field.outcome(&row).await.0.is_empty());
    assert_eq!(shown(&field.page(&pushed.user).await).0, Vec::<&str>::new());
    field.pass(3_600).await;
    assert_eq!(field.later().await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn read_on_one_screen_it_goes_from_the_others() {
    let field = Field::new().await;
    let phone = field.phone("two").await;
    let tablet = Phone {
        user: phone.user.clone(),
        token: unique("two"),
    };
    field.register(&tablet, "tablet").await;
    let topic = field.topic(std::slice::from_ref(&phone.user)).await;
    let id = field.announce(&topic, &json!({})).await;
    field.reach_and_push(&id, &[&phone.user]).await;
    for _ in 0..2 {
        field
            .mark("PUT /v1/me/notifications/{id}/read", &phone.user, &id)
            .await;
    }
    field.bring_steps(&field.runner(0)).await;
    for token in [&phone.token, &tablet.token] {
        let shown = pushes(token).await;
        assert_eq!(shown.len(), 2);
        assert_eq!(shown[1]["data"]["clear"], json!(id));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_that_meets_the_reading_on_its_way_goes_from_the_screen() {
    let field = Field::new().await;
    let phone = field.phone("meets").await;
    // It is running, and quick.
    field.page(&phone.user).await;
    let topic = field.topic(std::slice::from_ref(&phone.user)).await;
    let id = field.announce(&topic, &json!({})).await;
    field.reach(&id, &[&phone.user]).await;
    let proxy = field.ground.proxy(false).await;
    let slow = field.ground.function("push-notifications", Some(&proxy));
    let held = Fault::Delay(Duration::from_millis(400));
    proxy.script(vec![Rule::on("UpdateItem", 1..=1, held)]);
    let row = carrier(&phone.user, &id);
    let (answer, ()) = tokio::join!(slow.invoke(batch([&row])), async {
        eventually("the push", async || {
            (pushes(&phone.token).await.len() == 1).then_some(())
        })
        .await;
        let read = "PUT /v1/me/notifications/{id}/read";
        field.mark(read, &phone.user, &id).await;
    });
    assert_eq!(answer.unwrap(), NOTHING_LEFT);
    field.bring_steps(&field.runner(0)).await;
    let shown = pushes(&phone.token).await;
    assert_eq!(shown.len(), 2);
    assert_eq!(shown[1]["data"]["clear"], json!(id));
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_scheduled_asked_after_and_cancelled_under_the_schedules_id() {
    let field = Field::new().await;
    let phone = field.phone("at-ten").await;
    let topic = field.topic(std::slice::from_ref(&phone.user)).await;
    let mut schedules = Vec::new();
    for title in ["later", "never", "cancelled"] {
        let note = news(&topic, &json!({"title": title, "send_at": ahead(600)}));
        let (key, mut answers) = (unique("key"), Vec::new());
        for _ in 0..2 {
            let reply = create(Some(&key), &note)
                .send(&field.creator)
                .await
                .unwrap();
            assert_eq!(reply.body["data"][0]["status"], "scheduled");
            answers.push(job(&reply));
        }
        assert_eq!(answers[0], answers[1]);
        assert_eq!(field.progress(&answers[0]).await["state"], "scheduled");
        schedules.extend(answers.pop());
    }
    field.take_back(&schedules[1]).await;
    let cancel = Http::new("DELETE /v1/jobs/{job}", "likes").path("job", &schedules[2]);
    assert_eq!(cancel.send(&field.creator).await.unwrap().status, 204);
    field.pass(3_600).await;
    for (schedule, state) in schedules.iter().zip(["done", "cancelled", "cancelled"]) {
        assert_eq!(field.progress(schedule).await["state"], state);
    }
    let reached = field.rows(&format!("U#{}", phone.user)).await;
    let reached: Vec<&RowKey> = reached
        .iter()
        .filter(|(_, sk)| sk.starts_with("N#"))
        .collect();
    assert_eq!(reached.len(), 1);
    assert_eq!(field.rows("B#").await.len(), 1);
    assert_eq!(field.later().await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waited_long_for_its_step_is_found_by_when_it_was_put() {
    const MINUTE: i64 = 60_000;
    let field = Field::new().await;
    let now = Timestamp::now().as_millisecond();
    let at = Timestamp::from_millisecond(now - 60 * MINUTE).unwrap();
    let id = NotificationId::draw(at);
    let open = carrier("ana", &id.to_string());
    let mut ended = as_carried(&carrier("bo", &id.to_string()), now);
    let outcome = [("s".to_owned(), AttributeValue::S("sent".to_owned()))];
    ended.insert("po".to_owned(), AttributeValue::M(outcome.into()));
    field.fill([as_carried(&open, now), ended]).await;
    let store = field.ground.store();
    let found = async |from: i64, to: i64| {
        let window = (now + from * MINUTE, now + to * MINUTE);
        store.window(window, None).await.unwrap().targets
    };
    let ana = UserId::parse("ana").unwrap();
    assert_eq!(found(-1, 1).await, [(ana, id)]);
    assert_eq!(found(1, 2).await, []);
}
