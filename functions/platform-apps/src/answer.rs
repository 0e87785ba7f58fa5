//! The answer: a small JSON document, put to a presigned URL of S3.

use std::time::Duration;

use serde_json::{Map, Value, json};
use shared::clock::pause;
use shared::error::{Error, Result};
use shared::outgoing::{Outgoing, Request as HttpRequest};

use crate::request::Request;

/// What came of a request: the attributes that the template may ask for, or why not, in a sentence.
pub type Outcome = std::result::Result<Map<String, Value>, String>;

/// The longest reason, in characters: an answer has at most 4,096 bytes.
const MAX_REASON: usize = 800;
const ATTEMPT: Duration = Duration::from_secs(3);
const ATTEMPTS: u32 = 4;

/// The answer in `CloudFormation`'s form.
pub fn body(request: &Request, outcome: &Outcome) -> Value {
    let mut answer = json!({
        "Status": if outcome.is_ok() { "SUCCESS" } else { "FAILED" },
        "PhysicalResourceId": request.answered_id(outcome.is_ok()),
        "StackId": request.stack_id,
        "RequestId": request.id,
        "LogicalResourceId": request.logical_id,
    });
    match outcome {
        Ok(data) => answer["Data"] = Value::Object(data.clone()),
        Err(reason) => {
            let reason: String = reason.chars().take(MAX_REASON).collect();
            answer["Reason"] = Value::String(reason);
        }
    }
    answer
}

/// Puts the answer to its URL, whose signature is for a request without a content type.
pub async fn put(outgoing: &Outgoing, url: &str, answer: &Value) -> Result<()> {
    let what = "the ResponseURL";
    let mut attempt = 1;
    loop {
        let request = HttpRequest {
            method: "PUT",
            url,
            headers: Vec::new(),
            body: answer.to_string(),
        };
        let error = match outgoing.send(request, what, ATTEMPT).await {
            Ok(response) if response.status / 100 == 2 => return Ok(()),
            Ok(response) => Error::Unavailable {
                what,
                source: format!("status {}", response.status).into(),
            },
            Err(error) => error,
        };
        let hopeless = matches!(error, Error::Internal { .. });
        if hopeless || attempt == ATTEMPTS {
            return Err(error);
        }
        pause(attempt).await;
        attempt += 1;
    }
}
