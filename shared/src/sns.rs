//! SNS: device endpoints, and one message to one endpoint.

pub mod applications;
mod verdict;

use std::error::Error as StdError;
use std::io;

use aws_sdk_sns::Client;
use aws_sdk_sns::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sns::operation::publish::PublishError;
use aws_sdk_sns::types::MessageAttributeValue;

use crate::error::{Error, Result};
use crate::outcome::Reason;

pub use verdict::{Answer, BY_CODE, judge, row};

/// SNS. Cheap to clone.
#[derive(Clone)]
pub struct Sns {
    client: Client,
    /// The same connections without retries: a publish is not repeatable.
    once: Client,
}

/// The endpoint that SNS gave for a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Its ARN.
    pub arn: String,
    /// Whether it existed with other attributes, which may mean that it is disabled.
    pub differed: bool,
}

/// A message in SNS's form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The `json` message structure: platform → payload as a string.
    pub body: String,
    /// Message attributes: name → value.
    pub attributes: Vec<(&'static str, String)>,
}

impl Sns {
    /// SNS reached by `client`, which retries, and for publishing by `once`, which must not.
    pub fn new(client: Client, once: Client) -> Sns {
        Sns { client, once }
    }

    /// The endpoint of a token; the same token always has the same one.
    pub async fn create_endpoint(&self, application: &str, token: &str) -> Result<Endpoint> {
        let create = self.client.create_platform_endpoint();
        let create = create
            .platform_application_arn(application)
            .token(token)
            // Asked for, so that a disabled endpoint is reported instead of returned as it is.
            .attributes("Enabled", "true");
        let error = match create.send().await {
            Ok(answer) => {
                return Ok(Endpoint {
                    arn: answer.endpoint_arn.unwrap_or_default(),
                    differed: false,
                });
            }
            Err(error) => error,
        };
        let message = error.message().unwrap_or_default();
        if let Some(arn) = existing_endpoint(message) {
            return Ok(Endpoint {
                arn,
                differed: true,
            });
        }
        if error.code() == Some("InvalidParameter") && message.contains("oken") {
            let detail = "SNS does not accept this token for this platform";
            return Err(Error::invalid("/token", "token", detail));
        }
        Err(failure(error))
    }

    /// Gives an endpoint its token again, and enables it; not found if it was removed.
    pub async fn enable_endpoint(&self, arn: &str, token: &str) -> Result<()> {
        let set = self.client.set_endpoint_attributes().endpoint_arn(arn);
        let set = set.attributes("Token", token).attributes("Enabled", "true");
        match set.send().await {
            Err(error) if error.code() == Some("NotFound") => Err(Error::NotFound),
            set => set.map(drop).map_err(failure),
        }
    }

    /// Whether an endpoint exists and is enabled.
    pub async fn is_enabled(&self, arn: &str) -> Result<bool> {
        let get = self.client.get_endpoint_attributes().endpoint_arn(arn);
        match get.send().await {
            Ok(answer) => {
                let attributes = answer.attributes.unwrap_or_default();
                Ok(attributes
                    .get("Enabled")
                    .is_some_and(|enabled| enabled == "true"))
            }
            Err(error) if error.code() == Some("NotFound") => Ok(false),
            Err(error) => Err(failure(error)),
        }
    }

    /// Removes an endpoint; one that is gone already is fine.
    pub async fn delete_endpoint(&self, arn: &str) -> Result<()> {
        let delete = self.client.delete_endpoint().endpoint_arn(arn);
        match delete.send().await {
            Err(error) if error.code() != Some("NotFound") => Err(failure(error)),
            _ => Ok(()),
        }
    }

    /// Sends a message once.
    ///
    /// # Panics
    /// Never: an attribute is given its type.
    pub async fn publish(&self, endpoint: &str, message: &Message) -> Answer {
        let publish = self.once.publish().target_arn(endpoint);
        let mut publish = publish.message_structure("json").message(&message.body);
        for (name, value) in &message.attributes {
            let value = MessageAttributeValue::builder()
                .data_type("String")
                .string_value(value)
                .build()
                .expect("an attribute has its type");
            publish = publish.message_attributes(*name, value);
        }
        match publish.send().await {
            Ok(answer) => Answer::Sent(answer.message_id.unwrap_or_default()),
            Err(error) => classify(&error),
        }
    }
}

/// The endpoint that "already exists with the same Token, but different attributes".
fn existing_endpoint(message: &str) -> Option<String> {
    let (before, _) = message.split_once(" already exists with the same ")?;
    let arn = before.rsplit(' ').next()?;
    arn.starts_with("arn:").then(|| arn.to_owned())
}

/// What became of an attempt: an answer is judged by the table, no answer by how far it came.
fn classify(error: &SdkError<PublishError>) -> Answer {
    match error {
        SdkError::ConstructionFailure(_) => return Answer::Refused(Reason::Refused),
        SdkError::DispatchFailure(failure) => {
            let refused = failure.is_timeout()
                || failure
                    .as_connector_error()
                    .is_some_and(|error| was_refused(error));
            // Before a connection stands, nothing was sent; after it, anything may have been.
            return if refused {
                Answer::Busy(Reason::Unreachable)
            } else {
                Answer::Unclear(Reason::NoAnswer)
            };
        }
        SdkError::TimeoutError(_) => return Answer::Unclear(Reason::Timeout),
        _ => {}
    }
    let Some(response) = error.raw_response() else {
        return Answer::Unclear(Reason::NoAnswer);
    };
    let status = response.status().as_u16();
    let code = error.code().unwrap_or_default();
    let answer = judge(status, code, error.message().unwrap_or_default());
    match answer {
        // Counted by the log: somebody has to mend something.
        Answer::Refused(_) => tracing::error!(code, status, "SNS calls a push invalid"),
        Answer::Blocked(_) => tracing::error!(code, status, "nobody can push until this is mended"),
        _ => {}
    }
    answer
}

fn was_refused(error: &(dyn StdError + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        let kind = error.downcast_ref::<io::Error>().map(io::Error::kind);
        if kind == Some(io::ErrorKind::ConnectionRefused) {
            return true;
        }
        cause = error.source();
    }
    false
}

/// An answer of the endpoint calls as one of our errors.
fn failure<E>(error: SdkError<E>) -> Error
where
    SdkError<E>: ProvideErrorMetadata + StdError + Send + Sync + 'static,
    E: Send + Sync + 'static,
{
    let what = "SNS";
    let code = error.code().unwrap_or_default().to_owned();
    let source = Box::new(error);
    match code.as_str() {
        "InvalidParameter" | "NotFound" | "AuthorizationError" => Error::Internal { what, source },
        _ => Error::Unavailable { what, source },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_existing_endpoint_is_read_out_of_the_answer() {
        let arn = "arn:aws:sns:eu-west-1:123456789012:endpoint/GCM/app/5e3e9847";
        let text = format!(
            "Invalid parameter: Token Reason: Endpoint {arn} already exists with the same Token, but different attributes."
        );
        assert_eq!(existing_endpoint(&text), Some(arn.to_owned()));
        assert_eq!(existing_endpoint("Invalid parameter: Token"), None);
    }
}
