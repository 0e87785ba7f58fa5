//! Events through the queue, and through the other event sources of Lambda.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use local::function::Function;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::Mutex;

use crate::caller::eventually;
use crate::event_log::{event, ids, log};
use crate::ground::{Ground, Http};
use crate::proxy::{Fault, Rule};
use crate::stack::{Stack, shared, unique};

/// The answer of SQS to one of its operations.
pub async fn sqs(stack: &Stack, operation: &str, body: &Value) -> Value {
    let request = reqwest::Client::new()
        .post(stack.sqs())
        .header("x-amz-target", format!("AmazonSQS.{operation}"))
        .header("content-type", "application/x-amz-json-1.0");
    let answer = request.body(body.to_string()).send().await.unwrap();
    let status = answer.status();
    let text = answer.text().await.unwrap();
    assert_eq!(status, 200, "{text}");
    serde_json::from_str(&text).unwrap_or_default()
}

/// A queue's URL, as a program asks for it.
pub async fn queue_url(stack: &Stack, name: &str) -> Value {
    let answer = sqs(stack, "GetQueueUrl", &json!({"QueueName": name})).await;
    answer["QueueUrl"].clone()
}

/// The dead letters whose body contains `text`, each with its reason. Whoever looks takes all there are.
pub async fn dead(stack: &Stack, text: &str) -> Vec<(String, String)> {
    static FOUND: LazyLock<Mutex<Vec<(String, String)>>> = LazyLock::new(Mutex::default);
    let mut found = FOUND.lock().await;
    let url = queue_url(stack, "DeadEvents").await;
    loop {
        let ask =
            json!({"QueueUrl": url, "MaxNumberOfMessages": 10, "MessageAttributeNames": ["All"]});
        let answer = sqs(stack, "ReceiveMessage", &ask).await;
        let messages = answer["Messages"].as_array().cloned().unwrap_or_default();
        if messages.is_empty() {
            break;
        }
        for message in messages {
            let handle = json!({"QueueUrl": url, "ReceiptHandle": message["ReceiptHandle"]});
            sqs(stack, "DeleteMessage", &handle).await;
            let reason = &message["MessageAttributes"]["reason"]["StringValue"];
            let reason = reason.as_str().unwrap_or_default().to_owned();
            found.push((message["Body"].as_str().unwrap().to_owned(), reason));
        }
    }
    found
        .iter()
        .filter(|(body, _)| body.contains(text))
        .cloned()
        .collect()
}

/// Messages as Lambda hands them on; their names are `m0`, `m1`…
pub fn messages(bodies: &[String]) -> Value {
    let records = bodies.iter().enumerate().map(|(index, body)| {
        json!({"messageId": format!("m{index}"), "body": body, "eventSource": "aws:sqs", "messageAttributes": {}})
    });
    json!({"Records": records.collect::<Vec<Value>>()})
}

/// The names of the messages that must come again.
pub async fn failures(function: &Function, event: &Value) -> Vec<String> {
    let answer = function
        .invoke(event.to_string().into_bytes())
        .await
        .unwrap();
    let answer: Value = serde_json::from_slice(&answer).unwrap();
    let failures = answer["batchItemFailures"].as_array().unwrap().iter();
    failures
        .map(|failure| failure["itemIdentifier"].as_str().unwrap().to_owned())
        .collect()
}

/// The ids in the log of a subject of a ground's table, sorted.
pub async fn logged(ground: &Ground, subject: &str) -> Vec<String> {
    let rows = ground.rows().await;
    let under = format!("S#{subject}");
    let rows = rows.iter().filter(|((pk, _), _)| *pk == under);
    let ids = rows.map(|(_, row)| row["i"].as_str().unwrap().to_owned());
    let mut ids: Vec<String> = ids.collect();
    ids.sort();
    ids
}

#[cfg(feature = "proof")]
#[tokio::test]
async fn what_an_aws_sdk_sends_to_the_queue_is_logged() {
    let (stack, subject) = (shared(), unique("queue"));
    let url = queue_url(stack, "EventsQueue").await;
    let body = |id: &str| event(&subject, id).to_string();
    let one = json!({"QueueUrl": url, "MessageBody": body("1")});
    sqs(stack, "SendMessage", &one).await;
    let entry = |id: &str, body: String| json!({"Id": id, "MessageBody": body});
    let batch = json!([event(&subject, "4"), event(&subject, "5")]).to_string();
    let entries = json!([
        entry("a", body("2")),
        entry("b", body("3")),
        entry("c", batch),
        entry("d", body("1"))
    ]);
    sqs(
        stack,
        "SendMessageBatch",
        &json!({"QueueUrl": url, "Entries": entries}),
    )
    .await;
    let found = eventually("all five are logged", async || {
        let page = log(stack, &[("subject", &subject)]).await;
        let mut found: Vec<String> = ids(&page).into_iter().map(str::to_owned).collect();
        found.sort();
        (found.len() == 5).then_some(found)
    });
    assert_eq!(found.await, ["1", "2", "3", "4", "5"]);
    // By HTTP it is the same event.
    let again = stack
        .producer()
        .post("/v1/events", &event(&subject, "3"))
        .await;
    assert_eq!(again.expect(200)["data"]["status"], "duplicate");
}

#[cfg(feature = "proof")]
#[tokio::test]
async fn what_can_never_be_taken_is_a_dead_letter_with_its_reason_and_holds_up_nothing() {
    let (ground, subject) = (Ground::new().await, unique("dead"));
    let function = ground.function("ingest-events", None);
    let mut typeless = event(&subject, "typeless");
    typeless.as_object_mut().unwrap().remove("type");
    let mut other = event(&subject, "good");
    other["data"] = json!({"other": true});
    let mixed = json!([event(&subject, "mixed-good"), typeless, 7]);
    let large = format!("{subject} {}", "x".repeat(70_000));
    let mut too_large = event(&subject, "large");
    too_large["data"] = json!({"text": large});
    let bodies = [
        event(&subject, "good").to_string(),
        format!("not JSON, {subject}"),
        mixed.to_string(),
        other.to_string(),
        too_large.to_string(),
        json!({"detail-type": "x", "detail": {"about": subject}}).to_string(),
        format!("{subject}, as large as SQS takes{}", "x".repeat(1_048_500)),
    ];
    let mut batch = messages(&bodies);
    let odd = json!({"eventSource": "aws:sqs", "about": subject});
    batch["Records"].as_array_mut().unwrap().push(odd.clone());
    assert_eq!(failures(&function, &batch).await, [""; 0]);
    assert_eq!(logged(&ground, &subject).await, ["good", "mixed-good"]);
    let mut found: Vec<(String, String)> = dead(shared(), &subject).await;
    let reason = |about: &str| {
        let (_, reason) = found.iter().find(|(body, _)| body.contains(about)).unwrap();
        reason.clone()
    };
    assert_eq!(reason("typeless"), "/type is required (required)");
    assert!(reason("not JSON").starts_with("the body is not valid JSON"));
    assert_eq!(
        reason("other"),
        "/id was used by this source for another event (event_id_reused)"
    );
    assert_eq!(
        reason(&large),
        "an event has at most 65536 bytes, its numbers written out"
    );
    assert_eq!(
        reason("detail-type"),
        "/id is required (required); /source is required (required)"
    );
    assert_eq!(reason(&odd.to_string()), "it is no message of a queue");
    // With its reason it would be too large a letter.
    assert!(reason("as large as SQS takes").starts_with("the body is not valid JSON"));
    found.sort();
    assert_eq!(found.len(), 7, "{found:?}");
    // The one of a batch that died is a message of its own.
    assert!(
        found
            .iter()
            .any(|(body, _)| serde_json::from_str::<Value>(body).ok().as_ref() == Some(&typeless))
    );
    assert!(
        dead(shared(), "7")
            .await
            .iter()
            .any(|(body, _)| body == "7")
    );
}

#[cfg(feature = "proof")]
#[tokio::test]
async fn what_the_table_does_not_take_now_comes_again_alone_and_buries_nothing_twice() {
    let (ground, subject) = (Ground::new().await, unique("again"));
    let proxy = ground.proxy(false).await;
    let function = ground.function("ingest-events", Some(&proxy));
    let down = Fault::Status(500, "InternalServerError");
    proxy.add(Rule::on("PutItem", 1..=2, down).containing("unlucky"));
    let elsewhere = unique("again");
    let bodies = [
        event(&subject, "good").to_string(),
        json!([event(&elsewhere, "unlucky"), {"about": elsewhere}]).to_string(),
    ];
    assert_eq!(failures(&function, &messages(&bodies)).await, ["m1"]);
    assert_eq!(logged(&ground, &subject).await, ["good"]);
    assert_eq!(dead(shared(), &elsewhere).await, []);
    assert_eq!(failures(&function, &messages(&bodies)).await, [""; 0]);
    assert_eq!(logged(&ground, &elsewhere).await, ["unlucky"]);
    assert_eq!(dead(shared(), &elsewhere).await.len(), 1);
}

#[tokio::test]
async fn no_event_overtakes_one_of_its_subject_that_must_come_again() {
    let (ground, subject) = (Ground::new().await, unique("lane"));
    let proxy = ground.proxy(false).await;
    let function = ground.function("ingest-events", Some(&proxy));
    let down = Fault::Status(500, "InternalServerError");
    proxy.add(Rule::on("PutItem", 1..=4, down).containing("unlucky"));
    let lane = json!([
        event(&subject, "unlucky"),
        event(&subject, "second"),
        event(&subject, "third")
    ]);
    let queued = messages(&[lane.to_string()]);
    assert_eq!(failures(&function, &queued).await, ["m0"]);
    assert_eq!(logged(&ground, &subject).await, [""; 0]);
    let request = Http::new("POST /v1/events", "likes").json(&lane);
    let reply = request.send(&function).await.unwrap();
    let results = reply.body["data"].as_array().unwrap().iter();
    let statuses: Vec<&Value> = results.map(|result| &result["status"]).collect();
    assert_eq!(statuses, [503, 503, 503]);
    assert_eq!(logged(&ground, &subject).await, [""; 0]);
    assert_eq!(failures(&function, &queued).await, [""; 0]);
    let all = ["second", "third", "unlucky"];
    assert_eq!(logged(&ground, &subject).await, all);
}

#[tokio::test]
async fn while_the_dead_letters_are_down_the_rest_comes_again_untried() {
    let ground = Ground::new().await;
    let down = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", down.local_addr().unwrap());
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let _down = tokio::spawn(async move {
        while down.accept().await.is_ok() {
            counted.fetch_add(1, Ordering::Relaxed);
        }
    });
    let variables = [("AWS_ENDPOINT_URL_SQS", endpoint.as_str())];
    let function = ground.function_with("ingest-events", None, 0, &variables);
    let bodies = vec!["not JSON".to_owned(); 60];
    assert_eq!(failures(&function, &messages(&bodies)).await.len(), 60);
    let calls = calls.load(Ordering::Relaxed);
    assert!((1..60).contains(&calls), "{calls} calls");
}

fn encoded(text: &str) -> String {
    BASE64_STANDARD.encode(text)
}

#[cfg(feature = "proof")]
#[tokio::test]
async fn kafka_rabbitmq_and_eventbridge_bring_the_same_events() {
    let (ground, subject) = (Ground::new().await, unique("sources"));
    let proxy = ground.proxy(false).await;
    let function = ground.function("ingest-events", Some(&proxy));
    let value = |id: &str| encoded(&event(&subject, id).to_string());
    let bad = json!({"value": encoded(&format!("\u{0}{subject}")), "about": subject});
    let kafka = |source: &str| {
        json!({"eventSource": source, "records": {
            "likes-0": [{"topic": "likes", "partition": 0, "offset": 1, "value": value("k1")}, bad, 7],
            "likes-1": [{"value": value("k2")}, {"value": null, "about": subject}],
        }})
    };
    let rabbit = json!({"eventSource": "aws:rmq", "rmqMessagesByQueue": {
        "likes::/": [{"basicProperties": {}, "redelivered": false, "data": value("r1")}],
        "odd::/": {"about": subject},
    }});
    let bridge = json!({
        "version": "0", "id": "b1", "detail-type": "Video Liked", "source": "videos", "account": "0",
        "time": "2026-11-20T10:00:00Z", "region": "eu-west-1", "resources": [subject], "detail": {"actor": "bo"},
    });
    let mut wrapped = bridge.clone();
    wrapped["detail"] = event(&subject, "b2");
    for event in [
        kafka("aws:kafka"),
        kafka("SelfManagedKafka"),
        rabbit,
        bridge.clone(),
        wrapped,
    ] {
        let answer = function.invoke(event.to_string().into_bytes()).await;
        assert_eq!(answer.unwrap(), *b"{}", "{event}");
    }
    let found = logged(&ground, &subject).await;
    assert_eq!(found, ["b1", "b2", "k1", "k2", "r1"]);
    assert_eq!(dead(shared(), &subject).await.len(), 5);
    // The same event of EventBridge by way of the queue.
    assert_eq!(
        failures(&function, &messages(&[bridge.to_string()])).await,
        [""; 0]
    );
    assert_eq!(logged(&ground, &subject).await.len(), 5);
    // They are asked for again together, so a part that failed is an error.
    proxy.add(Rule::on(
        "PutItem",
        1..=2,
        Fault::Status(500, "InternalServerError"),
    ));
    let failed = function
        .invoke(kafka("aws:kafka").to_string().into_bytes())
        .await;
    assert!(failed.is_err());
    assert_eq!(dead(shared(), &subject).await.len(), 5);
    for odd in [json!(null), json!([]), json!({}), json!({"Records": 7})] {
        assert!(
            function.invoke(odd.to_string().into_bytes()).await.is_err(),
            "{odd}"
        );
    }
}
