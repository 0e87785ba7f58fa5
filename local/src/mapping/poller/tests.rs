//! The mapping of a queue over a function that does what the test says.

use super::*;
use crate::template::{QueueSpec, Redrive};
use std::sync::{Mutex, PoisonError};
use tokio::sync::mpsc;

const ARN: &str = "arn:aws:sqs:us-east-1:000000000000:work";
const DEAD: &str = "arn:aws:sqs:us-east-1:000000000000:dead";

/// A queue with dead letters after two receives, and what the function saw.
struct Fixture {
    state: State,
    source: QueueSource,
    _dir: tempfile::TempDir,
}

impl Fixture {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let state = State::open(dir.path()).unwrap();
        let spec = |arn: &str, redrive| QueueSpec {
            name: arn.rsplit(':').next().unwrap().to_owned(),
            arn: arn.to_owned(),
            retention: Duration::from_hours(1),
            visibility: Duration::from_mins(1),
            redrive,
            ..QueueSpec::default()
        };
        let redrive = Redrive {
            max_receives: 2,
            dead_letters: DEAD.to_owned(),
        };
        queue::declare(&state, &[spec(ARN, Some(redrive)), spec(DEAD, None)]).unwrap();
        let source = QueueSource {
            function: "Work".to_owned(),
            id: "WorkQueue".to_owned(),
            queue: ARN.to_owned(),
            batch_size: 10,
            window: Duration::ZERO,
            concurrency: Some(2),
            report_failures: true,
        };
        Self {
            state,
            source,
            _dir: dir,
        }
    }

    async fn send(&self, bodies: &[&str]) {
        for body in bodies {
            assert!(
                queue::send(&self.state, ARN, (*body).to_owned())
                    .await
                    .unwrap()
            );
        }
    }

    /// Starts the mapping over a function that answers `reply(event)`; what it sees comes out of the channel.
    fn start(
        &self,
        reply: fn(&Value) -> Invoked,
    ) -> (JoinHandle<()>, mpsc::UnboundedReceiver<Value>) {
        let (sender, seen) = mpsc::unbounded_channel();
        let invoke = move |event: Vec<u8>| {
            let event: Value = serde_json::from_slice(&event).unwrap();
            let answer = reply(&event);
            sender.send(event).ok();
            std::future::ready(answer)
        };
        (
            spawn_with(self.source.clone(), self.state.clone(), invoke),
            seen,
        )
    }

    /// Waits until the queue `name` holds these bodies.
    async fn holds(&self, name: &str, bodies: &[&str]) {
        let mut found = Vec::new();
        for _ in 0..500 {
            let messages = queue::list(&self.state, name, 100).await.unwrap().unwrap();
            found = messages
                .into_iter()
                .map(|message| message["body"].clone())
                .collect();
            if found == bodies {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{name} holds {found:?}");
    }
}

/// What the function sees next.
async fn next(seen: &mut mpsc::UnboundedReceiver<Value>) -> Value {
    let seen = tokio::time::timeout(Duration::from_secs(10), seen.recv());
    seen.await.expect("an event").unwrap()
}

fn bodies(event: &Value) -> Vec<&str> {
    let records = event["Records"].as_array().unwrap().iter();
    records
        .map(|record| record["body"].as_str().unwrap())
        .collect()
}

/// Names the records with the body `bad`.
fn named(event: &Value) -> Vec<u8> {
    let records = event["Records"].as_array().unwrap().iter();
    let bad = records.filter(|record| record["body"] == "bad");
    let failures: Vec<Value> = bad
        .map(|record| json!({"itemIdentifier": record["messageId"]}))
        .collect();
    json!({"batchItemFailures": failures})
        .to_string()
        .into_bytes()
}

#[tokio::test]
async fn what_the_answer_names_comes_again_and_is_a_dead_letter_in_the_end() {
    let fixture = Fixture::new();
    fixture.send(&["one", "bad", "two"]).await;
    let (task, mut seen) = fixture.start(|event| Ok(named(event)));
    let first = next(&mut seen).await;
    assert_eq!(bodies(&first), ["one", "bad", "two"]);
    fixture.holds("work", &["bad"]).await;
    fixture.state.forward(60_000).await.unwrap();
    let second = next(&mut seen).await;
    assert_eq!(bodies(&second), ["bad"]);
    let attributes = &second["Records"][0]["attributes"];
    assert_eq!(attributes["ApproximateReceiveCount"], "2");
    fixture.state.forward(60_000).await.unwrap();
    fixture.holds("dead", &["bad"]).await;
    fixture.holds("work", &[]).await;
    task.abort();
}

#[tokio::test]
async fn a_record_is_as_lambda_makes_it() {
    let fixture = Fixture::new();
    fixture.send(&["Test message."]).await;
    let (task, mut seen) = fixture.start(|event| Ok(named(event)));
    let event = next(&mut seen).await;
    task.abort();
    let mut record = event["Records"][0].clone();
    for (place, length) in [
        ("/messageId", 36),
        ("/receiptHandle", 100),
        ("/attributes/SentTimestamp", 13),
        ("/attributes/ApproximateFirstReceiveTimestamp", 13),
        ("/attributes/SenderId", 21),
    ] {
        let value = record.pointer_mut(place).unwrap();
        assert_eq!(value.as_str().unwrap().len(), length, "{place} {value}");
        *value = Value::Null;
    }
    assert_eq!(
        record,
        json!({
            "messageId": null, "receiptHandle": null, "body": "Test message.",
            "attributes": {"ApproximateReceiveCount": "1", "SentTimestamp": null, "SenderId": null,
                "ApproximateFirstReceiveTimestamp": null},
            "messageAttributes": {}, "md5OfBody": "e4e68fb7bd0e697a0ae8f1bb342846b3", "eventSource": "aws:sqs",
            "eventSourceARN": ARN, "awsRegion": "us-east-1"})
    );
}

#[tokio::test]
async fn an_odd_answer_and_an_error_fail_the_whole_batch() {
    for reply in [
        (|_| Ok(br#"{"batchItemFailures":[{"itemIdentifier":"x"}]}"#.to_vec()))
            as fn(&Value) -> Invoked,
        |_| Ok(b"\"ok\"".to_vec()),
        |_| Err(InvokeError::Failed("it panicked".to_owned())),
        |_| Err(InvokeError::TimedOut),
    ] {
        let fixture = Fixture::new();
        fixture.send(&["one", "two"]).await;
        let (task, mut seen) = fixture.start(reply);
        next(&mut seen).await;
        fixture.state.forward(60_000).await.unwrap();
        let again = next(&mut seen).await;
        assert_eq!(bodies(&again), ["one", "two"]);
        fixture.holds("work", &["one", "two"]).await;
        task.abort();
    }
}

#[tokio::test]
async fn without_reports_any_answer_is_success() {
    let mut fixture = Fixture::new();
    fixture.source.report_failures = false;
    fixture.send(&["bad"]).await;
    let (task, mut seen) = fixture.start(|event| Ok(named(event)));
    next(&mut seen).await;
    fixture.holds("work", &[]).await;
    task.abort();
}

#[tokio::test]
async fn batches_keep_to_their_size_and_window_and_no_more_than_allowed_are_in_flight() {
    let mut fixture = Fixture::new();
    fixture.source.batch_size = 2;
    fixture.source.window = Duration::from_millis(200);
    fixture.send(&["1", "2", "3", "4", "5"]).await;
    let (events, mut seen) = mpsc::unbounded_channel();
    let gates: Arc<Mutex<Vec<tokio::sync::oneshot::Sender<()>>>> = Arc::default();
    let open = Arc::clone(&gates);
    let invoke = move |event: Vec<u8>| {
        let (gate, opened) = tokio::sync::oneshot::channel();
        open.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(gate);
        events
            .send(serde_json::from_slice::<Value>(&event).unwrap())
            .ok();
        async move {
            opened.await.ok();
            Ok(Vec::new())
        }
    };
    let task = spawn_with(fixture.source.clone(), fixture.state.clone(), invoke);
    assert_eq!(bodies(&next(&mut seen).await), ["1", "2"]);
    assert_eq!(bodies(&next(&mut seen).await), ["3", "4"]);
    // The third waits in the queue, and not hidden.
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(seen.try_recv().is_err());
    let waiting = queue::list(&fixture.state, "work", 10)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(waiting[4]["received"], 0);
    gates.lock().unwrap_or_else(PoisonError::into_inner).clear();
    assert_eq!(bodies(&next(&mut seen).await), ["5"]);
    task.abort();
}

#[tokio::test]
async fn an_event_is_never_larger_than_lambda_takes() {
    let mut fixture = Fixture::new();
    fixture.source.batch_size = 10_000;
    fixture.source.window = Duration::from_secs(1);
    // Each byte is two in JSON.
    let large = "\"".repeat(1024 * 1024);
    fixture.send(&[large.as_str(); 4]).await;
    let (task, mut seen) = fixture.start(|event| Ok(named(event)));
    let mut left = 4;
    while left > 0 {
        let event = next(&mut seen).await;
        assert!(event.to_string().len() <= MAX_EVENT);
        left -= bodies(&event).len();
    }
    fixture.holds("work", &[]).await;
    task.abort();
}
