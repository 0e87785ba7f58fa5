//! Events nobody waits for, over a program that fails in the way the test says.

use super::*;
use crate::clock::Clock;
use crate::template::{FunctionSpec, QueueSpec};
use std::collections::BTreeMap;
use std::path::Path;

const ARN: &str = "arn:aws:sqs:us-east-1:000000000000:lost";

fn state(dir: &Path) -> State {
    let state = State::open(dir).unwrap();
    let lost = QueueSpec {
        name: "lost".to_owned(),
        arn: ARN.to_owned(),
        retention: Duration::from_hours(100),
        ..QueueSpec::default()
    };
    queue::declare(&state, &[lost]).unwrap();
    state
}

/// The function `Work`, whose program ends at once.
async fn start(state: &State, max_retries: u32) -> (Function, AsyncFunction) {
    let config = Asynchronous {
        max_retries,
        on_failure: Some(ARN.to_owned()),
        ..Asynchronous::default()
    };
    let spec = FunctionSpec {
        logical_id: "Work".to_owned(),
        name: "Work".to_owned(),
        binary: String::new(),
        memory: 128,
        timeout: Duration::from_secs(1),
        environment: BTreeMap::new(),
        log_format: "JSON".to_owned(),
        log_level: "INFO".to_owned(),
        asynchronous: config.clone(),
    };
    let function = Function::with_clock(
        &spec,
        "/bin/false".into(),
        &BTreeMap::new(),
        Clock::default(),
    );
    let events = AsyncFunction::start(function.clone(), config, state.clone());
    (function, events.await.unwrap())
}

/// How often the open events were run.
fn invokes(state: &State) -> Vec<u32> {
    let read = |connection: &mut rusqlite::Connection| {
        let mut rows = connection.prepare("SELECT invokes FROM events")?;
        rows.query_map([], |row| row.get(0))?.collect()
    };
    state.with(read).unwrap()
}

async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    for _ in 0..500 {
        if holds().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("never: {what}");
}

async fn letters(state: &State) -> Vec<Value> {
    queue::list(state, "lost", 10).await.unwrap().unwrap()
}

#[tokio::test]
async fn a_failed_event_is_tried_twice_again_by_the_clock_and_then_told() {
    let dir = tempfile::tempdir().unwrap();
    let state = state(dir.path());
    let (_function, events) = start(&state, 2).await;
    events.accept(br#"{"n":1}"#.to_vec()).await.unwrap();
    until("the first run", async || invokes(&state) == [1]).await;
    state.forward(60_000).await.unwrap();
    until("the second run", async || invokes(&state) == [2]).await;
    state.forward(60_000).await.unwrap();
    assert_eq!(invokes(&state), [2], "the second pause is two minutes");
    state.forward(60_000).await.unwrap();
    until("the letter", async || letters(&state).await.len() == 1).await;
    until("the end", async || invokes(&state).is_empty()).await;
    let mut body = letters(&state).await.remove(0)["body"].clone();
    let context = &body["requestContext"];
    assert_eq!(context["condition"], "RetriesExhausted");
    assert_eq!(context["approximateInvokeCount"], 3);
    assert_eq!(
        context["functionArn"],
        "arn:aws:lambda:us-east-1:000000000000:function:Work:$LATEST"
    );
    assert_eq!(body["requestPayload"], json!({"n": 1}));
    let response =
        json!({"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"});
    assert_eq!(body["responseContext"], response);
    let message = body["responsePayload"]["errorMessage"].take();
    assert!(
        message.as_str().unwrap().contains("exit status: 1"),
        "{message}"
    );
}

#[tokio::test]
async fn an_event_that_got_too_old_is_told_without_another_run() {
    let dir = tempfile::tempdir().unwrap();
    let state = state(dir.path());
    let (_function, events) = start(&state, 2).await;
    events.accept(b"{}".to_vec()).await.unwrap();
    until("the first run", async || invokes(&state) == [1]).await;
    state.forward(6 * 3_600_000 + 1_000).await.unwrap();
    until("the letter", async || letters(&state).await.len() == 1).await;
    let context = letters(&state).await[0]["body"]["requestContext"].clone();
    assert_eq!(context["condition"], "EventAgeExceeded");
    assert_eq!(context["approximateInvokeCount"], 1);
}

#[tokio::test]
async fn what_was_accepted_is_run_by_the_next_stack() {
    let dir = tempfile::tempdir().unwrap();
    let first = state(dir.path());
    let (function, events) = start(&first, 0).await;
    // A stack that is ending: the failure says nothing, and the event stays.
    function.end();
    events.accept(b"{}".to_vec()).await.unwrap();
    let mut tasks = std::mem::take(&mut *events.tasks.lock().unwrap());
    while tasks.join_next().await.is_some() {}
    assert_eq!(invokes(&first), [0]);
    assert!(letters(&first).await.is_empty());
    drop((events, function, first));

    let second = state(dir.path());
    let (_function, _events) = start(&second, 0).await;
    until("the letter", async || letters(&second).await.len() == 1).await;
    until("the end", async || invokes(&second).is_empty()).await;
}
