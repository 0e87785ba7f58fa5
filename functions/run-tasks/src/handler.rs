//! Which of its three events a function was called for.

use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use shared::clock::{self, Clock};
use shared::error::{Error, Result};
use shared::push::Pusher;
use shared::store::Store;

use crate::{letters, steps, sweep};

/// What every task needs.
pub struct Handler {
    pub store: Store,
    pub pusher: Pusher,
    /// This function's own name.
    pub name: String,
}

/// One invocation's time.
#[derive(Clone, Copy)]
pub struct Time {
    pub clock: Clock,
    pub budget: Duration,
}

/// What is left of an invocation when nothing new is begun.
const RESERVE: Duration = Duration::from_secs(10);

impl Time {
    /// Whether too little is left to begin another task.
    pub fn is_short(&self) -> bool {
        self.clock.elapsed() + RESERVE > self.budget
    }

    /// The present moment.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

/// As much of an event as tells what it is.
#[derive(Deserialize)]
struct Probe {
    #[serde(rename = "Records", default)]
    records: Option<Vec<Source>>,
    #[serde(default)]
    source: Option<String>,
}

#[derive(Deserialize)]
struct Source {
    #[serde(rename = "eventSource", default)]
    source: Option<String>,
}

impl Handler {
    /// Whether the ARN is this function's, with or without a version.
    pub fn is_own(&self, arn: &str) -> bool {
        arn.split(':').nth(6) == Some(&self.name)
    }

    /// Handles an event before `deadline`.
    pub async fn handle(&self, event: &RawValue, deadline: SystemTime) -> Result<Value> {
        let time = Time {
            clock: Clock::starting(clock::wall()),
            budget: clock::left(deadline),
        };
        let probe: Probe = serde_json::from_str(event.get()).map_err(unknown)?;
        if probe.source.as_deref() == Some("aws.events") {
            sweep::sweep(self, time).await?;
            return Ok(json!({}));
        }
        let mut records = probe.records.into_iter().flatten();
        match records.next().and_then(|record| record.source).as_deref() {
            Some("aws:sqs") => letters::read(self, event, time).await,
            // A record of the stream may lack anything.
            _ => steps::handle(self, event, time).await,
        }
    }
}

/// An event that is none of ours. Calling again would not help, and its caller must hear of it.
pub fn unknown(source: serde_json::Error) -> Error {
    Error::Internal {
        what: "the event could not be read",
        source: source.into(),
    }
}
