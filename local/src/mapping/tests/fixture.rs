//! A table with a stream, a state file, and a function that does what the test says.

use super::*;
use crate::function::InvokeError;
use crate::queue;
use crate::table::tests::spec;
use crate::template::QueueSpec;
use serde_json::{Value, json};
use std::collections::HashMap;

pub(super) const LATER: i64 = 99_999_999_999;

pub(super) struct Fixture {
    pub(super) dir: tempfile::TempDir,
    pub(super) tables: Tables,
    pub(super) state: State,
    pub(super) source: StreamSource,
    /// The sort keys of each invocation, in order.
    pub(super) seen: Arc<Mutex<Vec<Vec<String>>>>,
}

impl Fixture {
    pub(super) async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let tables = Tables::start(dir.path(), &[spec()]).await.unwrap();
        let state = State::open(dir.path()).unwrap();
        let failed = QueueSpec {
            logical_id: "Failed".to_owned(),
            name: "failed".to_owned(),
            arn: "arn:failed".to_owned(),
            retention: Duration::from_mins(1),
            ..QueueSpec::default()
        };
        queue::declare(&state, &[failed]).unwrap();
        let source = StreamSource {
            function: "Push".to_owned(),
            id: "PushStream".to_owned(),
            table: "things".to_owned(),
            batch_size: 100,
            window: Duration::ZERO,
            parallelization: 1,
            starting_position: StartingPosition::TrimHorizon,
            bisect: true,
            max_retries: Some(2),
            max_age: None,
            report_failures: true,
            filters: Vec::new(),
            on_failure: Some("arn:failed".to_owned()),
        };
        Self {
            dir,
            tables,
            state,
            source,
            seen: Arc::default(),
        }
    }

    /// Starts the mapping over a function that answers `reply(sort key, how often seen)` per record: `None` fails the
    /// whole invocation, `false` reports the record.
    pub(super) fn start(&self, reply: fn(&str, usize) -> Option<bool>) -> JoinHandle<()> {
        let (seen, counts) = (Arc::clone(&self.seen), Arc::new(Mutex::new(HashMap::new())));
        let invoke = move |event: Vec<u8>| {
            let (seen, counts) = (Arc::clone(&seen), Arc::clone(&counts));
            async move {
                let event: Value = serde_json::from_slice(&event).unwrap();
                let mut keys = Vec::new();
                let mut failures = Vec::new();
                let mut dead = false;
                for record in event["Records"].as_array().unwrap() {
                    let key = record["dynamodb"]["Keys"]["sk"]["S"]
                        .as_str()
                        .unwrap()
                        .to_owned();
                    let mut counts = counts.lock().unwrap_or_else(PoisonError::into_inner);
                    let count = counts.entry(key.clone()).or_insert(0);
                    *count += 1;
                    match reply(&key, *count) {
                        Some(true) => {}
                        Some(false) => failures
                            .push(json!({"itemIdentifier": record["dynamodb"]["SequenceNumber"]})),
                        None => dead = true,
                    }
                    keys.push(key);
                }
                seen.lock().unwrap().push(keys);
                if dead {
                    return Err(InvokeError::Failed("it panicked".to_owned()));
                }
                Ok(json!({"batchItemFailures": failures})
                    .to_string()
                    .into_bytes())
            }
        };
        let named = ("push".to_owned(), Duration::from_millis(1));
        spawn_with(
            self.source.clone(),
            &self.tables,
            self.state.clone(),
            named,
            invoke,
        )
        .unwrap()
    }

    pub(super) fn seen(&self) -> Vec<Vec<String>> {
        self.seen.lock().unwrap().clone()
    }

    /// Waits until the checkpoint is the stream's newest record.
    pub(super) async fn settled(&self) {
        let newest = self.tables.stream("things").unwrap().newest().unwrap();
        for _ in 0..500 {
            if self.state.checkpoint("PushStream").unwrap() == newest {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("not settled; seen {:?}", self.seen());
    }

    pub(super) async fn letters(&self) -> Vec<Value> {
        queue::list(&self.state, "failed", 100)
            .await
            .unwrap()
            .unwrap()
    }
}
