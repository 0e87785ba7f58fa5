//! The queues of the template: kept durably, with the visibility, retention and redrive of SQS.
//!
//! What is sent is in the state file before it is answered. Times follow the stack's clock.

mod attributes;
mod messages;
mod protocol;
mod refusal;
mod requests;
mod sending;

use crate::clock::milliseconds;
use crate::error::Result;
use crate::state::{self, State};
use crate::template::QueueSpec;
use rusqlite::{Connection, OptionalExtension, params};
use serde_json::{Value, json};

pub(crate) use attributes::lambda_shape;
use messages::Draft;
pub(crate) use messages::{Ask, Message, delete, receive};
pub(crate) use protocol::router;

/// A queue as it is kept; times in milliseconds.
#[derive(Debug, Clone)]
struct Queue {
    name: String,
    arn: String,
    created_at: i64,
    retention: i64,
    visibility: i64,
    delay: i64,
    /// How often a message is received before it goes to the queue with this ARN.
    redrive: Option<(i64, String)>,
}

/// Makes the template's queues known; their messages stay from run to run.
pub fn declare(state: &State, specs: &[QueueSpec]) -> Result<()> {
    let now = state.now();
    state.with(|connection| {
        let transaction = connection.transaction()?;
        for spec in specs {
            let redrive = spec.redrive.as_ref();
            transaction.execute(
                "INSERT INTO queues (name, arn, created_at, retention, visibility, delay, max_receives, dead_letters)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
                 ON CONFLICT (name) DO UPDATE SET arn = excluded.arn, retention = excluded.retention,
                    visibility = excluded.visibility, delay = excluded.delay, max_receives = excluded.max_receives,
                    dead_letters = excluded.dead_letters",
                params![
                    spec.name,
                    spec.arn,
                    now,
                    milliseconds(spec.retention),
                    milliseconds(spec.visibility),
                    milliseconds(spec.delay),
                    redrive.map(|redrive| redrive.max_receives),
                    redrive.map(|redrive| &redrive.dead_letters),
                ],
            )?;
        }
        transaction.commit()
    })
}

/// Puts a message into the queue with this ARN. `false` if no such queue was declared.
pub async fn send(state: &State, arn: &str, body: String) -> Result<bool> {
    let name = arn.rsplit(':').next().unwrap_or_default().to_owned();
    let (arn, now) = (arn.to_owned(), state.now());
    let sent = state
        .run(move |connection| {
            let transaction = connection.transaction()?;
            let queue = find(&transaction, &name)?.filter(|queue| queue.arn == arn);
            if let Some(queue) = &queue {
                messages::put(&transaction, queue, &Draft::text(body), now)?;
            }
            transaction.commit()?;
            Ok(queue.is_some())
        })
        .await?;
    state.announce_message();
    Ok(sent)
}

/// The oldest `limit` messages of the queue `name` that are still kept; `None` if there is no such queue.
/// A body that is JSON is shown as such.
pub async fn list(state: &State, name: &str, limit: usize) -> Result<Option<Vec<Value>>> {
    let (name, now) = (name.to_owned(), state.now());
    state
        .run(move |connection| {
            let Some(queue) = find(connection, &name)? else {
                return Ok(None);
            };
            connection
                .prepare_cached(
                    "SELECT id, sent_at, body, receives FROM messages WHERE queue = ?1 AND sent_at >= ?2
                     ORDER BY n LIMIT ?3",
                )?
                .query_map(params![name, now.saturating_sub(queue.retention), limit], |row| {
                    let body: String = row.get(2)?;
                    Ok(json!({
                        "message_id": row.get::<_, String>(0)?,
                        "sent_at": state::rfc3339(row.get(1)?),
                        "received": row.get::<_, i64>(3)?,
                        "body": serde_json::from_str(&body).unwrap_or(Value::String(body)),
                    }))
                })?
                .collect::<rusqlite::Result<Vec<Value>>>()
                .map(Some)
        })
        .await
}

fn find(connection: &Connection, name: &str) -> rusqlite::Result<Option<Queue>> {
    connection
        .prepare_cached(
            "SELECT name, arn, created_at, retention, visibility, delay, max_receives, dead_letters
             FROM queues WHERE name = ?1",
        )?
        .query_row([name], |row| {
            let (most, dead): (Option<i64>, Option<String>) = (row.get(6)?, row.get(7)?);
            Ok(Queue {
                name: row.get(0)?,
                arn: row.get(1)?,
                created_at: row.get(2)?,
                retention: row.get(3)?,
                visibility: row.get(4)?,
                delay: row.get(5)?,
                redrive: most.zip(dead),
            })
        })
        .optional()
}

/// The names of all queues, in their order.
fn names(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    connection
        .prepare_cached("SELECT name FROM queues ORDER BY name")?
        .query_map([], |row| row.get(0))?
        .collect()
}

#[cfg(test)]
mod tests;
