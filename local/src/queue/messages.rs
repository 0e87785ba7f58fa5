//! The messages of a queue: put, received, seen again, moved to the dead letters, and forgotten.

use super::{Queue, attributes};
use crate::clock::milliseconds;
use crate::error::Result;
use crate::ids;
use crate::state::State;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};
use serde_json::{Map, Value};
use std::time::Duration;
use tokio::time::Instant;

/// Who sent every message: there is one account, and nobody signs in.
const SENDER: &str = "AIDALOCALLOCALLOCALLO";

/// A message that is being sent.
#[derive(Debug, Default)]
pub(super) struct Draft {
    pub(super) body: String,
    /// Its message attributes, as SQS's JSON has them.
    pub(super) attributes: Map<String, Value>,
    /// How long it is hidden at first, in milliseconds; `None` is as the queue says.
    pub(super) delay: Option<i64>,
}

impl Draft {
    /// A message without attributes.
    pub(super) fn text(body: String) -> Self {
        Self {
            body,
            ..Self::default()
        }
    }
}

/// A message that was received. Times are milliseconds since 1970.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    pub(crate) id: String,
    pub(crate) receipt: String,
    pub(crate) body: String,
    /// Its message attributes, as SQS's JSON has them.
    pub(crate) attributes: Map<String, Value>,
    pub(crate) sent_at: i64,
    pub(crate) first_received_at: i64,
    /// How often it was received, this time too.
    pub(crate) receives: i64,
    /// The ARN of the queue whose dead letter it is.
    pub(crate) source: Option<String>,
    n: i64,
}

impl Message {
    /// What SQS itself says of the message, every value as text.
    pub(crate) fn system_attributes(&self) -> Map<String, Value> {
        let mut attributes = Map::from_iter(
            [
                ("ApproximateFirstReceiveTimestamp", self.first_received_at),
                ("ApproximateReceiveCount", self.receives),
                ("SentTimestamp", self.sent_at),
            ]
            .map(|(name, value)| (name.to_owned(), Value::from(value.to_string()))),
        );
        attributes.insert("SenderId".to_owned(), Value::from(SENDER));
        if let Some(source) = &self.source {
            attributes.insert(
                "DeadLetterQueueSourceArn".to_owned(),
                Value::from(source.as_str()),
            );
        }
        attributes
    }
}

/// What somebody wants to receive.
#[derive(Debug, Clone)]
pub(crate) struct Ask {
    /// The queue's name.
    pub(crate) queue: String,
    /// The most messages.
    pub(crate) most: usize,
    /// The most bytes of them in all, as SQS counts; one message is given out whatever its size.
    pub(crate) bytes: usize,
    /// For how long they are hidden from others; `None` is as the queue says.
    pub(crate) visibility: Option<Duration>,
    /// How long to wait for the first one.
    pub(crate) wait: Duration,
}

/// Puts a message into a queue and answers its id.
pub(super) fn put(
    transaction: &Transaction,
    queue: &Queue,
    draft: &Draft,
    now: i64,
) -> rusqlite::Result<String> {
    expire(transaction, queue, now)?;
    let id = ids::uuid();
    let visible_at = now.saturating_add(draft.delay.unwrap_or(queue.delay));
    transaction
        .prepare_cached(
            "INSERT INTO messages (queue, id, sent_at, body, attributes, visible_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute(params![
            queue.name,
            id,
            now,
            draft.body,
            Value::Object(draft.attributes.clone()).to_string(),
            visible_at
        ])?;
    Ok(id)
}

/// Receives messages, oldest first; none if there are none after the wait. `None` if there is no such queue.
pub(crate) async fn receive(state: &State, ask: &Ask) -> Result<Option<Vec<Message>>> {
    let (mut changes, mut moves) = (state.messages(), state.clock().moves());
    let deadline = Instant::now() + ask.wait;
    loop {
        changes.mark_unchanged();
        moves.mark_unchanged();
        let (wanted, now) = (ask.clone(), state.now());
        let taken = state
            .run(move |connection| {
                let transaction = connection.transaction()?;
                let taken = match super::find(&transaction, &wanted.queue)? {
                    None => None,
                    Some(queue) => Some(take(&transaction, &queue, &wanted, now)?),
                };
                transaction.commit()?;
                Ok(taken)
            })
            .await?;
        let Some(taken) = taken else {
            return Ok(None);
        };
        if taken.moved {
            state.announce_message();
        }
        if !taken.messages.is_empty() || Instant::now() >= deadline {
            return Ok(Some(taken.messages));
        }
        let next = taken
            .next
            .map(|at| at.saturating_sub(now).max(1).unsigned_abs());
        let next = next.map_or(deadline, |left| {
            Instant::now() + Duration::from_millis(left)
        });
        tokio::select! {
            _ = changes.changed() => {}
            _ = moves.changed() => {}
            () = tokio::time::sleep_until(next.min(deadline)) => {}
        }
    }
}

/// What one look into a queue came to.
struct Taken {
    messages: Vec<Message>,
    /// Whether messages went to the dead letters.
    moved: bool,
    /// When the next hidden message is visible again.
    next: Option<i64>,
}

fn take(transaction: &Transaction, queue: &Queue, ask: &Ask, now: i64) -> rusqlite::Result<Taken> {
    expire(transaction, queue, now)?;
    let moved = redrive(transaction, queue, now)?;
    let mut messages: Vec<Message> = transaction
        .prepare_cached(
            "SELECT n, id, body, attributes, sent_at, coalesce(first_received_at, ?2), receives, source FROM messages
             WHERE queue = ?1 AND visible_at <= ?2 ORDER BY n LIMIT ?3",
        )?
        .query_map(params![queue.name, now, ask.most], message)?
        .collect::<rusqlite::Result<_>>()?;
    let mut bytes = 0;
    let fits = |message: &&Message| {
        bytes += message.body.len() + attributes::size(&message.attributes);
        bytes <= ask.bytes
    };
    let count = messages.iter().take_while(fits).count().max(1);
    messages.truncate(count);
    let hidden = ask.visibility.map_or(queue.visibility, milliseconds);
    let mut take = transaction.prepare_cached(
        "UPDATE messages SET visible_at = ?2, receipt = ?3, receives = ?4, first_received_at = ?5 WHERE n = ?1",
    )?;
    for message in &mut messages {
        message.receipt = receipt(&message.id);
        message.receives += 1;
        take.execute(params![
            message.n,
            now.saturating_add(hidden),
            message.receipt,
            message.receives,
            message.first_received_at
        ])?;
    }
    let next = transaction
        .prepare_cached("SELECT min(visible_at) FROM messages WHERE queue = ?1")?
        .query_row([&queue.name], |row| row.get(0))?;
    Ok(Taken {
        messages,
        moved,
        next,
    })
}

fn message(row: &Row) -> rusqlite::Result<Message> {
    let attributes: String = row.get(3)?;
    Ok(Message {
        n: row.get(0)?,
        id: row.get(1)?,
        receipt: String::new(),
        body: row.get(2)?,
        attributes: serde_json::from_str(&attributes).unwrap_or_default(),
        sent_at: row.get(4)?,
        first_received_at: row.get(5)?,
        receives: row.get(6)?,
        source: row.get(7)?,
    })
}

/// Forgets what is older than the queue keeps it, seen or not.
pub(super) fn expire(connection: &Connection, queue: &Queue, now: i64) -> rusqlite::Result<()> {
    connection
        .prepare_cached("DELETE FROM messages WHERE queue = ?1 AND sent_at < ?2")?
        .execute(params![queue.name, now.saturating_sub(queue.retention)])?;
    Ok(())
}

/// Moves what was received too often and is visible again to the dead letters; its id, its age and its count go with it.
fn redrive(transaction: &Transaction, queue: &Queue, now: i64) -> rusqlite::Result<bool> {
    let Some((most, dead_letters)) = &queue.redrive else {
        return Ok(false);
    };
    let moved = transaction
        .prepare_cached(
            "UPDATE messages SET queue = (SELECT name FROM queues WHERE arn = ?4), source = ?5, visible_at = ?2,
                receipt = NULL, received_elsewhere = receives
             WHERE queue = ?1 AND visible_at <= ?2 AND receives - received_elsewhere >= ?3",
        )?
        .execute(params![queue.name, now, most, dead_letters, queue.arn])?;
    Ok(moved > 0)
}

/// A new receipt of the message with this id.
pub(super) fn receipt(id: &str) -> String {
    STANDARD.encode(format!("{id}#{}", ids::uuid()))
}

/// Whether this is a receipt that a queue could have given out.
pub(super) fn is_receipt(receipt: &str) -> bool {
    let text = STANDARD.decode(receipt).ok();
    let text = text.and_then(|bytes| String::from_utf8(bytes).ok());
    text.is_some_and(|text| text.split('#').all(|id| id.len() == 36) && text.len() == 73)
}

/// Removes the messages with these receipts from the queue `name`. One that was received again since stays.
pub(crate) async fn delete(state: &State, name: &str, receipts: Vec<String>) -> Result<()> {
    let name = name.to_owned();
    state
        .run(move |connection| {
            let transaction = connection.transaction()?;
            for receipt in &receipts {
                remove(&transaction, &name, receipt)?;
            }
            transaction.commit()
        })
        .await
}

/// Removes the message with this receipt from the queue `name`, if it was not received again since.
pub(super) fn remove(connection: &Connection, name: &str, receipt: &str) -> rusqlite::Result<()> {
    connection
        .prepare_cached("DELETE FROM messages WHERE queue = ?1 AND receipt = ?2")?
        .execute([name, receipt])?;
    Ok(())
}

/// When the message with this receipt is visible again; `None` if it is gone or was received again since.
pub(super) fn visible_at(
    connection: &Connection,
    queue: &Queue,
    receipt: &str,
) -> rusqlite::Result<Option<i64>> {
    connection
        .prepare_cached("SELECT visible_at FROM messages WHERE queue = ?1 AND receipt = ?2")?
        .query_row([&queue.name, receipt], |row| row.get(0))
        .optional()
}

/// Hides the message with this receipt until then.
pub(super) fn hide(connection: &Connection, receipt: &str, until: i64) -> rusqlite::Result<()> {
    connection
        .prepare_cached("UPDATE messages SET visible_at = ?2 WHERE receipt = ?1")?
        .execute(params![receipt, until])?;
    Ok(())
}

/// How many messages are visible, hidden because they were received, and delayed.
pub(super) fn counts(
    connection: &Connection,
    queue: &Queue,
    now: i64,
) -> rusqlite::Result<[i64; 3]> {
    connection
        .prepare_cached(
            "SELECT coalesce(sum(visible_at <= ?2), 0),
                    coalesce(sum(visible_at > ?2 AND receipt IS NOT NULL), 0),
                    coalesce(sum(visible_at > ?2 AND receipt IS NULL), 0)
             FROM messages WHERE queue = ?1",
        )?
        .query_row(params![queue.name, now], |row| {
            Ok([row.get(0)?, row.get(1)?, row.get(2)?])
        })
}

/// Removes every message of the queue.
pub(super) fn purge(connection: &Connection, queue: &Queue) -> rusqlite::Result<()> {
    connection.execute("DELETE FROM messages WHERE queue = ?1", [&queue.name])?;
    Ok(())
}
