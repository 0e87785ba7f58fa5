//! The local stack's own memory: one `SQLite` file with stream checkpoints, custom resources, platform applications,
//! endpoints, accepted pushes, queue messages, events that wait for a function, and the clock. What was answered survives
//! `kill -9`.

use crate::clock::{self, Clock, Move};
use crate::error::{Error, Result};
use rusqlite::{Connection, OptionalExtension, params};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// Raised with every change of [`SCHEMA`]; a file of another version is refused.
const VERSION: i64 = 3;

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS checkpoints (source TEXT PRIMARY KEY, sequence TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS custom_resources (
    id TEXT PRIMARY KEY, properties TEXT NOT NULL, physical_id TEXT NOT NULL, data TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS endpoints (
    arn TEXT PRIMARY KEY, application TEXT NOT NULL, token TEXT NOT NULL, enabled INTEGER NOT NULL,
    user_data TEXT NOT NULL, UNIQUE (application, token));
CREATE TABLE IF NOT EXISTS applications (arn TEXT PRIMARY KEY, attributes TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS attempts (
    application TEXT NOT NULL, token TEXT NOT NULL, n INTEGER NOT NULL, PRIMARY KEY (application, token)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS pushes (
    n INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, message_id TEXT NOT NULL, endpoint_arn TEXT NOT NULL,
    token TEXT NOT NULL, application TEXT NOT NULL, message TEXT NOT NULL, attributes TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS queues (
    name TEXT PRIMARY KEY, arn TEXT NOT NULL UNIQUE, created_at INTEGER NOT NULL, retention INTEGER NOT NULL,
    visibility INTEGER NOT NULL, delay INTEGER NOT NULL, max_receives INTEGER, dead_letters TEXT);
CREATE TABLE IF NOT EXISTS messages (
    n INTEGER PRIMARY KEY AUTOINCREMENT, queue TEXT NOT NULL, id TEXT NOT NULL, sent_at INTEGER NOT NULL,
    body TEXT NOT NULL, attributes TEXT NOT NULL, visible_at INTEGER NOT NULL, receipt TEXT UNIQUE,
    receives INTEGER NOT NULL DEFAULT 0, received_elsewhere INTEGER NOT NULL DEFAULT 0, first_received_at INTEGER,
    source TEXT);
CREATE INDEX IF NOT EXISTS messages_by_queue ON messages (queue, n);
CREATE TABLE IF NOT EXISTS events (
    id TEXT PRIMARY KEY, function TEXT NOT NULL, accepted_at INTEGER NOT NULL, body BLOB NOT NULL,
    invokes INTEGER NOT NULL DEFAULT 0, due_at INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS moves (n INTEGER PRIMARY KEY, at INTEGER NOT NULL, ahead INTEGER NOT NULL);
";

/// The state file of one running stack; clones share it.
#[derive(Debug, Clone)]
pub struct State {
    connection: Arc<Mutex<Connection>>,
    pushes: Arc<watch::Sender<()>>,
    messages: Arc<watch::Sender<()>>,
    clock: Clock,
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
        let clock = Clock::default();
        for step in moves(&connection)? {
            clock.push(step);
        }
        Ok(Self {
            connection: Arc::new(Mutex::new(connection)),
            pushes: Arc::new(watch::Sender::new(())),
            messages: Arc::new(watch::Sender::new(())),
            clock,
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

    /// The time of everything that is kept here.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// What the clock shows, in milliseconds since 1970.
    pub(crate) fn now(&self) -> i64 {
        self.clock.now()
    }

    /// Moves the clock forward by these milliseconds, for this run and all later ones.
    pub(crate) async fn forward(&self, by: i64) -> Result<()> {
        let clock = self.clock.clone();
        self.run(move |connection| {
            let step = Move {
                at: clock::real_now(),
                ahead: clock.ahead().saturating_add(by),
            };
            connection.execute(
                "INSERT INTO moves (at, ahead) VALUES (?1, ?2)",
                params![step.at, step.ahead],
            )?;
            // Here, where nobody else can move it in between.
            clock.push(step);
            Ok(())
        })
        .await
    }

    /// Wakes those who wait for a message of a queue.
    pub(crate) fn announce_message(&self) {
        self.messages.send_replace(());
    }

    /// Changes when a queue may have a message for who waits.
    pub(crate) fn messages(&self) -> watch::Receiver<()> {
        self.messages.subscribe()
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

fn moves(connection: &Connection) -> rusqlite::Result<Vec<Move>> {
    connection
        .prepare("SELECT at, ahead FROM moves ORDER BY n")?
        .query_map([], |row| {
            Ok(Move {
                at: row.get(0)?,
                ahead: row.get(1)?,
            })
        })?
        .collect()
}

/// What the clock shows, for who has the connection only.
pub(crate) fn now(connection: &Connection) -> rusqlite::Result<i64> {
    let ahead: Option<i64> = connection
        .prepare_cached("SELECT ahead FROM moves ORDER BY n DESC LIMIT 1")?
        .query_row([], |row| row.get(0))
        .optional()?;
    Ok(clock::real_now().saturating_add(ahead.unwrap_or(0)))
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

    #[tokio::test]
    async fn a_moved_clock_survives_reopening() {
        let dir = tempfile::tempdir().unwrap();
        let state = State::open(dir.path()).unwrap();
        state.forward(3_600_000).await.unwrap();
        state.forward(1_000).await.unwrap();
        let before = state.now();
        drop(state);
        let state = State::open(dir.path()).unwrap();
        assert_eq!(state.clock().ahead(), 3_601_000);
        assert!(state.now() >= before);
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
