//! Records that two invocations handle at once, and records that are none of ours or of another version.

use std::time::Duration;

use futures_util::future::join_all;
use local::function::Function;
use serde_json::{Value, json};

use crate::crashes::{for_each, people, registration};
use crate::ground::{Ground, RowKey, create, stored};
use crate::proxy::{Fault, Proxy, Rule};
use crate::stack::{root, shared, unique};
use crate::table::id_aged;

const NOTHING_LEFT: &[u8] = br#"{"batchItemFailures":[]}"#;

fn record(event: &str, (pk, sk): &RowKey, number: &str) -> Value {
    let keys = json!({"pk": {"S": pk}, "sk": {"S": sk}});
    json!({"eventName": event, "dynamodb": {"Keys": keys, "SequenceNumber": number}})
}

fn batch(records: &[Value]) -> Vec<u8> {
    json!({"Records": records}).to_string().into_bytes()
}

/// A table, and users with one device each.
struct Field {
    ground: Ground,
    creator: Function,
    devices: Function,
}

impl Field {
    async fn new() -> Field {
        let ground = Ground::new().await;
        Field {
            creator: ground.function("create-notifications", None),
            devices: ground.function("manage-devices", None),
            ground,
        }
    }

    async fn register(&self, user: &str) -> String {
        let token = unique("overlap-token");
        let reply = registration(user, &token).send(&self.devices).await;
        assert_eq!(reply.unwrap().status, 201);
        token
    }

    /// A notification for a new user, and the token of their device.
    async fn due(&self, push: &Value) -> (RowKey, String) {
        let user = people(1);
        let token = self.register(&user[0]).await;
        let mut note = for_each(&user);
        note["push"] = push.clone();
        let reply = create(None, &note).send(&self.creator).await.unwrap();
        (stored(&reply).remove(0), token)
    }

    /// A push function whose publishes take this long.
    async fn slow(&self, delay: Duration) -> (Function, Proxy) {
        let proxy = self.ground.proxy(false).await;
        proxy.script(vec![Rule::on("Publish", 1..=999, Fault::Delay(delay))]);
        (
            self.ground.function("push-notifications", Some(&proxy)),
            proxy,
        )
    }

    async fn outcome(&self, (pk, sk): &RowKey) -> Value {
        self.ground.row(pk, sk).await.unwrap()["po"].clone()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn f15_a_record_in_two_invocations_at_once_is_pushed_twice_at_most_and_counted() {
    let field = Field::new().await;
    let functions = [
        field.slow(Duration::from_millis(400)).await,
        field.slow(Duration::from_millis(500)).await,
    ];
    let both = async |row: &RowKey| {
        let event = batch(&[record("INSERT", row, "1")]);
        let answers = functions
            .iter()
            .map(|(function, _)| function.invoke(event.clone()));
        for answer in join_all(answers).await {
            assert_eq!(answer.unwrap(), NOTHING_LEFT);
        }
    };
    let mut overlaps = 0;
    // The first round starts the processes, which may take longer than a publish.
    for _ in 0..4 {
        let (row, token) = field.due(&json!({})).await;
        both(&row).await;
        let pushes = shared().pushes(&token).await.len();
        let outcome = field.outcome(&row).await;
        assert_eq!(outcome["s"], "sent");
        let counted = usize::try_from(outcome["am"].as_u64().unwrap_or(0)).unwrap();
        assert_eq!(pushes, 1 + counted, "{outcome}");
        overlaps += counted;
        let (row, token) = field.due(&json!({"once": true})).await;
        both(&row).await;
        assert_eq!(shared().pushes(&token).await.len(), 1);
        assert_eq!(field.outcome(&row).await["s"], "sent");
    }
    assert!(overlaps > 0, "no two invocations ran at once");
}

#[tokio::test(flavor = "multi_thread")]
async fn f16_f29_f30_removals_and_marks_push_nothing_in_whatever_order_they_come() {
    let field = Field::new().await;
    let function = field.ground.function("push-notifications", None);
    let (row, token) = field.due(&json!({})).await;
    let other = ["MODIFY", "REMOVE"].map(|event| record(event, &row, "1"));
    assert_eq!(function.invoke(batch(&other)).await.unwrap(), NOTHING_LEFT);
    assert!(shared().pushes(&token).await.is_empty());
    assert!(field.outcome(&row).await.is_null());
    // A change that comes before its row's creation changes nothing about it.
    let mixed = [&other[0], &record("INSERT", &row, "2"), &other[1]].map(Value::clone);
    assert_eq!(function.invoke(batch(&mixed)).await.unwrap(), NOTHING_LEFT);
    assert_eq!(shared().pushes(&token).await.len(), 1);
    assert_eq!(field.outcome(&row).await["s"], "sent");
    // And Lambda is asked to send neither: the function's own mark would call it for ever.
    let template = std::fs::read_to_string(root().join("template.yaml")).unwrap();
    let filter = r#"{"eventName":["INSERT"],"dynamodb":{"Keys":{"sk":{"S":[{"prefix":"N#"}]}}}}"#;
    assert!(template.contains(filter));
}

#[tokio::test(flavor = "multi_thread")]
async fn f27_a_record_without_a_number_is_kept_and_never_reported() {
    let field = Field::new().await;
    let function = field.ground.function("push-notifications", None);
    let (row, token) = field.due(&json!({})).await;
    let (odd, _) = field.due(&json!({})).await;
    let mut nameless = record("INSERT", &odd, "");
    let records = [nameless.clone(), record("INSERT", &row, "2")];
    assert_eq!(
        function.invoke(batch(&records)).await.unwrap(),
        NOTHING_LEFT
    );
    nameless["dynamodb"]
        .as_object_mut()
        .unwrap()
        .remove("SequenceNumber");
    assert_eq!(
        function.invoke(batch(&[nameless])).await.unwrap(),
        NOTHING_LEFT
    );
    assert_eq!(shared().pushes(&token).await.len(), 1);
    let rows = field.ground.rows().await.into_iter();
    let dead: Vec<Value> = rows
        .filter(|((pk, _), _)| pk.starts_with("D#"))
        .map(|(_, row)| row)
        .collect();
    assert_eq!(dead.len(), 2);
    assert!(
        dead.iter()
            .all(|row| row["rsk"] == odd.1.as_str() && row.get("seq").is_none())
    );
}

/// Rows as every released version has written them: they are readable for ever.
#[tokio::test(flavor = "multi_thread")]
async fn f28_rows_of_older_versions_are_pushed_and_those_of_newer_ones_kept() {
    let field = Field::new().await;
    let function = field.ground.function("push-notifications", None);
    let text = std::fs::read_to_string(root().join("tests/golden/rows.json")).unwrap();
    let rows: Vec<Value> = serde_json::from_str(&text).unwrap();
    assert!(rows.len() > 4);
    for image in rows {
        let user = people(1).remove(0);
        let token = field.register(&user).await;
        let id = id_aged(Duration::from_millis(10));
        let key = (format!("U#{user}"), format!("N#{id}"));
        let mut item = image["row"].clone();
        item["pk"] = json!(key.0);
        item["sk"] = json!(key.1);
        let put = field
            .ground
            .client()
            .put_item()
            .table_name(field.ground.table());
        let item = serde_dynamo::to_item(item).unwrap();
        put.set_item(Some(item)).send().await.unwrap();
        let event = batch(&[record("INSERT", &key, "1")]);
        assert_eq!(
            function.invoke(event).await.unwrap(),
            NOTHING_LEFT,
            "{image}"
        );
        let pushed = shared().pushes(&token).await;
        let is_known = image["pushed"] != Value::Null;
        assert_eq!(pushed.len(), usize::from(is_known), "{image}");
        if is_known {
            assert_eq!(field.outcome(&key).await["s"], "sent", "{image}");
            let message = &pushed[0]["message"]["fcmV1Message"]["message"];
            assert_eq!(message["notification"]["title"], image["pushed"], "{image}");
        }
        let rows = field.ground.rows().await.into_iter();
        let dead =
            rows.filter(|((pk, _), row)| pk.starts_with("D#") && row["rsk"] == key.1.as_str());
        assert_eq!(dead.count(), usize::from(!is_known), "{image}");
    }
}
