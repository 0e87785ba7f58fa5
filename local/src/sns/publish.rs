//! Publishing to an endpoint: checked as SNS does, and in the outbox before it is answered.

use super::endpoints::{self, Endpoint};
use super::message;
use super::protocol::{Form, Reply};
use super::refusal::Refusal;
use super::trouble::{self, Trouble};
use crate::ids;
use crate::state::{self, State};
use rusqlite::{Transaction, params};
use serde_json::{Map, Value};

/// The most pushes the outbox keeps; the oldest go first.
const KEPT: i64 = 10_000;

/// A publish as it was asked for.
struct Push {
    target: String,
    message: String,
    structured: bool,
    attributes: Map<String, Value>,
}

pub(super) async fn publish(state: &State, form: &Form) -> Result<Reply, Refusal> {
    let push = read(form)?;
    let outcome = state
        .run(move |connection| {
            let transaction = connection.transaction()?;
            let outcome = accept(&transaction, &push)?;
            transaction.commit()?;
            Ok(outcome)
        })
        .await?;
    let message_id = outcome?;
    state.announce_push();
    Ok(Reply::element("Publish", "MessageId", &message_id))
}

fn read(form: &Form) -> Result<Push, Refusal> {
    if form.get("TopicArn").is_some() {
        return Err(Refusal::not_found("Topic"));
    }
    if form.get("PhoneNumber").is_some() {
        return Err(Refusal::invalid(
            "PhoneNumber Reason: the local stack sends no text messages",
        ));
    }
    let target = form.required("TargetArn")?.to_owned();
    let structured = match form.get("MessageStructure") {
        None | Some("") => false,
        Some("json") => true,
        Some(_) => return Err(Refusal::invalid("MessageStructure")),
    };
    let message = form.get("Message").unwrap_or_default().to_owned();
    let attributes = attributes(form)?;
    let attribute_bytes: usize = attributes
        .iter()
        .map(|(name, value)| name.len() + value.as_str().map_or(0, str::len))
        .sum();
    message::check(&message, message.len() + attribute_bytes)?;
    Ok(Push {
        target,
        message,
        structured,
        attributes,
    })
}

/// Message attributes by name; binary ones stay in Base64.
fn attributes(form: &Form) -> Result<Map<String, Value>, Refusal> {
    let fields = [
        "Name",
        "Value.DataType",
        "Value.StringValue",
        "Value.BinaryValue",
    ];
    let mut attributes = Map::new();
    for [name, kind, text, binary] in form.entries("MessageAttributes", fields) {
        let name = name.unwrap_or_default();
        let refuse = |what: &str| {
            let message = format!(
                "The message attribute '{name}' must contain non-empty message attribute {what}."
            );
            Refusal::new(400, "ParameterValueInvalid", message)
        };
        if kind.is_none_or(str::is_empty) {
            return Err(refuse("type"));
        }
        let value = text
            .or(binary)
            .filter(|value| !value.is_empty())
            .ok_or_else(|| refuse("value"))?;
        attributes.insert(name.to_owned(), Value::from(value));
    }
    Ok(attributes)
}

/// Puts the push into the outbox and says its message id.
fn accept(transaction: &Transaction, push: &Push) -> rusqlite::Result<Result<String, Refusal>> {
    let Some(endpoint) = endpoints::find(transaction, &push.target)? else {
        let reason = "TargetArn Reason: No endpoint found for the target arn specified";
        return Ok(Err(Refusal::invalid(reason)));
    };
    let payload = match message::payload(&push.message, push.structured, endpoint.platform()) {
        Ok(payload) => payload,
        Err(refusal) => return Ok(Err(refusal)),
    };
    if !endpoint.enabled {
        return Ok(Err(Refusal::new(
            400,
            "EndpointDisabled",
            "Endpoint is disabled",
        )));
    }
    if let Some(refusal) = trouble::refuse(transaction, &endpoint)? {
        return Ok(Err(refusal));
    }
    let message_id = store(transaction, push, &endpoint, &payload)?;
    if trouble::of(&endpoint.token) == Some(Trouble::Disabled) {
        transaction.execute(
            "UPDATE endpoints SET enabled = 0 WHERE arn = ?1",
            [&endpoint.arn],
        )?;
    }
    Ok(Ok(message_id))
}

fn store(
    transaction: &Transaction,
    push: &Push,
    endpoint: &Endpoint,
    payload: &Value,
) -> rusqlite::Result<String> {
    let message_id = ids::uuid();
    let attributes = Value::Object(push.attributes.clone()).to_string();
    transaction
        .prepare_cached(
            "INSERT INTO pushes (at, message_id, endpoint_arn, token, application, message, attributes)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?
        .execute(params![
            state::now(),
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
