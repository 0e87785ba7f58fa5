//! Functions and the local stack's SNS: tokens that ask for trouble, and messages to topics.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use futures_util::future::join_all;
use local::{Options, Stack};
use serde_json::Value;

use crate::caller::{eventually, query};
use crate::create::note;
use crate::pushes::{device, send};
use crate::stack::{shared, unique};

/// The ids of a user's devices.
async fn devices(user: &str) -> Vec<Value> {
    let answer = shared().user(user).get("/v1/me/devices").await.expect(200);
    answer["data"].as_array().unwrap().clone()
}

#[tokio::test]
async fn f18_a_push_whose_answer_is_lost_is_sent_again_and_counted() {
    let sent = ["error-lost-reply-1-", "error-half-reply-1-"].map(async |start| {
        let (user, token) = (unique("ana"), unique(start));
        device(shared(), &user, "phone", "fcm", &token).await;
        let outcome = send(shared(), &note(&user)).await;
        assert_eq!(outcome["s"], "sent", "{token}");
        let pushes = shared().pushes(&token).await.len();
        let unclear = outcome["am"].as_u64().unwrap_or(0);
        assert_eq!(Ok(pushes), usize::try_from(1 + unclear), "{token}");
        pushes
    });
    // Half of an answer may be enough to know that SNS took the push; none never is.
    let pushes = join_all(sent).await;
    assert!(pushes[0] == 2 && pushes[1] <= 2, "{pushes:?}");
}

#[tokio::test]
async fn a_success_that_cannot_be_read_is_one() {
    let sent = ["error-empty-body-", "error-broken-body-"].map(async |start| {
        let (user, token) = (unique("ana"), unique(start));
        device(shared(), &user, "phone", "apns", &token).await;
        assert_eq!(send(shared(), &note(&user)).await["s"], "sent");
        assert_eq!(shared().pushes(&token).await.len(), 1, "{token}");
    });
    join_all(sent).await;
}

#[tokio::test]
async fn f22_whatever_says_that_a_device_is_gone_removes_it() {
    let starts = [
        "error-endpoint-disabled-",
        "error-not-found-",
        "error-no-endpoint-found-",
    ];
    let sent = starts.map(async |start| {
        let (user, dead, good) = (unique("ana"), unique(start), unique("good"));
        device(shared(), &user, "dead", "fcm", &dead).await;
        device(shared(), &user, "good", "fcm", &good).await;
        assert_eq!(send(shared(), &note(&user)).await["s"], "partial");
        eventually("the device is removed", async || {
            (devices(&user).await.len() == 1).then_some(())
        })
        .await;
        assert_eq!(send(shared(), &note(&user)).await["s"], "sent");
        assert!(shared().pushes(&dead).await.is_empty());
        assert_eq!(shared().pushes(&good).await.len(), 2);
    });
    join_all(sent).await;
}

/// A function that writes down each event, and fails as often as the file `failures` has lines.
const FUNCTION: &str = r#"#!/bin/sh
api="http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation"
while curl -sf -D "$DATA/head" -o "$DATA/event" "$api/next"; do
  id=$(tr -d '\r' <"$DATA/head" | sed -n 's/^[Ll]ambda-[Rr]untime-[Aa]ws-[Rr]equest-[Ii]d: //p')
  how=response
  if [ -s "$DATA/failures" ]; then
    how=error
    sed -i 1d "$DATA/failures"
  fi
  cat "$DATA/event" >>"$DATA/events"
  echo >>"$DATA/events"
  curl -sf -d '{}' "$api/$id/$how"
done
"#;

const TEMPLATE: &str = "
Transform: AWS::Serverless-2016-10-31
Parameters: {Data: {Type: String}}
Resources:
  News: {Type: AWS::SNS::Topic}
  Work:
    Type: AWS::Serverless::Function
    Metadata: {BuildMethod: rust-cargolambda, BuildProperties: {Binary: work}}
    Properties:
      Runtime: provided.al2023
      Timeout: 10
      Environment: {Variables: {DATA: !Ref Data, TOPIC: !Ref News}}
      Events: {News: {Type: SNS, Properties: {Topic: !Ref News}}}
";

/// A stack of one topic and one function, which fails as often as said.
async fn topic_and_function(folder: &Path, failures: usize) -> Stack {
    let template = folder.join("template.yaml");
    fs::write(&template, TEMPLATE).unwrap();
    fs::write(folder.join("work"), FUNCTION).unwrap();
    fs::write(folder.join("failures"), "no\n".repeat(failures)).unwrap();
    fs::set_permissions(folder.join("work"), fs::Permissions::from_mode(0o700)).unwrap();
    let data = folder.to_str().unwrap().to_owned();
    let options = Options {
        template,
        parameters: BTreeMap::from([("Data".to_owned(), data)]),
        binaries: folder.to_owned(),
        data: folder.join("stack"),
        listener: local::listen(0).unwrap(),
        pages: Vec::new(),
    };
    Stack::start(options).await.unwrap()
}

#[tokio::test]
async fn a_message_to_a_topic_invokes_its_function_until_it_succeeds_three_times_at_most() {
    let cases = [(0, 1), (1, 2), (9, 3)].map(async |(failures, expected)| {
        let folder = tempfile::tempdir().unwrap();
        let stack = topic_and_function(folder.path(), failures).await;
        let publish = async |text: &str| {
            let topic = "arn:aws:sns:us-east-1:000000000000:News";
            let body = query(&[
                ("Action", "Publish"),
                ("TopicArn", topic),
                ("Message", text),
            ]);
            let request = reqwest::Client::new().post(stack.sns_url());
            let answer = request.body(body[1..].to_owned()).send().await.unwrap();
            assert_eq!(answer.status(), 200);
        };
        let events = || -> Vec<Value> {
            let text = fs::read_to_string(folder.path().join("events")).unwrap_or_default();
            let whole = text
                .lines()
                .filter_map(|line| serde_json::from_str(line).ok());
            whole.collect()
        };
        publish("first").await;
        let first = eventually("the attempts", async || {
            Some(events()).filter(|events| events.len() == expected)
        })
        .await;
        // What comes after it is all there is.
        fs::write(folder.path().join("failures"), "").unwrap();
        publish("second").await;
        let all = eventually("the next message", async || {
            Some(events()).filter(|events| events.len() > expected)
        })
        .await;
        assert_eq!(all.len(), expected + 1);
        for event in &first {
            assert_eq!(event, &first[0], "a repeat is the same event");
            assert_eq!(event["Records"][0]["Sns"]["Message"], "first");
        }
        assert_eq!(all[expected]["Records"][0]["Sns"]["Message"], "second");
        stack.stop().await;
    });
    join_all(cases).await;
}
