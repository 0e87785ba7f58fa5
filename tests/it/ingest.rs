//! Events going in, by HTTP and by the queue.

use reqwest::Method;
use serde_json::{Value, json};

use crate::caller::send;
use crate::event_log::{event, ids, log};
use crate::stack::{shared, unique};

#[tokio::test]
async fn every_mode_of_cloudevents_by_http_says_the_same() {
    let (stack, subject) = (shared(), unique("modes \u{20ac} 100%"));
    let body = event(&subject, "one");
    let post = |media_type: &str| {
        let request = stack.producer().request(Method::POST, "/v1/events");
        request.header("content-type", media_type.to_owned())
    };
    let structured = post("application/cloudevents+json; charset=UTF-8").body(body.to_string());
    let first = send(structured).await.expect(201);
    assert_eq!(
        first["data"],
        json!({"source": "/it/events", "id": "one", "status": "logged", "notifications": []})
    );
    let encoded: String = subject
        .bytes()
        .map(|byte| match byte {
            b'%' | b'"' => format!("%{byte:02X}"),
            b' '..=b'~' => char::from(byte).to_string(),
            _ => format!("%{byte:02x}"),
        })
        .collect();
    // SDKs leave the type of the data out where it is JSON.
    let untyped = stack.producer().request(Method::POST, "/v1/events");
    let [mut binary, mut untyped] =
        [post("application/json"), untyped].map(|request| request.body(body["data"].to_string()));
    for (name, value) in [
        ("ce-specversion", "1.0"),
        ("ce-id", "one"),
        ("ce-source", "/it/events"),
        ("ce-type", "video.liked"),
        ("ce-subject", &*encoded),
        ("ce-time", "2026-11-20T10:00:00Z"),
        ("ce-traceparent", "00-1"),
    ] {
        binary = binary.header(name, value);
        untyped = untyped.header(name, value);
    }
    for body in [r#"{"a":1},"junk":[2]"#, "1},{", r#"{"a":1} x"#, "{"] {
        let request = post("application/json").body(body);
        let request = request.header("ce-specversion", "1.0").header("ce-id", "x");
        let answer = send(request).await.expect(400);
        assert_eq!(answer["code"], "malformed_json", "{answer}");
    }
    let batch = json!([body]).to_string();
    for request in [
        binary,
        untyped,
        post("application/json").body(body.to_string()),
    ] {
        let answer = send(request).await;
        assert!(answer.replayed);
        assert_eq!(answer.expect(200)["data"]["status"], "duplicate");
    }
    for media_type in ["application/cloudevents-batch+json", "application/json"] {
        let answer = send(post(media_type).body(batch.clone())).await.expect(207);
        assert_eq!(answer["data"][0]["status"], 200, "{answer}");
        assert_eq!(answer["data"][0]["data"]["status"], "duplicate");
    }
    assert_eq!(ids(&log(stack, &[("subject", &subject)]).await), ["one"]);
    let none: Value = log(stack, &[("subject", &format!("{subject}x"))]).await;
    assert_eq!(ids(&none), [""; 0]);
}
