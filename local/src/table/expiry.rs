//! Time to live by a clock that was moved: the engine's own sweep knows the real time only.
//!
//! The rows go through a second connection of the engine's own kind, a page in one transaction, so that a row is removed
//! as it stands. The template's tables have no indexes, so there is nothing else to keep in step.

use super::engine;
use crate::error::Error;
use dynoxide::errors::DynoxideError;
use dynoxide::storage::{ScanParams, Storage, TableMetadata};
use dynoxide::streams::shard_id;
use serde_json::{Map, Value};
use std::path::Path;

/// The rows of one transaction: the engine's writes wait for it.
const PAGE: usize = 50;
/// Who removes what expires, as a stream record says it.
const SERVICE: &str = r#"{"type":"Service","principalId":"dynamodb.amazonaws.com"}"#;

/// The keys of the last row that was looked at.
type Position = (String, String);

/// Removes the rows of the engine's `file` whose time to live ended before `now`, in seconds since 1970, and writes the
/// stream records the service would.
pub(super) fn sweep(file: &Path, now: i64) -> Result<(), Error> {
    let path = file
        .to_str()
        .ok_or_else(|| Error::new("the data folder's path is not UTF-8"))?;
    let storage = Storage::new(path).map_err(|error| engine(&error))?;
    let tables = storage
        .list_ttl_enabled_tables()
        .map_err(|error| engine(&error))?;
    for table in tables {
        let mut after = None;
        loop {
            storage
                .begin_transaction()
                .map_err(|error| engine(&error))?;
            match page(&storage, &table, after.as_ref(), now) {
                Ok(last) => {
                    storage.commit().map_err(|error| engine(&error))?;
                    if last.is_none() {
                        break;
                    }
                    after = last;
                }
                // The transaction ends with the connection.
                Err(error) => return Err(engine(&error)),
            }
        }
    }
    Ok(())
}

/// Sweeps one page; `None` after the last one.
fn page(
    storage: &Storage,
    table: &TableMetadata,
    after: Option<&Position>,
    now: i64,
) -> Result<Option<Position>, DynoxideError> {
    let params = ScanParams {
        limit: Some(PAGE),
        exclusive_start_pk: after.map(|(pk, _)| pk.as_str()),
        exclusive_start_sk: after.map(|(_, sk)| sk.as_str()),
        ..ScanParams::default()
    };
    let rows = storage.scan_items(&table.table_name, &params)?;
    let full = rows.len() == PAGE;
    let mut last = None;
    for (pk, sk, text) in rows {
        let item: Value = serde_json::from_str(&text).unwrap_or_default();
        if is_expired(&item, table.ttl_attribute.as_deref(), now) {
            storage.delete_item(&table.table_name, &pk, &sk)?;
            if table.stream_enabled {
                record(storage, table, &item, &text)?;
            }
        }
        last = Some((pk, sk));
    }
    Ok(last.filter(|_| full))
}

fn is_expired(item: &Value, attribute: Option<&str>, now: i64) -> bool {
    let until = attribute.and_then(|attribute| item[attribute]["N"].as_str());
    until
        .and_then(|until| until.parse::<i64>().ok())
        .is_some_and(|until| (0..now).contains(&until))
}

fn record(
    storage: &Storage,
    table: &TableMetadata,
    item: &Value,
    text: &str,
) -> Result<(), DynoxideError> {
    let schema: Value = serde_json::from_str(&table.key_schema).unwrap_or_default();
    let names = schema.as_array().into_iter().flatten();
    let keys: Map<String, Value> = names
        .filter_map(|key| key["AttributeName"].as_str())
        .map(|name| (name.to_owned(), item[name].clone()))
        .collect();
    let shows_old = matches!(
        table.stream_view_type.as_deref(),
        None | Some("OLD_IMAGE" | "NEW_AND_OLD_IMAGES")
    );
    let sequence = storage.next_stream_sequence_number(&table.table_name)?;
    storage.insert_stream_record_with_identity(
        &table.table_name,
        "REMOVE",
        &Value::Object(keys).to_string(),
        None,
        shows_old.then_some(text),
        &sequence.to_string(),
        &shard_id(&table.table_name),
        jiff::Timestamp::now().as_second(),
        Some(SERVICE),
    )
}

#[cfg(test)]
mod tests {
    use crate::clock::{Clock, Move, real_now};
    use crate::table::Tables;
    use crate::table::tests::{put, spec};
    use serde_json::json;
    use std::time::Duration;

    #[tokio::test]
    async fn a_moved_clock_expires_rows_and_the_service_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let clock = Clock::default();
        let tables = Tables::start_with_clock(dir.path(), &[spec()], clock.clone())
            .await
            .unwrap();
        let now = real_now() / 1000;
        for n in 0..120 {
            put(&tables, &format!("kept{n}"), now + 7200);
            put(&tables, &format!("gone{n}"), now + 60);
        }
        let mut stream = tables.stream("things").unwrap();
        let last = stream.newest().unwrap();
        clock.push(Move {
            at: real_now(),
            ahead: 3_600_000,
        });
        let mut removed = Vec::new();
        for _ in 0..500 {
            removed = stream.read(last.as_deref()).unwrap();
            if removed.len() == 120 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(removed.len(), 120);
        for record in removed {
            let event = record.event;
            let key = event["dynamodb"]["Keys"]["sk"]["S"].as_str().unwrap();
            assert!(key.starts_with("gone"), "{event}");
            assert_eq!(event["eventName"], "REMOVE");
            assert_eq!(
                event["userIdentity"]["principalId"],
                json!("dynamodb.amazonaws.com")
            );
            // Written after the move, so as old as the moved clock says.
            assert!(record.created_at >= now + 3600, "{}", record.created_at);
        }
    }
}
