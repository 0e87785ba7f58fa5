//! What each answer of SNS to a publish means: one table, and what it does not name by its status.
//!
//! The answers stand as they are on the wire in `shared/answers/`, each with its source; a test
//! serves every one of them to the real client, and finds a row for each file and a file for each row.

use std::ops::RangeInclusive;

use crate::outcome::Reason;

/// What became of one attempt to publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// SNS took it, under this message id; empty if the answer could not be read.
    Sent(String),
    /// The device cannot be reached any more.
    Gone(Reason),
    /// The platform does not take so much: it may be shortened.
    TooLong,
    /// SNS will never take this message, and that is our bug.
    Refused(Reason),
    /// Nobody can send until the stack's operator mends something. No device is to blame.
    Blocked(Reason),
    /// The function's credentials are used up: others are needed, no pause helps.
    Stale(Reason),
    /// SNS did not take it, and may take it later.
    Busy(Reason),
    /// SNS may have taken it.
    Unclear(Reason),
}

/// Code, a part of the message (empty for any), and the meaning. The first row that fits counts.
pub static BY_CODE: [(&str, &str, Answer); 22] = [
    (
        "EndpointDisabled",
        "",
        Answer::Gone(Reason::EndpointDisabled),
    ),
    ("NotFound", "", Answer::Gone(Reason::EndpointNotFound)),
    (
        "InvalidParameter",
        "No endpoint found",
        Answer::Gone(Reason::EndpointNotFound),
    ),
    ("InvalidParameter", "too long", Answer::TooLong),
    ("InvalidParameter", "larger than allowed", Answer::TooLong),
    ("InvalidParameter", "", Answer::Refused(Reason::Refused)),
    (
        "ParameterValueInvalid",
        "",
        Answer::Refused(Reason::Refused),
    ),
    (
        "PlatformApplicationDisabled",
        "",
        Answer::Blocked(Reason::ApplicationDisabled),
    ),
    (
        "AuthorizationError",
        "",
        Answer::Blocked(Reason::NotAllowed),
    ),
    ("InvalidSecurity", "", Answer::Blocked(Reason::NotAllowed)),
    ("KMSAccessDenied", "", Answer::Blocked(Reason::NotAllowed)),
    ("KMSDisabled", "", Answer::Blocked(Reason::NotAllowed)),
    ("ExpiredToken", "", Answer::Stale(Reason::Credentials)),
    (
        "InvalidClientTokenId",
        "",
        Answer::Stale(Reason::Credentials),
    ),
    ("Throttled", "", Answer::Busy(Reason::Throttled)),
    ("Throttling", "", Answer::Busy(Reason::Throttled)),
    ("ThrottlingException", "", Answer::Busy(Reason::Throttled)),
    ("ThrottledException", "", Answer::Busy(Reason::Throttled)),
    ("RequestLimitExceeded", "", Answer::Busy(Reason::Throttled)),
    ("KMSThrottling", "", Answer::Busy(Reason::Throttled)),
    ("InternalError", "", Answer::Unclear(Reason::SnsError)),
    ("ServiceUnavailable", "", Answer::Unclear(Reason::SnsError)),
];

/// Status, and the meaning of an answer whose code no row names: a code that SNS adds some day.
static BY_STATUS: [(RangeInclusive<u16>, Answer); 5] = [
    (401..=401, Answer::Blocked(Reason::NotAllowed)),
    (403..=403, Answer::Blocked(Reason::NotAllowed)),
    (429..=429, Answer::Busy(Reason::Throttled)),
    (400..=499, Answer::Refused(Reason::Refused)),
    (0..=u16::MAX, Answer::Unclear(Reason::SnsError)),
];

/// The row of the table that judges this answer.
pub fn row(code: &str, message: &str) -> Option<usize> {
    let fits = |(known, part, _): &(&str, &str, Answer)| *known == code && message.contains(part);
    BY_CODE.iter().position(fits)
}

/// What an answer means. A 200 is SNS's word, whatever of it can be read.
pub fn judge(status: u16, code: &str, message: &str) -> Answer {
    if (200..=299).contains(&status) {
        return Answer::Sent(String::new());
    }
    if let Some((_, _, answer)) = row(code, message).and_then(|row| BY_CODE.get(row)) {
        return answer.clone();
    }
    // Whatever else KMS says (`KMSOptInRequired`, `KMSNotFound`, …), the key is the operator's.
    if code.starts_with("KMS") && (400..=499).contains(&status) {
        return Answer::Blocked(Reason::NotAllowed);
    }
    let meaning = BY_STATUS.iter().find(|(range, _)| range.contains(&status));
    meaning.map_or(Answer::Unclear(Reason::SnsError), |(_, answer)| {
        answer.clone()
    })
}
