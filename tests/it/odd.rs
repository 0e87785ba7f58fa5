//! What is unusual and right, or nearly right: names and texts in any script, keys, other spellings.

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};

use crate::caller::{query, send};
use crate::create::{inbox, note};
use crate::ground::{Ground, create};
use crate::stack::{shared, unique};

/// Texts that look alike or fall apart where code counts letters: composed and decomposed, families of
/// emoji with and without joiners, ligatures, other directions, beyond the first plane.
const ODD: [&str; 16] = [
    "é",
    "e\u{301}",
    "ﬁ",
    "fi",
    "Å",
    "Å",
    "👩‍👩‍👧",
    "👩👩👧",
    "👍🏽",
    "👍",
    "\u{202e}ana",
    "ana\u{200f}",
    "اَلْعَرَبِيَّةُ",
    "ß",
    "ẞ",
    "𝒳\u{fe0f}",
];

#[tokio::test]
async fn f54_users_and_texts_in_any_script_stay_as_they_are_to_the_byte() {
    let stack = shared();
    let prefix = unique("");
    let users: Vec<String> = ODD.iter().map(|odd| format!("{odd}{prefix}")).collect();
    let notes = users.iter().zip(ODD).map(|(user, odd)| {
        json!({
            "recipients": [user], "type": "a.b", "title": odd, "body": format!("{odd}\r\n\t\u{0}{odd}"),
            "actor": {"id": user, "name": odd}, "group": odd, "link": odd, "dedupe_key": odd,
            "data": {odd: [odd, {odd: odd}]},
        })
    });
    let notes: Vec<Value> = notes.collect();
    let batch = json!({"notifications": notes});
    let path = "/v1/notifications/batch";
    let made = stack.producer().post(path, &batch).await.expect(207);
    let shown = join_all(users.iter().map(|user| inbox(stack, user))).await;
    for (index, (shown, note)) in shown.iter().zip(&notes).enumerate() {
        assert_eq!(shown.len(), 1, "{note}");
        assert_eq!(shown[0]["id"], made["data"][index]["data"][0]["id"]);
        for field in ["title", "body", "group", "link", "data"] {
            assert_eq!(shown[0][field], note[field], "{field} of {note}");
        }
        assert_eq!(shown[0]["actor"]["id"], note["actor"]["id"]);
        assert_eq!(shown[0]["actor"]["name"], note["actor"]["name"]);
    }
}

#[tokio::test]
async fn f48_a_repeat_in_another_spelling_is_the_same_request() {
    let stack = shared();
    let (user, key) = (unique("ana"), unique("key"));
    let post = async |data: &str, more: &str| {
        let body = note(&user).to_string();
        let body = format!(
            "{},\"data\":{data}{more}}}",
            body.strip_suffix('}').unwrap()
        );
        let request = stack.producer().request(Method::POST, "/v1/notifications");
        let request = request.header("idempotency-key", &key);
        send(
            request
                .header("content-type", "application/json")
                .body(body),
        )
        .await
    };
    let first = post(r#"{"a":1,"b":[100,null],"c":1}"#, "").await;
    assert!(!first.replayed);
    let first = first.expect(201);
    for (data, more) in [
        (r#"{"b":[1e2,null],"c":2,"a":1.0,"c":1}"#, ""),
        (
            r#" { "a" : 1 , "b" : [ 1.0E+2 , null ] , "c" : 1 } "#,
            ",\"body\":null",
        ),
    ] {
        let again = post(data, more).await;
        assert!(again.replayed, "{data}");
        assert_eq!(again.expect(201), first, "{data}");
    }
    for data in [
        r#"{"a":1,"b":[100],"c":1}"#,
        r#"{"a":1,"b":[100,null],"c":1,"d":null}"#,
    ] {
        assert_eq!(post(data, "").await.status, 422, "{data}");
    }
    assert_eq!(inbox(stack, &user).await.len(), 1);
}

#[tokio::test]
async fn f52_an_idempotency_key_has_printable_characters() {
    let stack = shared();
    let user = unique("ana");
    for key in ["a\tb", "\ta", "ü"] {
        let path = "/v1/notifications";
        let answer = stack.producer().post_keyed(path, key, &note(&user)).await;
        // The white space around a header's value is not a part of it.
        if key.trim() == key {
            assert_eq!(answer.body["code"], "invalid_idempotency_key", "{key:?}");
        }
    }
    assert!(inbox(stack, &user).await.len() <= 1);
}

#[tokio::test]
async fn f54_a_dedupe_key_is_taken_back_by_the_rule_it_is_given_by() {
    let stack = shared();
    let user = unique("ana");
    let delete = async |key: &str| {
        let query = query(&[("recipient", &user), ("dedupe_key", key)]);
        stack
            .producer()
            .delete(&format!("/v1/notifications{query}"))
            .await
    };
    for key in ["", &"ü".repeat(129), &"k".repeat(2_000)] {
        let answer = delete(key).await;
        let rule = ("/dedupe_key".to_owned(), "length".to_owned());
        assert_eq!(
            (answer.status, answer.violations()),
            (400, vec![rule]),
            "{key}"
        );
    }
    assert_eq!(delete(&"ü".repeat(128)).await.status, 204);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_producer_is_who_its_token_says_by_sub_or_else_by_client_id() {
    let ground = Ground::new().await;
    let function = ground.function("create-notifications", None);
    let request = create(Some("key"), &note("ana"));
    for (sub, client, expected) in [
        (Some("likes"), None, Some("likes")),
        (Some("likes2"), Some("c"), Some("likes2")),
        (Some(""), Some("client"), Some("client")),
        (None, Some("client2"), Some("client2")),
        (Some(""), Some(""), None),
        (None, None, None),
    ] {
        let request = request
            .clone()
            .claims(&json!({"sub": sub, "client_id": client}));
        let reply = request.send(&function).await.unwrap();
        let status = if expected.is_some() { 201 } else { 403 };
        assert_eq!(reply.status, status, "{sub:?} {client:?}: {reply:?}");
        if let Some(expected) = expected {
            let guard = format!("R#{expected}#key");
            assert!(
                ground.row(&guard, "-").await.is_some(),
                "{sub:?} {client:?}"
            );
        }
    }
}
