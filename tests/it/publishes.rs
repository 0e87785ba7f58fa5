//! Publishes under faults: every notification reaches its device, and what may have reached it twice is counted.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use local::function::Function;
use serde_json::{Value, json};

use crate::crashes::{at_every_point, doomed, for_each, people, registration};
use crate::ground::{Ground, RowKey, create, stored};
use crate::proxy::{Fault, Rule};
use crate::stack::{shared, unique};

/// The answer to a batch of which nothing must come again.
const NOTHING_LEFT: &[u8] = br#"{"batchItemFailures":[]}"#;

/// How often SNS accepted a push for each token: the ledger.
async fn ledger() -> BTreeMap<String, usize> {
    let (mut ledger, mut after) = (BTreeMap::new(), json!(0));
    loop {
        let url = format!("{}/_local/outbox?limit=1000&after={after}", shared().api());
        let answer: Value = reqwest::get(url).await.unwrap().json().await.unwrap();
        let pushes = answer["data"].as_array().unwrap();
        for push in pushes {
            *ledger
                .entry(push["token"].as_str().unwrap().to_owned())
                .or_default() += 1;
        }
        if pushes.is_empty() {
            return ledger;
        }
        after = answer["next"].clone();
    }
}

/// Notifications whose pushes are due, each for a user with one device; and their batch.
struct Due {
    rows: Vec<RowKey>,
    tokens: Vec<String>,
    event: Vec<u8>,
}

impl Due {
    async fn new(
        ground: &Ground,
        [devices, creator]: [&Function; 2],
        users: usize,
        push: &Value,
    ) -> Due {
        let users = people(users);
        let tokens: Vec<String> = users.iter().map(|_| unique("push-token")).collect();
        let registered = users.iter().zip(&tokens).map(async |(user, token)| {
            let reply = registration(user, token).send(devices).await.unwrap();
            assert_eq!(reply.status, 201, "{reply:?}");
        });
        join_all(registered).await;
        let mut note = for_each(&users);
        note["push"] = push.clone();
        let reply = create(None, &note).send(creator).await.unwrap();
        let rows = stored(&reply);
        assert_eq!(rows.len(), users.len(), "{reply:?}");
        let records = rows.iter().enumerate().map(|(index, (pk, sk))| {
            let keys = json!({"pk": {"S": pk}, "sk": {"S": sk}});
            json!({"eventName": "INSERT", "dynamodb": {"Keys": keys, "SequenceNumber": index.to_string()}})
        });
        let event = json!({"Records": records.collect::<Vec<_>>()});
        assert!(ground.row(&rows[0].0, &rows[0].1).await.is_some());
        Due {
            rows,
            tokens,
            event: event.to_string().into_bytes(),
        }
    }

    /// Whether each outcome is on its row.
    async fn recorded(&self, ground: &Ground) -> Vec<bool> {
        let rows = self.rows.iter().map(|(pk, sk)| ground.row(pk, sk));
        let rows = join_all(rows).await;
        rows.into_iter()
            .map(|row| row.unwrap()["po"]["s"] == "sent")
            .collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn f17_i4_i5_a_batch_killed_at_any_call_is_pushed_and_repeats_are_counted() {
    let ground = Ground::new().await;
    let devices = ground.function("manage-devices", None);
    let creator = ground.function("create-notifications", None);
    let healthy = ground.function("push-notifications", None);
    let proxy = ground.proxy(false).await;
    let function = ground.function("push-notifications", Some(&proxy));
    let clean = Due::new(&ground, [&devices, &creator], 3, &json!({})).await;
    assert_eq!(
        function.invoke(clean.event.clone()).await.unwrap(),
        NOTHING_LEFT
    );
    assert_eq!(clean.recorded(&ground).await, [true; 3]);
    let calls = proxy.calls("").len();

    let expected = std::sync::Mutex::new(BTreeMap::new());
    for token in clean.tokens {
        expected.lock().unwrap().insert(token, 1);
    }
    at_every_point(calls, async |call, kill| {
        let at = format!("{kill:?} at call {call} of {calls}");
        let due = Due::new(&ground, [&devices, &creator], 3, &json!({})).await;
        let (function, _proxy) = doomed(&ground, "push-notifications", call, kill).await;
        let first = function.invoke(due.event.clone()).await;
        assert!(first.is_err() || kill == Fault::KillAfterReply, "{at}");
        let (before, recorded) = (ledger().await, due.recorded(&ground).await);
        // A batch is delivered again until nothing of it is left, and once more.
        for _ in 0..2 {
            let answer = healthy.invoke(due.event.clone()).await.unwrap();
            assert_eq!(answer, NOTHING_LEFT, "{at}");
        }
        assert_eq!(due.recorded(&ground).await, [true; 3], "{at}");
        for (token, recorded) in due.tokens.into_iter().zip(recorded) {
            let accepted = before.get(&token).copied().unwrap_or(0);
            assert!(
                accepted <= 1 && (accepted == 1 || !recorded),
                "{at}: {accepted} for {token}"
            );
            // Ambiguous: SNS took it, and the kill came before the mark.
            let ambiguous = accepted - usize::from(recorded);
            expected.lock().unwrap().insert(token, 1 + ambiguous);
        }
    })
    .await;
    let (ledger, expected) = (ledger().await, expected.into_inner().unwrap());
    assert!(
        expected.values().any(|pushes| *pushes > 1),
        "no kill was ambiguous"
    );
    for (token, pushes) in expected {
        assert_eq!(ledger.get(&token), Some(&pushes), "{token}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn f18_i5_i6_a_publish_is_repeated_only_if_it_may_be_and_what_is_unclear_is_counted() {
    let ground = Ground::new().await;
    let devices = ground.function("manage-devices", None);
    let creator = ground.function("create-notifications", None);
    let (throttled, failed) = (
        Fault::Status(400, "Throttled"),
        Fault::Status(500, "InternalError"),
    );
    // At most once, the fault of the first call; calls, accepted pushes, outcome, ambiguous.
    let cases = [
        (true, Fault::DropAfter, 1, 1, "unknown", 1),
        (true, Fault::DropBefore, 1, 0, "unknown", 1),
        (true, failed, 1, 0, "unknown", 1),
        (true, throttled, 2, 1, "sent", 0),
        (false, Fault::DropAfter, 2, 2, "sent", 1),
        (false, failed, 2, 1, "sent", 1),
        (false, throttled, 2, 1, "sent", 0),
    ];
    let done = cases.map(async |(once, fault, calls, accepted, outcome, ambiguous)| {
        let at = format!("{fault:?}, once: {once}");
        let due = Due::new(&ground, [&devices, &creator], 1, &json!({"once": once})).await;
        let proxy = ground.proxy(false).await;
        let function = ground.function("push-notifications", Some(&proxy));
        proxy.script(vec![Rule::on("Publish", 1..=1, fault)]);
        for _ in 0..2 {
            assert_eq!(
                function.invoke(due.event.clone()).await.unwrap(),
                NOTHING_LEFT,
                "{at}"
            );
        }
        let made = proxy.take_calls();
        let made = made
            .iter()
            .filter(|call| call.operation == "Publish")
            .count();
        let (pk, sk) = &due.rows[0];
        let row = ground.row(pk, sk).await.unwrap();
        let pushes = ledger().await.get(&due.tokens[0]).copied().unwrap_or(0);
        let unclear = row["po"]["am"].as_u64().unwrap_or(0);
        assert_eq!(
            (made, pushes, row["po"]["s"].as_str().unwrap(), unclear),
            (calls, accepted, outcome, ambiguous),
            "{at}"
        );
    });
    join_all(done).await;
}
