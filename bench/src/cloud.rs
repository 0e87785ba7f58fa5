//! A DynamoDB and an SNS that answer every call at once, and always the same.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};

use crate::http::{self, Answer, Request};
use crate::rows::{TABLE, id, now_ms, row};
use crate::{Outcome, tls};

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
