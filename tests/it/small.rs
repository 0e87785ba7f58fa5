//! A local stack of a few resources, whose one function is a script that writes down what it sees.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use local::{Options, Stack};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::caller::eventually;
use crate::stack::data_folder;

/// The function `work`: it writes down each event and how far the clock is ahead, and fails as often as the file
/// `failures` has lines. While there is a file `hold`, it does not answer.
const FUNCTION: &str = r#"#!/bin/sh
api="http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation"
while curl -sf -D "$DATA/head.$$" -o "$DATA/event.$$" "$api/next"; do
  id=$(tr -d '\r' <"$DATA/head.$$" | sed -n 's/^[Ll]ambda-[Rr]untime-[Aa]ws-[Rr]equest-[Ii]d: //p')
  how=response
  if [ -s "$DATA/failures" ]; then
    how=error
    sed -i 1d "$DATA/failures"
  fi
  echo "$$ ${CLOCK_AHEAD_MS:-0}" >>"$DATA/clocks"
  { cat "$DATA/event.$$"; echo; } >>"$DATA/events"
  while [ -e "$DATA/hold" ]; do sleep 0.02; done
  curl -sf -d '{}' "$api/$id/$how"
done
"#;

/// A small stack, and the folder its function writes to.
pub struct Small {
    pub stack: Stack,
    pub folder: TempDir,
}

impl Small {
    /// A stack of these resources, which may refer to the parameter `Data`; its function fails as often as said.
    pub async fn start(resources: &str, failures: usize) -> Small {
        let folder = data_folder();
        let path = folder.path();
        let template = format!(
            "Transform: AWS::Serverless-2016-10-31\nParameters: {{Data: {{Type: String}}}}\nResources:\n{resources}"
        );
        fs::write(path.join("template.yaml"), template).unwrap();
        fs::write(path.join("work"), FUNCTION).unwrap();
        fs::write(path.join("failures"), "no\n".repeat(failures)).unwrap();
        fs::set_permissions(path.join("work"), fs::Permissions::from_mode(0o700)).unwrap();
        let stack = start(path).await;
        Small { stack, folder }
    }

    /// Has the function fail no more.
    pub fn succeed(&self) {
        fs::write(self.folder.path().join("failures"), "").unwrap();
    }

    /// Whether the function waits before it answers.
    pub fn hold(&self, hold: bool) {
        let file = self.folder.path().join("hold");
        if hold {
            fs::write(file, "").unwrap();
        } else {
            fs::remove_file(file).unwrap();
        }
    }

    /// The events the function got.
    pub fn events(&self) -> Vec<Value> {
        let lines = self.lines("events");
        let read = |line: &String| serde_json::from_str(line).ok();
        lines.iter().filter_map(read).collect()
    }

    /// For each event the process that got it, and how far ahead it was told the clock is.
    pub fn clocks(&self) -> Vec<String> {
        self.lines("clocks")
    }

    fn lines(&self, file: &str) -> Vec<String> {
        let text = fs::read_to_string(self.folder.path().join(file)).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// The events, when the function has got so many.
    pub async fn events_are(&self, count: usize) -> Vec<Value> {
        let events = eventually("the events", async || {
            Some(self.events()).filter(|events| events.len() >= count)
        });
        let events = events.await;
        assert_eq!(events.len(), count);
        events
    }

    /// The events, when the function has got so many, with the clock moved on by two minutes again and again: whatever is
    /// due by then may only be known when an invocation has ended.
    pub async fn moved_until(&self, count: usize) -> Vec<Value> {
        let began = Instant::now();
        while self.events().len() < count {
            assert!(
                began.elapsed() < Duration::from_secs(15),
                "still not {count} events"
            );
            forward(&self.stack.api_url(), 120).await;
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        self.events_are(count).await
    }

    /// The messages in a queue.
    pub async fn queue(&self, name: &str) -> Vec<Value> {
        let url = format!("{}/_local/queues/{name}", self.stack.api_url());
        let answer: Value = reqwest::get(url).await.unwrap().json().await.unwrap();
        answer["data"].as_array().unwrap().clone()
    }

    /// The answer of SQS.
    pub async fn sqs(&self, operation: &str, body: &Value) -> Value {
        let request = reqwest::Client::new()
            .post(self.stack.sqs_url())
            .header("x-amz-target", format!("AmazonSQS.{operation}"))
            .header("content-type", "application/x-amz-json-1.0")
            .body(body.to_string());
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 200);
        answer.json().await.unwrap()
    }
}

/// A stack over what is in the folder.
async fn start(folder: &Path) -> Stack {
    let data = folder.to_str().unwrap().to_owned();
    let options = Options {
        template: folder.join("template.yaml"),
        parameters: BTreeMap::from([("Data".to_owned(), data)]),
        secrets: BTreeMap::new(),
        binaries: folder.to_owned(),
        data: folder.join("stack"),
        listener: local::listen(0).unwrap(),
        pages: Vec::new(),
    };
    Stack::start(options).await.unwrap()
}

/// Moves the clock of the stack whose API is at `api`.
pub async fn forward(api: &str, seconds: i64) -> Value {
    let request = reqwest::Client::new().post(format!("{api}/_local/clock"));
    let answer = request
        .json(&json!({"forward_seconds": seconds}))
        .send()
        .await;
    let answer = answer.unwrap();
    assert_eq!(answer.status(), 200);
    answer.json().await.unwrap()
}
