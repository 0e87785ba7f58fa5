//! Publishing to an endpoint: checked as SNS does, and in the outbox before it is answered.

use super::endpoints::{self, Endpoint};
use super::events::{self, Event};
use super::protocol::{Form, Reply};
use super::refusal::Refusal;
use super::trouble::{self, Fate};
use super::{Service, message, reply};
use crate::state;
use crate::{ids, topics};
use axum::response::{IntoResponse, Response};
use rusqlite::{Transaction, params};
use serde_json::{Map, Value, json};

/// The most pushes the outbox keeps; the oldest go first.
const KEPT: i64 = 10_000;

/// A publish as it was asked for.
struct Push {
    target: String,
    message: String,
    structured: bool,
    attributes: Vec<Attribute>,
}

/// A message attribute; a binary one stays in Base64.
struct Attribute {
    name: String,
    kind: String,
    value: String,
}

/// What becomes of a push to an endpoint.
struct Outcome {
    reply: trouble::Reply,
    /// Empty if it is not accepted.
    message_id: String,
    events: Vec<Event>,
}

/// To an endpoint, or to a topic.
pub(super) async fn publish(service: &Service, form: &Form) -> Result<Response, Refusal> {
    if let Some(topic) = form.get("TopicArn") {
        let reply = to_topic(service, topic, form).await?;
        return Ok(reply.into_response());
    }
    let push = read(form, form.required("TargetArn")?)?;
    let outcome = (service.state)
        .run(move |connection| {
            let transaction = connection.transaction()?;
            let outcome = accept(&transaction, &push)?;
            transaction.commit()?;
            Ok(outcome)
        })
        .await??;
    if outcome.reply.accepts() {
        service.state.announce_push();
    }
    for event in &outcome.events {
        event.send(&service.topics).await;
    }
    let reply = Reply::element("Publish", "MessageId", &outcome.message_id);
    Ok(reply::answer(outcome.reply, reply).await)
}

async fn to_topic(service: &Service, topic: &str, form: &Form) -> Result<Reply, Refusal> {
    let push = read(form, topic)?;
    let attribute = |attribute: Attribute| {
        let value = json!({"Type": attribute.kind, "Value": attribute.value});
        (attribute.name, value)
    };
    let message = topics::Message {
        subject: form.get("Subject").map(str::to_owned),
        text: message::for_functions(&push.message, push.structured)?,
        attributes: push.attributes.into_iter().map(attribute).collect(),
    };
    match service.topics.publish(topic, &message).await? {
        Some(message_id) => Ok(Reply::element("Publish", "MessageId", &message_id)),
        None => Err(Refusal::not_found("Topic")),
    }
}

fn read(form: &Form, target: &str) -> Result<Push, Refusal> {
    if form.get("PhoneNumber").is_some() {
        return Err(Refusal::invalid(
            "PhoneNumber Reason: the local stack sends no text messages",
        ));
    }
    let structured = match form.get("MessageStructure") {
        None | Some("") => false,
        Some("json") => true,
        Some(_) => return Err(Refusal::invalid("MessageStructure")),
    };
    let message = form.get("Message").unwrap_or_default().to_owned();
    let attributes = attributes(form)?;
    let attribute_bytes: usize = attributes
        .iter()
        .map(|attribute| attribute.name.len() + attribute.value.len())
        .sum();
    message::check(&message, message.len() + attribute_bytes)?;
    Ok(Push {
        target: target.to_owned(),
        message,
        structured,
        attributes,
    })
}

fn attributes(form: &Form) -> Result<Vec<Attribute>, Refusal> {
    let fields = [
        "Name",
        "Value.DataType",
        "Value.StringValue",
        "Value.BinaryValue",
    ];
    let mut attributes = Vec::new();
    for [name, kind, text, binary] in form.entries("MessageAttributes", fields) {
        let name = name.unwrap_or_default();
        let refuse = |what: &str| {
            let message = format!(
                "The message attribute '{name}' must contain non-empty message attribute {what}."
            );
            Refusal::new(400, "ParameterValueInvalid", message)
        };
        let kind = kind
            .filter(|kind| !kind.is_empty())
            .ok_or_else(|| refuse("type"))?;
        let value = text
            .or(binary)
            .filter(|value| !value.is_empty())
            .ok_or_else(|| refuse("value"))?;
        attributes.push(Attribute {
            name: name.to_owned(),
            kind: kind.to_owned(),
            value: value.to_owned(),
        });
    }
    Ok(attributes)
}

/// Puts the push into the outbox, unless it is refused or meets trouble.
fn accept(transaction: &Transaction, push: &Push) -> rusqlite::Result<Result<Outcome, Refusal>> {
    let Some(endpoint) = endpoints::find(transaction, &push.target)? else {
        return Ok(Err(Refusal::of("no-endpoint-found")));
    };
    let payload = match message::payload(&push.message, push.structured, endpoint.platform()) {
        Ok(payload) => payload,
        Err(refusal) => return Ok(Err(refusal)),
    };
    if !endpoint.enabled {
        return Ok(Err(Refusal::of("endpoint-disabled")));
    }
    let verdict = trouble::judge(transaction, &endpoint)?;
    let message_id = if verdict.reply.accepts() {
        store(transaction, push, &endpoint, &payload)?
    } else {
        String::new()
    };
    let mut events = Vec::new();
    match verdict.fate {
        Fate::Kept => {}
        Fate::Deleted => endpoints::remove(transaction, &endpoint.arn)?,
        Fate::Disabled => endpoints::disable(transaction, &endpoint.arn)?,
        Fate::Dies(pushes) => {
            endpoints::disable(transaction, &endpoint.arn)?;
            events = events::death(transaction, &endpoint, pushes)?;
        }
    }
    Ok(Ok(Outcome {
        reply: verdict.reply,
        message_id,
        events,
    }))
}

fn store(
    transaction: &Transaction,
    push: &Push,
    endpoint: &Endpoint,
    payload: &Value,
) -> rusqlite::Result<String> {
    let message_id = ids::uuid();
    let attributes: Map<String, Value> = (push.attributes.iter())
        .map(|attribute| (attribute.name.clone(), json!(attribute.value)))
        .collect();
    let attributes = Value::Object(attributes).to_string();
    transaction
        .prepare_cached(
            "INSERT INTO pushes (at, message_id, endpoint_arn, token, application, message, attributes)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?
        .execute(params![
            state::now(transaction)?,
            message_id,
            endpoint.arn,
            endpoint.token,
            endpoint.application,
            payload.to_string(),
            attributes
        ])?;
    transaction
        .prepare_cached("DELETE FROM pushes WHERE n <= ?1")?
        .execute([transaction.last_insert_rowid() - KEPT])?;
    Ok(message_id)
}
