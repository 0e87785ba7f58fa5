//! Crash points, all of them: a function is killed at each of its outbound calls, before the call is applied, after it,
//! and after the reply. Then the request is repeated, and the table compared with what should be there.
//!
//! `cargo test` takes every third point of the larger requests, by their number; `TIDINGS_FULL=1` takes all.

use std::collections::BTreeSet;

use futures_util::stream::{self, StreamExt};
use local::function::Function;
use serde_json::{Value, json};

use crate::create::note;
use crate::ground::{Ground, Http, Reply, RowKey, create, stored};
use crate::proxy::{Fault, Proxy, Rule};
use crate::stack::unique;

const KILLS: [Fault; 3] = [
    Fault::KillBefore,
    Fault::KillAfterApply,
    Fault::KillAfterReply,
];

/// Runs on their way at the same time.
const RUNS: usize = 6;

pub fn full() -> bool {
    std::env::var_os("TIDINGS_FULL").is_some()
}

/// Every crash point of a request with `calls` outbound calls; of more than five calls a third.
fn points(calls: usize) -> Vec<(usize, Fault)> {
    let all = (1..=calls).flat_map(|call| KILLS.map(|kill| (call, kill)));
    let taken = all.enumerate().filter(|(index, (call, _))| {
        // One kind of kill at each call, in turn; all of them at the first three and the last.
        full() || calls <= 5 || *call <= 3 || *call == calls || index % 3 == call % 3
    });
    taken.map(|(_, point)| point).collect()
}

/// Runs `run` at every crash point of a request whose clean run makes `calls` calls.
pub async fn at_every_point<F>(calls: usize, run: impl Fn(usize, Fault) -> F)
where
    F: Future<Output = ()>,
{
    assert!(calls > 0, "the clean run made no call");
    let runs = stream::iter(points(calls)).map(|(call, kill)| run(call, kill));
    runs.buffer_unordered(RUNS).collect::<Vec<()>>().await;
}

/// A function that is killed at a call.
pub async fn doomed(ground: &Ground, binary: &str, call: usize, kill: Fault) -> (Function, Proxy) {
    let proxy = ground.proxy(false).await;
    let function = ground.function(binary, Some(&proxy));
    proxy.victim(&function);
    proxy.script(vec![Rule::on("", call..=call, kill)]);
    (function, proxy)
}

/// Repeats a request until it is accepted.
async fn accepted(request: &Http, function: &Function) -> Reply {
    for _ in 0..5 {
        let reply = request.send(function).await.unwrap();
        if reply.status < 300 {
            return reply;
        }
        assert_eq!(reply.status, 503, "{reply:?}");
    }
    panic!("it is never accepted: {request:?}");
}

pub fn for_each(recipients: &[String]) -> Value {
    let mut note = note("x");
    note["recipients"] = json!(recipients);
    note
}

/// Users that no other run has.
pub fn people(count: usize) -> Vec<String> {
    (0..count).map(|_| unique("crash")).collect()
}

/// Kills a keyed create everywhere, repeats it, and compares every reply and the whole table.
async fn create_survives(build: impl Fn() -> (Value, usize), once_more: Option<Fault>) {
    let ground = Ground::new().await;
    let healthy = ground.function("create-notifications", None);
    let script = |proxy: &Proxy, key: &str| {
        if let Some(fault) = once_more {
            proxy.add(Rule::on("PutItem", 2..=2, fault).containing(key));
        }
    };
    let proxy = ground.proxy(false).await;
    let function = ground.function("create-notifications", Some(&proxy));
    script(&proxy, "crash-");
    let (body, _) = build();
    let clean = create(Some(&unique("key")), &body).send(&function).await;
    assert!(clean.as_ref().unwrap().status < 300, "{clean:?}");
    let calls = proxy.calls("").len();
    let mut expected: BTreeSet<RowKey> = stored(&clean.unwrap()).into_iter().collect();
    let mut runs = 1;

    let found = std::sync::Mutex::new(Vec::new());
    at_every_point(calls, async |call, kill| {
        let at = format!("{kill:?} at call {call} of {calls}");
        let ((body, recipients), key) = (build(), unique("key"));
        let (function, proxy) = doomed(&ground, "create-notifications", call, kill).await;
        script(&proxy, "crash-");
        let request = create(Some(&key), &body);
        let first = request.send(&function).await;
        let (second, third) = (
            accepted(&request, &healthy).await,
            accepted(&request, &healthy).await,
        );
        assert_eq!(second.body, third.body, "{at}");
        // Only after the reply of its last call may it still answer.
        assert!(
            first.is_err() || kill == Fault::KillAfterReply,
            "{at}: {first:?}"
        );
        if let Ok(first) = first {
            assert_eq!(
                (first.status, &first.body),
                (second.status, &second.body),
                "{at}"
            );
        }
        let rows = stored(&second);
        assert_eq!(rows.len(), recipients, "{at}");
        found.lock().unwrap().push(rows);
    })
    .await;
    for rows in found.into_inner().unwrap() {
        runs += 1;
        expected.extend(rows);
    }
    let (guards, rows): (BTreeSet<RowKey>, _) = ground
        .keys()
        .await
        .into_iter()
        .partition(|(pk, _)| pk.starts_with("R#"));
    assert_eq!(guards.len(), runs, "one guard for each request");
    assert_eq!(rows, expected, "the table is what the replies say");
}

#[cfg(feature = "proof")]
#[tokio::test(flavor = "multi_thread")]
async fn f8_i2_a_keyed_create_killed_at_any_call_is_completed_by_its_repeat() {
    create_survives(|| (for_each(&people(1)), 1), None).await;
}

#[cfg(feature = "proof")]
#[tokio::test(flavor = "multi_thread")]
async fn f8_f3_a_create_killed_while_it_repeats_a_lost_reply_is_completed() {
    create_survives(|| (for_each(&people(1)), 1), Some(Fault::DropAfter)).await;
}

#[cfg(feature = "proof")]
#[tokio::test(flavor = "multi_thread")]
async fn f8_i2_a_create_for_twelve_killed_at_any_call_is_completed_by_its_repeat() {
    create_survives(|| (for_each(&people(12)), 12), None).await;
}

#[cfg(feature = "proof")]
#[tokio::test(flavor = "multi_thread")]
async fn f8_i2_a_batch_killed_at_any_call_is_completed_by_its_repeat() {
    let batch = || {
        let notes: Vec<Value> = people(3).iter().map(|user| note(user)).collect();
        (json!({"notifications": notes}), 3)
    };
    create_survives(batch, None).await;
}

pub fn registration(user: &str, token: &str) -> Http {
    Http::new("PUT /v1/me/devices/{device_id}", user)
        .path("device_id", "phone")
        .json(&json!({"platform": "fcm", "token": token}))
}

/// The endpoint of a user's one device, if there is one.
async fn endpoint(ground: &Ground, user: &str) -> Option<String> {
    let row = ground.row(&format!("U#{user}"), "A#user").await?;
    let endpoint = row.pointer("/dev/phone/e")?.as_str().unwrap();
    Some(endpoint.to_owned())
}

/// Kills registrations everywhere; `moving` lets the token belong to somebody else before.
async fn registration_survives(moving: bool) {
    let ground = Ground::new().await;
    let healthy = ground.function("manage-devices", None);
    let prepare = async || {
        let (ana, bo, token) = (unique("crash-ana"), unique("crash-bo"), unique("token"));
        if moving {
            let reply = registration(&bo, &token).send(&healthy).await.unwrap();
            assert_eq!(reply.status, 201, "{reply:?}");
        }
        (ana, bo, token)
    };
    let proxy = ground.proxy(false).await;
    let function = ground.function("manage-devices", Some(&proxy));
    let (ana, _, token) = prepare().await;
    let clean = registration(&ana, &token).send(&function).await.unwrap();
    assert_eq!(clean.status, 201, "{clean:?}");
    let calls = proxy.calls("").len();

    at_every_point(calls, async |call, kill| {
        let at = format!("{kill:?} at call {call} of {calls}");
        let (ana, bo, token) = prepare().await;
        let (function, _proxy) = doomed(&ground, "manage-devices", call, kill).await;
        let request = registration(&ana, &token);
        let first = request.send(&function).await;
        assert!(
            first.is_err() || kill == Fault::KillAfterReply,
            "{at}: {first:?}"
        );
        // I10: wherever it was killed, the token is linked to one user at most.
        let both = (endpoint(&ground, &ana).await, endpoint(&ground, &bo).await);
        assert!(both.0.is_none() || both.1.is_none(), "{at}: {both:?}");
        let reply = accepted(&request, &healthy).await;
        assert_eq!(reply.body["id"], "phone", "{at}");
        let held = endpoint(&ground, &ana)
            .await
            .expect("the device is registered");
        assert_eq!(endpoint(&ground, &bo).await, None, "{at}");
        let id = held.rsplit('/').next().unwrap();
        let owner = ground.row(&format!("T#{id}"), "-").await.expect("an owner");
        assert_eq!(
            (&owner["u"], &owner["d"]),
            (&json!(ana), &json!("phone")),
            "{at}"
        );
    })
    .await;
}

#[cfg(feature = "proof")]
#[tokio::test(flavor = "multi_thread")]
async fn f17_a_registration_killed_at_any_call_is_completed_by_its_repeat() {
    registration_survives(false).await;
}

#[cfg(feature = "proof")]
#[tokio::test(flavor = "multi_thread")]
async fn f35_i10_a_token_on_the_move_is_never_with_two_users_wherever_it_is_killed() {
    registration_survives(true).await;
}
