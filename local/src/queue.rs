//! Queues, as far as a template's on-failure destinations need them: messages are kept durably and can be listed.

use crate::error::Result;
use crate::ids;
use crate::state::{self, State};
use crate::template::QueueSpec;
use rusqlite::{OptionalExtension, params};
use serde_json::{Value, json};

/// Makes the template's queues known; their messages stay from run to run.
pub fn declare(state: &State, specs: &[QueueSpec]) -> Result<()> {
    state.with(|connection| {
        let transaction = connection.transaction()?;
        for spec in specs {
            let retention = i64::try_from(spec.retention.as_millis()).unwrap_or(i64::MAX);
            transaction.execute(
                "INSERT OR REPLACE INTO queues (name, arn, retention) VALUES (?1, ?2, ?3)",
                params![spec.name, spec.arn, retention],
            )?;
        }
        transaction.commit()
    })
}

/// Puts a message into the queue with this ARN. `false` if no such queue was declared.
pub async fn send(state: &State, arn: &str, body: String) -> Result<bool> {
    let arn = arn.to_owned();
    state
        .run(move |connection| {
            let transaction = connection.transaction()?;
            let now = state::now();
            let found = transaction
                .query_row(
                    "SELECT name, retention FROM queues WHERE arn = ?1",
                    [arn],
                    |row| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?)),
                )
                .optional()?;
            let Some((queue, retention)) = found else {
                return Ok(false);
            };
            transaction.execute(
                "DELETE FROM messages WHERE queue = ?1 AND sent_at < ?2",
                params![queue, now.saturating_sub(retention)],
            )?;
            transaction.execute(
                "INSERT INTO messages (queue, id, sent_at, body) VALUES (?1, ?2, ?3, ?4)",
                params![queue, ids::uuid(), now, body],
            )?;
            transaction.commit()?;
            Ok(true)
        })
        .await
}

/// The oldest `limit` messages of the queue `name` that are still kept; `None` if there is no such queue.
/// A body that is JSON is shown as such.
pub async fn list(state: &State, name: &str, limit: usize) -> Result<Option<Vec<Value>>> {
    let name = name.to_owned();
    state
        .run(move |connection| {
            let retention = connection
                .query_row(
                    "SELECT retention FROM queues WHERE name = ?1",
                    [&name],
                    |row| row.get::<_, i64>(0),
                )
                .optional()?;
            let Some(retention) = retention else {
                return Ok(None);
            };
            connection
                .prepare_cached(
                    "SELECT id, sent_at, body FROM messages WHERE queue = ?1 AND sent_at >= ?2 ORDER BY n LIMIT ?3",
                )?
                .query_map(
                    params![name, state::now().saturating_sub(retention), limit],
                    |row| {
                        let body: String = row.get(2)?;
                        Ok(json!({
                            "message_id": row.get::<_, String>(0)?,
                            "sent_at": state::rfc3339(row.get(1)?),
                            "body": serde_json::from_str(&body).unwrap_or(Value::String(body)),
                        }))
                    },
                )?
                .collect::<rusqlite::Result<Vec<Value>>>()
                .map(Some)
        })
        .await
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn spec(retention: Duration) -> QueueSpec {
        QueueSpec {
            logical_id: "Failed".to_owned(),
            name: "failed".to_owned(),
            arn: "arn:q".to_owned(),
            retention,
        }
    }

    #[tokio::test]
    async fn messages_survive_reopening_and_go_after_their_retention() {
        let dir = tempfile::tempdir().unwrap();
        let state = State::open(dir.path()).unwrap();
        declare(&state, &[spec(Duration::from_mins(1))]).unwrap();
        assert!(
            send(&state, "arn:q", r#"{"a":1}"#.to_owned())
                .await
                .unwrap()
        );
        assert!(!send(&state, "arn:other", String::new()).await.unwrap());
        drop(state);

        let state = State::open(dir.path()).unwrap();
        let messages = list(&state, "failed", 10).await.unwrap().unwrap();
        assert_eq!(messages.len(), 1);
        assert_eq!(messages[0]["body"], json!({"a": 1}));
        assert_eq!(list(&state, "other", 10).await.unwrap(), None);

        declare(&state, &[spec(Duration::from_millis(1))]).unwrap();
        tokio::time::sleep(Duration::from_millis(5)).await;
        assert_eq!(list(&state, "failed", 10).await.unwrap(), Some(vec![]));
    }
}
