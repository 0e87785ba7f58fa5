//! The table's stream: records decoded one by one, from their keys alone.
//!
//! `aws_lambda_events` would refuse a whole batch for one odd record, so only its answer is used.

use aws_lambda_events::streams::{DynamoDbBatchItemFailure, DynamoDbEventResponse};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::id::{NotificationId, UserId};
use crate::store::StepKey;
use crate::store::keys::{self, Key, NOTIFICATION_PREFIX, STEP_PREFIX};

pub use crate::store::Undecodable;

/// The answer to a batch: what must be delivered again.
pub type Response = DynamoDbEventResponse;

/// A batch as Lambda sends it; each record still as it came.
#[derive(Deserialize)]
pub struct Batch {
    /// The records, oldest first.
    #[serde(rename = "Records")]
    pub records: Vec<Box<RawValue>>,
}

/// What one record says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    /// A notification was stored.
    Created {
        /// Whose inbox it is in.
        user: UserId,
        /// Which one.
        id: NotificationId,
        /// Its place in the stream: never empty.
        sequence_number: String,
        /// When it was written, if the record says so.
        written: Option<Timestamp>,
    },
    /// A task for now was put.
    Step {
        /// Which one.
        key: StepKey,
        /// Its place in the stream: never empty.
        sequence_number: String,
    },
    /// Nothing that anybody waits for: an update, a removal, another row.
    Ignored,
    /// Not a record as we know them.
    Undecodable(Undecodable),
}

impl Record {
    /// Reads one record; whatever it is, its neighbours are not touched.
    pub fn decode(raw: &RawValue) -> Record {
        let record: Value = serde_json::from_str(raw.get()).unwrap_or_default();
        let text = |pointer| {
            let found = record.pointer(pointer).and_then(Value::as_str);
            found.filter(|text| !text.is_empty()).map(str::to_owned)
        };
        let pk = text("/dynamodb/Keys/pk/S");
        let sk = text("/dynamodb/Keys/sk/S");
        let sequence_number = text("/dynamodb/SequenceNumber");
        let reason = match (text("/eventName").as_deref(), &pk, &sk, &sequence_number) {
            (Some("MODIFY" | "REMOVE"), ..) => return Record::Ignored,
            (Some("INSERT"), Some(pk), Some(sk), Some(number)) if sk.starts_with(STEP_PREFIX) => {
                if let Some((job, chain, step)) = keys::step(pk, sk) {
                    let key = StepKey { job, chain, step };
                    let sequence_number = number.clone();
                    return Record::Step {
                        key,
                        sequence_number,
                    };
                }
                "its key is not a task's"
            }
            (Some("INSERT"), Some(_), Some(sk), _)
                if ![NOTIFICATION_PREFIX, STEP_PREFIX]
                    .iter()
                    .any(|p| sk.starts_with(p)) =>
            {
                return Record::Ignored;
            }
            (Some("INSERT"), Some(pk), Some(sk), Some(number)) => {
                if let Some((user, id)) = Key::notification(pk, sk) {
                    let written = record.pointer("/dynamodb/ApproximateCreationDateTime");
                    let written = written.and_then(Value::as_i64);
                    return Record::Created {
                        user,
                        id,
                        sequence_number: number.clone(),
                        written: written.and_then(|at| Timestamp::from_second(at).ok()),
                    };
                }
                "its key is not a notification's"
            }
            (Some("INSERT"), Some(_), Some(_), None) => "it has no sequence number",
            (Some("INSERT"), ..) => "it has no keys",
            _ => "it has no event name",
        };
        Record::Undecodable(Undecodable {
            pk,
            sk,
            sequence_number,
            reason: reason.to_owned(),
        })
    }
}

/// The answer that asks for these records again, by their sequence numbers.
pub fn response(failed: impl IntoIterator<Item = String>) -> Response {
    let mut response = Response::default();
    response.batch_item_failures = failed
        .into_iter()
        .map(|sequence_number| {
            let mut failure = DynamoDbBatchItemFailure::default();
            failure.item_identifier = Some(sequence_number);
            failure
        })
        .collect();
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(json: &str) -> Record {
        Record::decode(&RawValue::from_string(json.to_owned()).unwrap())
    }

    fn record(event: &str, keys: &str, number: &str) -> String {
        format!(r#"{{"eventName":{event},"dynamodb":{{"Keys":{keys},"SequenceNumber":{number}}}}}"#)
    }

    #[test]
    fn f25_f27_odd_records_are_told_from_good_ones() {
        let id = "01KAB0000000000000000000AA";
        let key = Key::Notification(
            UserId::parse("ana").unwrap(),
            NotificationId::parse(id).unwrap(),
        );
        let keys = format!(
            r#"{{"pk":{{"S":"{}"}},"sk":{{"S":"{}"}}}}"#,
            key.pk(),
            key.sk()
        );
        let good = decode(&record(r#""INSERT""#, &keys, r#""7""#));
        assert!(
            matches!(good, Record::Created { ref sequence_number, .. } if sequence_number == "7")
        );
        for event in [r#""MODIFY""#, r#""REMOVE""#] {
            assert_eq!(decode(&record(event, &keys, r#""7""#)), Record::Ignored);
        }
        let other = keys.replace("N#", "A#");
        assert_eq!(
            decode(&record(r#""INSERT""#, &other, r#""7""#)),
            Record::Ignored
        );
        let odd = [
            record(r#""INSERT""#, &keys, "null"),
            record(r#""INSERT""#, &keys, r#""""#),
            record(r#""INSERT""#, r#"{"pk":{"ZZ":1}}"#, r#""7""#),
            record(r#""INSERT""#, &keys.replace(id, "x"), r#""7""#),
            record("null", &keys, r#""7""#),
            "{}".to_owned(),
            "null".to_owned(),
            "[".repeat(200) + &"]".repeat(200),
        ];
        for json in odd {
            assert!(matches!(decode(&json), Record::Undecodable(_)), "{json}");
        }
    }

    #[test]
    fn the_answer_has_the_exact_form_that_lambda_reads() {
        let json = |failed: &[&str]| {
            serde_json::to_string(&response(failed.iter().map(|f| (*f).to_owned()))).unwrap()
        };
        assert_eq!(json(&[]), r#"{"batchItemFailures":[]}"#);
        assert_eq!(
            json(&["7"]),
            r#"{"batchItemFailures":[{"itemIdentifier":"7"}]}"#
        );
    }
}
