//! A producer's trace goes along with whatever is not done at once: schedules, topics, what everyone gets, parked pushes,
//! the end of quiet hours, and what rules make of events.

use serde_json::{Value, json};

use crate::broadcast_pushes::news;
use crate::caller::eventually;
use crate::event_log::event;
use crate::fan_out::note;
use crate::ground::{Http, RowKey, create};
use crate::stack::unique;
use crate::tasks::{Field, ahead, batch};
use crate::telemetry::{first_step, function, lines, traceparent};
use crate::topics::users;

/// The traces of a stack's newest line, once there are so many lines.
async fn traces(stack: &str, count: usize) -> Value {
    let mut lines = lines(stack, count).await;
    lines.pop().unwrap()["traces"].take()
}

/// What the line of one trace names.
fn named(trace: usize) -> Value {
    json!([traceparent(trace)[3..35]])
}

/// The row that an answer says was stored.
fn key(answer: &Value) -> RowKey {
    let text = |name: &str| answer["data"][0][name].as_str().unwrap();
    (
        format!("U#{}", text("recipient")),
        format!("N#{}", text("id")),
    )
}

impl Field {
    /// Runs what is due in the first minute that has a task, this many seconds from now; the traces that it names.
    async fn next_minute(&self, stack: &str, ahead: i64) -> Vec<Value> {
        let minute = self.first_minute().await.unwrap();
        self.set_cursor(minute - 1).await;
        let variables = [("STACK_NAME", stack)];
        let runner = self
            .ground
            .function_with("run-tasks", None, ahead, &variables);
        self.sweep_with(&runner).await;
        eventually("a line that names a trace", async || {
            let lines = lines(stack, 1).await.into_iter();
            let traces = lines.map(|mut line| line["traces"].take());
            let traces: Vec<Value> = traces.filter(|traces| !traces.is_null()).collect();
            (!traces.is_empty()).then_some(traces)
        })
        .await
    }

    /// Sends as a producer in a trace; the answer.
    async fn traced(&self, body: &Value, trace: usize) -> Value {
        let request = create(None, body).header("traceparent", &traceparent(trace));
        request.send(&self.creator).await.unwrap().body
    }

    /// Whether the row has the trace.
    async fn has(&self, (pk, sk): &RowKey, trace: usize) -> bool {
        let row = self.ground.row(pk, sk).await.unwrap();
        row["tp"] == traceparent(trace)[3..].replace('-', "")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schedule_keeps_its_trace_until_it_is_stored() {
    let (field, stack) = (Field::new().await, unique("stack"));
    let user = unique("traced");
    let later = json!({"recipients": [user], "type": "t", "title": "T", "send_at": ahead(3_600)});
    let answer = field.traced(&later, 1).await;
    let schedule = answer["data"][0]["id"].as_str().unwrap();
    let key = (format!("U#{user}"), format!("N#{schedule}"));
    let waits = first_step(&field, &key).await;
    assert_eq!(
        (&waits["step"], &waits["traceparent"]),
        (&json!("scheduled"), &json!(traceparent(1)))
    );
    assert_eq!(field.next_minute(&stack, 3_700).await, [named(1)]);
    let row = field.ground.inbox(&user).await.remove(0);
    assert!(field.has(&row, 1).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topics_members_and_what_everyone_gets_have_the_trace_of_the_one_request() {
    let (field, stack) = (Field::new().await, unique("stack"));
    let topic = field.topic(&users(3)).await;
    field.traced(&note(&topic, "live.traced"), 2).await;
    let answer = field.traced(&news(&topic, &json!({})), 3).await;
    field.bring_steps(&field.runner(0)).await;
    let everyones = answer["data"][0]["id"].as_str().unwrap();
    let mut rows = field.rows("U#").await;
    rows.retain(|(_, sk)| sk.starts_with("N#"));
    let (carried, told): (Vec<RowKey>, Vec<RowKey>) =
        rows.into_iter().partition(|(_, sk)| sk[2..] == *everyones);
    assert_eq!((carried.len(), told.len()), (3, 3));
    for row in &told {
        assert!(field.has(row, 2).await);
    }
    // What is carried says what everyone gets, its trace too.
    assert_eq!(
        first_step(&field, &carried[0]).await["traceparent"],
        traceparent(3)
    );
    let pusher = function(&field, "push-notifications", &stack);
    pusher.invoke(batch(&told)).await.unwrap();
    assert_eq!(traces(&stack, 1).await, named(2));
    pusher.invoke(batch(&carried)).await.unwrap();
    assert_eq!(traces(&stack, 2).await, named(3));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parked_push_names_its_trace_again() {
    let (field, stack) = (Field::new().await, unique("stack"));
    let phone = field.phone("error-application-2").await;
    let note = json!({"recipients": [phone.user], "type": "t", "title": "T"});
    let answer = field.traced(&note, 4).await;
    field.push(&key(&answer)).await;
    assert_eq!(field.next_minute(&stack, 300).await, [named(4)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_quiet_hours_names_the_trace_of_each_that_it_tells_of() {
    let (field, stack) = (Field::new().await, unique("stack"));
    let phone = field.sleeper().await;
    let note = json!({"recipients": [phone.user], "type": "t", "title": "T"});
    for trace in [7, 8] {
        let answer = field.traced(&note, trace).await;
        field.push(&key(&answer)).await;
    }
    // The newest first.
    let both = json!([traceparent(8)[3..35], traceparent(7)[3..35]]);
    assert_eq!(field.next_minute(&stack, 3 * 3_600).await, [both]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_events_own_trace_goes_before_its_requests() {
    let (field, stack) = (Field::new().await, unique("stack"));
    let ingest = function(&field, "ingest-events", &stack);
    let mut liked = event("video:42", "own");
    let whom = json!({"users": ["traced-ana"]});
    let rule = json!({"recipients": whom, "title": "Liked", "sample": liked});
    let put = Http::new("PUT /v1/rules/{type}", "admin").path("type", "video.liked");
    assert_eq!(put.json(&rule).send(&ingest).await.unwrap().status, 201);
    liked["traceparent"] = json!(traceparent(5));
    let mut unnamed = event("video:42", "unnamed");
    unnamed["traceparent"] = json!("00-1");
    for (body, trace) in [
        (&liked, 5),
        (&unnamed, 6),
        (&json!([event("video:42", "batch")]), 6),
    ] {
        let before = field.ground.inbox("traced-ana").await;
        let post = Http::new("POST /v1/events", "likes").json(body);
        let post = post.header("traceparent", &traceparent(6));
        assert!(post.send(&ingest).await.unwrap().status < 300);
        let mut rows = field.ground.inbox("traced-ana").await;
        rows.retain(|row| !before.contains(row));
        assert!(field.has(&rows[0], trace).await, "{trace}");
    }
    let found = lines(&stack, 4).await;
    let found: Vec<&Value> = found
        .iter()
        .map(|line| &line["traces"])
        .filter(|t| !t.is_null())
        .collect();
    let both = json!([traceparent(6)[3..35], traceparent(5)[3..35]]);
    assert_eq!(found, [&both, &named(6), &named(6)]);
}
