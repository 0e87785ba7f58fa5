//! Creating: rules, batches, and keys that make a repeat harmless.

use std::collections::HashSet;

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::caller::eventually;
use crate::stack::{Stack, shared, unique};

/// A notification for one recipient.
pub fn note(recipient: &str) -> Value {
    json!({"recipients": [recipient], "type": "video.liked", "title": "Hello"})
}

/// All notifications of a user.
pub async fn inbox(stack: &Stack, user: &str) -> Vec<Value> {
    let page = stack
        .user(user)
        .get("/v1/me/notifications?limit=100&consistent=true")
        .await;
    page.expect(200)["data"].as_array().unwrap().clone()
}

#[tokio::test]
async fn every_broken_rule_is_reported_at_once_and_nothing_is_stored() {
    let stack = shared();
    let user = unique("ana");
    let bad = json!({
        "recipients": [user, "a b", user, 7],
        "type": "Video Liked",
        "title": "",
        "body": "x".repeat(1_001),
        "actor": {"name": "Bo", "mood": "good"},
        "data": [],
        "occurred_at": "yesterday",
        "expires_in": 5,
        "titel": "x",
        "push": {"ttl": 0, "priority": "urgent", "silent": 1},
    });
    let answer = stack.producer().post("/v1/notifications", &bad).await;
    assert_eq!(answer.status, 422);
    assert_eq!(answer.body["code"], "invalid");
    let found = answer.violations();
    let expected = [
        ("/actor/id", "required"),
        ("/actor/mood", "unknown_field"),
        ("/body", "length"),
        ("/data", "type"),
        ("/expires_in", "range"),
        ("/occurred_at", "format"),
        ("/push/priority", "value"),
        ("/push/silent", "type"),
        ("/push/ttl", "range"),
        ("/recipients/1", "format"),
        ("/recipients/2", "duplicate"),
        ("/recipients/3", "format"),
        ("/titel", "unknown_field"),
        ("/title", "length"),
        ("/type", "format"),
    ];
    let expected = expected.map(|(pointer, code)| (pointer.to_owned(), code.to_owned()));
    assert_eq!(found, expected);
    assert!(inbox(stack, &user).await.is_empty());
}

#[tokio::test]
async fn what_data_may_hold_is_stored_to_the_byte_and_the_rest_is_refused() {
    let stack = shared();
    let user = unique("ana");
    let nested = |depth: usize| {
        let text = format!("{}1{}", "{\"a\":".repeat(depth), "}".repeat(depth));
        serde_json::from_str::<Value>(&text).unwrap()
    };
    let good = [
        json!({}),
        json!({"n": [0, -1, 1.5, u64::MAX, i64::MIN, 1e125, -1e-130], "s": ["", "\u{0}", "👩‍👩‍👧 e\u{301} \u{202e}"]}),
        json!({"b": [true, false, null, {}, []]}),
        nested(16),
    ];
    for data in good {
        let mut note = note(&user);
        note["data"] = data.clone();
        stack
            .producer()
            .post("/v1/notifications", &note)
            .await
            .expect(201);
        assert_eq!(inbox(stack, &user).await[0]["data"], data);
    }
    let bad = [
        (json!({"": 1}), "format"),
        (json!({"n": 1e126}), "range"),
        (json!({"n": [1e-131]}), "range"),
        (nested(17), "depth"),
        (json!({"s": "x".repeat(2_048)}), "length"),
    ];
    for (data, code) in bad {
        let mut note = note(&user);
        note["data"] = data;
        let answer = stack.producer().post("/v1/notifications", &note).await;
        assert_eq!(answer.status, 422);
        assert_eq!(answer.violations(), [("/data".to_owned(), code.to_owned())]);
    }
    assert_eq!(inbox(stack, &user).await.len(), 4);
}

#[cfg(feature = "proof")]
#[tokio::test]
async fn a_thousand_recipients_each_get_a_row_and_a_result() {
    let stack = shared();
    let recipients: Vec<String> = (0..1_000).map(|_| unique("fan")).collect();
    let mut sent = note("x");
    sent["recipients"] = json!(recipients);
    let body = stack
        .producer()
        .post("/v1/notifications", &sent)
        .await
        .expect(201);
    let results = body["data"].as_array().unwrap();
    let named: Vec<&str> = results
        .iter()
        .map(|r| r["recipient"].as_str().unwrap())
        .collect();
    assert_eq!(named, recipients);
    let ids: HashSet<&str> = results.iter().map(|r| r["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), 1_000);
    for index in [0, 499, 999] {
        assert_eq!(
            inbox(stack, &recipients[index]).await[0]["id"],
            results[index]["id"]
        );
    }
    sent["recipients"] = json!((0..1_001).map(|_| unique("fan")).collect::<Vec<_>>());
    let answer = stack.producer().post("/v1/notifications", &sent).await;
    assert_eq!((answer.status, answer.violations().len()), (422, 1));
}

#[tokio::test]
async fn f12_a_batch_stores_what_is_valid_and_says_what_is_not() {
    let stack = shared();
    let users: Vec<String> = (0..100).map(|_| unique("ana")).collect();
    let mut items: Vec<Value> = users.iter().map(|user| note(user)).collect();
    items[3]["title"] = json!(1);
    items[50] = json!("x");
    items[99]["type"] = Value::Null;
    let batch = json!({"notifications": items});
    let body = stack
        .producer()
        .post("/v1/notifications/batch", &batch)
        .await
        .expect(207);
    let results = body["data"].as_array().unwrap();
    assert_eq!(results.len(), 100);
    for (index, result) in results.iter().enumerate() {
        let stored = inbox(stack, &users[index]).await;
        if [3, 50, 99].contains(&index) {
            assert_eq!((&result["status"], stored.len()), (&json!(422), 0));
            let pointer = result["errors"][0]["pointer"].as_str().unwrap();
            assert!(
                pointer.starts_with(&format!("/notifications/{index}")),
                "{pointer}"
            );
        } else {
            assert_eq!(result["status"], 201);
            assert_eq!(stored[0]["id"], result["data"][0]["id"]);
        }
    }
}

#[tokio::test]
async fn f11_a_batch_beyond_its_limits_is_refused_whole() {
    let stack = shared();
    let user = unique("ana");
    let many = |count: usize| json!({"notifications": vec![note(&user); count]});
    let big: Vec<String> = (0..501).map(|_| unique("fan")).collect();
    let mut wide = note(&user);
    wide["recipients"] = json!(big);
    let cases = [
        many(101),
        many(0),
        json!({"notifications": [wide, wide]}),
        json!({"notifications": {}}),
        json!({}),
        json!([]),
    ];
    for case in cases {
        let answer = stack
            .producer()
            .post("/v1/notifications/batch", &case)
            .await;
        assert_eq!(answer.status, 422, "{}", answer.body);
    }
    let mut huge = many(100);
    huge["notifications"][0]["body"] = json!("x".repeat(1_048_576));
    stack
        .producer()
        .post("/v1/notifications/batch", &huge)
        .await
        .expect(413);
    assert!(inbox(stack, &user).await.is_empty());
}

#[tokio::test]
async fn f1_f2_a_repeat_meets_its_own_rows_and_another_body_is_refused() {
    let stack = shared();
    let (user, key) = (unique("ana"), unique("key#?"));
    let producer = stack.producer();
    let first = producer
        .post_keyed("/v1/notifications", &key, &note(&user))
        .await;
    assert!(!first.replayed);
    let again = producer
        .post_keyed("/v1/notifications", &key, &note(&user))
        .await;
    assert!(again.replayed);
    assert_eq!(first.expect(201), again.expect(201));

    let mut other = note(&user);
    other["title"] = json!("Other");
    let refused = producer.post_keyed("/v1/notifications", &key, &other).await;
    assert_eq!(refused.body["code"], "idempotency_key_reused");
    assert_eq!(refused.status, 422);
    let batch = json!({"notifications": [note(&user)]});
    producer
        .post_keyed("/v1/notifications/batch", &key, &batch)
        .await
        .expect(422);
    assert_eq!(inbox(stack, &user).await.len(), 1);

    // The key is the producer's own.
    let mut claims = stack.producer_claims();
    claims["sub"] = json!("another");
    let another = crate::caller::Caller::new(stack.api(), stack.sign(&claims));
    let stored = another
        .post_keyed("/v1/notifications", &key, &note(&user))
        .await;
    assert!(!stored.replayed);
    stored.expect(201);
    assert_eq!(inbox(stack, &user).await.len(), 2);
}

#[cfg(feature = "proof")]
#[tokio::test]
async fn f1_concurrent_repeats_of_a_batch_store_it_once() {
    let stack = shared();
    let users: Vec<String> = (0..40).map(|_| unique("ana")).collect();
    let batch = json!({"notifications": users.iter().map(|u| note(u)).collect::<Vec<_>>()});
    let key = unique("key");
    let producer = stack.producer();
    // A machine that is busy with other things may answer 503, which a client repeats.
    let post = || async {
        let answer = producer
            .post_keyed("/v1/notifications/batch", &key, &batch)
            .await;
        (answer.status != 503).then_some(answer)
    };
    let sent = (0..5).map(|_| eventually("an answer", post));
    let answers = join_all(sent).await;
    assert!(answers.iter().filter(|answer| !answer.replayed).count() <= 1);
    let bodies: HashSet<String> = answers
        .into_iter()
        .map(|answer| answer.expect(207).to_string())
        .collect();
    assert_eq!(bodies.len(), 1);
    for user in users {
        assert_eq!(inbox(stack, &user).await.len(), 1);
    }
}

#[tokio::test]
async fn an_idempotency_key_has_1_to_255_characters() {
    let stack = shared();
    let user = unique("ana");
    for key in ["", &"k".repeat(256)] {
        let answer = stack
            .producer()
            .post_keyed("/v1/notifications", key, &note(&user))
            .await;
        assert_eq!(answer.body["code"], "invalid_idempotency_key");
        assert_eq!(answer.status, 400);
    }
    let key = "k".repeat(255);
    stack
        .producer()
        .post_keyed("/v1/notifications", &key, &note(&user))
        .await
        .expect(201);
    assert_eq!(inbox(stack, &user).await.len(), 1);
}
