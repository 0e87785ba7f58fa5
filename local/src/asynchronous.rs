//! Events for a function that nobody waits for: kept until the function has taken them, tried again, given up.
//!
//! An event that was accepted survives the stack: what was not finished is run again when the stack starts. So it runs
//! at least once, as on AWS.

use crate::clock::milliseconds;
use crate::error::Result;
use crate::function::{Function, InvokeError};
use crate::output::say;
use crate::state::{self, State};
use crate::template::Asynchronous;
use crate::{ids, queue};
use rusqlite::params;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::task::JoinSet;

/// How long Lambda waits before the first and before the second retry, by the stack's clock.
const PAUSES: [Duration; 2] = [Duration::from_mins(1), Duration::from_mins(2)];
/// The pause before the state file is asked again.
const STATE_PAUSE: Duration = Duration::from_secs(1);

/// A function that is invoked with events nobody waits for. Clones share it; its work ends with the last one.
#[derive(Clone)]
pub struct AsyncFunction {
    worker: Arc<Worker>,
    tasks: Arc<Mutex<JoinSet<()>>>,
}

struct Worker {
    function: Function,
    config: Asynchronous,
    state: State,
}

/// An event on its way. Times are milliseconds since 1970.
#[derive(Debug, Clone)]
struct Event {
    id: String,
    accepted_at: i64,
    body: Vec<u8>,
    /// How often the function has run on it.
    invokes: u32,
    /// When it is run next.
    due_at: i64,
}

/// Why an event was given up.
#[derive(Debug, Clone, Copy)]
enum Condition {
    RetriesExhausted,
    EventAgeExceeded,
}

impl AsyncFunction {
    /// Takes up the events of earlier runs that were not finished.
    pub async fn start(function: Function, config: Asynchronous, state: State) -> Result<Self> {
        let name = function.name().to_owned();
        let open = state.run(move |connection| {
            connection
                .prepare(
                    "SELECT id, accepted_at, body, invokes, due_at FROM events WHERE function = ?1 ORDER BY accepted_at",
                )?
                .query_map([name], |row| {
                    Ok(Event {
                        id: row.get(0)?,
                        accepted_at: row.get(1)?,
                        body: row.get(2)?,
                        invokes: row.get(3)?,
                        due_at: row.get(4)?,
                    })
                })?
                .collect::<rusqlite::Result<Vec<_>>>()
        });
        let open = open.await?;
        let events = Self {
            worker: Arc::new(Worker {
                function,
                config,
                state,
            }),
            tasks: Arc::default(),
        };
        for event in open {
            events.run(event);
        }
        Ok(events)
    }

    /// Accepts an event of at most 6 MB; when this returns, it will be run.
    pub async fn accept(&self, body: Vec<u8>) -> Result<()> {
        let now = self.worker.state.now();
        let event = Event {
            id: ids::uuid(),
            accepted_at: now,
            body,
            invokes: 0,
            due_at: now,
        };
        let (row, name) = (event.clone(), self.worker.function.name().to_owned());
        self.worker
            .state
            .run(move |connection| {
                connection
                    .prepare_cached(
                        "INSERT INTO events (id, function, accepted_at, body, due_at) VALUES (?1, ?2, ?3, ?4, ?5)",
                    )?
                    .execute(params![row.id, name, row.accepted_at, row.body, row.due_at])
            })
            .await?;
        self.run(event);
        Ok(())
    }

    fn run(&self, event: Event) {
        let worker = Arc::clone(&self.worker);
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        while tasks.try_join_next().is_some() {}
        tasks.spawn(async move { worker.finish(event).await });
    }
}

impl Worker {
    /// Returns when the event is done or given up, or when the function is ending: then it stays for the next run.
    async fn finish(&self, mut event: Event) {
        let max_age = milliseconds(self.config.max_age);
        let mut error = None;
        loop {
            self.state.clock().wait_until(event.due_at).await;
            if self.state.now() - event.accepted_at > max_age {
                return self
                    .give_up(&event, Condition::EventAgeExceeded, error.as_ref())
                    .await;
            }
            let outcome = self.function.invoke(event.body.clone()).await;
            if outcome.is_err() && self.function.is_ending() {
                return;
            }
            event.invokes += 1;
            let Err(why) = outcome else {
                return self.forget(&event.id).await;
            };
            let pause = usize::try_from(event.invokes - 1)
                .ok()
                .and_then(|n| PAUSES.get(n));
            match pause.filter(|_| event.invokes <= self.config.max_retries) {
                None => {
                    return self
                        .give_up(&event, Condition::RetriesExhausted, Some(&why))
                        .await;
                }
                Some(pause) => {
                    error = Some(why);
                    event.due_at = self.state.now().saturating_add(milliseconds(*pause));
                    self.remember(&event).await;
                }
            }
        }
    }

    /// Keeps how often the event was run. If that fails, it is only run more often after a restart.
    async fn remember(&self, event: &Event) {
        let event = event.clone();
        let kept = self.state.run(move |connection| {
            connection.execute(
                "UPDATE events SET invokes = ?2, due_at = ?3 WHERE id = ?1",
                params![event.id, event.invokes, event.due_at],
            )
        });
        if let Err(error) = kept.await {
            say(format_args!("{}: {error}", self.function.name()));
        }
    }

    async fn forget(&self, id: &str) {
        let id = id.to_owned();
        let gone = self
            .state
            .run(move |connection| connection.execute("DELETE FROM events WHERE id = ?1", [id]));
        if let Err(error) = gone.await {
            say(format_args!("{}: {error}", self.function.name()));
        }
    }

    /// Tells the destination, and forgets the event when it knows.
    async fn give_up(&self, event: &Event, condition: Condition, error: Option<&InvokeError>) {
        say(format_args!(
            "{}: gave up an event after {} invocations ({condition:?})",
            self.function.name(),
            event.invokes
        ));
        if let Some(arn) = &self.config.on_failure {
            let letter = self.letter(event, condition, error).to_string();
            while let Err(error) = queue::send(&self.state, arn, letter.clone()).await {
                say(format_args!("{}: {error}", self.function.name()));
                tokio::time::sleep(STATE_PAUSE).await;
            }
        }
        self.forget(&event.id).await;
    }

    /// What the destination hears, as Lambda writes it.
    fn letter(&self, event: &Event, condition: Condition, error: Option<&InvokeError>) -> Value {
        let arn = crate::intrinsics::function_arn(self.function.name());
        let mut letter = json!({
            "version": "1.0",
            "timestamp": state::rfc3339(self.state.now()),
            "requestContext": {
                "requestId": event.id,
                "functionArn": format!("{arn}:$LATEST"),
                "condition": format!("{condition:?}"),
                "approximateInvokeCount": event.invokes,
            },
            "requestPayload": serde_json::from_slice::<Value>(&event.body).unwrap_or_default(),
        });
        let payload = match error {
            None => return letter,
            Some(InvokeError::TimedOut) => {
                json!({"errorMessage": format!("{} Task timed out", event.id)})
            }
            Some(InvokeError::Failed(text)) => serde_json::from_str::<Value>(text)
                .ok()
                .filter(Value::is_object)
                .unwrap_or_else(|| json!({"errorMessage": text})),
        };
        letter["responseContext"] = json!({
            "statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"});
        letter["responsePayload"] = payload;
        letter
    }
}

#[cfg(test)]
mod tests;
