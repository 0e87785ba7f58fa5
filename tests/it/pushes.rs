//! What becomes of a push: outcomes on the row, dead devices, odd records.

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::{Value, json};

use crate::caller::eventually;
use crate::create::note;
use crate::stack::{Stack, shared, unique};

/// The outcome of a notification's push, once it has ended.
pub async fn ended(stack: &Stack, user: &str, id: &str) -> Value {
    let client = stack.dynamodb_client();
    eventually("the outcome", async || {
        let get = client
            .get_item()
            .table_name(stack.table())
            .consistent_read(true);
        let get = get
            .key("pk", AttributeValue::S(format!("U#{user}")))
            .key("sk", AttributeValue::S(format!("N#{id}")));
        let outcome = get.send().await.unwrap().item?.remove("po")?;
        let outcome: Value = serde_dynamo::from_attribute_value(outcome).unwrap();
        outcome.get("s").is_some().then_some(outcome)
    })
    .await
}

/// Sends a notification to one recipient, and waits until its push has ended.
pub async fn send(stack: &Stack, note: &Value) -> Value {
    let body = stack
        .producer()
        .post("/v1/notifications", note)
        .await
        .expect(201);
    let text = |name: &str| body["data"][0][name].as_str().unwrap().to_owned();
    ended(stack, &text("recipient"), &text("id")).await
}

/// Registers a device.
pub async fn device(stack: &Stack, user: &str, id: &str, platform: &str, token: &str) {
    let body = json!({"platform": platform, "token": token});
    stack
        .user(user)
        .put(&format!("/v1/me/devices/{id}"), &body)
        .await
        .expect(201);
}

#[tokio::test]
async fn the_outcome_says_what_became_of_each_device() {
    let stack = shared();
    let user = unique("ana");
    let (good, dead) = (unique("good"), unique("late-error-endpoint-disabled-"));
    device(stack, &user, "good", "fcm", &good).await;
    device(stack, &user, "dead", "apns_sandbox", &dead).await;
    let first = send(stack, &note(&user)).await;
    assert_eq!(first["s"], "sent");
    assert!(first["d"]["good"]["m"].is_string(), "{first}");
    let second = send(stack, &note(&user)).await;
    // SNS's own event may have removed the dead device already.
    if second["d"].get("dead").is_some() {
        assert_eq!(second["s"], "partial");
        assert_eq!(second["d"]["dead"]["w"], "endpoint_disabled");
    } else {
        assert_eq!(second["s"], "sent");
    }
    let third = send(stack, &note(&user)).await;
    assert_eq!(
        (&third["s"], third["d"].as_object().unwrap().len()),
        (&json!("sent"), 1)
    );
    assert_eq!(
        (
            stack.pushes(&good).await.len(),
            stack.pushes(&dead).await.len()
        ),
        (3, 1)
    );
}

#[tokio::test]
async fn f21_a_throttled_push_is_tried_again_and_sent_once() {
    let stack = shared();
    let (user, token) = (unique("ana"), unique("error-throttled-"));
    device(stack, &user, "phone", "fcm", &token).await;
    let outcome = send(stack, &note(&user)).await;
    assert_eq!(outcome["s"], "sent");
    assert_eq!(stack.pushes(&token).await.len(), 1);
}

#[tokio::test]
async fn what_is_not_wanted_is_skipped_with_the_reason() {
    let stack = shared();
    let (user, token) = (unique("ana"), unique("token"));
    let with = |field: &str, value: Value| {
        let mut note = note(&user);
        note[field] = value;
        note
    };
    assert_eq!(send(stack, &note(&user)).await["s"], "no_device");
    device(stack, &user, "phone", "fcm", &token).await;
    let off = send(stack, &with("push", json!(false))).await;
    assert_eq!(
        (&off["s"], &off["w"]),
        (&json!("skipped"), &json!("push_off"))
    );
    let origin = send(stack, &with("origin_device", json!("phone"))).await;
    assert_eq!(
        (&origin["s"], &origin["w"]),
        (&json!("skipped"), &json!("origin_device"))
    );
    assert!(stack.pushes(&token).await.is_empty());
}

#[tokio::test]
async fn silent_and_id_only_pushes_show_no_text() {
    let stack = shared();
    let user = unique("ana");
    let (android, iphone) = (unique("android"), unique("iphone"));
    device(stack, &user, "android", "fcm", &android).await;
    device(stack, &user, "iphone", "apns", &iphone).await;
    let silent = json!({"recipients": [user], "type": "sync.now", "push": {"silent": true}});
    assert_eq!(send(stack, &silent).await["s"], "sent");
    let mut private = note(&user);
    private["title"] = json!("canary-title");
    private["body"] = json!("canary-body");
    private["push"] = json!({"content": "id_only"});
    assert_eq!(send(stack, &private).await["s"], "sent");
    let (android, iphone) = (stack.pushes(&android).await, stack.pushes(&iphone).await);
    let message = &android[0]["message"]["fcmV1Message"]["message"];
    assert!(message.get("notification").is_none() && message["data"]["type"] == "sync.now");
    assert_eq!(iphone[0]["message"]["aps"], json!({"content-available": 1}));
    assert_eq!(
        iphone[0]["attributes"]["AWS.SNS.MOBILE.APNS.PUSH_TYPE"],
        "background"
    );
    assert_eq!(iphone[1]["message"]["aps"]["mutable-content"], 1);
    for push in [&android[1], &iphone[1]] {
        assert!(!push["message"].to_string().contains("canary"), "{push}");
    }
}

#[tokio::test]
async fn a_push_at_most_once_that_may_have_been_sent_is_not_sent_again() {
    let stack = shared();
    let (user, token) = (unique("ana"), unique("error-internal-"));
    device(stack, &user, "phone", "fcm", &token).await;
    let mut once = note(&user);
    once["push"] = json!({"once": true});
    let body = stack
        .producer()
        .post("/v1/notifications", &once)
        .await
        .expect(201);
    let id = body["data"][0]["id"].as_str().unwrap();
    let outcome = eventually("the settled outcome", async || {
        let outcome = ended(stack, &user, id).await;
        (!outcome["w"].to_string().contains("in_flight")).then_some(outcome)
    })
    .await;
    assert_eq!(
        (&outcome["s"], &outcome["am"]),
        (&json!("unknown"), &json!(1))
    );
}

#[tokio::test]
async fn f25_a_record_that_cannot_be_read_does_not_stop_its_neighbours() {
    let stack = shared();
    let (user, token) = (unique("ana"), unique("token"));
    device(stack, &user, "phone", "fcm", &token).await;
    let client = stack.dynamodb_client();
    let sk = unique("N#not-a-ulid");
    let put = |pk: &str, sk: &str| {
        let put = client.put_item().table_name(stack.table());
        put.item("pk", AttributeValue::S(pk.to_owned()))
            .item("sk", AttributeValue::S(sk.to_owned()))
            .send()
    };
    put(&format!("U#{user}"), &sk).await.unwrap();
    // A key of ours on a row that is none.
    put(&format!("U#{user}"), "N#01KAB0000000000000000000AA")
        .await
        .unwrap();
    let outcome = send(stack, &note(&user)).await;
    assert_eq!(outcome["s"], "sent");
    let dead = eventually("both dead records", async || {
        let scan = client
            .scan()
            .table_name(stack.table())
            .filter_expression("rpk = :pk");
        let scan = scan.expression_attribute_values(":pk", AttributeValue::S(format!("U#{user}")));
        let found = scan.send().await.unwrap().items.unwrap_or_default();
        (found.len() == 2).then_some(found)
    })
    .await;
    for row in dead {
        assert!(row["pk"].as_s().unwrap().starts_with("D#"));
        assert!(row.contains_key("w") && row.contains_key("seq"));
    }
    // Neither disturbs the inbox.
    assert_eq!(crate::create::inbox(stack, &user).await.len(), 1);
}
