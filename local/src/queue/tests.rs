//! The queues, over the socket and under them.

mod refusals;

use super::*;
use crate::door;
use crate::template::Redrive;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

const MINUTE: Duration = Duration::from_mins(1);

fn spec(name: &str) -> QueueSpec {
    QueueSpec {
        logical_id: name.to_owned(),
        name: name.to_owned(),
        arn: format!("arn:aws:sqs:us-east-1:000000000000:{name}"),
        retention: 10 * MINUTE,
        visibility: MINUTE,
        ..QueueSpec::default()
    }
}

/// SQS on a port, with the queues `work`, whose dead letters go to `dead` after two receives.
struct Server {
    address: String,
    state: State,
    _dir: tempfile::TempDir,
}

impl Server {
    async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let state = State::open(dir.path()).unwrap();
        let mut work = spec("work");
        work.redrive = Some(Redrive {
            max_receives: 2,
            dead_letters: spec("dead").arn,
        });
        declare(&state, &[work, spec("dead")]).unwrap();
        let app = door::programs_only(router(state.clone()));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self {
            address,
            state,
            _dir: dir,
        }
    }

    /// The status, the head and the answer.
    async fn raw(&self, operation: &str, body: &str) -> (u16, String, Value) {
        let mut connection = TcpStream::connect(&self.address).await.unwrap();
        let request = format!(
            "POST / HTTP/1.1\r\nhost: {}\r\nconnection: close\r\nx-amz-target: AmazonSQS.{operation}\r\n\
             content-type: application/x-amz-json-1.0\r\ncontent-length: {}\r\n\r\n{body}",
            self.address,
            body.len()
        );
        connection.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (
            head[9..12].parse().unwrap(),
            head.to_owned(),
            serde_json::from_str(body).unwrap(),
        )
    }

    /// The answer to a request about the queue `work`, or another that it names.
    async fn call(&self, operation: &str, mut body: Value) -> Value {
        if body.get("QueueUrl").is_none() {
            body["QueueUrl"] = json!("https://sqs.us-east-1.amazonaws.com/000000000000/work");
        }
        let (status, _, answer) = self.raw(operation, &body.to_string()).await;
        assert_eq!(status, 200, "{operation} {body}: {answer}");
        answer
    }

    async fn receive(&self, more: Value) -> Vec<Value> {
        let mut body = json!({"MaxNumberOfMessages": 10, "MessageSystemAttributeNames": ["All"],
            "MessageAttributeNames": ["All"]});
        body.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        let answer = self.call("ReceiveMessage", body).await;
        answer["Messages"].as_array().cloned().unwrap_or_default()
    }

    async fn counts(&self, queue: &str) -> [String; 3] {
        let body = json!({"QueueUrl": format!("http://x/0/{queue}"), "AttributeNames": ["All"]});
        let answer = self.call("GetQueueAttributes", body).await;
        ["", "NotVisible", "Delayed"].map(|kind| {
            let name = format!("ApproximateNumberOfMessages{kind}");
            answer["Attributes"][name].as_str().unwrap().to_owned()
        })
    }
}

#[tokio::test]
async fn messages_survive_reopening_and_go_after_their_retention() {
    let dir = tempfile::tempdir().unwrap();
    let state = State::open(dir.path()).unwrap();
    let failed = spec("failed");
    declare(&state, std::slice::from_ref(&failed)).unwrap();
    let body = r#"{"a":1}"#.to_owned();
    assert!(send(&state, &failed.arn, body).await.unwrap());
    let other = "arn:aws:sqs:eu-west-1:1:failed";
    assert!(!send(&state, other, String::new()).await.unwrap());
    drop(state);

    let state = State::open(dir.path()).unwrap();
    declare(&state, &[failed]).unwrap();
    let messages = list(&state, "failed", 10).await.unwrap().unwrap();
    assert_eq!(messages.len(), 1);
    assert_eq!(messages[0]["body"], json!({"a": 1}));
    assert_eq!(list(&state, "other", 10).await.unwrap(), None);

    state.forward(9 * 60_000).await.unwrap();
    assert_eq!(list(&state, "failed", 10).await.unwrap().unwrap().len(), 1);
    state.forward(61_000).await.unwrap();
    assert_eq!(list(&state, "failed", 10).await.unwrap(), Some(vec![]));
}

#[tokio::test]
async fn a_message_is_sent_received_and_deleted_with_the_sums_that_clients_verify() {
    let server = Server::start().await;
    let attributes = json!({"timestamp": {"DataType": "Number", "StringValue": "1493147359900"}});
    let sent = json!({"MessageBody": "Test message.", "MessageAttributes": attributes});
    let sent = server.call("SendMessage", sent).await;
    assert_eq!(sent["MD5OfMessageBody"], "e4e68fb7bd0e697a0ae8f1bb342846b3");
    assert_eq!(
        sent["MD5OfMessageAttributes"],
        "235c5c510d26fb653d073faed50ae77c"
    );
    assert_eq!(server.counts("work").await, ["1", "0", "0"]);

    let received = server.receive(json!({})).await.remove(0);
    assert_eq!(received["MessageId"], sent["MessageId"]);
    assert_eq!(received["Body"], "Test message.");
    assert_eq!(received["MD5OfBody"], sent["MD5OfMessageBody"]);
    assert_eq!(
        received["MD5OfMessageAttributes"],
        sent["MD5OfMessageAttributes"]
    );
    assert_eq!(received["MessageAttributes"], attributes);
    assert_eq!(received["Attributes"]["ApproximateReceiveCount"], "1");
    assert_eq!(server.counts("work").await, ["0", "1", "0"]);
    // In flight, so nobody else gets it.
    assert!(server.receive(json!({})).await.is_empty());

    let receipt = json!({"ReceiptHandle": received["ReceiptHandle"]});
    server.call("DeleteMessage", receipt.clone()).await;
    assert_eq!(server.counts("work").await, ["0", "0", "0"]);
    // Deleted is deleted, however often.
    server.call("DeleteMessage", receipt).await;
}

#[tokio::test]
async fn a_hidden_message_is_seen_again_by_the_clock_and_an_old_receipt_deletes_nothing() {
    let server = Server::start().await;
    server
        .call("SendMessage", json!({"MessageBody": "a"}))
        .await;
    let first = server.receive(json!({})).await.remove(0);
    server.state.forward(59_000).await.unwrap();
    assert!(server.receive(json!({})).await.is_empty());
    server.state.forward(1_000).await.unwrap();
    let second = server
        .receive(json!({"VisibilityTimeout": 300}))
        .await
        .remove(0);
    assert_eq!(second["Attributes"]["ApproximateReceiveCount"], "2");
    assert_eq!(second["MessageId"], first["MessageId"]);
    let old = json!({"ReceiptHandle": first["ReceiptHandle"]});
    server.call("DeleteMessage", old).await;
    assert_eq!(server.counts("work").await, ["0", "1", "0"]);
    // Given back at once, it has been received often enough: it is a dead letter.
    let back = json!({"ReceiptHandle": second["ReceiptHandle"], "VisibilityTimeout": 0});
    server.call("ChangeMessageVisibility", back.clone()).await;
    assert_eq!(server.counts("work").await, ["1", "0", "0"]);
    assert!(server.receive(json!({})).await.is_empty());
    let dead = server
        .receive(json!({"QueueUrl": "http://x/0/dead"}))
        .await
        .remove(0);
    assert_eq!(dead["MessageId"], first["MessageId"]);
    assert_eq!(dead["Attributes"]["ApproximateReceiveCount"], "3");
    assert_eq!(
        dead["Attributes"]["DeadLetterQueueSourceArn"],
        spec("work").arn
    );
    assert_eq!(
        dead["Attributes"]["SentTimestamp"],
        first["Attributes"]["SentTimestamp"]
    );
    assert_eq!(server.counts("work").await, ["0", "0", "0"]);
}

#[tokio::test]
async fn a_request_waits_for_a_message_and_a_delay_holds_one_back() {
    let server = Server::start().await;
    let begun = Instant::now();
    let waiting = server.receive(json!({"WaitTimeSeconds": 20}));
    let sending = async {
        let late = json!({"MessageBody": "late", "DelaySeconds": 45});
        server.call("SendMessage", late).await;
        assert_eq!(server.counts("work").await, ["0", "0", "1"]);
        server
            .call("SendMessage", json!({"MessageBody": "now"}))
            .await;
    };
    let (received, ()) = tokio::join!(waiting, sending);
    assert_eq!(received.len(), 1);
    assert_eq!(received[0]["Body"], "now");
    // One that is only waited for comes as soon as the clock says so.
    let (received, moved) = tokio::join!(
        server.receive(json!({"WaitTimeSeconds": 20})),
        server.state.forward(45_000)
    );
    moved.unwrap();
    assert_eq!(received.len(), 1);
    // The other one is still in flight.
    assert_eq!(received[0]["Body"], "late");
    assert!(
        begun.elapsed() < Duration::from_secs(15),
        "{:?}",
        begun.elapsed()
    );
}

#[tokio::test]
async fn batches_tell_of_each_entry() {
    let server = Server::start().await;
    let entries = json!([
        {"Id": "one", "MessageBody": "1"},
        {"Id": "two", "MessageBody": "\u{1}"},
        {"Id": "three", "MessageBody": "3", "DelaySeconds": 901},
        {"Id": "four", "MessageBody": "4"}]);
    let answer = server
        .call("SendMessageBatch", json!({"Entries": entries}))
        .await;
    let ids = |list: &Value| -> Vec<String> {
        let list = list.as_array().unwrap().iter();
        list.map(|entry| entry["Id"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(ids(&answer["Successful"]), ["one", "four"]);
    assert_eq!(ids(&answer["Failed"]), ["two", "three"]);
    assert_eq!(answer["Failed"][0]["Code"], "InvalidMessageContents");
    let received = server.receive(json!({})).await;
    let bodies: Vec<_> = received.iter().map(|message| &message["Body"]).collect();
    assert_eq!(bodies, ["1", "4"]);
    let entries = json!([
        {"Id": "a", "ReceiptHandle": received[0]["ReceiptHandle"], "VisibilityTimeout": 600},
        {"Id": "b", "ReceiptHandle": "nonsense", "VisibilityTimeout": 600}]);
    let answer = server
        .call("ChangeMessageVisibilityBatch", json!({"Entries": entries}))
        .await;
    assert_eq!(ids(&answer["Successful"]), ["a"]);
    assert_eq!(answer["Failed"][0]["Code"], "ReceiptHandleIsInvalid");
    let answer = server
        .call("DeleteMessageBatch", json!({"Entries": entries}))
        .await;
    assert_eq!(
        (ids(&answer["Successful"]), ids(&answer["Failed"])),
        (vec!["a".to_owned()], vec!["b".to_owned()])
    );
    assert_eq!(server.counts("work").await, ["0", "1", "0"]);
    server.call("PurgeQueue", json!({})).await;
    assert_eq!(server.counts("work").await, ["0", "0", "0"]);
}

#[tokio::test]
async fn queues_are_found_by_name_and_described() {
    let server = Server::start().await;
    let url = format!("http://{}/000000000000/work", server.address);
    let found = server
        .call("GetQueueUrl", json!({"QueueName": "work"}))
        .await;
    assert_eq!(found["QueueUrl"], json!(url));
    let listed = server
        .call("ListQueues", json!({"QueueNamePrefix": "w"}))
        .await;
    assert_eq!(listed["QueueUrls"], json!([url]));
    let names = json!([
        "VisibilityTimeout",
        "MessageRetentionPeriod",
        "QueueArn",
        "RedrivePolicy"
    ]);
    let described = server
        .call("GetQueueAttributes", json!({"AttributeNames": names}))
        .await;
    let policy =
        r#"{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:dead","maxReceiveCount":2}"#;
    assert_eq!(
        described["Attributes"],
        json!({"VisibilityTimeout": "60", "MessageRetentionPeriod": "600", "QueueArn": spec("work").arn,
            "RedrivePolicy": policy})
    );
}
