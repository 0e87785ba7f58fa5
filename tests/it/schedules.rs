//! Scheduled notifications: stored when their time has come, once, and not at all if they were cancelled.

use serde_json::{Value, json};

use crate::crashes::at_every_point;
use crate::create::note;
use crate::ground::{Http, Reply, create};
use crate::proxy::{Fault, Rule};
use crate::stack::unique;
use crate::tasks::{Field, ahead, doom, pushes};

const HOUR: i64 = 3_600;

fn later(user: &str, seconds: i64) -> Value {
    let mut note = note(user);
    note["send_at"] = json!(ahead(seconds));
    note
}

fn id_in(reply: &Reply) -> String {
    reply.body["data"][0]["id"].as_str().unwrap().to_owned()
}

impl Field {
    async fn cancel(&self, user: &str, id: &str) -> u64 {
        let request = Http::new("DELETE /v1/notifications/{id}", "likes");
        let request = request.path("id", id).query(&format!("recipient={user}"));
        request.send(&self.creator).await.unwrap().status
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scheduled_notification_is_stored_when_its_time_has_come_and_once() {
    let field = Field::new().await;
    let phone = field.phone("schedule").await;
    let reply = create(None, &later(&phone.user, HOUR))
        .send(&field.creator)
        .await
        .unwrap();
    assert_eq!(
        (reply.status, &reply.body["data"][0]["status"]),
        (201, &json!("scheduled"))
    );
    let schedule = id_in(&reply);
    assert_eq!(field.ground.inbox(&phone.user).await, []);
    field.pass(HOUR / 2).await;
    assert_eq!(field.ground.inbox(&phone.user).await, []);
    field.pass(HOUR + 120).await;
    let rows = field.ground.inbox(&phone.user).await;
    assert_eq!(rows.len(), 1);
    let row = field.ground.row(&rows[0].0, &rows[0].1).await.unwrap();
    assert_eq!(row["sc"], json!(schedule));
    // Its id is of the moment it was stored, behind nobody's watermark; its life counts from then.
    let id = shared::id::NotificationId::parse(&rows[0].1[2..]).unwrap();
    let scheduled = shared::id::NotificationId::parse(&schedule).unwrap();
    assert!(id > scheduled);
    let life = row["expires_at"].as_i64().unwrap() - id.at().as_second();
    assert_eq!(life, 90 * 86_400);
    field.pass(2 * HOUR).await;
    assert_eq!(field.ground.inbox(&phone.user).await.len(), 1);
    assert_eq!(field.later().await, []);
    // What is left of it says so to whoever cancels too late.
    assert_eq!(field.cancel(&phone.user, &schedule).await, 404);
    assert_eq!(
        pushes(&phone.token).await.len(),
        0,
        "the stream has not brought it"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schedule_that_is_cancelled_is_never_stored_whoever_repeats_what() {
    let field = Field::new().await;
    let (user, other) = (unique("ana"), unique("bo"));
    let (key, body) = (unique("key"), later(&user, HOUR));
    let send = async || {
        create(Some(&key), &body)
            .send(&field.creator)
            .await
            .unwrap()
    };
    let first = send().await;
    let id = id_in(&first);
    assert_eq!(send().await.body, first.body);
    assert_eq!(field.later().await.len(), 1);
    assert_eq!(field.cancel(&other, &id).await, 404);
    assert_eq!(field.cancel(&user, &id).await, 204);
    assert_eq!(field.cancel(&user, &id).await, 204);
    assert_eq!(
        send().await.body,
        first.body,
        "a repeat does not bring it back"
    );
    field.pass(2 * HOUR).await;
    assert_eq!(field.ground.inbox(&user).await, []);
    assert_eq!(field.cancel(&user, &id).await, 204);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_keyed_schedule_is_answered_the_same_after_it_was_stored_and_a_year_is_the_most() {
    let field = Field::new().await;
    let user = unique("ana");
    let (key, body) = (unique("key"), later(&user, -60));
    let first = create(Some(&key), &body)
        .send(&field.creator)
        .await
        .unwrap();
    assert_eq!(
        first.body["data"][0]["status"], "scheduled",
        "two minutes from now"
    );
    field.pass(600).await;
    assert_eq!(field.ground.inbox(&user).await.len(), 1);
    let creator = field
        .ground
        .function_ahead("create-notifications", None, HOUR);
    let again = create(Some(&key), &body).send(&creator).await.unwrap();
    assert_eq!((again.status, &again.body), (first.status, &first.body));
    field.pass(2 * HOUR).await;
    assert_eq!(field.ground.inbox(&user).await.len(), 1);
    let far = create(None, &later(&user, 367 * 86_400))
        .send(&field.creator)
        .await
        .unwrap();
    assert_eq!(
        (far.status, &far.body["errors"][0]["pointer"]),
        (422, &json!("/send_at"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn f8_i2_a_keyed_schedule_killed_at_any_call_is_put_once_by_its_repeat() {
    let field = Field::new().await;
    let proxy = field.ground.proxy(false).await;
    let function = field.ground.function("create-notifications", Some(&proxy));
    let clean = create(Some(&unique("key")), &later(&unique("ana"), HOUR));
    assert_eq!(clean.send(&function).await.unwrap().status, 201);
    let calls = proxy.calls("").len();
    at_every_point(calls, async |call, kill| {
        let (user, key) = (unique("ana"), unique("key"));
        let body = later(&user, HOUR);
        let proxy = field.ground.proxy(false).await;
        let function = field.ground.function("create-notifications", Some(&proxy));
        doom(&proxy, &function, call, kill);
        let request = create(Some(&key), &body);
        let first = request.send(&function).await;
        let second = request.send(&field.creator).await.unwrap();
        assert_eq!(second.status, 201, "{kill:?} at {call}");
        if let Ok(first) = first {
            assert_eq!(first.body, second.body);
        }
        // Minutes later its moment has passed, and it is still the same.
        let late = field
            .ground
            .function_ahead("create-notifications", None, 300);
        let third = request.send(&late).await.unwrap();
        assert_eq!(third.body, second.body, "{kill:?} at {call}");
    })
    .await;
    let schedules = field.later().await.len();
    field.pass(2 * HOUR).await;
    let rows = field.rows("U#").await;
    assert_eq!(rows.len(), schedules, "each was stored once");
}

#[tokio::test(flavor = "multi_thread")]
async fn f39_a_schedule_whose_run_is_killed_at_any_call_is_stored_once() {
    let field = Field::new().await;
    let put = async || {
        let user = unique("ana");
        let reply = create(None, &later(&user, 0))
            .send(&field.creator)
            .await
            .unwrap();
        assert_eq!(reply.status, 201);
        user
    };
    let mut users = vec![put().await];
    let proxy = field.ground.proxy(false).await;
    field.pass_with(300, Some(&proxy)).await;
    // What the run itself calls, without the sweep's looks.
    let run = |call: &crate::proxy::Call| !call.body.contains("Q#cursor");
    let calls = proxy.calls("").into_iter().filter(run);
    let own: Vec<String> = calls
        .map(|call| call.operation)
        .filter(|op| op != "Query")
        .collect();
    assert!(own.len() >= 4, "{own:?}");
    let mut kills = Vec::new();
    for operation in [
        "PutItem",
        "UpdateItem",
        "GetItem",
        "DeleteItem",
        "BatchGetItem",
    ] {
        let count = own.iter().filter(|own| *own == operation).count();
        kills.extend((1..=count).map(|call| (operation, call)));
    }
    for (operation, call) in kills {
        users.push(put().await);
        let proxy = field.ground.proxy(false).await;
        let first = field.first_minute().await.unwrap();
        let due = first * 60 - jiff::Timestamp::now().as_second();
        let doomed = field
            .ground
            .function_ahead("run-tasks", Some(&proxy), due + 5);
        proxy.victim(&doomed);
        let kill = Fault::KillAfterApply;
        proxy.script(vec![Rule::on(operation, call..=call, kill)]);
        field.set_cursor(first - 1).await;
        // Whatever it does, it is killed in the middle of it.
        doomed.invoke(crate::tasks::minute()).await.ok();
        for step in field.steps().await {
            doomed.invoke(crate::tasks::batch([&step])).await.ok();
        }
        field.forget_steps();
        field.pass(due + 900).await;
    }
    for user in users {
        assert_eq!(field.ground.inbox(&user).await.len(), 1, "{user}");
    }
    assert_eq!(field.later().await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schedule_whose_run_failed_is_found_where_it_went_and_can_still_be_cancelled() {
    for lost in [Fault::Status(500, "InternalServerError"), Fault::DropAfter] {
        let field = Field::new().await;
        let user = unique("ana");
        let reply = create(None, &later(&user, 0))
            .send(&field.creator)
            .await
            .unwrap();
        let id = id_in(&reply);
        let proxy = field.ground.proxy(false).await;
        // The row's put fails, or is applied and not answered; both of its attempts.
        proxy.script(vec![Rule::on("PutItem", 1..=2, lost).containing("N#")]);
        let first = field.first_minute().await.unwrap();
        let due = first * 60 - jiff::Timestamp::now().as_second();
        field.set_cursor(first - 1).await;
        let runner = field
            .ground
            .function_ahead("run-tasks", Some(&proxy), due + 5);
        field.sweep_with(&runner).await;
        assert_eq!(field.later().await.len(), 1, "it is tried again");
        assert_eq!(field.cancel(&user, &id).await, 204);
        assert_eq!(field.cancel(&user, &id).await, 204);
        field.pass(due + 3_600).await;
        let rows = field.ground.inbox(&user).await;
        for (pk, sk) in &rows {
            let row = field.ground.row(pk, sk).await.unwrap();
            assert!(row.get("z").is_some(), "{lost:?}: {row}");
        }
        assert_eq!(field.later().await, []);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn f39_a_schedule_that_cannot_be_moved_whole_is_not_moved_and_is_stored_once() {
    let down = Fault::Status(500, "InternalServerError");
    for fault in [down, Fault::DropBefore, Fault::DropAfter] {
        let field = Field::new().await;
        let user = unique("ana");
        let reply = create(None, &later(&user, 0))
            .send(&field.creator)
            .await
            .unwrap();
        assert_eq!(reply.status, 201);
        let proxy = field.ground.proxy(false).await;
        // It cannot be stored, and then the last thing that moving it does fails; each in both attempts.
        proxy.script(vec![
            Rule::on("PutItem", 1..=2, down).containing("N#"),
            Rule::on("", 1..=2, fault).containing(":minute"),
        ]);
        let first = field.first_minute().await.unwrap();
        let due = first * 60 - jiff::Timestamp::now().as_second();
        field.set_cursor(first - 1).await;
        let doomed = field
            .ground
            .function_ahead("run-tasks", Some(&proxy), due + 5);
        doomed.invoke(crate::tasks::minute()).await.unwrap();
        for step in field.take_steps().await {
            doomed.invoke(crate::tasks::batch([&step])).await.ok();
        }
        assert_eq!(field.later().await.len(), 1, "it is in one place");
        field.pass(due + 1_800).await;
        assert_eq!(field.ground.inbox(&user).await.len(), 1, "{fault:?}");
        assert_eq!(field.later().await, []);
    }
}
