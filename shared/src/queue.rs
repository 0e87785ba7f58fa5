//! SQS's one call that a function makes itself: what can never be handled goes to the dead letters, with the
//! reason, which SQS would not write when it moves a message there.

use aws_credential_types::Credentials;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::error::{Error, Result};
use crate::outgoing::{Outgoing, Response};
use crate::signing::{Call, Caller};

const WHAT: &str = "the queue of dead letters";
/// The longest reason, in characters.
const MAX_REASON: usize = 1_000;

/// A queue to send to.
pub struct Queue {
    caller: Caller,
    endpoint: Option<String>,
    url: String,
    region: String,
}

impl Queue {
    /// The queue with this URL, reached by `outgoing`, at another endpoint than the URL's own if there is one.
    pub fn new(
        outgoing: Outgoing,
        endpoint: Option<String>,
        (url, region): (String, String),
        credentials: Credentials,
    ) -> Queue {
        Queue {
            caller: Caller {
                outgoing,
                identity: credentials.into(),
                what: WHAT,
            },
            endpoint,
            url,
            region,
        }
    }

    /// Sends a body with the reason as the attribute `reason`. `now` goes into the signature. A lost answer makes the
    /// message appear twice.
    ///
    /// `Unavailable` if the service does not take it, `Internal` if it never will.
    pub async fn send(&self, body: &str, reason: &str, now: Timestamp) -> Result<()> {
        let reason: String = reason.chars().take(MAX_REASON).map(printable).collect();
        let body: String = body.chars().map(printable).collect();
        let body = json!({
            "QueueUrl": self.url,
            "MessageBody": body,
            "MessageAttributes": {"reason": {"DataType": "String", "StringValue": reason}},
        });
        let body = body.to_string();
        let url = self
            .endpoint
            .as_deref()
            .unwrap_or_else(|| origin(&self.url));
        let call = Call {
            service: "sqs",
            region: &self.region,
            method: "POST",
            url,
            headers: &[
                ("content-type", "application/x-amz-json-1.0"),
                ("x-amz-target", "AmazonSQS.SendMessage"),
            ],
            body: &body,
        };
        self.caller.call(&call, now, read).await
    }
}

/// Scheme and host of a queue's URL.
fn origin(url: &str) -> &str {
    let host = url.find("://").map_or(0, |at| at + 3);
    let end = url[host..].find('/').map_or(url.len(), |at| host + at);
    &url[..end]
}

/// SQS refuses what XML cannot hold.
fn printable(c: char) -> char {
    match c {
        '\t' | '\n' | '\r' => c,
        '\u{fffe}' | '\u{ffff}' => '\u{fffd}',
        c if c < ' ' => '\u{fffd}',
        c => c,
    }
}

fn read(answer: &Response) -> Result<()> {
    if answer.status == 200 {
        return Ok(());
    }
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let code = body["__type"].as_str().unwrap_or_default();
    let source = format!("status {} {code}", answer.status).into();
    // A throttle is a 400 too.
    if answer.status == 400 && !code.contains("Throttl") {
        return Err(Error::Internal { what: WHAT, source });
    }
    Err(Error::Unavailable { what: WHAT, source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_sqs_cannot_hold_is_replaced_and_its_answers_are_judged() {
        assert_eq!(
            "a\u{0}\n\u{ffff}ü"
                .chars()
                .map(printable)
                .collect::<String>(),
            "a\u{fffd}\n\u{fffd}ü"
        );
        for (url, expected) in [
            (
                "https://sqs.eu-west-1.amazonaws.com/1/dead",
                "https://sqs.eu-west-1.amazonaws.com",
            ),
            ("https://host", "https://host"),
            ("dead", "dead"),
        ] {
            assert_eq!(origin(url), expected);
        }
        let answer = |status, body: &str| {
            let answer = Response {
                status,
                body: body.into(),
            };
            read(&answer)
        };
        assert!(answer(200, "{}").is_ok());
        let throttled = answer(400, r#"{"__type":"com.amazonaws.sqs#RequestThrottled"}"#);
        assert!(matches!(throttled, Err(Error::Unavailable { .. })));
        assert!(matches!(answer(503, ""), Err(Error::Unavailable { .. })));
        let refused = answer(
            400,
            r#"{"__type":"com.amazonaws.sqs#InvalidMessageContents"}"#,
        );
        assert!(matches!(refused, Err(Error::Internal { .. })));
    }
}
