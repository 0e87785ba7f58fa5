//! What can go wrong, in words that name no transport.

use std::error::Error as StdError;

/// The cause of a failure in something we depend on.
pub type Source = Box<dyn StdError + Send + Sync>;

/// The outcome of anything that may fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The longest pointer and the longest sentence that are told, in characters.
const MAX_POINTER: usize = 200;
const MAX_DETAIL: usize = 300;

/// One rule that the caller's input breaks.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Violation {
    /// Where in the input, as a JSON pointer (RFC 6901).
    pub pointer: String,
    /// A stable word for programs.
    pub code: &'static str,
    /// A sentence for people.
    pub detail: String,
}

impl Violation {
    /// A broken rule at `pointer`.
    pub fn new(
        pointer: impl Into<String>,
        code: &'static str,
        detail: impl Into<String>,
    ) -> Violation {
        let mut pointer = pointer.into();
        let mut detail = detail.into();
        if let Some((cut, _)) = detail.char_indices().nth(MAX_DETAIL) {
            detail.truncate(cut);
            detail.push('…');
        }
        // A field's name may be as long as the body.
        if let Some((cut, _)) = pointer.char_indices().nth(MAX_POINTER) {
            pointer.truncate(cut);
        }
        Violation {
            pointer,
            code,
            detail,
        }
    }
}

/// Everything that can end an operation without its result.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The input is not what its format promises: JSON, a header, a query, a cursor.
    #[error("{detail}")]
    Malformed {
        /// A stable word for programs.
        code: &'static str,
        /// A sentence for people.
        detail: String,
    },
    /// The caller can fix this: one entry for each broken rule.
    #[error("the request breaks {} rule(s)", .0.len())]
    Invalid(Vec<Violation>),
    /// The query breaks rules.
    #[error("the query breaks {} rule(s)", .0.len())]
    BadQuery(Vec<Violation>),
    /// The input is larger than the limit, in bytes.
    #[error("the body is larger than {0} bytes")]
    TooLarge(usize),
    /// The event is larger than the limit, in bytes, as it is kept.
    #[error("an event has at most {0} bytes, its numbers written out")]
    EventTooLarge(usize),
    /// The body is not JSON by its own account.
    #[error("the body must be application/json")]
    UnsupportedMediaType,
    /// The token is valid, and does not say who is calling in a form we can use.
    #[error("{0}")]
    Forbidden(&'static str),
    /// Unknown, foreign, expired or erased: the caller cannot tell which.
    #[error("not found")]
    NotFound,
    /// The idempotency key was used for another body.
    #[error("the Idempotency-Key was used with another body")]
    KeyReused,
    /// Somebody else changed the same thing at the same time, and retries did not settle it.
    #[error("{0}")]
    Conflict(&'static str),
    /// This user's part of the table takes no more for a moment.
    #[error("{what} is throttled")]
    Throttled {
        /// What was asked.
        what: &'static str,
        /// Its answer.
        #[source]
        source: Source,
    },
    /// A dependency is down or does not answer. Trying again later may work.
    #[error("{what} is unavailable")]
    Unavailable {
        /// What was asked.
        what: &'static str,
        /// Its answer.
        #[source]
        source: Source,
    },
    /// Our bug or our misconfiguration. Trying again will not help.
    #[error("{what}")]
    Internal {
        /// What was attempted.
        what: &'static str,
        /// Why it failed.
        #[source]
        source: Source,
    },
}

impl Error {
    /// One broken rule.
    pub fn invalid(
        pointer: impl Into<String>,
        code: &'static str,
        detail: impl Into<String>,
    ) -> Error {
        Error::Invalid(vec![Violation::new(pointer, code, detail)])
    }

    /// The message and each cause's message, on one line.
    pub fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut cause = self.source();
        while let Some(error) = cause {
            text.push_str(": ");
            text.push_str(&error.to_string());
            cause = error.source();
        }
        text
    }
}
