//! One line of the log for each invocation, in the format from which `CloudWatch` makes metrics. What holds of every line of every
//! test is in `log_lines.rs`.

use std::collections::BTreeMap;

use local::function::Function;
use serde_json::{Value, json};
use shared::id::{NotificationId, UserId};
use shared::metrics::{Metric, NAMESPACE};
use shared::task::{Later, MAX_ATTEMPTS, parked};

use crate::caller::eventually;
use crate::ground::{Http, RowKey, create, stored};
use crate::stack::{root, unique};
use crate::tasks::{Field, NOTHING_LEFT, batch};

/// A function whose metrics have a stack's name of their own.
pub fn function(field: &Field, binary: &str, stack: &str) -> Function {
    let variables = [("STACK_NAME", stack)];
    field.ground.function_with(binary, None, 0, &variables)
}

/// The lines of this stack's invocations that have metrics, once there are so many.
async fn counting(stack: &str, count: usize) -> Vec<Value> {
    let counts = |line: &Value| line["_aws"].is_object() && line["ms"].is_u64();
    lines_with(stack, count, counts).await
}

/// The lines of this stack's invocations, once there are so many.
pub async fn lines(stack: &str, count: usize) -> Vec<Value> {
    lines_with(stack, count, |line| line["ms"].is_u64()).await
}

async fn lines_with(stack: &str, count: usize, wanted: fn(&Value) -> bool) -> Vec<Value> {
    eventually("the log", async || {
        let log = local::function_log().into_iter();
        let lines = log.filter_map(|(_, line)| serde_json::from_str(&line).ok());
        let lines: Vec<Value> = lines
            .filter(|line: &Value| line["stack"] == stack && wanted(line))
            .collect();
        (lines.len() >= count).then_some(lines)
    })
    .await
}

/// The metrics of a line, as `CloudWatch` reads them.
fn metrics(line: &Value) -> BTreeMap<String, Value> {
    let told = &line["_aws"]["CloudWatchMetrics"][0];
    assert_eq!(told["Namespace"], NAMESPACE);
    assert_eq!(told["Dimensions"], json!([["stack"]]));
    assert!(line["_aws"]["Timestamp"].is_i64());
    let names = told["Metrics"].as_array().unwrap().iter();
    let names = names.map(|metric| metric["Name"].as_str().unwrap().to_owned());
    let known = |name: &String| Metric::ALL.iter().any(|metric| metric.word() == name);
    let mut metrics = BTreeMap::new();
    for name in names {
        assert!(known(&name), "{name}");
        let value = line[&name].clone();
        metrics.insert(name, value);
    }
    metrics
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invocation_is_one_small_line_that_says_what_it_did() {
    let field = Field::new().await;
    let stack = unique("stack");
    let creator = function(&field, "create-notifications", &stack);
    let pusher = function(&field, "push-notifications", &stack);
    let phone = field.phone("telemetry").await;
    let secret = unique("canary-title");
    let note =
        |users: &[&str]| json!({"recipients": users, "type": "video.liked", "title": secret});
    let mut rows: Vec<RowKey> = Vec::new();
    for users in [&[&*phone.user][..], &[&phone.user, "telemetry-nobody"]] {
        let reply = create(None, &note(users)).send(&creator).await.unwrap();
        rows.extend(stored(&reply));
    }
    let refused = create(None, &json!({"recipients": []}))
        .send(&creator)
        .await;
    assert_eq!(refused.unwrap().status, 422);
    assert_eq!(pusher.invoke(batch(&rows)).await.unwrap(), NOTHING_LEFT);

    let lines = lines_with(&stack, 6, |_| true).await;
    let [instance, first, second, refused, other, third] = &lines[..] else {
        panic!("{lines:?}");
    };
    let expected = BTreeMap::from([("cold_start".to_owned(), json!(1))]);
    assert_eq!(
        (metrics(instance), metrics(other)),
        (expected.clone(), expected)
    );
    assert_eq!(instance["request_id"], first["request_id"]);
    // What is said of a request has no metrics: the stream's batches have them.
    for (line, created) in [(first, 1), (second, 2)] {
        assert_eq!(
            (line.get("_aws"), &line["created"]),
            (None, &json!(created))
        );
    }
    assert_eq!(second["route"], "POST /v1/notifications");
    assert_eq!(
        (&second["status"], &second["level"]),
        (&json!(201), &json!("INFO"))
    );
    assert!(second["request_id"].is_string() && second["ms"].is_u64());
    assert_eq!((refused.get("_aws"), refused.get("created")), (None, None));
    let found = metrics(third);
    assert_eq!(found["stored"], 3);
    assert_eq!(
        (&found["sent"], &found["no_device"]),
        (&json!(2), &json!(1))
    );
    assert_eq!(found["latency_ms"].as_array().unwrap().len(), 2);
    assert_eq!(third["records"], 3);
    for line in &lines {
        let line = line.to_string();
        assert!(
            !line.contains(&secret) && !line.contains(&phone.user) && !line.contains(&phone.token)
        );
    }
    // In the stack's real name are fewer letters, in a metric's value may be more.
    let bytes = second.to_string().len() - stack.len();
    assert!(bytes <= 150, "{bytes} bytes: {second}");
}

/// A producer's place in a trace of this number.
pub fn traceparent(trace: usize) -> String {
    format!("00-{trace:032x}-00f067aa0ba902b7-01")
}

/// What support sees first of a notification.
pub async fn first_step(field: &Field, (pk, sk): &RowKey) -> Value {
    let support = field.ground.function("administer-users", None);
    let trace = Http::new("GET /v1/users/{user}/notifications/{id}/trace", "admin");
    let trace = trace.path("user", &pk[2..]).path("id", &sk[2..]);
    let mut shown = trace.send(&support).await.unwrap();
    shown.body["data"][0].take()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_producers_trace_goes_from_the_header_to_the_row_the_logs_and_support() {
    let field = Field::new().await;
    let stack = unique("stack");
    let creator = function(&field, "create-notifications", &stack);
    let pusher = function(&field, "push-notifications", &stack);
    let phone = field.phone("traced").await;
    let note = json!({"recipients": [phone.user], "type": "t", "title": "T"});
    let (one, other) = (traceparent(0xace), traceparent(0xbee));
    let broken = other.replace("00-", "0-");
    let two = format!("{one},{other}");
    let mut rows: Vec<RowKey> = Vec::new();
    for (header, body) in [
        (None, &note),
        (Some(&one), &note),
        (Some(&broken), &note),
        (Some(&two), &note),
        (Some(&other), &json!({"notifications": [note, note]})),
    ] {
        let mut request = create(None, body);
        if let Some(header) = header {
            request = request.header("traceparent", header);
        }
        rows.extend(stored(&request.send(&creator).await.unwrap()));
    }
    let mut kept = Vec::new();
    for (pk, sk) in &rows {
        let row = field.ground.row(pk, sk).await.unwrap();
        kept.push(row["tp"].as_str().map(str::to_owned));
    }
    // 25 bytes of the three parts, and none in a row whose producer said nothing.
    let bytes = |header: &str| Some(header[3..].replace('-', ""));
    let (first, second) = (bytes(&one), bytes(&other));
    assert_eq!(kept, [None, first, None, None, second.clone(), second]);
    assert_eq!(first_step(&field, &rows[1]).await["traceparent"], one);
    assert_eq!(first_step(&field, &rows[0]).await.get("traceparent"), None);
    let inbox = Http::new("GET /v1/me/notifications", &phone.user);
    let inbox = inbox.query("consistent=true").send(&field.inbox).await;
    let inbox = inbox.unwrap().body;
    assert_eq!(inbox["data"].as_array().unwrap().len(), 6);
    assert!(!inbox.to_string().contains(&one[3..35]), "{inbox}");

    assert_eq!(pusher.invoke(batch(&rows)).await.unwrap(), NOTHING_LEFT);
    let lines = lines(&stack, 6).await;
    let traces: Vec<&Value> = lines.iter().map(|line| &line["traces"]).collect();
    let (one, other) = (&one[3..35], &other[3..35]);
    let (null, both) = (&Value::Null, json!([one, other]));
    let (one, other) = (json!([one]), json!([other]));
    assert_eq!(traces, [null, &one, null, null, &other, &both]);
    let bytes = lines[1].to_string().len() - stack.len();
    assert!(bytes <= 200, "{bytes} bytes: {}", lines[1]);
}

#[cfg(feature = "proof")]
#[tokio::test(flavor = "multi_thread")]
async fn a_batch_of_a_hundred_is_told_in_twenty_bytes_for_each() {
    let field = Field::new().await;
    let stack = unique("stack");
    let pusher = function(&field, "push-notifications", &stack);
    let phone = field.phone("telemetry").await;
    let notes = (0..100).map(|_| json!({"recipients": [phone.user], "type": "t", "title": "T"}));
    let notes = json!({"notifications": notes.collect::<Vec<_>>()});
    let reply = create(None, &notes).send(&field.creator).await.unwrap();
    let mut rows = stored(&reply);
    // As many as a line names have a trace, each another.
    for (trace, row) in rows.iter_mut().take(12).enumerate() {
        let note = json!({"recipients": [phone.user], "type": "t", "title": "T"});
        let traced = create(None, &note).header("traceparent", &traceparent(trace + 1));
        *row = stored(&traced.send(&field.creator).await.unwrap()).remove(0);
    }
    assert_eq!(pusher.invoke(batch(&rows)).await.unwrap(), NOTHING_LEFT);
    let line = lines(&stack, 1).await.remove(0);
    assert_eq!(metrics(&line)["sent"], 100);
    assert_eq!(line["traces"].as_array().unwrap().len(), 10);
    let bytes = line.to_string().len();
    assert!(bytes <= 20 * rows.len(), "{bytes} bytes: {line}");
}

impl Field {
    /// A push whose last attempt comes, and is refused as all before it.
    async fn give_up(&self, stack: &str) {
        let phone = self.phone("error-application").await;
        let row = stored(&self.send(&phone.user, json!({})).await).remove(0);
        let id = NotificationId::parse(&row.1[2..]).unwrap();
        let user = UserId::parse(&phone.user).unwrap();
        let last = Later {
            attempt: MAX_ATTEMPTS,
            ..parked(user, id, id.at())
        };
        self.ground.store().put_later(&last, id.at()).await.unwrap();
        let minute = self.first_minute().await.unwrap();
        self.set_cursor(minute - 1).await;
        let ahead = minute * 60 + 5 - id.at().as_second();
        let variables = [("STACK_NAME", stack)];
        let runner = self
            .ground
            .function_with("run-tasks", None, ahead, &variables);
        self.sweep_with(&runner).await;
    }
}

/// What an alarm of the template reads is what its condition writes: the metric's name, its namespace and its dimension.
#[tokio::test(flavor = "multi_thread")]
async fn what_alarms_read_is_written_when_their_condition_comes() {
    let field = Field::new().await;
    let (stack, broken, given_up) = (unique("stack"), unique("stack"), unique("stack"));
    field.give_up(&given_up).await;
    let pusher = function(&field, "push-notifications", &stack);
    let mut rows = Vec::new();
    for token in [
        "error-invalid-parameter",
        "error-application",
        "error-authorization-error",
    ] {
        let phone = field.phone(token).await;
        rows.extend(stored(&field.send(&phone.user, json!({})).await));
    }
    assert_eq!(pusher.invoke(batch(&rows)).await.unwrap(), NOTHING_LEFT);
    let variables = [
        ("STACK_NAME", &*broken),
        ("AWS_ENDPOINT_URL_DYNAMODB", "http://127.0.0.1:9"),
    ];
    let reader = field
        .ground
        .function_with("read-inbox", None, 0, &variables);
    let counts = Http::new("GET /v1/me/notifications/counts", "ana");
    assert_eq!(counts.send(&reader).await.unwrap().status, 503);
    let ingest = function(&field, "ingest-events", &stack);
    assert!(ingest.invoke(b"{}".to_vec()).await.is_err());

    let mut written = BTreeMap::new();
    for (stack, count) in [(&given_up, 1), (&stack, 2), (&broken, 1)] {
        for line in counting(stack, count).await {
            written.append(&mut metrics(&line));
        }
    }
    let template = std::fs::read_to_string(root().join("template.yaml")).unwrap();
    let template = local::yaml::parse(&template).unwrap();
    let mut read = 0;
    for (id, resource) in template["Resources"].as_object().unwrap() {
        let alarm = &resource["Properties"];
        if resource["Type"] != "AWS::CloudWatch::Alarm" || alarm["Namespace"] != NAMESPACE {
            continue;
        }
        read += 1;
        let name = alarm["MetricName"].as_str().unwrap();
        assert!(
            written.contains_key(name),
            "{id} reads {name}, of {written:?}"
        );
        assert_eq!(alarm["Dimensions"][0]["Name"], "stack", "{id}");
        assert_eq!(alarm["Dimensions"].as_array().unwrap().len(), 1, "{id}");
    }
    assert!(read >= 5, "{read} alarms read metrics of ours");
}
