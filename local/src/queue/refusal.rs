//! SQS's refusals, in its own words.

use crate::error::Error;
use crate::output::say;
use axum::http::StatusCode;
use serde_json::{Value, json};

/// An error of the JSON protocol.
#[derive(Debug, Clone)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    /// Its name in the JSON protocol, with the namespace.
    kind: &'static str,
    /// Its name in the older protocol, which clients still show.
    pub(super) code: &'static str,
    pub(super) message: String,
}

impl Refusal {
    fn new(kind: &'static str, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            kind,
            code,
            message: message.into(),
        }
    }

    pub(super) fn no_queue() -> Self {
        Self::new(
            "com.amazonaws.sqs#QueueDoesNotExist",
            "AWS.SimpleQueueService.NonExistentQueue",
            "The specified queue does not exist.",
        )
    }

    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::new(
            "com.amazon.coral.service#InvalidParameterValueException",
            "InvalidParameterValue",
            message,
        )
    }

    pub(super) fn missing(parameter: &str) -> Self {
        Self::new(
            "com.amazon.coral.service#MissingRequiredParameterException",
            "MissingParameter",
            format!("The request must contain the parameter {parameter}."),
        )
    }

    pub(super) fn receipt(receipt: &str) -> Self {
        Self::new(
            "com.amazonaws.sqs#ReceiptHandleIsInvalid",
            "ReceiptHandleIsInvalid",
            format!("The input receipt handle \"{receipt}\" is not a valid receipt handle."),
        )
    }

    pub(super) fn not_in_flight() -> Self {
        Self::new(
            "com.amazonaws.sqs#MessageNotInflight",
            "AWS.SimpleQueueService.MessageNotInflight",
            "The message referred to isn't in flight.",
        )
    }

    pub(super) fn contents() -> Self {
        Self::new(
            "com.amazonaws.sqs#InvalidMessageContents",
            "InvalidMessageContents",
            "Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to #xD7FF | \
             #xE000 to #xFFFD | #x10000 to #x10FFFF",
        )
    }

    pub(super) fn attribute_name(name: &str) -> Self {
        Self::new(
            "com.amazonaws.sqs#InvalidAttributeName",
            "InvalidAttributeName",
            format!("Unknown Attribute {name}."),
        )
    }

    pub(super) fn empty_batch() -> Self {
        Self::new(
            "com.amazonaws.sqs#EmptyBatchRequest",
            "AWS.SimpleQueueService.EmptyBatchRequest",
            "There should be at least one entry in the request.",
        )
    }

    pub(super) fn many_entries(count: usize) -> Self {
        Self::new(
            "com.amazonaws.sqs#TooManyEntriesInBatchRequest",
            "AWS.SimpleQueueService.TooManyEntriesInBatchRequest",
            format!("Maximum number of entries per request are 10. You have sent {count}."),
        )
    }

    pub(super) fn repeated_entry(id: &str) -> Self {
        Self::new(
            "com.amazonaws.sqs#BatchEntryIdsNotDistinct",
            "AWS.SimpleQueueService.BatchEntryIdsNotDistinct",
            format!("Id {id} repeated."),
        )
    }

    pub(super) fn entry_id() -> Self {
        Self::new(
            "com.amazonaws.sqs#InvalidBatchEntryId",
            "AWS.SimpleQueueService.InvalidBatchEntryId",
            "A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at most 80 \
             letters long.",
        )
    }

    pub(super) fn long_batch(bytes: usize, most: usize) -> Self {
        Self::new(
            "com.amazonaws.sqs#BatchRequestTooLong",
            "AWS.SimpleQueueService.BatchRequestTooLong",
            format!(
                "Batch requests cannot be longer than {most} bytes. You have sent {bytes} bytes."
            ),
        )
    }

    pub(super) fn unreadable(why: &str) -> Self {
        Self::new(
            "com.amazon.coral.service#SerializationException",
            "MalformedInput",
            why,
        )
    }

    pub(super) fn unknown_operation() -> Self {
        Self::new(
            "com.amazon.coral.service#UnknownOperationException",
            "InvalidAction",
            "The local stack has no such operation of SQS.",
        )
    }

    pub(super) fn body(&self) -> Value {
        json!({"__type": self.kind, "message": self.message})
    }

    /// What `x-amzn-query-error` says.
    pub(super) fn query_error(&self) -> String {
        let fault = if self.status.is_server_error() {
            "Receiver"
        } else {
            "Sender"
        };
        format!("{};{fault}", self.code)
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        say(format_args!("SQS: {error}"));
        Self {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            kind: "com.amazon.coral.service#InternalFailure",
            code: "InternalError",
            message: "We encountered an internal error. Please try again.".to_owned(),
        }
    }
}
