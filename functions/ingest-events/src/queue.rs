//! Events from queues and streams of messages. What cannot be taken now is asked for again; what can never be taken goes
//! to the dead letters with the reason, and holds up nothing.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use serde_json::{Value, json};
use shared::clock::Clock;
use shared::error::{Error, Result};
use shared::event::Event;
use shared::json;

use crate::handler::Handler;
use crate::http::{MAX_BATCH_BYTES, items, read};
use crate::ingest::{ingest_all, is_final, places};
use crate::sources::{Message, unwrapped};

/// Messages whose dead letters are on their way at the same time.
const IN_FLIGHT: usize = 8;
/// No letter is sent after this: what has been begun, ten seconds at most, must end with the invocation.
const BUDGET: Duration = Duration::from_secs(18);

/// How much of a message that is too large for a letter is kept, in characters.
const MAX_BEGINNING: usize = 1_000;

/// What can never be taken.
struct Dead {
    body: String,
    reason: String,
    /// The reason without anything that the event says.
    logged: String,
}

impl Dead {
    fn new(body: String, error: &Error) -> Dead {
        Dead {
            body,
            reason: reason(error),
            logged: match error {
                Error::Invalid(violations) => places(violations),
                Error::Malformed { code, .. } => (*code).to_owned(),
                other => other.to_string(),
            },
        }
    }
}

/// What became of a message so far.
#[derive(Default)]
struct Fate {
    dead: Vec<Dead>,
    failed: bool,
}

/// Takes messages, and names those that must come again.
pub async fn take(handler: &Handler, messages: Vec<Message>, clock: Clock) -> Result<Value> {
    let fates = ingest_messages(handler, &messages, clock).await;
    let mut failures = Vec::new();
    for (message, is_done) in messages
        .iter()
        .zip(bury_all(handler, &messages, &fates, clock).await)
    {
        if is_done {
            continue;
        }
        let Some(identifier) = &message.identifier else {
            return Err(again());
        };
        failures.push(json!({"itemIdentifier": identifier}));
    }
    Ok(json!({"batchItemFailures": failures}))
}

/// Takes messages of a source that repeats all of them or none.
pub async fn take_all(handler: &Handler, messages: Vec<Message>, clock: Clock) -> Result<Value> {
    let fates = ingest_messages(handler, &messages, clock).await;
    if fates.iter().any(|fate| fate.failed) {
        return Err(again());
    }
    let is_done = bury_all(handler, &messages, &fates, clock).await;
    if is_done.contains(&false) {
        return Err(again());
    }
    Ok(json!({}))
}

/// Asks for everything again.
fn again() -> Error {
    Error::Unavailable {
        what: "a batch of events",
        source: "not all of it could be taken".into(),
    }
}

async fn ingest_messages(handler: &Handler, messages: &[Message], clock: Clock) -> Vec<Fate> {
    let mut fates: Vec<Fate> = messages.iter().map(|_| Fate::default()).collect();
    let (mut events, mut origins) = (Vec::new(), Vec::new());
    for (index, message) in messages.iter().enumerate() {
        for (body, event) in parse(message) {
            match event {
                Ok(event) => {
                    events.push(event);
                    origins.push((index, body));
                }
                Err(error) => fates[index].dead.push(Dead::new(body, &error)),
            }
        }
    }
    let outcomes = ingest_all(handler, &events, clock).await;
    for ((index, body), outcome) in origins.into_iter().zip(outcomes) {
        match outcome {
            Ok(_) => {}
            Err(error) if is_final(&error) => {
                fates[index].dead.push(Dead::new(body, &error));
            }
            Err(error) => {
                tracing::warn!(error = %error.chain(), "an event must come again");
                fates[index].failed = true;
            }
        }
    }
    fates
}

/// The events of a message, each with its text, or why there is none.
fn parse(message: &Message) -> Vec<(String, Result<Event>)> {
    let body = match &message.body {
        Ok(body) => body,
        Err((record, why)) => {
            let error = Error::Malformed {
                code: "undecodable",
                detail: (*why).to_owned(),
            };
            return vec![(record.clone(), Err(error))];
        }
    };
    let value = match json::parse(body.as_bytes(), MAX_BATCH_BYTES) {
        Ok(value) => value,
        Err(error) => return vec![(body.clone(), Err(error))],
    };
    if !value.is_array() {
        return vec![(body.clone(), read(unwrapped(value), ""))];
    }
    match items(value) {
        Err(error) => vec![(body.clone(), Err(error))],
        // What dies of them dies alone.
        Ok(items) => items
            .into_iter()
            .map(|item| (item.to_string(), read(unwrapped(item), "")))
            .collect(),
    }
}

/// Why an event was refused, with every broken rule.
fn reason(error: &Error) -> String {
    let Error::Invalid(violations) = error else {
        return error.to_string();
    };
    let rules = violations
        .iter()
        .map(|v| format!("{} {} ({})", v.pointer, v.detail, v.code));
    rules.collect::<Vec<_>>().join("; ")
}

/// Buries what is dead of each message, and tells which messages are done with.
async fn bury_all(
    handler: &Handler,
    messages: &[Message],
    fates: &[Fate],
    clock: Clock,
) -> Vec<bool> {
    let is_over = AtomicBool::new(false);
    let each = messages.iter().zip(fates);
    let is_done = each.map(async |(message, fate)| {
        let of = message.identifier.as_deref();
        // Only once all else is done: a repeat would bury it again.
        !fate.failed
            && bury(handler, (of, &fate.dead), clock, &is_over)
                .await
                .is_ok()
    });
    stream::iter(is_done).buffered(IN_FLIGHT).collect().await
}

/// Sends what is dead of a message to the dead letters, while they take it and there is time.
async fn bury(
    handler: &Handler,
    (of, dead): (Option<&str>, &[Dead]),
    clock: Clock,
    is_over: &AtomicBool,
) -> Result<()> {
    for Dead {
        body,
        reason,
        logged,
    } in dead
    {
        if is_over.load(Ordering::Relaxed) || clock.elapsed() > BUDGET {
            return Err(again());
        }
        let letters = &handler.dead_letters;
        let mut sent = letters.send(body, reason, clock.now()).await;
        if let Err(Error::Internal { .. }) = sent {
            // As when the message is as large as SQS takes, and the reason comes on top.
            let begins: String = body.chars().take(MAX_BEGINNING).collect();
            let stub = json!({"refused_message": of, "bytes": body.len(), "begins": begins});
            sent = letters.send(&stub.to_string(), reason, clock.now()).await;
        }
        match &sent {
            Ok(()) => tracing::warn!(reason = logged, "an event went to the dead letters"),
            Err(error) => {
                let chain = error.chain();
                tracing::error!(error = %chain, reason = logged, "an event could not be buried");
                let is_outage = matches!(error, Error::Unavailable { .. });
                is_over.fetch_or(is_outage, Ordering::Relaxed);
            }
        }
        sent?;
    }
    Ok(())
}
