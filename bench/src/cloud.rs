//! A DynamoDB and an SNS that answer every call at once, and always the same.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::http::{self, Answer, Request};
use crate::{Outcome, tls};

/// The table's name.
pub const TABLE: &str = "tidings";
/// Rows of the inbox that every user has.
const ROWS: u64 = 25;
/// What SNS says of a publish.
const PUBLISHED: &str = "<PublishResponse xmlns=\"http://sns.amazonaws.com/doc/2010-03-31/\"><PublishResult>\
<MessageId>5c0f5c3a-8d29-5b4e-9c65-0e3f7f8f1f0a</MessageId></PublishResult><ResponseMetadata>\
<RequestId>f187a3c1-376f-11df-8963-01868b7c937a</RequestId></ResponseMetadata></PublishResponse>";

/// How often each operation was asked for.
type Calls = BTreeMap<String, usize>;

/// Both services at one address.
pub struct Cloud {
    /// Where they listen.
    pub address: SocketAddr,
    /// Where they do so over TLS, and the file with the root that vouches for them.
    pub secure: (SocketAddr, PathBuf),
    calls: Arc<Mutex<Calls>>,
}

impl Cloud {
    /// Starts them; they end with this process.
    pub fn start() -> Outcome<Cloud> {
        let calls: Arc<Mutex<Calls>> = Arc::default();
        let tls = tls::make()?;
        let answering = || {
            let counted = calls.clone();
            move |request: &Request| {
                let operation = request.operation.rsplit('.').next().unwrap_or_default();
                let operation = if operation.is_empty() {
                    "Publish"
                } else {
                    operation
                };
                let mut counted = counted.lock().unwrap_or_else(PoisonError::into_inner);
                *counted.entry(operation.to_owned()).or_default() += 1;
                drop(counted);
                answer(operation, request)
            }
        };
        let address = http::serve(None, answering())?;
        let secure = http::serve(Some(tls.server), answering())?;
        Ok(Cloud {
            address,
            secure: (secure, tls.root),
            calls,
        })
    }

    /// The calls since this was asked the last time, such as `1 PutItem`.
    pub fn calls(&self) -> Calls {
        std::mem::take(&mut *self.calls.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn answer(operation: &str, request: &Request) -> Answer {
    let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    let answer = match operation {
        "Publish" => return Answer::ok("text/xml", PUBLISHED.as_bytes().to_vec()),
        "Query" => query(&body),
        "BatchGetItem" => {
            let keys = body["RequestItems"][TABLE]["Keys"].as_array();
            let rows = keys.into_iter().flatten().filter_map(row);
            json!({"Responses": {TABLE: rows.collect::<Vec<_>>()}, "UnprocessedKeys": {}})
        }
        "BatchWriteItem" => json!({"UnprocessedItems": {}}),
        "UpdateItem" => json!({"Attributes": row(&body["Key"])}),
        // Nothing is found, and everything is stored.
        _ => json!({}),
    };
    Answer::ok(
        "application/x-amz-json-1.0",
        answer.to_string().into_bytes(),
    )
}

/// The inbox of whoever is asked for; no broadcasts, no settings.
fn query(body: &Value) -> Value {
    let values = body["ExpressionAttributeValues"].as_object();
    let texts = values.into_iter().flatten();
    let texts: Vec<&str> = texts.filter_map(|(_, value)| value["S"].as_str()).collect();
    let user = texts.iter().find(|text| text.starts_with("U#"));
    let is_inbox = texts.iter().any(|text| text.starts_with("N#"));
    let rows: Vec<Value> = match user {
        Some(user) if is_inbox => {
            let ids = (0..ROWS).map(|age| id(now_ms() - 1_000 * (age + 1), age));
            let keys = ids.map(|id| json!({"pk": {"S": user}, "sk": {"S": format!("N#{id}")}}));
            keys.filter_map(|key| row(&key)).collect()
        }
        _ => Vec::new(),
    };
    json!({"Count": rows.len(), "ScannedCount": rows.len(), "Items": rows})
}

/// The row with this key: a notification of about 200 bytes, or a user with one phone. Marks have none.
fn row(key: &Value) -> Option<Value> {
    let sort_key = key["sk"]["S"].as_str()?;
    let mut row = if sort_key.starts_with("N#") {
        json!({
            "v": {"N": "1"}, "expires_at": {"N": "4000000000"}, "t": {"S": "video.liked"},
            "ti": {"S": "Bo liked your video"}, "b": {"S": "Sunset over Lisbon, seen from the river"},
            "a": {"M": {"i": {"S": "bo"}, "n": {"S": "Bo"}}}, "d": {"M": {"video": {"M": {"id": {"N": "42"}}}}},
        })
    } else if sort_key == "A#user" {
        let user = key["pk"]["S"].as_str()?.trim_start_matches("U#");
        let endpoint = format!("arn:aws:sns:eu-west-1:123456789012:endpoint/GCM/tidings/{user}");
        let seen = now_ms().to_string();
        json!({"dev": {"M": {"phone": {"M": {
            "p": {"S": "fcm"}, "a": {"S": "default"}, "e": {"S": endpoint}, "h": {"S": "b5bb9d8014a0f9b1"},
            "s": {"N": seen}, "b": {"BOOL": false},
        }}}}})
    } else {
        return None;
    };
    row["pk"] = key["pk"].clone();
    row["sk"] = key["sk"].clone();
    Some(row)
}

/// The time, in milliseconds since 1970.
pub fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(0))
}

/// The id of a notification of this moment: a ULID with a number in its random part.
pub fn id(at: u64, number: u64) -> String {
    const DIGITS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    let value = (u128::from(at) << 80) | u128::from(number);
    let digits = (0..26).rev().map(|place| {
        let digit = usize::try_from((value >> (5 * place)) & 31).unwrap_or(0);
        char::from(DIGITS[digit])
    });
    digits.collect()
}
