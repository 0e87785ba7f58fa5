//! The story of one evening: what people do goes in as events, and what it leaves behind was written down
//! before (`tests/it/story`).

use std::collections::BTreeMap;
use std::fs;

use serde_json::{Value, json};

use crate::caller::{eventually, query};
use crate::ingest_queue::{queue_url, sqs};
use crate::stack::{Stack, root, shared, unique};

const PEOPLE: [&str; 3] = ["ana", "bo", "cy"];

/// The people, and what else there is one of, by their names in the story.
type Names = BTreeMap<&'static str, String>;

fn read(name: &str) -> Value {
    let path = root().join("tests/it/story").join(name);
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// The same JSON with these names in place of those of the story, alone or after a colon or a slash.
fn renamed(value: &Value, names: &Names) -> Value {
    match value {
        Value::String(text) => {
            let place = names.iter().find_map(|(name, new)| {
                let before = text.strip_suffix(name)?;
                let is_whole = before.is_empty() || before.ends_with([':', '/']);
                is_whole.then(|| json!(format!("{before}{new}")))
            });
            place.unwrap_or_else(|| value.clone())
        }
        Value::Array(items) => items.iter().map(|item| renamed(item, names)).collect(),
        Value::Object(fields) => {
            let fields = fields.iter();
            let renamed = fields.map(|(name, value)| {
                let key = renamed(&json!(name), names);
                (key.as_str().unwrap().to_owned(), renamed(value, names))
            });
            Value::Object(renamed.collect())
        }
        other => other.clone(),
    }
}

/// The events of this subject in the log, newest first.
async fn logged(stack: &Stack, subject: &str) -> Vec<Value> {
    let path = format!("/v1/events{}", query(&[("subject", subject)]));
    let page = stack.producer().get(&path).await.expect(200);
    page["data"].as_array().unwrap().clone()
}

/// Sends an event twice: by HTTP both times, or by the queue and by HTTP.
async fn send(stack: &Stack, step: usize, event: &Value) {
    if step.is_multiple_of(2) {
        stack.producer().post("/v1/events", event).await.expect(201);
    } else {
        let url = queue_url(stack, "EventsQueue").await;
        let message = json!({"QueueUrl": url, "MessageBody": event.to_string()});
        sqs(stack, "SendMessage", &message).await;
        eventually("the event", async || {
            let log = logged(stack, event["subject"].as_str().unwrap()).await;
            log.iter()
                .any(|found| found["id"] == event["id"])
                .then_some(())
        })
        .await;
    }
    stack.producer().post("/v1/events", event).await.expect(200);
}

/// The pushes to somebody's phone: what each showed, or what it cleared.
async fn pushes(stack: &Stack, token: &str) -> Vec<Value> {
    let mut shown: BTreeMap<String, Value> = BTreeMap::new();
    let pushes = stack.pushes(token).await.into_iter().map(|push| {
        let message = &push["message"]["fcmV1Message"]["message"];
        if let Some(cleared) = message["data"]["clear"].as_str() {
            return json!({"clears": shown[cleared]});
        }
        let notification = &message["notification"];
        let id = message["data"]["id"].as_str().unwrap().to_owned();
        shown.insert(id, notification["title"].clone());
        json!({"title": notification["title"], "body": notification["body"]})
    });
    pushes.collect()
}

async fn begin(stack: &Stack, names: &Names) {
    for (kind, rule) in read("rules.json").as_object().unwrap() {
        let put = stack.admin().put(&format!("/v1/rules/{kind}"), rule).await;
        put.expect(201);
    }
    for (name, user) in names {
        let locale = if *name == "ana" { "pt-BR" } else { "en" };
        let device = json!({"platform": "fcm", "token": token(user), "locale": locale});
        let user = stack.user(user);
        user.put("/v1/me/devices/phone", &device).await.expect(201);
    }
}

fn token(user: &str) -> String {
    format!("story-{user}")
}

/// Plays one step, and waits for the pushes that it makes.
async fn play(stack: &Stack, number: usize, step: &Value, told: &mut BTreeMap<String, usize>) {
    if let Some(user) = step["by"].as_str() {
        let user = stack.user(user);
        match step["put"].as_str() {
            Some(path) => user.put(path, &json!({})).await.expect(200),
            None => user
                .delete(step["delete"].as_str().unwrap())
                .await
                .expect(204),
        };
        return;
    }
    let mut event = step["event"].clone();
    event["specversion"] = json!("1.0");
    send(stack, number, &event).await;
    for user in step["pushed"].as_array().unwrap() {
        let user = user.as_str().unwrap();
        let count = told.entry(user.to_owned()).or_default();
        *count += 1;
        eventually(step["tells"].as_str().unwrap(), async || {
            (pushes(stack, &token(user)).await.len() >= *count).then_some(())
        })
        .await;
    }
}

async fn inbox(stack: &Stack, user: &str) -> Value {
    let user = stack.user(user);
    let page = user.get("/v1/me/notifications?consistent=true").await;
    let page = page.expect(200);
    let shown = page["data"].as_array().unwrap().iter().map(|notification| {
        let mut shown: Value = ["type", "title", "body", "group", "link"]
            .into_iter()
            .map(|field| (field.to_owned(), notification[field].clone()))
            .collect();
        shown["actor"] = notification["actor"]["id"].clone();
        shown
    });
    json!({"unread_count": page["meta"]["unread_count"], "data": shown.collect::<Vec<_>>()})
}

#[tokio::test]
async fn the_story_of_one_evening_leaves_behind_what_was_written_down_before() {
    let stack = shared();
    let mut names: Names = PEOPLE.map(|name| (name, unique(name))).into();
    begin(stack, &names).await;
    names.insert("post:1", unique("post:1"));
    let steps = renamed(&read("steps.json"), &names);
    let mut told = BTreeMap::new();
    for (number, step) in steps.as_array().unwrap().iter().enumerate() {
        play(stack, number, step, &mut told).await;
    }

    let expected = renamed(&read("expected.json"), &names);
    for (user, inbox_expected) in expected["inboxes"].as_object().unwrap() {
        assert_eq!(
            inbox(stack, user).await,
            *inbox_expected,
            "the inbox of {user}"
        );
        let pushed = pushes(stack, &token(user)).await;
        assert_eq!(
            json!(pushed),
            expected["pushes"][user],
            "the pushes to {user}"
        );
    }
    for (subject, events) in expected["log"].as_object().unwrap() {
        let log = logged(stack, subject).await;
        let log = log.iter().map(|event| {
            let mut line = json!({"type": event["type"], "actor": event["data"]["actor"]["id"]});
            if let Some(text) = event["data"]["comment"]["text"].as_str() {
                line["text"] = json!(text);
            }
            line
        });
        assert_eq!(
            json!(log.collect::<Vec<_>>()),
            *events,
            "the log of {subject}"
        );
    }
}
