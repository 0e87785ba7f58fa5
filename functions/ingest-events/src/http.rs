//! Events by HTTP, in the three modes of CloudEvents: structured, batched, binary.

use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use shared::clock::Clock;
use shared::create::Status;
use shared::error::{Error, Result, Violation};
use shared::event::{Event, MAX_EVENT_BYTES, is_json};
use shared::http::{self, Reply, Request, item_problem};
use shared::json;
use shared::notification::Recipient;
use shared::traceparent::TraceParent;

use crate::handler::Handler;
use crate::ingest::{Ingested, ingest, ingest_all};

/// The largest batch, in bytes, and the most events in it.
pub const MAX_BATCH_BYTES: usize = 1_048_576;
const MAX_BATCH: usize = 100;

/// What a request brings.
enum Body {
    One(Value),
    Batch(Value),
}

/// Takes one event, or a batch with a result for each.
pub async fn post(handler: &Handler, request: &Request, clock: Clock) -> Result<Reply> {
    http::query(request, &[])?;
    let traceparent = http::traceparent(request);
    match body(request)? {
        Body::One(value) => one(handler, value, traceparent, clock).await,
        Body::Batch(value) => batch(handler, value, traceparent, clock).await,
    }
}

fn body(request: &Request) -> Result<Body> {
    let bytes = http::bytes(request);
    let is_array = bytes.trim_ascii_start().first() == Some(&b'[');
    let one = || json::parse(bytes, MAX_EVENT_BYTES).map(Body::One);
    let batch = || json::parse(bytes, MAX_BATCH_BYTES).map(Body::Batch);
    match http::media_type(request)?.as_str() {
        "application/cloudevents+json" => one(),
        "application/cloudevents-batch+json" => batch(),
        media_type if is_binary(request) => binary(request, media_type).map(Body::One),
        "application/json" if is_array => batch(),
        "application/json" => one(),
        _ => Err(Error::UnsupportedMediaType),
    }
}

/// Whether the headers hold the event's attributes, and the body its data.
fn is_binary(request: &Request) -> bool {
    let headers = http::headers(request, "ce-");
    headers
        .iter()
        .any(|(name, _)| *name == "specversion" || *name == "id")
}

/// The event of a request in binary mode, in the JSON format.
fn binary(request: &Request, media_type: &str) -> Result<Value> {
    let bytes = http::bytes(request);
    let mut event = Map::new();
    for (name, value) in http::headers(request, "ce-") {
        let value = value.and_then(percent_decoded);
        let value = value.ok_or_else(|| Error::Malformed {
            code: "malformed_header",
            detail: format!("the header ce-{name} is not percent-encoded UTF-8"),
        })?;
        event.insert(name.to_owned(), Value::String(value));
    }
    // What belongs to the body has no header of its own.
    event.retain(|name, _| !name.starts_with("data") || name == "dataschema");
    if !bytes.is_empty() {
        // SDKs leave the type out where it is the default.
        if !media_type.is_empty() && !is_json(media_type) {
            return Err(Error::UnsupportedMediaType);
        }
        // One value, or what follows it would be an attribute.
        serde_json::from_slice::<&RawValue>(bytes).map_err(|error| Error::Malformed {
            code: "malformed_json",
            detail: format!("the body is not valid JSON: {error}"),
        })?;
        // Free, as everything inside `data` is.
        let data = [b"{\"data\":", bytes, b"}"].concat();
        let data = json::parse(&data, MAX_EVENT_BYTES)?;
        event.insert("data".to_owned(), data["data"].clone());
    }
    Ok(Value::Object(event))
}

/// A header's value as the HTTP binding of CloudEvents writes it: what is not printable ASCII, `"` and `%` are
/// percent-encoded.
fn percent_decoded(value: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        let escape = after.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        let escape = escape.filter(|hex| hex.bytes().all(|byte| byte.is_ascii_hexdigit()));
        match escape.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) if *first == b'%' => {
                bytes.push(byte);
                rest = &after[2..];
            }
            _ => bytes.push(*first),
        }
    }
    String::from_utf8(bytes).ok()
}

/// Reads one event of a request or a message.
pub fn read(value: Value, pointer: &str) -> Result<Event> {
    if value.to_string().len() > MAX_EVENT_BYTES {
        return Err(Error::EventTooLarge(MAX_EVENT_BYTES));
    }
    let mut violations = Vec::new();
    match Event::parse(value, pointer, &mut violations) {
        Some(event) if violations.is_empty() => Ok(event),
        _ => Err(Error::Invalid(violations)),
    }
}

/// The items of a batch, each still unchecked.
pub fn items(value: Value) -> Result<Vec<Value>> {
    match value {
        Value::Array(items) if (1..=MAX_BATCH).contains(&items.len()) => Ok(items),
        _ => {
            let detail = format!("must be an array of 1 to {MAX_BATCH} events");
            Err(Error::Invalid(vec![Violation::new("", "length", detail)]))
        }
    }
}

async fn one(
    handler: &Handler,
    value: Value,
    traceparent: Option<TraceParent>,
    clock: Clock,
) -> Result<Reply> {
    let mut event = read(value, "")?;
    event.traceparent = event.traceparent.or(traceparent);
    let ingested = ingest(handler, &event, clock).await?;
    let answer = json!({"data": view(&event, &ingested)});
    if ingested.replayed {
        return Ok(Reply::ok(&answer)?.header("idempotency-replayed", "true"));
    }
    Reply::created(&answer)
}

async fn batch(
    handler: &Handler,
    value: Value,
    traceparent: Option<TraceParent>,
    clock: Clock,
) -> Result<Reply> {
    let items = items(value)?.into_iter().enumerate();
    let parsed: Vec<Result<Event>> = items
        .map(|(index, item)| read(item, &format!("/{index}")))
        .collect();
    let mut events: Vec<Event> = parsed.iter().flatten().cloned().collect();
    for event in &mut events {
        event.traceparent = event.traceparent.or(traceparent);
    }
    let outcomes = ingest_all(handler, &events, clock).await;
    let mut outcomes = events.iter().zip(outcomes);
    let results: Vec<Value> = parsed
        .iter()
        .map(
            |item| match (item, item.as_ref().ok().and_then(|_| outcomes.next())) {
                (Err(error), _) => item_problem(error),
                (Ok(_), Some((event, Ok(ingested)))) => {
                    let status = if ingested.replayed { 200 } else { 201 };
                    json!({"status": status, "data": view(event, &ingested)})
                }
                (Ok(_), Some((_, Err(error)))) => item_problem(&error),
                (Ok(_), None) => Value::Null,
            },
        )
        .collect();
    Reply::multi(&json!({"data": results}))
}

/// What became of an event, as the API shows it.
fn view(event: &Event, ingested: &Ingested) -> Value {
    let notifications = ingested.notifications.iter().map(|(recipient, receipt)| {
        let status = match receipt.status {
            Status::Created => "created",
            Status::FanOut => "fan_out",
            Status::Scheduled => "scheduled",
            Status::Duplicate => "duplicate",
            Status::Retracted => "retracted",
        };
        let id = receipt.id.to_string();
        match recipient {
            Recipient::User(user) => json!({"recipient": user, "id": id, "status": status}),
            Recipient::Topic(topic) => json!({"topic": topic, "job": id}),
            Recipient::Everyone => json!({"everyone": true, "id": id, "status": status}),
        }
    });
    json!({
        "source": event.source,
        "id": event.id,
        "status": if ingested.replayed { "duplicate" } else { "logged" },
        "notifications": notifications.collect::<Vec<Value>>(),
    })
}
