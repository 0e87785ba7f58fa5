//! A table's stream, read in order.

use super::{engine, request, upkeep};
use crate::clock::{Clock, milliseconds};
use crate::error::{Error, Result};
use crate::template::{ACCOUNT, REGION};
use dynoxide::Database;
use dynoxide::actions::get_records;
use rusqlite::Connection;
use serde_json::{Value, json};
use std::path::Path;

/// The most records of one read.
const PAGE: usize = 1000;
/// What the engine adds to a number before it shows it (dynoxide-rs 3.2.0, `streams.rs`).
const SEQUENCE_OFFSET: i128 = 100_000_000_000_000_000_000;

/// One change of a row.
#[derive(Debug, Clone)]
pub struct Record {
    /// Its place in the stream: fixed in length, so that text order is stream order.
    pub sequence: String,
    /// When it was written, in seconds since 1970, by the stack's clock.
    pub created_at: i64,
    /// The record as a Lambda event holds it.
    pub event: Value,
}

/// A reader of one table's stream.
pub struct Stream {
    database: Database,
    /// A connection that only watches whether anything was committed, at a hundredth of a read's price.
    doorbell: Connection,
    /// What the doorbell showed when there was nothing after this sequence number.
    seen: Option<(i64, Option<String>)>,
    native_arn: String,
    arn: String,
    shard: String,
    clock: Clock,
}

impl Stream {
    pub(super) fn open(database: Database, file: &Path, clock: Clock, table: &str) -> Result<Self> {
        let described = database
            .describe_table(request(json!({"TableName": table}))?)
            .map_err(|error| engine(&error))?;
        let native_arn = described
            .table
            .latest_stream_arn
            .ok_or_else(|| Error::new(format!("table {table} has no stream")))?;
        let label = described.table.latest_stream_label.unwrap_or_default();
        Ok(Self {
            database,
            doorbell: upkeep::open(file)?,
            seen: None,
            native_arn,
            arn: format!(
                "arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{table}/stream/{}",
                date(&label)
            ),
            shard: dynoxide::streams::shard_id(table),
            clock,
        })
    }

    /// The stream's ARN.
    #[must_use]
    pub fn arn(&self) -> &str {
        &self.arn
    }

    /// The id of the one shard.
    #[must_use]
    pub fn shard(&self) -> &str {
        &self.shard
    }

    /// Up to 1,000 records after the sequence number `after`, or from the oldest one. Cheap when nothing was written
    /// since the same read came back empty.
    pub fn read(&mut self, after: Option<&str>) -> Result<Vec<Record>> {
        // Before the read, so that a commit between the two rings again.
        let version = self
            .doorbell
            .query_row("PRAGMA data_version", [], |row| row.get(0))?;
        let seen = Some((version, after.map(str::to_owned)));
        if self.seen == seen {
            return Ok(Vec::new());
        }
        let kind = if after.is_some() {
            "AFTER_SEQUENCE_NUMBER"
        } else {
            "TRIM_HORIZON"
        };
        let records = self.records(kind, after)?;
        self.seen = if records.is_empty() { seen } else { None };
        records
            .into_iter()
            .map(|record| self.convert(record))
            .collect()
    }

    /// How many records after the sequence number `after` are past their 24 hours, and the number of the last of them,
    /// or `after`.
    pub fn expired(&mut self, mut after: String) -> Result<(usize, String)> {
        let horizon = (self.clock.now() - milliseconds(upkeep::KEPT)) / 1000;
        let mut count = 0;
        loop {
            let records = self.read(Some(&after))?;
            let all = records.len();
            let old = records
                .into_iter()
                .take_while(|record| record.created_at < horizon);
            let old: Vec<_> = old.map(|record| record.sequence).collect();
            count += old.len();
            let more = all > 0 && old.len() == all;
            after = old.into_iter().next_back().unwrap_or(after);
            if !more {
                return Ok((count, after));
            }
        }
    }

    /// The sequence number of the newest record there is.
    pub fn newest(&self) -> Result<Option<String>> {
        let body = json!({"StreamArn": self.native_arn});
        let mut described = self
            .database
            .describe_stream(request(body)?)
            .map_err(|error| engine(&error))?;
        let shard = described.stream_description.shards.pop();
        Ok(shard.and_then(|shard| shard.sequence_number_range.ending_sequence_number))
    }

    fn records(&self, kind: &str, after: Option<&str>) -> Result<Vec<get_records::Record>> {
        let mut body =
            json!({"StreamArn": self.native_arn, "ShardId": self.shard, "ShardIteratorType": kind});
        if let Some(after) = after {
            body["SequenceNumber"] = json!(after);
        }
        let position = self
            .database
            .get_shard_iterator(request(body)?)
            .map_err(|error| engine(&error))?;
        let page = get_records::GetRecordsRequest {
            shard_iterator: position.shard_iterator.unwrap_or_default(),
            limit: Some(PAGE),
        };
        Ok(self
            .database
            .get_records(page)
            .map_err(|error| engine(&error))?
            .records)
    }

    /// How many seconds the clock was ahead when this number was drawn: the engine never draws one below the microseconds
    /// since 1970.
    fn ahead_at(&self, sequence: &str) -> Result<i64> {
        let real = (sequence.parse::<i128>().ok())
            .and_then(|number| i64::try_from((number - SEQUENCE_OFFSET) / 1000).ok())
            .ok_or_else(|| {
                Error::new(format!(
                    "stream record {sequence}: not a number of the engine's"
                ))
            })?;
        Ok((self.clock.shown(real) - real) / 1000)
    }

    fn convert(&self, record: get_records::Record) -> Result<Record> {
        let sequence = record.dynamodb.sequence_number.clone();
        // The engine's own time, which a test may have set back, and what the clock was ahead when the number was drawn.
        #[allow(clippy::cast_possible_truncation)]
        let written = record.dynamodb.approximate_creation_date_time as i64;
        let created_at = written + self.ahead_at(&sequence)?;
        let mut event = serde_json::to_value(record)
            .map_err(|error| Error::new(format!("stream record {sequence}: {error}")))?;
        event["awsRegion"] = json!(REGION);
        event["eventSourceARN"] = json!(self.arn);
        event["dynamodb"]["ApproximateCreationDateTime"] = json!(created_at);
        Ok(Record {
            sequence,
            created_at,
            event,
        })
    }
}

/// The engine's label, `seconds.nanoseconds`, as AWS writes a stream's: a date and time.
fn date(label: &str) -> String {
    let (seconds, nanoseconds) = label.split_once('.').unwrap_or((label, "0"));
    let (Ok(seconds), Ok(nanoseconds)) = (seconds.parse(), nanoseconds.parse()) else {
        return label.to_owned();
    };
    jiff::Timestamp::new(seconds, nanoseconds).map_or_else(
        |_| label.to_owned(),
        |at| format!("{at:.3}").trim_end_matches('Z').to_owned(),
    )
}
