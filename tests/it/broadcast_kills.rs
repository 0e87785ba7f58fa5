//! The push of what everyone gets, and its taking back, when their steps die at any call: nobody is reached twice, and nobody
//! is left out.
//!
//! A part of the crash points is taken, and all of them with `TIDINGS_FULL=1`.

use serde_json::{Value, json};

use crate::broadcast_pushes::carrier;
use crate::crashes::at_every_point;
use crate::fan_out::of_shard;
use crate::fan_out_kills::{SHARD, step};
use crate::proxy::Fault;
use crate::tasks::{Field, NOTHING_LEFT, Phone, batch, doom, pushes};

/// Members of the only partition that has any.
const MEMBERS: usize = 27;

/// The rows of the members that carry it, or that remain.
async fn reached(field: &Field, id: &str, fans: &[String]) -> Vec<Value> {
    let mut rows = Vec::new();
    for fan in fans {
        let (pk, sk) = carrier(fan, id);
        rows.extend(field.ground.row(&pk, &sk).await);
    }
    rows
}

/// A topic of which one member, a user of this test alone, has a phone.
async fn audience(field: &Field) -> (Vec<String>, Phone, String) {
    let mut fans = of_shard(SHARD, MEMBERS);
    let name = field.phone("killed").await;
    let mut own = (0..).map(|index| format!("{}x{index}", name.user));
    let fits = |user: &String| {
        let user = shared::id::UserId::parse(user).unwrap();
        shared::store::keys::member_shard(&user) == SHARD
    };
    let user = own.find(fits).unwrap();
    let phone = Phone {
        token: crate::stack::unique("killed"),
        user,
    };
    field.register(&phone, "phone").await;
    fans[7].clone_from(&phone.user);
    let topic = field.large_topic(&fans).await;
    (fans, phone, topic)
}

#[tokio::test(flavor = "multi_thread")]
async fn f13_a_step_that_reaches_members_killed_at_any_call_reaches_each_once() {
    let field = Field::new().await;
    let (fans, _, topic) = audience(&field).await;
    let proxy = field.ground.proxy(false).await;
    let clean = field.ground.function("run-tasks", Some(&proxy));
    let id = field.announce(&topic, &json!({})).await;
    let ran = clean.invoke(batch([&step(&id, 0)])).await.unwrap();
    assert_eq!(ran, NOTHING_LEFT);
    let calls = proxy.take_calls().len();
    // The step, the job and its chains, the members, the moment, 2 batches, and how far it is.
    assert!((8..=12).contains(&calls), "{calls}");
    let runner = field.runner(30);
    at_every_point(calls, async |call, kill| {
        let at = format!("{kill:?} at call {call} of {calls}");
        let (_, phone, topic) = audience(&field).await;
        let mut fans = fans.clone();
        fans[7].clone_from(&phone.user);
        let id = field.announce(&topic, &json!({})).await;
        let proxy = field.ground.proxy(false).await;
        let victim = field.ground.function("run-tasks", Some(&proxy));
        doom(&proxy, &victim, call, kill);
        let first = victim.invoke(batch([&step(&id, 0)])).await;
        assert!(first.is_err() || kill == Fault::KillAfterReply, "{at}");
        // The push of what has been written by then, if it has.
        let row = carrier(&phone.user, &id);
        field.push(&row).await;
        let early = pushes(&phone.token).await.len();
        field.bring_from(&runner, &id, 0).await;
        // Whatever the stream brings again: a row that was written over would have lost its outcome.
        field.push(&row).await;
        assert_eq!(pushes(&phone.token).await.len(), 1, "{at}, {early} early");
        assert_eq!(reached(&field, &id, &fans).await.len(), MEMBERS, "{at}");
        let progress = field
            .ground
            .row(&format!("J#{id}"), &format!("A#{SHARD}"))
            .await;
        let progress = progress.unwrap();
        assert_eq!(
            (&progress["w"], &progress["e"]),
            (&json!(MEMBERS), &json!(true)),
            "{at}"
        );
    })
    .await;
}

/// A broadcast of which one member has the push on a screen.
async fn pushed(field: &Field) -> (Vec<String>, Phone, String) {
    let (fans, phone, topic) = audience(field).await;
    let id = field.announce(&topic, &json!({})).await;
    field.bring_from(&field.runner(0), &id, 0).await;
    field.push(&carrier(&phone.user, &id)).await;
    assert_eq!(pushes(&phone.token).await.len(), 1);
    (fans, phone, id)
}

#[tokio::test(flavor = "multi_thread")]
async fn f13_f34_a_taking_back_killed_at_any_call_is_finished_for_everybody() {
    let field = Field::new().await;
    let (_, _, id) = pushed(&field).await;
    field.take_back(&id).await;
    let proxy = field.ground.proxy(false).await;
    let clean = field.ground.function("run-tasks", Some(&proxy));
    let job = format!("retract-{id}");
    let ran = clean.invoke(batch([&step(&job, 0)])).await.unwrap();
    assert_eq!(ran, NOTHING_LEFT);
    let all = proxy.take_calls().len();
    // The step, the job and its chains, the members, which are reached, two calls for each, how far it is.
    assert_eq!(all, 6 + 2 * MEMBERS);
    // What follows the twelfth is as what went before.
    at_every_point(12, async |call, kill| {
        let at = format!("{kill:?} at call {call}");
        let (fans, phone, id) = pushed(&field).await;
        field.take_back(&id).await;
        let proxy = field.ground.proxy(false).await;
        let victim = field.ground.function("run-tasks", Some(&proxy));
        doom(&proxy, &victim, call, kill);
        let first = step(&format!("retract-{id}"), 0);
        assert!(victim.invoke(batch([&first])).await.is_err(), "{at}");
        let runner = field.runner(0);
        field.bring_from(&runner, &format!("retract-{id}"), 0).await;
        let rows = reached(&field, &id, &fans).await;
        assert!(
            rows.len() == MEMBERS && rows.iter().all(|row| row.get("bc").is_none()),
            "{at}"
        );
        let clears = field.steps().await.into_iter();
        for step in clears.filter(|(pk, _)| pk.starts_with(&format!("J#clear-{id}"))) {
            runner.invoke(batch([&step])).await.unwrap();
        }
        let shown = pushes(&phone.token).await;
        assert_eq!(shown.len(), 2, "{at}");
        assert_eq!(shown[1]["data"]["clear"], json!(id), "{at}");
    })
    .await;
}

/// The request that takes it back dies at any call, and nobody repeats it: then nothing has happened, or all of it does.
#[tokio::test(flavor = "multi_thread")]
async fn f13_f34_a_request_to_take_back_killed_at_any_call_does_all_or_nothing() {
    let field = Field::new().await;
    at_every_point(5, async |call, kill| {
        let at = format!("{kill:?} at call {call}");
        let field = &field;
        let (_, phone, id) = pushed(field).await;
        let proxy = field.ground.proxy(false).await;
        let victim = field.ground.function("create-notifications", Some(&proxy));
        doom(&proxy, &victim, call, kill);
        let request = crate::broadcast_pushes::taking_back(&id);
        let ended = request.send(&victim).await;
        assert!(ended.is_err() || kill == Fault::KillAfterReply, "{at}");
        let rows = field.ground.rows().await;
        let everyones = rows.iter().find(|((_, sk), _)| *sk == format!("B#{id}"));
        let gone = everyones.unwrap().1.get("z").is_some();
        let job = format!("retract-{id}");
        field.bring_from(&field.runner(0), &job, 0).await;
        let runner = field.runner(0);
        for step in field.steps().await {
            if step.0.starts_with(&format!("J#clear-{id}")) {
                runner.invoke(batch([&step])).await.unwrap();
            }
        }
        let cleared = pushes(&phone.token).await.len() == 2;
        assert_eq!(gone, cleared, "{at}");
        // The fourth is the transaction, after what was read, the sweep's cursor and the watchdog.
        let reached = call > 4 || (call == 4 && kill != Fault::KillBefore);
        assert_eq!(gone, reached, "{at}");
    })
    .await;
}
