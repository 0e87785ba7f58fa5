//! An erase that is killed at every call it makes, before it, after it and after its reply, and then goes on: the user is
//! gone each time. So is a request for an erase, which is repeated.
//!
//! `cargo test` takes a part of the points; `TIDINGS_FULL=1` takes all.

use futures_util::stream::{self, StreamExt};
use local::function::Function;
use serde_json::json;

use crate::crashes::{doomed, full};
use crate::erase::{endpoint, erase, of_user};
use crate::ground::{Http, RowKey};
use crate::phones::enabled;
use crate::proxy::Fault;
use crate::tasks::{Field, Phone, batch};

const KILLS: [Fault; 3] = [
    Fault::KillBefore,
    Fault::KillAfterApply,
    Fault::KillAfterReply,
];

/// The lists of the dead that an erase looks through: eight a day, of 31 days.
const DEAD_LISTS: usize = 8 * 31;
/// The most points that are tried unless all are.
const SOME: usize = 12;
/// Runs on their way at the same time.
const RUNS: usize = 3;

/// A user with two devices and a few rows, so that an erase has something of each kind.
async fn resident(field: &Field) -> (Phone, Vec<String>) {
    let phone = field.phone("erase-kills").await;
    let tablet = Phone {
        user: phone.user.clone(),
        token: crate::stack::unique("erase-kills-tablet"),
    };
    field.register(&tablet, "tablet").await;
    for key in ["one", "two"] {
        field.send(&phone.user, json!({"dedupe_key": key})).await;
    }
    field.send_and_push(&phone.user, json!({})).await;
    let row = field
        .ground
        .row(&format!("U#{}", phone.user), "A#user")
        .await
        .unwrap();
    let endpoint = |device: &str| row["dev"][device]["e"].as_str().unwrap().to_owned();
    (phone, vec![endpoint("phone"), endpoint("tablet")])
}

/// The steps of a job that are there, in their order.
async fn steps(field: &Field, job: &str) -> Vec<RowKey> {
    field.rows(&format!("J#{job}#")).await
}

/// Brings a job's steps one after the other, as long as there is another one and somebody answers.
async fn run(field: &Field, job: &str, runner: &Function) {
    let mut brought = 0;
    while let Some(step) = steps(field, job).await.get(brought) {
        if runner.invoke(batch([step])).await.is_err() {
            return;
        }
        brought += 1;
    }
}

async fn gone(field: &Field, user: &str, endpoints: &[String], at: &str) {
    let rows = field.ground.rows().await;
    assert_eq!(of_user(&rows, user), [], "{at}");
    let row = &rows[&(format!("U#{user}"), "A#user".to_owned())];
    assert!(row.get("dev").is_none(), "{at}: {row}");
    for endpoint in endpoints {
        assert_eq!(enabled(endpoint).await, None, "{at}: {endpoint}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn i11_an_erase_killed_at_any_call_is_completed() {
    let field = Field::new().await;
    let admin = field.ground.function("administer-users", None);
    let (phone, endpoints) = resident(&field).await;
    let proxy = field.ground.proxy(false).await;
    let metered = field.ground.function("run-tasks", Some(&proxy));
    let job = erase(&admin, &phone.user).await;
    run(&field, &job, &metered).await;
    gone(&field, &phone.user, &endpoints, "nobody is killed").await;
    let calls = proxy.calls("");
    // A run that a busy machine cuts short would leave points out.
    assert!(calls.len() > DEAD_LISTS, "{} calls", calls.len());
    // Of looks at the empty lists of the dead one is like another.
    let is_look = |index: usize| calls[index].body.contains("rpk = :pk");
    let points = (0..calls.len()).filter(|index| full() || !is_look(*index) || !is_look(index - 1));
    let points: Vec<(usize, Fault)> = points
        .flat_map(|index| KILLS.map(|kill| (index + 1, kill)))
        .collect();
    let stride = if full() {
        1
    } else {
        points.len().div_ceil(SOME)
    };
    let stride = if stride % 3 == 0 { stride + 1 } else { stride };
    let taken = stream::iter(points.iter().step_by(stride)).map(async |(call, kill)| {
        let at = format!("{kill:?} at call {call} of {}", calls.len());
        // A table of its own: what the others leave would be read again and again.
        let field = Field::new().await;
        let (phone, endpoints) = resident(&field).await;
        let admin = field.ground.function("administer-users", None);
        let job = erase(&admin, &phone.user).await;
        let (victim, _proxy) = doomed(&field.ground, "run-tasks", *call, *kill).await;
        run(&field, &job, &victim).await;
        run(&field, &job, &field.runner(0)).await;
        gone(&field, &phone.user, &endpoints, &at).await;
    });
    let count = taken.buffer_unordered(RUNS).count().await;
    println!("{count} of {} points", calls.len() * 3);
    assert!(count >= SOME / 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn i11_a_request_for_an_erase_killed_at_any_call_is_completed_by_its_repeat() {
    let field = Field::new().await;
    let healthy = field.ground.function("administer-users", None);
    let runner = field.runner(0);
    let request = |user: &str| Http::new("DELETE /v1/users/{user}", "support").path("user", user);
    let proxy = field.ground.proxy(false).await;
    let metered = field.ground.function("administer-users", Some(&proxy));
    let (phone, _) = resident(&field).await;
    assert_eq!(
        request(&phone.user).send(&metered).await.unwrap().status,
        202
    );
    let calls = proxy.calls("").len();
    crate::crashes::at_every_point(calls, async |call, kill| {
        let at = format!("{kill:?} at call {call} of {calls}");
        let phone = field.phone("erase-kills").await;
        field.send(&phone.user, json!({"dedupe_key": "one"})).await;
        let endpoint = endpoint(&field.ground, &phone.user).await;
        let (victim, _proxy) = doomed(&field.ground, "administer-users", call, kill).await;
        request(&phone.user).send(&victim).await.ok();
        let job = erase(&healthy, &phone.user).await;
        run(&field, &job, &runner).await;
        gone(&field, &phone.user, &[endpoint], &at).await;
    })
    .await;
}
