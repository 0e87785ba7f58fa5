//! SNS's refusals, in its own words.

use super::answers;
use super::protocol::{NAMESPACE, escape, respond};
use crate::error::Error;
use crate::ids;
use crate::output::say;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

/// An `ErrorResponse`.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    code: &'static str,
    message: String,
}

impl Refusal {
    /// An answer with this HTTP status, error code and message.
    pub(super) fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self {
            status,
            code,
            message: message.into(),
        }
    }

    /// What the answer of this name says; see [`answers`].
    pub(super) fn of(name: &str) -> Self {
        answers::find(name).map_or_else(Self::internal, |answer| Self {
            status: answer.status(),
            code: answer.code(),
            message: answer.message().to_owned(),
        })
    }

    /// 400 `InvalidParameter`; the message begins as SNS's do.
    pub(super) fn invalid(message: impl AsRef<str>) -> Self {
        Self::new(
            400,
            "InvalidParameter",
            format!("Invalid parameter: {}", message.as_ref()),
        )
    }

    /// 404 `NotFound`.
    pub(super) fn not_found(what: &str) -> Self {
        Self::new(404, "NotFound", format!("{what} does not exist"))
    }

    /// 500, whose cause SNS does not tell.
    pub(super) fn internal() -> Self {
        Self::new(500, "InternalError", "An internal error occurred")
    }

    /// The body of the answer.
    pub(super) fn xml(&self, request_id: &str) -> String {
        let fault = if self.status.is_server_error() {
            "Receiver"
        } else {
            "Sender"
        };
        format!(
            "<ErrorResponse xmlns=\"{NAMESPACE}\"><Error><Type>{fault}</Type><Code>{}</Code><Message>{}</Message></Error>\
             <RequestId>{request_id}</RequestId></ErrorResponse>",
            self.code,
            escape(&self.message)
        )
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let request_id = ids::uuid();
        respond(self.status, self.xml(&request_id), &request_id)
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        say(format_args!("SNS: {error}"));
        Self::internal()
    }
}
