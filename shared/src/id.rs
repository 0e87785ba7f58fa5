//! Names of things: users, devices, notification types, and the ids that Tidings gives.

use std::fmt;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use ulid::Ulid;

use crate::random;

/// The longest user or device id, in bytes.
pub const MAX_ID_BYTES: usize = 128;

/// What an id may be, for messages.
pub const ID_RULE: &str = "1 to 128 bytes without '#', white space and control characters";

/// A user's id: the `sub` of a verified token.
/// Invariant: 1 to 128 bytes without `#`, white space and control characters, so that no two
/// things share a key in the table.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UserId(String);

/// A device's id, chosen by the app; the same invariant as [`UserId`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DeviceId(String);

/// The name of a topic, chosen by producers; the same invariant as [`UserId`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TopicId(String);

/// The longest notification type, in characters.
pub const MAX_TYPE: usize = 64;

/// What a notification type may have, for messages.
pub const TYPE_RULE: &str = "may have lower-case letters, digits, '.', '_' and '-'";

/// Whether `text` has only what a notification type may have.
pub fn is_type(text: &str) -> bool {
    let allowed = |c: char| matches!(c, 'a'..='z' | '0'..='9' | '.' | '_' | '-');
    text.chars().all(allowed)
}

fn is_id(text: &str) -> bool {
    (1..=MAX_ID_BYTES).contains(&text.len()) && !text.chars().any(|c| c == '#' || is_blank(c))
}

/// White space and control characters. The byte order mark is white space to JavaScript and to the document's patterns, and
/// shows as little.
pub fn is_blank(c: char) -> bool {
    c.is_whitespace() || c.is_control() || c == '\u{feff}'
}

impl UserId {
    /// The id, if it keeps the rule.
    pub fn parse(text: &str) -> Option<UserId> {
        is_id(text).then(|| UserId(text.to_owned()))
    }

    /// The id as it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TopicId {
    /// The name, if it keeps the rule.
    pub fn parse(text: &str) -> Option<TopicId> {
        is_id(text).then(|| TopicId(text.to_owned()))
    }

    /// The name as it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl DeviceId {
    /// The id, if it keeps the rule.
    pub fn parse(text: &str) -> Option<DeviceId> {
        is_id(text).then(|| DeviceId(text.to_owned()))
    }

    /// The id as it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A notification's id, a ULID: 48 bits of milliseconds of the moment Tidings accepted it, then
/// 80 bits that are random or derived from the request. Its order is the order of arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct NotificationId(Ulid);

impl TryFrom<String> for NotificationId {
    type Error = &'static str;

    fn try_from(text: String) -> Result<NotificationId, &'static str> {
        NotificationId::parse(&text).ok_or("it is no notification id")
    }
}

impl From<NotificationId> for String {
    fn from(id: NotificationId) -> String {
        id.to_string()
    }
}

impl NotificationId {
    /// The id of something accepted `at`, told apart by `tail`.
    pub fn new(at: Timestamp, tail: [u8; 10]) -> NotificationId {
        let mut random = [0; 16];
        random[6..].copy_from_slice(&tail);
        NotificationId(Ulid::from_parts(millis(at), u128::from_be_bytes(random)))
    }

    /// An id drawn at random.
    ///
    /// # Panics
    /// If the operating system gives no random bytes, which Linux does from boot on.
    pub fn draw(at: Timestamp) -> NotificationId {
        let mut tail = [0; 10];
        random::fill(&mut tail);
        NotificationId::new(at, tail)
    }

    /// The id in the form in which Tidings writes it: 26 characters, upper case.
    pub fn parse(text: &str) -> Option<NotificationId> {
        let id = Ulid::from_string(text).ok()?;
        (id.to_string() == text).then_some(NotificationId(id))
    }

    /// The largest id below this one.
    #[must_use]
    pub fn previous(self) -> NotificationId {
        NotificationId(Ulid(self.0.0.saturating_sub(1)))
    }

    /// The smallest id above this one.
    #[must_use]
    pub fn next(self) -> NotificationId {
        NotificationId(Ulid(self.0.0.saturating_add(1)))
    }

    /// The moment Tidings accepted it, to the millisecond.
    pub fn at(self) -> Timestamp {
        let millis = i64::try_from(self.0.timestamp_ms()).unwrap_or(i64::MAX);
        Timestamp::from_millisecond(millis).unwrap_or(Timestamp::MAX)
    }

    /// The 80 bits behind the moment.
    pub fn tail(self) -> [u8; 10] {
        let mut tail = [0; 10];
        tail.copy_from_slice(&self.0.to_bytes()[6..]);
        tail
    }

    /// The 16 bytes of the ULID.
    pub fn to_bytes(self) -> [u8; 16] {
        self.0.to_bytes()
    }

    /// The inverse of [`NotificationId::to_bytes`].
    pub fn from_bytes(bytes: [u8; 16]) -> NotificationId {
        NotificationId(Ulid::from_bytes(bytes))
    }
}

impl fmt::Display for NotificationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The tail of an id that a retry computes again: the first 80 bits of SHA-256 over the request's
/// key, the notification's position in it, and the recipient. The parts are length-prefixed, so
/// that no two triples share a text.
pub fn derived_tail(key: &str, position: usize, recipient: &str) -> [u8; 10] {
    let mut hash = Sha256::new();
    for part in [key, &position.to_string(), recipient] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    let digest = hash.finalize();
    let mut tail = [0; 10];
    tail.copy_from_slice(&digest[..10]);
    tail
}

/// 128 bits of SHA-256, in 22 characters of base64url: tells one text from another.
pub fn fingerprint(text: &str) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(&Sha256::digest(text.as_bytes())[..16])
}

/// Milliseconds since 1970; 0 for anything before.
pub fn millis(at: Timestamp) -> u64 {
    u64::try_from(at.as_millisecond()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_keep_their_rule() {
        for good in ["a", "auth0|5f", "ünï", &"x".repeat(128)] {
            assert!(UserId::parse(good).is_some(), "{good}");
        }
        for bad in [
            "\u{feff}ana",
            "",
            "a#b",
            "a b",
            "a\u{0}",
            "a\u{a0}b",
            &"x".repeat(129),
        ] {
            assert!(UserId::parse(bad).is_none(), "{bad:?}");
        }
    }

    #[test]
    fn an_id_remembers_its_moment_and_has_one_spelling() {
        let at = Timestamp::from_millisecond(1_790_000_000_123).unwrap();
        let id = NotificationId::new(at, [7; 10]);
        assert_eq!(id.at(), at);
        assert_eq!(NotificationId::parse(&id.to_string()), Some(id));
        assert_eq!(NotificationId::parse(&id.to_string().to_lowercase()), None);
        assert_eq!(NotificationId::parse("8ZZZZZZZZZZZZZZZZZZZZZZZZZ"), None);
        assert_eq!(NotificationId::from_bytes(id.to_bytes()), id);
    }

    #[test]
    fn derived_tails_do_not_run_into_each_other() {
        let one = derived_tail("key1", 1, "ana");
        assert_eq!(one, derived_tail("key1", 1, "ana"));
        assert_ne!(one, derived_tail("key", 11, "ana"));
        assert_ne!(one, derived_tail("key1", 1, "bo"));
        assert_ne!(one, derived_tail("key1", 1, ""));
    }
}
