//! What the engine leaves undone on its own file: the indexes its stream needs, and an end to the stream's records.

use crate::clock::{Clock, milliseconds};
use crate::error::Result;
use rusqlite::{Connection, params};
use std::path::Path;
use std::time::Duration;

/// How long a stream record is kept, as on AWS.
pub(super) const KEPT: Duration = Duration::from_hours(24);
/// The most records of one delete: the engine's writes wait for it.
const TRIMMED_AT_ONCE: usize = 500;

/// Without these, every write reads the whole stream to find its last sequence number.
const INDEXES: &str = "
CREATE INDEX IF NOT EXISTS stack_stream_by_table
    ON _stream_records (table_name, CAST(sequence_number AS INTEGER));
CREATE INDEX IF NOT EXISTS stack_stream_by_shard
    ON _stream_records (table_name, shard_id, CAST(sequence_number AS INTEGER));
";

/// A second connection to the engine's file.
pub(super) fn open(file: &Path) -> Result<Connection> {
    let connection = Connection::open(file)?;
    connection.busy_timeout(Duration::from_secs(5))?;
    Ok(connection)
}

/// Creates the indexes the engine lacks.
pub(super) fn connect(file: &Path) -> Result<()> {
    Ok(open(file)?.execute_batch(INDEXES)?)
}

/// Removes stream records that are older than 24 hours.
pub(super) fn trim(file: &Path, clock: &Clock) -> Result<()> {
    let horizon = clock.real(clock.now() - milliseconds(KEPT));
    trim_before(&open(file)?, horizon.saturating_mul(1000))
}

/// The engine never gives out a sequence number below the microseconds since 1970, so a smaller one is older.
fn trim_before(connection: &Connection, microseconds: i64) -> Result<()> {
    let mut tables = connection.prepare("SELECT table_name FROM _tables")?;
    let tables = tables
        .query_map([], |row| row.get(0))?
        .collect::<rusqlite::Result<Vec<String>>>()?;
    let mut delete = connection.prepare(
        "DELETE FROM _stream_records WHERE id IN (SELECT id FROM _stream_records
         WHERE table_name = ?1 AND CAST(sequence_number AS INTEGER) < ?2 LIMIT ?3)",
    )?;
    for table in tables {
        while delete.execute(params![table, microseconds, TRIMMED_AT_ONCE])? == TRIMMED_AT_ONCE {
            // Lets the engine's writes in between.
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Move, real_now};
    use crate::table::Tables;
    use crate::table::tests::{put, spec};

    /// The engine's statements on `_stream_records`, word for word (dynoxide-rs 3.2.0, `storage.rs`).
    const STATEMENTS: [&str; 3] = [
        "SELECT COALESCE(MAX(CAST(sequence_number AS INTEGER)), 0) + 1 FROM _stream_records WHERE table_name = ?1",
        "SELECT event_name, keys_json, new_image, old_image, sequence_number, created_at, user_identity, event_id
         FROM _stream_records
         WHERE table_name = ?1 AND shard_id = ?2 AND CAST(sequence_number AS INTEGER) > ?3
         ORDER BY CAST(sequence_number AS INTEGER) ASC
         LIMIT ?4",
        "SELECT id FROM _stream_records WHERE table_name = ?1 AND CAST(sequence_number AS INTEGER) < ?2 LIMIT ?3",
    ];

    #[tokio::test]
    async fn the_streams_statements_use_the_indexes() {
        let dir = tempfile::tempdir().unwrap();
        let tables = Tables::start(dir.path(), &[spec()]).await.unwrap();
        put(&tables, "a", 99_999_999_999);
        let connection = open(&tables.file).unwrap();
        for statement in STATEMENTS {
            let mut explained = connection
                .prepare(&format!("EXPLAIN QUERY PLAN {statement}"))
                .unwrap();
            let values = vec![rusqlite::types::Null; explained.parameter_count()];
            let plan: Vec<String> = explained
                .query_map(rusqlite::params_from_iter(values), |row| row.get(3))
                .unwrap()
                .collect::<rusqlite::Result<_>>()
                .unwrap();
            let plan = plan.join("; ");
            assert!(
                plan.contains("SEARCH _stream_records USING"),
                "{statement}: {plan}"
            );
            assert!(
                plan.contains("INDEX stack_stream_by_"),
                "{statement}: {plan}"
            );
            assert!(!plan.contains("TEMP B-TREE"), "{statement}: {plan}");
        }
    }

    #[tokio::test]
    async fn records_go_when_their_time_is_over_and_numbers_still_rise() {
        let dir = tempfile::tempdir().unwrap();
        let tables = Tables::start(dir.path(), &[spec()]).await.unwrap();
        let mut stream = tables.stream("things").unwrap();
        put(&tables, "a", 99_999_999_999);
        let first = stream.read(None).unwrap().remove(0);
        let clock = &tables.clock;
        trim(&tables.file, clock).unwrap();
        assert_eq!(stream.read(None).unwrap().len(), 1);
        let ahead = milliseconds(KEPT) + 1000;
        clock.push(Move {
            // Later than the record, however fast this machine is.
            at: real_now() + 1,
            ahead,
        });
        trim(&tables.file, clock).unwrap();
        assert!(stream.read(None).unwrap().is_empty());
        put(&tables, "b", 99_999_999_999);
        let second = stream.read(Some(&first.sequence)).unwrap().remove(0);
        assert!(second.sequence > first.sequence);
    }
}
