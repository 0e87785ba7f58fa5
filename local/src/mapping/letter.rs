//! What the on-failure queue hears of a batch that was given up: where it is in the stream, never its records.

use super::lane::Entry;
use crate::ids;
use crate::state;
use crate::template::{ACCOUNT, REGION};
use serde_json::{Value, json};

/// Why a batch was given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Condition {
    /// It failed once more than the retries allow.
    RetryAttemptsExhausted,
    /// It got older than the mapping's maximum record age.
    RecordAgeExceeded,
}

/// A batch that was given up.
pub(super) struct Letter<'a> {
    pub(super) condition: Condition,
    pub(super) function: &'a str,
    pub(super) stream_arn: &'a str,
    pub(super) shard: &'a str,
    /// How often the function saw it.
    pub(super) invokes: u32,
    /// Whether the last invocation ended in an error, and not in an answer that names failed records.
    pub(super) function_error: bool,
    /// When it was given up, in milliseconds since 1970.
    pub(super) at: i64,
    pub(super) records: &'a [Entry],
}

impl Letter<'_> {
    /// The message, as Lambda writes it.
    pub(super) fn body(&self) -> Value {
        let first = self.records.first();
        let last = self.records.last();
        let sequence = |record: Option<&Entry>| record.map(|record| record.sequence.clone());
        let arrival =
            |record: Option<&Entry>| record.map(|record| state::rfc3339(record.created_at * 1000));
        let mut body = json!({
            "requestContext": {
                "requestId": ids::uuid(),
                "functionArn": format!("arn:aws:lambda:{REGION}:{ACCOUNT}:function:{}", self.function),
                "condition": format!("{:?}", self.condition),
                "approximateInvokeCount": self.invokes,
            },
            "version": "1.0",
            "timestamp": state::rfc3339(self.at),
            "DDBStreamBatchInfo": {
                "shardId": self.shard,
                "startSequenceNumber": sequence(first),
                "endSequenceNumber": sequence(last),
                "approximateArrivalOfFirstRecord": arrival(first),
                "approximateArrivalOfLastRecord": arrival(last),
                "batchSize": self.records.len(),
                "streamArn": self.stream_arn,
            },
        });
        if self.invokes > 0 {
            body["responseContext"] = json!({"statusCode": 200, "executedVersion": "$LATEST"});
        }
        if self.function_error {
            body["responseContext"]["functionError"] = json!("Unhandled");
        }
        body
    }
}
