//! Records that come again, twice at once, or in another order: nobody's phone rings twice.

use std::collections::BTreeMap;

use local::function::Function;
use serde_json::{Value, json};

use crate::create::note;
use crate::events::template;
use crate::pushes::{device, ended};
use crate::stack::{Stack, binaries, shared, unique};

/// The push function as its own process, beside the one that the stack runs.
fn push_function(stack: &Stack) -> Function {
    let functions = template().functions;
    let spec = functions
        .iter()
        .find(|spec| spec.binary == "push-notifications")
        .unwrap();
    let endpoints = BTreeMap::from([
        (
            "AWS_ENDPOINT_URL_DYNAMODB".to_owned(),
            stack.dynamodb().to_owned(),
        ),
        ("AWS_ENDPOINT_URL_SNS".to_owned(), stack.sns().to_owned()),
    ]);
    Function::new(spec, binaries().join(&spec.binary), &endpoints)
}

fn record(event: &str, user: &str, id: &str, number: usize) -> Value {
    json!({
        "eventName": event,
        "dynamodb": {
            "Keys": {"pk": {"S": format!("U#{user}")}, "sk": {"S": format!("N#{id}")}},
            "SequenceNumber": number.to_string(),
        },
    })
}

async fn invoke(function: &Function, records: &[Value]) -> Value {
    let event = json!({"Records": records}).to_string();
    serde_json::from_slice(&function.invoke(event.into_bytes()).await.unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn f14_f16_f33_records_that_were_handled_push_nothing_again_in_any_order() {
    let stack = shared();
    let (user, token) = (unique("ana"), unique("token"));
    device(stack, &user, "phone", "fcm", &token).await;
    let mut ids = Vec::new();
    for _ in 0..3 {
        let body = stack
            .producer()
            .post("/v1/notifications", &note(&user))
            .await
            .expect(201);
        ids.push(body["data"][0]["id"].as_str().unwrap().to_owned());
    }
    let mut outcomes = Vec::new();
    for id in &ids {
        outcomes.push(ended(stack, &user, id).await);
    }
    let mut records: Vec<Value> = ids
        .iter()
        .enumerate()
        .map(|(n, id)| record("INSERT", &user, id, n + 1))
        .collect();
    records.push(record("MODIFY", &user, &ids[0], 9));
    records.push(record("REMOVE", &user, &ids[1], 10));
    let function = push_function(stack);
    for _ in 0..2 {
        assert_eq!(
            invoke(&function, &records).await,
            json!({"batchItemFailures": []})
        );
        records.reverse();
    }
    function.stop().await;
    assert_eq!(stack.pushes(&token).await.len(), 3);
    for (id, outcome) in ids.iter().zip(outcomes) {
        assert_eq!(ended(stack, &user, id).await, outcome);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_twice_in_one_batch_and_one_of_a_row_that_is_gone_are_no_trouble() {
    let stack = shared();
    let user = unique("ana");
    let gone = "01KAB0000000000000000000AA";
    let records = [
        record("INSERT", &user, gone, 1),
        record("INSERT", &user, gone, 1),
    ];
    let function = push_function(stack);
    assert_eq!(
        invoke(&function, &records).await,
        json!({"batchItemFailures": []})
    );
    function.stop().await;
}
