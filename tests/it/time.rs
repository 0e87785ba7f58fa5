//! The local stack's clock, and what goes by it: schedules, queues, retries, functions.

use std::path::Path;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::caller::eventually;
use crate::create::note;
use crate::pushes::device;
use crate::small::{Small, forward};
use crate::stack::{Stack, unique};

const DAY: i64 = 86_400;

fn at(value: &Value) -> Timestamp {
    value.as_str().unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_moved_clock_is_everybodys_and_survives_a_restart() {
    let data = tempfile::tempdir().unwrap();
    let stack = Stack::start(data.path());
    let (user, token) = (unique("ana"), unique("token"));
    device(&stack, &user, "phone", "fcm", &token).await;
    let created = async |stack: &Stack| {
        let producer = stack.producer();
        producer
            .post("/v1/notifications", &note(&user))
            .await
            .expect(201);
        let inbox = stack
            .user(&user)
            .get("/v1/me/notifications?consistent=true")
            .await;
        at(&inbox.expect(200)["data"][0]["created_at"])
    };
    let before = created(&stack).await;
    let moved = forward(stack.api(), DAY).await;
    assert_eq!(moved["ahead_seconds"], DAY);
    assert!(at(&moved["now"]).as_second() >= before.as_second() + DAY);
    let after = created(&stack).await;
    assert!(
        after.as_second() - before.as_second() >= DAY,
        "{before} {after}"
    );
    // The outbox shows the same time, and a push to a phone is no day late.
    let pushes = eventually("both pushes", async || {
        Some(stack.pushes(&token).await).filter(|pushes| pushes.len() == 2)
    });
    let arrived = at(&pushes.await[1]["at"]);
    assert!(arrived >= after && arrived.as_second() - after.as_second() < DAY);

    stack.kill();
    let stack = Stack::start(data.path());
    let shown = reqwest::get(format!("{}/_local/clock", stack.api()))
        .await
        .unwrap();
    let shown: Value = shown.json().await.unwrap();
    assert_eq!(shown["ahead_seconds"], DAY);
    assert!(created(&stack).await > after);
}

#[tokio::test]
async fn the_clock_moves_for_nobody_elses_page_and_forward_only() {
    let small = Small::start(TOPICLESS, 0).await;
    let url = format!("{}/_local/clock", small.stack.api_url());
    let send = async |origin: Option<&str>, body: &str| {
        let mut request = reqwest::Client::new().post(&url).body(body.to_owned());
        if let Some(origin) = origin {
            request = request.header("origin", origin);
        }
        request.send().await.unwrap().status().as_u16()
    };
    let second = r#"{"forward_seconds":1}"#;
    assert_eq!(send(Some("https://evil.example"), second).await, 403);
    for body in [
        "",
        "{}",
        "[]",
        r#"{"forward_seconds":0}"#,
        r#"{"forward_seconds":-1}"#,
        r#"{"forward_seconds":1.5}"#,
        r#"{"forward_seconds":9223372036854775807}"#,
        r#"{"forward_seconds":1,"more":1}"#,
    ] {
        assert_eq!(send(None, body).await, 400, "{body}");
    }
    assert_eq!(send(Some(&small.stack.api_url()), second).await, 200);
    let shown = reqwest::get(&url).await.unwrap();
    assert_eq!(shown.json::<Value>().await.unwrap()["ahead_seconds"], 1);
}

/// A function that nothing invokes.
const TOPICLESS: &str = "
  Work:
    Type: AWS::Serverless::Function
    Metadata: {BuildMethod: rust-cargolambda, BuildProperties: {Binary: work}}
    Properties: {Runtime: provided.al2023}
";

const SCHEDULED: &str = "
  Lost: {Type: AWS::SQS::Queue}
  Work:
    Type: AWS::Serverless::Function
    Metadata: {BuildMethod: rust-cargolambda, BuildProperties: {Binary: work}}
    Properties:
      Runtime: provided.al2023
      Timeout: 20
      Environment: {Variables: {DATA: !Ref Data}}
      EventInvokeConfig:
        MaximumRetryAttempts: 1
        DestinationConfig: {OnFailure: {Type: SQS, Destination: !GetAtt Lost.Arn}}
      Events:
        Minute: {Type: Schedule, Properties: {Schedule: rate(1 hour)}}
";

#[tokio::test]
async fn a_schedule_invokes_once_for_a_move_and_what_fails_is_told() {
    let small = Small::start(SCHEDULED, 2).await;
    assert!(small.events().is_empty());
    let moved = forward(&small.stack.api_url(), 5 * 3600).await;
    let event = small.events_are(1).await.remove(0);
    assert_eq!(event["detail-type"], "Scheduled Event");
    assert_eq!(event["source"], "aws.events");
    let resource = "arn:aws:events:us-east-1:000000000000:rule/WorkMinute";
    assert_eq!(event["resources"], json!([resource]));
    let late = at(&moved["now"]).as_second() - at(&event["time"]).as_second();
    assert!((0..3600).contains(&late), "{late}");
    // Once again for the failure, a minute later, with the same event; and then it is told.
    let events = small.moved_until(2).await;
    assert_eq!(events[1], event);
    let letter = eventually("the letter", async || small.queue("Lost").await.pop()).await;
    assert_eq!(
        letter["body"]["requestContext"]["condition"],
        "RetriesExhausted"
    );
    assert_eq!(
        letter["body"]["requestContext"]["approximateInvokeCount"],
        2
    );
    assert_eq!(letter["body"]["requestPayload"], event);
    assert_eq!(letter["body"]["responsePayload"], json!({}));
    small.stack.stop().await;
}

#[tokio::test]
async fn a_busy_function_ends_what_it_does_and_the_next_event_sees_the_new_time() {
    let small = Small::start(SCHEDULED, 0).await;
    let api = small.stack.api_url();
    small.hold(true);
    forward(&api, 3600).await;
    small.events_are(1).await;
    // The second run overlaps the first, with the new time.
    forward(&api, 3600).await;
    small.events_are(2).await;
    small.hold(false);
    let first = small.clocks()[0].split(' ').next().unwrap().to_owned();
    let running = Path::new("/proc").join(first);
    eventually("the first process is gone", async || {
        (!running.exists()).then_some(())
    })
    .await;
    forward(&api, 3600).await;
    small.events_are(3).await;
    let clocks = small.clocks();
    let ahead: Vec<_> = clocks
        .iter()
        .map(|line| line.split(' ').nth(1).unwrap())
        .collect();
    assert_eq!(ahead, ["3600000", "7200000", "10800000"]);
    assert!(small.queue("Lost").await.is_empty());
    small.stack.stop().await;
}

const QUEUED: &str = "
  Dead: {Type: AWS::SQS::Queue}
  Jobs:
    Type: AWS::SQS::Queue
    Properties:
      VisibilityTimeout: 60
      RedrivePolicy: {deadLetterTargetArn: !GetAtt Dead.Arn, maxReceiveCount: 2}
  Work:
    Type: AWS::Serverless::Function
    Metadata: {BuildMethod: rust-cargolambda, BuildProperties: {Binary: work}}
    Properties:
      Runtime: provided.al2023
      Timeout: 20
      Environment: {Variables: {DATA: !Ref Data, JOBS: !Ref Jobs}}
      Events:
        Jobs: {Type: SQS, Properties: {Queue: !GetAtt Jobs.Arn, FunctionResponseTypes: [ReportBatchItemFailures]}}
";

#[tokio::test]
async fn a_message_is_tried_when_it_is_visible_again_and_is_a_dead_letter_in_the_end() {
    let small = Small::start(QUEUED, 3).await;
    let api = small.stack.api_url();
    let url = small
        .sqs("GetQueueUrl", &json!({"QueueName": "Jobs"}))
        .await["QueueUrl"]
        .clone();
    assert!(url.as_str().unwrap().starts_with(&small.stack.sqs_url()));
    let put = async |text: &str| {
        let body = json!({"QueueUrl": url, "MessageBody": text});
        small.sqs("SendMessage", &body).await
    };
    let sent = put("bad").await;
    let record = small.events_are(1).await.remove(0)["Records"][0].clone();
    assert_eq!(record["messageId"], sent["MessageId"]);
    assert_eq!(record["md5OfBody"], sent["MD5OfMessageBody"]);
    assert_eq!(record["eventSource"], "aws:sqs");
    forward(&api, 60).await;
    let events = small.events_are(2).await;
    let attributes = &events[1]["Records"][0]["attributes"];
    assert_eq!(attributes["ApproximateReceiveCount"], "2");
    forward(&api, 60).await;
    let dead = eventually("the dead letter", async || small.queue("Dead").await.pop()).await;
    assert_eq!(dead["message_id"], sent["MessageId"]);
    small.succeed();
    put("good").await;
    let events = small.events_are(3).await;
    assert_eq!(events[2]["Records"][0]["body"], "good");
    eventually("nothing is left", async || {
        small.queue("Jobs").await.is_empty().then_some(())
    })
    .await;
    small.stack.stop().await;
}
