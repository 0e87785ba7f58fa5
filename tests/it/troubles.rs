//! Functions and the local stack's SNS: tokens that ask for trouble, and messages to topics.

use futures_util::future::join_all;
use serde_json::Value;

use crate::caller::{eventually, query};
use crate::create::note;
use crate::pushes::{device, send};
use crate::small::Small;
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

const TEMPLATE: &str = "
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

#[tokio::test]
async fn a_message_to_a_topic_invokes_its_function_until_it_succeeds_three_times_at_most() {
    let cases = [(0, 1), (1, 2), (9, 3)].map(async |(failures, expected)| {
        let small = Small::start(TEMPLATE, failures).await;
        let publish = async |text: &str| {
            let topic = "arn:aws:sns:us-east-1:000000000000:News";
            let body = query(&[
                ("Action", "Publish"),
                ("TopicArn", topic),
                ("Message", text),
            ]);
            let request = reqwest::Client::new().post(small.stack.sns_url());
            let answer = request.body(body[1..].to_owned()).send().await.unwrap();
            assert_eq!(answer.status(), 200);
        };
        publish("first").await;
        let mut first = small.events_are(1).await;
        for attempt in 2..=expected {
            first = small.moved_until(attempt).await;
        }
        // What comes after it is all there is.
        small.succeed();
        publish("second").await;
        let all = small.events_are(expected + 1).await;
        for event in &first {
            assert_eq!(event, &first[0], "a repeat is the same event");
            assert_eq!(event["Records"][0]["Sns"]["Message"], "first");
        }
        assert_eq!(all[expected]["Records"][0]["Sns"]["Message"], "second");
        small.stack.stop().await;
    });
    join_all(cases).await;
}
