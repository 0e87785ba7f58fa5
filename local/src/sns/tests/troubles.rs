//! Every documented token, over raw HTTP.

use super::gcm;
use super::server::{APNS, GCM, PATIENCE, Server, between, form};
use serde_json::json;
use std::time::Duration;

/// How long an answer that never comes is waited for.
const LONG_ENOUGH: Duration = Duration::from_millis(300);

/// What a publish is answered with, in the words of `docs/TESTING.md`.
async fn publish(server: &Server, arn: &str) -> String {
    publish_within(server, arn, [PATIENCE, PATIENCE]).await
}

/// [`publish`] to an endpoint whose answer may not begin or not end.
async fn publish_within(server: &Server, arn: &str, limits: [Duration; 2]) -> String {
    let message = gcm().to_string();
    let parameters = [
        ("TargetArn", arn),
        ("MessageStructure", "json"),
        ("Message", &message),
    ];
    let body = form("Publish", &parameters);
    let (answer, closed) = server.exchange("POST /", &body, limits).await;
    let whole = || {
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let length = between(head, "content-length: ", "\r\n");
        length.parse() == Ok(body.len())
    };
    match (answer.as_str(), closed) {
        ("", true) => "closed".to_owned(),
        ("", false) => "open".to_owned(),
        _ if !whole() && closed => "half, closed".to_owned(),
        _ if !whole() => "half, open".to_owned(),
        _ if answer.contains("<Code>") => {
            let code = between(&answer, "<Code>", "</Code>");
            format!("{} {code}", &answer[9..12])
        }
        _ => answer[9..12].to_owned(),
    }
}

#[tokio::test]
async fn every_documented_token_does_what_its_row_says() {
    let server = &Server::start().await;
    let rows = include_str!("../../../../docs/TESTING.md").lines();
    let rows = rows.filter(|line| line.starts_with("| `error-"));
    let checked = rows.map(async |row| {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let start = cells[1].trim_matches('`').trim_end_matches('…');
        let number = if start == "error-slow-" { "10-" } else { "" };
        let token = format!("{start}{number}phone");
        let arn = server.endpoint(GCM, &token).await;
        let limits = match cells[3] {
            "open" => [LONG_ENOUGH, PATIENCE],
            "half, open" => [PATIENCE, LONG_ENOUGH],
            _ => [PATIENCE, PATIENCE],
        };
        let answer = publish_within(server, &arn, limits).await;
        assert_eq!(answer, cells[3], "{token}");
        (token, cells[2] == "yes")
    });
    let mut expected = futures_util::future::join_all(checked).await;
    assert!(expected.len() > 30, "{} tokens", expected.len());
    let outbox = server.outbox("?limit=1000").await;
    let pushes = outbox["data"].as_array().unwrap();
    expected.retain(|(token, accepted)| {
        let found = pushes.iter().any(|push| push["token"] == token.as_str());
        found != *accepted
    });
    assert!(expected.is_empty(), "accepted or not: {expected:?}");
}

#[tokio::test]
async fn a_trouble_comes_as_often_as_its_token_says() {
    let server = Server::start().await;
    for (token, expected) in [
        (
            "error-throttled-x",
            ["429 Throttled", "429 Throttled", "200"],
        ),
        (
            "error-kms-throttling-1-x",
            ["400 KMSThrottling", "200", "200"],
        ),
        ("error-lost-reply-1-x", ["closed", "200", "200"]),
        (
            "late-error-internal-1-x",
            ["200", "500 InternalError", "200"],
        ),
    ] {
        let arn = server.endpoint(GCM, token).await;
        for expected in expected {
            assert_eq!(publish(&server, &arn).await, expected, "{token}");
        }
    }
}

#[tokio::test]
async fn what_the_answer_says_of_the_endpoint_is_true() {
    let server = Server::start().await;
    let enabled = async |arn: &str| {
        let parameters = [("EndpointArn", arn)];
        let (status, answer) = server.call("GetEndpointAttributes", &parameters).await;
        (status, answer.contains("<value>true</value>"))
    };
    let dead = server.endpoint(GCM, "error-endpoint-disabled-x").await;
    publish(&server, &dead).await;
    assert_eq!(enabled(&dead).await, (200, false));
    let gone = server.endpoint(GCM, "error-not-found-1-x").await;
    publish(&server, &gone).await;
    assert_eq!(enabled(&gone).await, (404, false));
    // Its token is counted on, so that what is registered again works.
    let again = server.endpoint(GCM, "error-not-found-1-x").await;
    assert_ne!(again, gone);
    assert_eq!(publish(&server, &again).await, "200");
}

#[tokio::test]
async fn an_answer_is_sent_as_its_file_has_it() {
    let server = Server::start().await;
    let arn = server.endpoint(GCM, "error-application-x").await;
    let (_, answer) = server.publish(&arn, &json!({"default": "Hi"})).await;
    let file = include_str!("../../../../shared/answers/platform-application-disabled.http");
    let body = |text: &str| text.split_once("\r\n\r\n").unwrap().1.to_owned();
    assert_eq!(body(&answer), body(file));
    assert!(
        answer.starts_with("HTTP/1.1 400 Bad Request\r\n"),
        "{answer}"
    );
    assert!(!answer.contains("x-source"), "{answer}");
}

#[tokio::test]
async fn what_is_answered_without_trouble_is_in_the_words_of_the_files() {
    let server = Server::start().await;
    let body = |text: &str| {
        let body = text.split_once("\r\n\r\n").unwrap().1;
        let tight: String = body.lines().map(str::trim).collect();
        let cut = |text: &str, name: &str| match text.split_once(&format!("<{name}>")) {
            Some((before, rest)) => format!("{before}{}", rest.split_once("</").unwrap().1),
            None => text.to_owned(),
        };
        cut(&cut(&tight, "MessageId"), "RequestId")
    };
    let long = json!({"x": "x".repeat(4096)}).to_string();
    let cases = [
        (
            GCM,
            gcm(),
            include_str!("../../../../shared/answers/sent.http"),
        ),
        (
            GCM,
            json!({"default": "x", "GCM": long}),
            include_str!("../../../../shared/answers/fcm-too-large.http"),
        ),
        (
            APNS,
            json!({"default": "x", "APNS": long}),
            include_str!("../../../../shared/answers/apns-too-long.http"),
        ),
        (
            GCM,
            json!([]),
            include_str!("../../../../shared/answers/invalid-parameter.http"),
        ),
    ];
    for (application, message, file) in cases {
        let arn = server.endpoint(application, "phone").await;
        let (status, answer) = server.publish(&arn, &message).await;
        assert_eq!(body(&answer), body(file));
        assert_eq!(status.to_string(), file[9..12]);
    }
    let gone = [(
        "EndpointArn",
        "arn:aws:sns:us-east-1:000000000000:endpoint/GCM/local/x",
    )];
    let (_, answer) = server.call("GetEndpointAttributes", &gone).await;
    let file = include_str!("../../../../shared/answers/not-found.http");
    assert_eq!(body(&answer), body(file));
}
