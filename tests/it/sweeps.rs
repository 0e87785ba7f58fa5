//! The sweep, model-checked: whatever runs are missed, late, overlap or are killed, every task is run, and what was pushed
//! twice is counted.
//!
//! `cargo test` takes one short history; `TIDINGS_STEPS=2000` takes as many steps as it says, `TIDINGS_SEED` repeats one.

use futures_util::future::join_all;
use jiff::Timestamp;
use serde_json::json;

use crate::chance::Chance;
use crate::ground::stored;
use crate::proxy::{Fault, Rule};
use crate::stack::unique;
use crate::tasks::{Field, batch, minute, pushes};

impl Field {
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
        let row = stored(&field.send(&phone.user, json!({})).await).remove(0);
        let pusher = field.ground.function_ahead("push-notifications", None, now);
        pusher.invoke(batch([&row])).await.unwrap();
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
            let call = 1 + chance.below(250);
            proxy.script(vec![Rule::on("", call..=call, kill)]);
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
    let field = Field::new().await;
    let phone = field.phone("error-slow-700-sweep").await;
    let row = field
        .send_and_push(&phone.user, json!({"push": {"delay": 120}}))
        .await;
    let due = field.first_minute().await.unwrap() * 60 - Timestamp::now().as_second();
    field
        .set_cursor(field.first_minute().await.unwrap() - 1)
        .await;
    let (first, second) = (field.runner(due + 5), field.runner(due + 6));
    first.invoke(minute()).await.unwrap();
    let steps = field.steps().await;
    let brought = [&first, &second].map(|runner| runner.invoke(batch(&steps)));
    for answer in join_all(brought).await {
        answer.unwrap();
    }
    assert_eq!(field.outcome(&row).await.0, "sent");
    assert_eq!(pushes(&phone.token).await.len(), 1);
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
