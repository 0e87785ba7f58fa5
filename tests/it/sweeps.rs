//! The sweep, model-checked: whatever runs are missed, late, overlap or are killed, every task is run, and what was pushed
//! twice is counted.
//!
//! `cargo test` takes one short history; `TIDINGS_STEPS=2000` takes as many steps as it says, `TIDINGS_SEED` repeats one.

use futures_util::future::join_all;
use jiff::Timestamp;
use serde_json::json;

use crate::chance::Chance;
use shared::id::{NotificationId, UserId};
use shared::store::LEASE;
use shared::task::{Later, MAX_ATTEMPTS, Task};

use crate::ground::{Ground, RowKey, stored};
use crate::proxy::{Fault, Rule};
use crate::stack::unique;
use crate::tasks::{Field, NOTHING_LEFT, Phone, batch, minute, pushes};

/// The calls that a sweep and its steps make, and of which one of the first so many is their last.
const KILLED: [(&str, usize); 6] = [
    ("Query", 250),
    ("PutItem", 2),
    ("GetItem", 2),
    ("UpdateItem", 3),
    ("BatchGetItem", 2),
    ("DeleteItem", 2),
];

impl Field {
    /// Stores a notification, and brings it to the function that pushes until it is sent or parked: long histories are run
    /// on busy machines, where the table may be too slow.
    async fn send_and_park(&self, user: &str, ahead: i64) -> RowKey {
        let row = loop {
            let reply = self.send(user, json!({})).await;
            if reply.status != 503 {
                break stored(&reply).remove(0);
            }
        };
        let ground = &self.ground;
        let pusher = ground.function_ahead("push-notifications", None, ahead);
        while pusher.invoke(batch([&row])).await.unwrap() != NOTHING_LEFT {}
        row
    }

    /// Everything is well from now on, and time goes by. Steps that died are not brought again, as when Lambda has given
    /// them up: what they left undone is for the next sweep.
    async fn end_well(&self, mut now: i64) {
        for _ in 0..4 {
            now += 200;
            self.sweep_with(&self.runner(now)).await;
        }
    }
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn f39_whatever_sweeps_do_every_task_is_run() {
    let seed = number("TIDINGS_SEED").unwrap_or(1);
    let steps = number("TIDINGS_STEPS").unwrap_or(10);
    println!("TIDINGS_SEED={seed} TIDINGS_STEPS={steps}");
    let mut chance = Chance::new(seed);
    let field = Field::new().await;
    let (mut sent, mut now, mut kills) = (Vec::new(), 0, 0);
    for _ in 0..steps {
        // Whoever pushes is told to come back: a task is put.
        let phone = field.phone("error-throttled-3-sweep").await;
        let row = field.send_and_park(&phone.user, now).await;
        sent.push((phone, row));
        // A minute or several later, a sweep or two, one of which may die at any of its calls.
        now += 60 * i64::try_from(1 + chance.below(4)).unwrap();
        let proxy = field.ground.proxy(false).await;
        let runners = [
            field.ground.function_ahead("run-tasks", Some(&proxy), now),
            field.runner(now + 20),
        ];
        if chance.below(2) == 0 {
            kills += 1;
            proxy.victim(&runners[0]);
            let kinds = [
                Fault::KillBefore,
                Fault::KillAfterApply,
                Fault::KillAfterReply,
            ];
            let kill = kinds[chance.below(3)];
            // At one of its many looks, or at one of the few calls that do something.
            let (operation, calls) = KILLED[chance.below(KILLED.len())];
            let call = 1 + chance.below(calls);
            proxy.script(vec![Rule::on(operation, call..=call, kill)]);
        }
        let overlapping = 1 + chance.below(2);
        let sweeps = runners.iter().take(overlapping);
        join_all(sweeps.map(async |runner| runner.invoke(minute()).await.is_ok())).await;
        for step in field.take_steps().await {
            let bring = runners.iter().take(overlapping);
            join_all(bring.map(async |runner| runner.invoke(batch([&step])).await.is_ok())).await;
        }
    }
    field.end_well(now).await;
    assert_eq!(
        field.later().await,
        [],
        "TIDINGS_SEED={seed} TIDINGS_STEPS={steps}"
    );
    let mut twice = 0;
    for (phone, row) in &sent {
        assert_eq!(
            field.outcome(row).await.0,
            "sent",
            "TIDINGS_SEED={seed} TIDINGS_STEPS={steps}"
        );
        twice += pushes(&phone.token).await.len() - 1;
    }
    assert!(
        twice <= kills,
        "{twice} pushes more than {kills} kills: TIDINGS_SEED={seed}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn f39_a_task_under_a_lease_is_nobody_elses() {
    let ground = Ground::new().await;
    let store = ground.store();
    let now = Timestamp::now();
    let user = UserId::parse("ana").unwrap();
    let later = Later::new(Task::Push(user, NotificationId::draw(now)), now, now);
    store.put_later(&later, now).await.unwrap();
    let place = &later.place;
    let after = |seconds| now + jiff::SignedDuration::from_secs(seconds);
    let lease = async |seconds| store.lease(place, after(seconds), None).await.unwrap();
    let leases = join_all(vec![lease(0), lease(0), lease(0)]).await;
    assert_eq!(leases.iter().flatten().count(), 1);
    assert_eq!(lease(LEASE - 1).await, None);
    assert_eq!(
        store.due(place.minute, place.shard, now, 9).await.unwrap(),
        []
    );
    // Whoever had it has died.
    assert_eq!(lease(LEASE + 1).await.map(|later| later.attempt), Some(2));
    store.end_task(&later, now).await.unwrap();
    assert_eq!(lease(2 * LEASE + 9).await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn f37_what_the_table_does_not_take_is_not_called_deferred() {
    let field = Field::new().await;
    let proxy = field.ground.proxy(false).await;
    let pusher = field.ground.function("push-notifications", Some(&proxy));
    let phone = field.phone("sweep").await;
    let delayed = json!({"push": {"delay": 120}, "dedupe_key": unique("key")});
    let row = stored(&field.send(&phone.user, delayed).await).remove(0);
    let down = Fault::Status(500, "InternalServerError");
    proxy.script(vec![Rule::on("PutItem", 1..=9, down).containing("Q#")]);
    let answer = pusher.invoke(batch([&row])).await.unwrap();
    assert_eq!(answer, br#"{"batchItemFailures":[{"itemIdentifier":"1"}]}"#);
    assert_eq!(
        field.outcome(&row).await.0,
        "",
        "it is pending, and comes again"
    );
}

/// A task that pushes, begun so often; and its user's phone.
async fn begun(field: &Field, attempt: u32) -> (Phone, RowKey, Later) {
    let phone = field.phone("sweep").await;
    let row = stored(&field.send(&phone.user, json!({})).await).remove(0);
    let (user, id) = (
        UserId::parse(&phone.user),
        NotificationId::parse(&row.1[2..]),
    );
    let now = Timestamp::now();
    let task = Task::Push(user.unwrap(), id.unwrap());
    let later = Later {
        attempt,
        ..Later::new(task, now, now)
    };
    field.ground.store().put_later(&later, now).await.unwrap();
    (phone, row, later)
}

#[tokio::test(flavor = "multi_thread")]
async fn f39_a_task_that_ends_every_function_that_runs_it_is_given_up() {
    let field = Field::new().await;
    // Nobody who began it has ever come back, to end it or to move it.
    let (killer, killer_row, _) = begun(&field, MAX_ATTEMPTS + 1).await;
    let (phone, row, _) = begun(&field, MAX_ATTEMPTS).await;
    field.pass(600).await;
    assert_eq!(
        field.outcome(&killer_row).await,
        ("dead".to_owned(), "gave_up".to_owned())
    );
    assert_eq!(pushes(&killer.token).await.len(), 0);
    assert_eq!(field.rows("D#").await.len(), 1);
    assert_eq!(field.outcome(&row).await.0, "sent", "one more is allowed");
    assert_eq!(pushes(&phone.token).await.len(), 1);
    assert_eq!(field.later().await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn f39_to_wait_for_its_turn_is_no_attempt() {
    let field = Field::new().await;
    let tasks = [begun(&field, 7).await, begun(&field, 7).await];
    let later = &tasks[1].2;
    let ahead = later.place.minute * 60 + 65 - Timestamp::now().as_second();
    // One push in ten minutes and an invocation of one minute: only one has its turn.
    let pace = [("PUBLISH_RATE", "1"), ("PUSH_INVOCATIONS", "600")];
    let runner = field.ground.function_with("run-tasks", None, ahead, &pace);
    runner.invoke(minute()).await.unwrap();
    for step in field.take_steps().await {
        assert_eq!(runner.invoke(batch([&step])).await.unwrap(), NOTHING_LEFT);
    }
    let left = field.later().await;
    assert_eq!(left.len(), 1);
    let row = field.ground.row(&left[0].0, &left[0].1).await.unwrap();
    assert_eq!(row["at"], 7, "{row}");
    field.pass(6 * 3_600).await;
    for (_, row, _) in &tasks {
        assert_eq!(field.outcome(row).await.0, "sent");
    }
}
