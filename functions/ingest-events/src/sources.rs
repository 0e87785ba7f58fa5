//! The shapes in which Lambda brings events: of HTTP, of SQS, of an EventBridge target, and of the event sources of
//! Kafka and RabbitMQ. They are told apart by their fields, and read record by record.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use shared::error::{Error, Result};

/// What the function was called for.
pub enum Batch {
    /// A request.
    Http,
    /// Messages, of which each can be asked for again.
    Messages(Vec<Message>),
    /// Messages that are asked for again together.
    All(Vec<Message>),
}

/// A message with an event, or with several.
pub struct Message {
    /// The name by which it is asked for again.
    pub identifier: Option<String>,
    /// Its text; of what has none the record, and why.
    pub body: Result<String, (String, &'static str)>,
}

impl Message {
    fn odd(record: &RawValue, why: &'static str) -> Message {
        Message {
            identifier: None,
            body: Err((record.get().to_owned(), why)),
        }
    }
}

type Fields = BTreeMap<String, Box<RawValue>>;

/// Tells what an event of Lambda is. One that is none of ours is an error: calling again would not help, and its
/// caller must hear of it.
pub fn read(event: &RawValue) -> Result<Batch> {
    let unknown = |why: &str| Error::Internal {
        what: "the event could not be read",
        source: why.into(),
    };
    let fields: Fields =
        serde_json::from_str(event.get()).map_err(|error| unknown(&error.to_string()))?;
    if ["requestContext", "routeKey", "rawPath"]
        .iter()
        .any(|name| fields.contains_key(*name))
    {
        return Ok(Batch::Http);
    }
    let source = fields.get("eventSource").and_then(|source| text(source));
    match source.as_deref() {
        Some("aws:kafka" | "SelfManagedKafka") => {
            return Ok(Batch::All(encoded(&fields, "records", "value")));
        }
        Some("aws:rmq") => {
            return Ok(Batch::All(encoded(&fields, "rmqMessagesByQueue", "data")));
        }
        _ => {}
    }
    if fields.contains_key("detail-type") {
        return Ok(Batch::All(vec![Message {
            identifier: None,
            body: Ok(event.get().to_owned()),
        }]));
    }
    let records = fields
        .get("Records")
        .ok_or_else(|| unknown("it is of no kind that is known"))?;
    let records: Vec<Box<RawValue>> =
        serde_json::from_str(records.get()).map_err(|error| unknown(&error.to_string()))?;
    Ok(Batch::Messages(
        records.iter().map(|record| message(record)).collect(),
    ))
}

fn text(value: &RawValue) -> Option<String> {
    serde_json::from_str(value.get()).ok()
}

/// One message of SQS.
fn message(record: &RawValue) -> Message {
    let fields: Fields = serde_json::from_str(record.get()).unwrap_or_default();
    let field = |name| fields.get(name).and_then(|value| text(value));
    match (field("messageId"), field("body")) {
        (Some(identifier), Some(body)) if field("eventSource").as_deref() == Some("aws:sqs") => {
            Message {
                identifier: Some(identifier),
                body: Ok(body),
            }
        }
        _ => Message::odd(record, "it is no message of a queue"),
    }
}

/// The messages of Kafka by topic and partition, or of RabbitMQ by queue: each has its bytes in base64.
fn encoded(fields: &Fields, lists: &str, field: &str) -> Vec<Message> {
    let Some(raw) = fields.get(lists) else {
        return Vec::new();
    };
    let Ok(lists) = serde_json::from_str::<Fields>(raw.get()) else {
        return vec![Message::odd(raw, "it is no list of messages")];
    };
    let mut messages = Vec::new();
    for list in lists.values() {
        match serde_json::from_str::<Vec<Box<RawValue>>>(list.get()) {
            Ok(records) => messages.extend(records.iter().map(|record| decoded(record, field))),
            Err(_) => messages.push(Message::odd(list, "it is no list of messages")),
        }
    }
    messages
}

fn decoded(record: &RawValue, field: &str) -> Message {
    let fields: Fields = serde_json::from_str(record.get()).unwrap_or_default();
    let encoded = fields.get(field).and_then(|value| text(value));
    let bytes = encoded.and_then(|encoded| BASE64_STANDARD.decode(encoded).ok());
    let body = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
    // What a queue could not hold is kept as it came.
    let is_text = |body: &String| !body.chars().any(|c| c < ' ' && !"\t\n\r".contains(c));
    match body.filter(is_text) {
        Some(body) => Message {
            identifier: None,
            body: Ok(body),
        },
        None => Message::odd(record, "its value is no text in base64"),
    }
}

/// An event of EventBridge as a CloudEvent; a CloudEvent inside one is taken as it is; anything else is left.
pub fn unwrapped(value: Value) -> Value {
    let Value::Object(mut fields) = value else {
        return value;
    };
    if !fields.contains_key("detail-type") || fields.contains_key("specversion") {
        return Value::Object(fields);
    }
    let detail = fields.remove("detail").unwrap_or_default();
    if detail.get("specversion").is_some() {
        return detail;
    }
    let subject = fields
        .get("resources")
        .and_then(|resources| resources.get(0))
        .cloned();
    let mut event = Map::from_iter([("specversion".to_owned(), json!("1.0"))]);
    for (name, from) in [
        ("id", "id"),
        ("source", "source"),
        ("type", "detail-type"),
        ("time", "time"),
    ] {
        event.insert(name.to_owned(), fields.remove(from).unwrap_or_default());
    }
    event.insert("subject".to_owned(), subject.unwrap_or_default());
    event.insert("data".to_owned(), detail);
    Value::Object(event)
}
