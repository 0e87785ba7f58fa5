//! The local stack's own memory: one `SQLite` file with stream checkpoints, endpoints, accepted pushes and queue
//! messages. What was answered survives `kill -9`.

use crate::error::{Error, Result};
use rusqlite::{Connection, OptionalExtension, params};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// Raised with every change of [`SCHEMA`]; a file of another version is refused.
const VERSION: i64 = 2;

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS checkpoints (source TEXT PRIMARY KEY, sequence TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS endpoints (
    arn TEXT PRIMARY KEY, application TEXT NOT NULL, token TEXT NOT NULL, enabled INTEGER NOT NULL,
    user_data TEXT NOT NULL, UNIQUE (application, token));
CREATE TABLE IF NOT EXISTS applications (arn TEXT PRIMARY KEY, attributes TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS attempts (
    application TEXT NOT NULL, token TEXT NOT NULL, n INTEGER NOT NULL, PRIMARY KEY (application, token)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS pushes (
    n INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, message_id TEXT NOT NULL, endpoint_arn TEXT NOT NULL,
    token TEXT NOT NULL, application TEXT NOT NULL, message TEXT NOT NULL, attributes TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS queues (name TEXT PRIMARY KEY, arn TEXT NOT NULL UNIQUE, retention INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS messages (
    n INTEGER PRIMARY KEY AUTOINCREMENT, queue TEXT NOT NULL, id TEXT NOT NULL, sent_at INTEGER NOT NULL,
    body TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS messages_by_queue ON messages (queue, n);
";

/// The state file of one running stack; clones share it.
#[derive(Debug, Clone)]
pub struct State {
    connection: Arc<Mutex<Connection>>,
    pushes: Arc<watch::Sender<()>>,
}

impl State {
    /// Opens `stack.sqlite` in the data folder `dir`, or makes it.
    pub fn open(dir: &Path) -> Result<Self> {
        std::fs::create_dir_all(dir)?;
        let connection = Connection::open(dir.join("stack.sqlite"))?;
        connection.busy_timeout(Duration::from_secs(5))?;
        // A written-ahead log without a sync per commit: the operating system keeps what a killed process wrote.
        connection.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;")?;
        let version: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
        if version != 0 && version != VERSION {
            return Err(Error::new(format!(
                "{} was written by another version of the local stack; remove the folder to start afresh",
                dir.join("stack.sqlite").display()
            )));
        }
        connection.execute_batch(SCHEMA)?;
        connection.pragma_update(None, "user_version", VERSION)?;
        Ok(Self {
            connection: Arc::new(Mutex::new(connection)),
            pushes: Arc::new(watch::Sender::new(())),
        })
    }

    /// Runs `work` with the connection, on this thread.
    pub(crate) fn with<T>(
        &self,
        work: impl FnOnce(&mut Connection) -> rusqlite::Result<T>,
    ) -> Result<T> {
        // A panic in here rolled its transaction back, so the connection is still sound.
        let mut connection = self
            .connection
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        Ok(work(&mut connection)?)
    }

    /// Runs `work` with the connection, on a thread that may wait for the disk.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T> {
        let state = self.clone();
        tokio::task::spawn_blocking(move || state.with(work))
            .await
            .map_err(|error| Error::new(format!("the state file: {error}")))?
    }

    /// Wakes those who wait for a push.
    pub(crate) fn announce_push(&self) {
        self.pushes.send_replace(());
    }

    /// Changes with every accepted push.
    pub(crate) fn pushes(&self) -> watch::Receiver<()> {
        self.pushes.subscribe()
    }

    /// The sequence number up to which the event source mapping `source` is done.
    pub fn checkpoint(&self, source: &str) -> Result<Option<String>> {
        self.with(|connection| {
            connection
                .prepare_cached("SELECT sequence FROM checkpoints WHERE source = ?1")?
                .query_row([source], |row| row.get(0))
                .optional()
        })
    }

    /// Records that the event source mapping `source` is done up to `sequence`.
    pub async fn save_checkpoint(&self, source: &str, sequence: &str) -> Result<()> {
        let (source, sequence) = (source.to_owned(), sequence.to_owned());
        self.run(move |connection| {
            connection
                .prepare_cached(
                    "INSERT OR REPLACE INTO checkpoints (source, sequence) VALUES (?1, ?2)",
                )?
                .execute(params![source, sequence])
        })
        .await?;
        Ok(())
    }
}

/// The milliseconds since 1970.
pub(crate) fn now() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

/// Milliseconds since 1970 as RFC 3339 in UTC.
pub(crate) fn rfc3339(milliseconds: i64) -> String {
    jiff::Timestamp::from_millisecond(milliseconds).map_or_else(
        |_| milliseconds.to_string(),
        |timestamp| format!("{timestamp:.3}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_checkpoint_survives_reopening() {
        let dir = tempfile::tempdir().unwrap();
        let state = State::open(dir.path()).unwrap();
        assert_eq!(state.checkpoint("a").unwrap(), None);
        state.save_checkpoint("a", "1").await.unwrap();
        state.save_checkpoint("a", "2").await.unwrap();
        drop(state);
        let state = State::open(dir.path()).unwrap();
        assert_eq!(state.checkpoint("a").unwrap().as_deref(), Some("2"));
        assert_eq!(state.checkpoint("b").unwrap(), None);
    }

    #[test]
    fn a_file_of_another_version_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let other = Connection::open(dir.path().join("stack.sqlite")).unwrap();
        other.pragma_update(None, "user_version", 99).unwrap();
        drop(other);
        let message = State::open(dir.path()).unwrap_err().to_string();
        assert!(message.contains("another version"), "{message}");
    }

    #[test]
    fn times_are_written_with_milliseconds() {
        assert_eq!(rfc3339(1_573_690_429_717), "2019-11-14T00:13:49.717Z");
    }
}
