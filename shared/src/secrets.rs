//! Secrets Manager's one call, `GetSecretValue`.
//!
//! It is signed here instead of made by the service's SDK crate: that is 1.5 MB of source to compile
//! for one request and one field of its answer, while what signs and sends is in the tree already,
//! under the SNS client.

use aws_credential_types::Credentials;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::error::{Error, Result};
use crate::outgoing::{Outgoing, Response};
use crate::signing::{Call, Caller};

const WHAT: &str = "Secrets Manager";

/// Secrets Manager.
pub struct Secrets {
    caller: Caller,
    endpoint: Option<String>,
}

impl Secrets {
    /// Secrets Manager reached by `outgoing`, at another endpoint than a region's own if there is one.
    pub fn new(outgoing: Outgoing, endpoint: Option<String>, credentials: Credentials) -> Secrets {
        Secrets {
            caller: Caller {
                outgoing,
                identity: credentials.into(),
                what: WHAT,
            },
            endpoint,
        }
    }

    /// The text of the secret with this ARN, of whichever region it names. `now` goes into the
    /// signature.
    ///
    /// `NotFound` if there is none, `Forbidden` if the function's role may not read it, `Malformed` if
    /// the ARN is none or the secret holds bytes, `Unavailable` if the service does not answer.
    pub async fn text(&self, arn: &str, now: Timestamp) -> Result<String> {
        let parts: Vec<&str> = arn.splitn(7, ':').collect();
        let ["arn", partition, "secretsmanager", region, _, "secret", _] = parts[..] else {
            return Err(malformed("is not the ARN of a secret"));
        };
        let suffix = if partition == "aws-cn" { ".cn" } else { "" };
        let regional = || format!("https://secretsmanager.{region}.amazonaws.com{suffix}");
        let url = self.endpoint.clone().unwrap_or_else(regional);
        let body = json!({"SecretId": arn}).to_string();
        let call = Call {
            service: "secretsmanager",
            region,
            method: "POST",
            url: &url,
            headers: &[
                ("content-type", "application/x-amz-json-1.1"),
                ("x-amz-target", "secretsmanager.GetSecretValue"),
            ],
            body: &body,
        };
        self.caller.call(&call, now, read).await
    }
}

fn malformed(detail: &str) -> Error {
    Error::Malformed {
        code: "secret",
        detail: detail.to_owned(),
    }
}

/// The secret in an answer. Of an error only its code is looked at.
fn read(answer: &Response) -> Result<String> {
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    if answer.status == 200 {
        let text = body["SecretString"].as_str().map(str::to_owned);
        return match text {
            Some(text) => Ok(text),
            None if body["SecretBinary"].is_string() => Err(malformed("holds bytes, not text")),
            None => Err(failed("an answer without a secret")),
        };
    }
    let code = body["__type"].as_str().unwrap_or_default();
    match code.rsplit('#').next().unwrap_or_default() {
        "ResourceNotFoundException" | "InvalidRequestException" => Err(Error::NotFound),
        "AccessDeniedException" | "DecryptionFailure" => {
            Err(Error::Forbidden("the role may not read the secret"))
        }
        "" => Err(failed(&format!("status {}", answer.status))),
        code => Err(failed(code)),
    }
}

fn failed(why: &str) -> Error {
    Error::Unavailable {
        what: WHAT,
        source: why.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &str) -> Result<String> {
        read(&Response {
            status,
            body: body.into(),
        })
    }

    #[test]
    fn every_answer_is_judged() {
        assert_eq!(answer(200, r#"{"SecretString":"s"}"#).unwrap(), "s");
        let cases = [
            (200, r#"{"SecretBinary":"AA=="}"#, "holds bytes, not text"),
            (200, "<html>", "Secrets Manager is unavailable"),
            (
                400,
                r#"{"__type":"ResourceNotFoundException"}"#,
                "not found",
            ),
            (400, r#"{"__type":"InvalidRequestException"}"#, "not found"),
            (
                400,
                r#"{"__type":"com.amazon.coral.service#AccessDeniedException"}"#,
                "the role may not read the secret",
            ),
            (
                400,
                r#"{"__type":"ThrottlingException"}"#,
                "Secrets Manager is unavailable",
            ),
            (503, "", "Secrets Manager is unavailable"),
        ];
        for (status, body, expected) in cases {
            assert_eq!(answer(status, body).unwrap_err().to_string(), expected);
        }
    }
}
