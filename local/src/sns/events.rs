//! Platform events: what SNS tells a platform application's topics about its endpoints.
//!
//! Wire's gundeck reads `EndpointArn`, `EventType` and `FailureType` of them; the other fields are as the developer guide
//! and users' reports show them.

use super::applications;
use super::endpoints::Endpoint;
use crate::output::say;
use crate::state;
use crate::topics::{Message, Topics};
use rusqlite::Connection;
use serde_json::{Value, json};

/// What happened to an endpoint.
#[derive(Debug, Clone, Copy)]
pub(super) enum Happened<'a> {
    Created,
    Deleted,
    /// This attribute has another value now.
    Updated(&'a str),
    /// The push of this message id did not reach the device.
    Failed(Failure, &'a str),
}

/// Why a push that was accepted did not reach its device.
#[derive(Debug, Clone, Copy)]
pub(super) enum Failure {
    /// Apple or Google said that there is no such device.
    InvalidPlatformToken,
    /// The endpoint was disabled while the push waited.
    EndpointDisabled,
}

/// An event, and the topic it is for.
#[derive(Debug)]
pub(super) struct Event {
    topic: String,
    message: Message,
}

impl Event {
    /// Hands it to the topic, if that exists.
    pub(super) async fn send(&self, topics: &Topics) {
        // What made the event has happened; SNS promises no event either.
        if let Err(error) = topics.publish(&self.topic, &self.message).await {
            say(format_args!("SNS: {error}"));
        }
    }
}

impl Happened<'_> {
    /// The event's type, and the application's attribute that names the topic for it.
    fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Created => ("EndpointCreated", "EventEndpointCreated"),
            Self::Deleted => ("EndpointDeleted", "EventEndpointDeleted"),
            Self::Updated(_) => ("EndpointUpdated", "EventEndpointUpdated"),
            Self::Failed(..) => ("DeliveryFailure", "EventDeliveryFailure"),
        }
    }
}

impl Failure {
    fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::InvalidPlatformToken => (
                "InvalidPlatformToken",
                "Platform token associated with the endpoint is not valid",
            ),
            Self::EndpointDisabled => ("EndpointDisabled", "Endpoint is disabled"),
        }
    }
}

/// The event for what happened, if the endpoint's application wants it.
pub(super) fn of(
    connection: &Connection,
    endpoint: &Endpoint,
    happened: Happened,
) -> rusqlite::Result<Option<Event>> {
    let (kind, attribute) = happened.names();
    let Some(topic) = applications::topic(connection, &endpoint.application, attribute)? else {
        return Ok(None);
    };
    let mut body = json!({
        "EndpointArn": endpoint.arn,
        "EventType": kind,
        "Resource": endpoint.application,
        "Service": "SNS",
        "Time": state::rfc3339(state::now(connection)?),
    });
    match happened {
        Happened::Created | Happened::Deleted => {}
        Happened::Updated(attribute) => body["Attribute"] = Value::from(attribute),
        Happened::Failed(failure, message_id) => {
            let (kind, text) = failure.names();
            body["DeliveryAttempts"] = Value::from(1);
            body["FailureType"] = Value::from(kind);
            body["FailureMessage"] = Value::from(text);
            body["MessageId"] = Value::from(message_id);
        }
    }
    let name = endpoint.application.rsplit('/').next().unwrap_or_default();
    let subject = format!("{kind} event for app {name} ({})", endpoint.platform());
    let message = Message {
        subject: Some(subject),
        text: body.to_string(),
        ..Message::default()
    };
    Ok(Some(Event { topic, message }))
}

/// The events of a token that a platform refused: the endpoint is disabled, the first of its last `pushes` found the
/// token dead, and the others found the endpoint disabled.
pub(super) fn death(
    connection: &Connection,
    endpoint: &Endpoint,
    pushes: u32,
) -> rusqlite::Result<Vec<Event>> {
    let mut events = vec![of(connection, endpoint, Happened::Updated("Enabled"))?];
    let mut last: Vec<String> = connection
        .prepare_cached(
            "SELECT message_id FROM pushes WHERE endpoint_arn = ?1 ORDER BY n DESC LIMIT ?2",
        )?
        .query_map((&endpoint.arn, pushes), |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    last.reverse();
    for (index, message_id) in last.iter().enumerate() {
        let failure = if index == 0 {
            Failure::InvalidPlatformToken
        } else {
            Failure::EndpointDisabled
        };
        events.push(of(
            connection,
            endpoint,
            Happened::Failed(failure, message_id),
        )?);
    }
    Ok(events.into_iter().flatten().collect())
}
