//! Every key of the table, written and read.
//!
//! | row                 | `pk`                             | `sk`               |
//! |---------------------|----------------------------------|--------------------|
//! | notification        | `U#<user>`                       | `N#<ulid>`         |
//! | user                | `U#<user>`                       | `A#user`           |
//! | marks               | `U#<user>`                       | `A#marks`          |
//! | dedupe guard        | `U#<user>`                       | `K#<dedupe key>`   |
//! | membership          | `U#<user>`                       | `M#<topic>`        |
//! | topic member        | `M#<topic>#<shard>`              | `U#<user>`         |
//! | broadcast           | `B#<month>`                      | `B#<ulid>`         |
//! | request guard       | `R#<producer>#<idempotency key>` | `-`                |
//! | endpoint owner      | `T#<endpoint id>`                | `-`                |
//! | job                 | `J#<job>`                        | `A#job`            |
//! | a chain's progress  | `J#<job>`                        | `A#<chain>`        |
//! | task for now        | `J#<job>#<chain>`                | `T#<step>`         |
//! | task for later      | `Q#<minute>#<shard>`             | `<ulid>`, or `U#<user>` for the end of quiet hours |
//! | sweep cursor        | `Q#cursor`                       | `-`                |
//! | event               | `S#<subject>`                    | `E#<ulid>`         |
//! | rule                | `RULE`                           | `<event type>`     |
//! | guard of an event without a time | `R##<source>#<id>`  | `-`                |
//! | dead push, undecodable record | `D#<day>#<shard>`      | `<ulid>`           |

use std::fmt::Write as _;

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use crate::id::{NotificationId, TopicId, UserId, fingerprint};
use crate::notification::Recipient;
use crate::task::{Name, Place};

/// What every notification's sort key begins with.
pub const NOTIFICATION_PREFIX: &str = "N#";

/// What the sort key of every membership of a user begins with.
pub const MEMBERSHIP_PREFIX: &str = "M#";

/// What every broadcast's sort key begins with.
pub const BROADCAST_PREFIX: &str = "B#";

/// What every logged event's sort key begins with.
pub const EVENT_PREFIX: &str = "E#";

/// The partition of the rules.
pub const RULES: &str = "RULE";

/// What the sort key of every task for now begins with.
pub const STEP_PREFIX: &str = "T#";

/// The first and the last sort key of what is kept of a user beside notifications.
pub const ABOUT_USER: (&str, &str) = ("A#", "A#~");

/// The sort key of a user's row.
pub const USER: &str = "A#user";
/// The sort key of a user's marks.
pub const MARKS: &str = "A#marks";

/// Dead rows of one day are spread over this many partitions.
pub const DEAD_SHARDS: u8 = 8;

/// The members of a topic are spread over this many partitions.
pub const MEMBER_SHARDS: u32 = 32;

/// What the sort key of every member begins with, and what comes after all of them.
const MEMBERS: (&str, &str) = ("U#", "U$");

/// The name of one row.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Key {
    /// One event for one recipient.
    Notification(UserId, NotificationId),
    /// A user's devices and preferences.
    User(UserId),
    /// A user's watermarks.
    Marks(UserId),
    /// Which notification of a user has this dedupe key.
    Dedupe(UserId, String),
    /// That a user is a member of a topic, where an erase finds it.
    Membership(UserId, TopicId),
    /// A member of a topic.
    Member(TopicId, UserId),
    /// A notification to a topic, as its job or schedule holds it: no row of its own.
    ToTopic(TopicId, NotificationId),
    /// A notification for everyone.
    Broadcast(NotificationId),
    /// A request with an idempotency key: producer, key.
    Guard(String, String),
    /// A logged event: what it is filed under, and its place there.
    Event(String, NotificationId),
    /// An event without a time: source, id.
    EventGuard(String, String),
    /// The rule for events of a type.
    Rule(String),
    /// Who holds an SNS endpoint now, by the last part of its ARN.
    Owner(String),
    /// What could not be handled: when it was met, and what tells it apart.
    Dead(Timestamp, NotificationId),
    /// A job.
    Job(String),
    /// How far a chain of a job is.
    Chain(String, u32),
    /// A task for now: job, chain, step.
    Step(String, u32, u32),
    /// A task for later.
    Later(Place),
    /// Up to which minute tasks for later have been run.
    Cursor,
}

impl Key {
    /// The partition key.
    pub fn pk(&self) -> String {
        match self {
            Key::Notification(user, _)
            | Key::User(user)
            | Key::Marks(user)
            | Key::Membership(user, _)
            | Key::Dedupe(user, _) => format!("U#{}", user.as_str()),
            Key::Member(topic, user) => members(topic, member_shard(user)),
            Key::ToTopic(topic, _) => format!("M#{}", topic.as_str()),
            Key::Broadcast(id) => broadcast_month(id.at()),
            Key::Guard(producer, key) => format!("R#{}#{}", encode(producer), encode(key)),
            // No producer's name is empty.
            Key::EventGuard(source, id) => format!("R##{}#{}", encode(source), encode(id)),
            Key::Event(subject, _) => format!("S#{}", encode(subject)),
            Key::Rule(_) => RULES.to_owned(),
            Key::Owner(endpoint) => format!("T#{}", encode(endpoint)),
            Key::Dead(at, id) => dead_day(
                &at.strftime("%Y-%m-%d").to_string(),
                id.to_bytes()[15] % DEAD_SHARDS,
            ),
            Key::Job(job) | Key::Chain(job, _) => format!("J#{}", encode(job)),
            Key::Step(job, chain, _) => format!("J#{}#{chain}", encode(job)),
            Key::Later(place) => later_bucket(place.minute, place.shard),
            Key::Cursor => "Q#cursor".to_owned(),
        }
    }

    /// The sort key.
    pub fn sk(&self) -> String {
        match self {
            Key::Notification(_, id) | Key::ToTopic(_, id) => format!("{NOTIFICATION_PREFIX}{id}"),
            Key::Membership(_, topic) => format!("M#{}", topic.as_str()),
            Key::Member(_, user) => member(user),
            Key::User(_) => USER.to_owned(),
            Key::Marks(_) => MARKS.to_owned(),
            Key::Dedupe(_, key) => format!("K#{}", encode(key)),
            Key::Broadcast(id) => format!("{BROADCAST_PREFIX}{id}"),
            Key::Event(_, id) => format!("{EVENT_PREFIX}{id}"),
            Key::Rule(kind) => encode(kind),
            Key::Guard(..) | Key::EventGuard(..) | Key::Owner(_) | Key::Cursor => "-".to_owned(),
            Key::Dead(_, id) => id.to_string(),
            Key::Job(_) => "A#job".to_owned(),
            Key::Chain(_, chain) => format!("A#{chain}"),
            // Ten digits, so that the order of keys is the order of steps.
            Key::Step(_, _, step) => format!("{STEP_PREFIX}{step:010}"),
            Key::Later(place) => match &place.name {
                Name::Id(id) => id.to_string(),
                Name::User(user) => format!("U#{}", user.as_str()),
                Name::Job(job) => format!("J#{}", encode(job)),
            },
        }
    }

    /// The user whose partition this is.
    pub fn user(pk: &str) -> Option<UserId> {
        UserId::parse(pk.strip_prefix("U#")?)
    }

    /// The topic whose notifications have this partition key.
    pub fn topic(pk: &str) -> Option<TopicId> {
        TopicId::parse(pk.strip_prefix("M#")?)
    }

    /// The key of a notification's row; of one to a topic, what its job or schedule has instead.
    pub fn of(recipient: &Recipient, id: NotificationId) -> Key {
        match recipient {
            Recipient::User(user) => Key::Notification(user.clone(), id),
            Recipient::Topic(topic) => Key::ToTopic(topic.clone(), id),
            Recipient::Everyone => Key::Broadcast(id),
        }
    }

    /// The inverse of [`Key::of`].
    pub fn recipient(pk: &str, sk: &str) -> Option<(Recipient, NotificationId)> {
        if let Some(id) = sk.strip_prefix(BROADCAST_PREFIX) {
            return Some((Recipient::Everyone, NotificationId::parse(id)?));
        }
        if let Some(topic) = Key::topic(pk) {
            let id = NotificationId::parse(sk.strip_prefix(NOTIFICATION_PREFIX)?)?;
            return Some((Recipient::Topic(topic), id));
        }
        Key::notification(pk, sk).map(|(user, id)| (Recipient::User(user), id))
    }

    /// The notification that a stream record's keys name; `None` for any other row, so that a
    /// function survives rows of a newer version.
    pub fn notification(pk: &str, sk: &str) -> Option<(UserId, NotificationId)> {
        let user = Key::user(pk)?;
        let id = NotificationId::parse(sk.strip_prefix(NOTIFICATION_PREFIX)?)?;
        Some((user, id))
    }
}

/// The partition of a part of a topic's members.
pub fn members(topic: &TopicId, shard: u32) -> String {
    format!("M#{}#{shard}", topic.as_str())
}

/// Which part of a topic's members a user belongs to.
pub fn member_shard(user: &UserId) -> u32 {
    u32::from(Sha256::digest(user.as_str().as_bytes())[0]) % MEMBER_SHARDS
}

fn member(user: &UserId) -> String {
    format!("{}{}", MEMBERS.0, user.as_str())
}

/// The user of a member's sort key.
pub fn member_in(sk: &str) -> Option<UserId> {
    UserId::parse(sk.strip_prefix(MEMBERS.0)?)
}

/// The first and the last sort key of the members after one and up to another, in the order of their bytes.
pub fn members_between(after: Option<&UserId>, up_to: Option<&UserId>) -> (String, String) {
    // No id has a control character, so this is before any that begins like `after`.
    let from = after.map(|after| member(after) + "\u{1}");
    (
        from.unwrap_or_else(|| MEMBERS.0.to_owned()),
        up_to.map_or_else(|| MEMBERS.1.to_owned(), member),
    )
}

/// The job, chain and step that a stream record's keys name.
pub fn step(pk: &str, sk: &str) -> Option<(String, u32, u32)> {
    let (job, chain) = pk.strip_prefix("J#")?.rsplit_once('#')?;
    let step = sk.strip_prefix(STEP_PREFIX)?;
    Some((job.to_owned(), chain.parse().ok()?, step.parse().ok()?))
}

/// The place of a task for later, from the keys of its row.
pub fn later_place(pk: &str, sk: &str) -> Option<Place> {
    let (minute, shard) = pk.strip_prefix("Q#")?.split_once('#')?;
    let name = match (sk.strip_prefix("U#"), sk.strip_prefix("J#")) {
        (Some(user), _) => Name::User(UserId::parse(user)?),
        (_, Some(job)) => Name::Job(job.to_owned()),
        _ => Name::Id(NotificationId::parse(sk)?),
    };
    Some(Place {
        minute: minute.parse().ok()?,
        shard: shard.parse().ok()?,
        name,
    })
}

/// The partition of the dead rows of a day, as in `2026-11-24`.
pub fn dead_day(day: &str, shard: u8) -> String {
    format!("D#{day}#{shard}")
}

/// The partition of the tasks that are due in a minute, counted from 1970.
pub fn later_bucket(minute: i64, shard: u8) -> String {
    format!("Q#{minute}#{shard}")
}

/// The partition of the broadcasts of a month.
pub fn broadcast_month(at: Timestamp) -> String {
    format!("B#{}", at.strftime("%Y-%m"))
}

/// Text from outside as a part of a key: percent-encoded, or beyond 128 bytes `=` and its fingerprint.
/// Injective: neither `#` nor `=` remains, and `%` only as an escape.
fn encode(text: &str) -> String {
    if text.len() > 128 {
        return format!("={}", fingerprint(text));
    }
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            _ if byte.is_ascii_alphanumeric() || b"-_.~:/@|".contains(&byte) => {
                encoded.push(char::from(byte));
            }
            _ => write!(encoded, "%{byte:02X}").expect("a String takes everything"),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notification_key_is_read_back() {
        let user = UserId::parse("auth0|ana").unwrap();
        let id = NotificationId::new(Timestamp::UNIX_EPOCH, [1; 10]);
        let key = Key::Notification(user.clone(), id);
        assert_eq!(Key::notification(&key.pk(), &key.sk()), Some((user, id)));
        for (pk, sk) in [
            ("U#ana", "A#user"),
            ("X#ana", &key.sk()),
            ("U#ana", "N#x"),
            ("", ""),
        ] {
            assert_eq!(Key::notification(pk, sk), None, "{pk} {sk}");
        }
    }

    /// Texts of up to four letters of which keys are made, each once.
    fn texts(count: usize) -> std::collections::BTreeSet<String> {
        let letters = [
            "a", "U", "#", "%", "2", "3", "=", "-", "/", "~", "\u{0}", " ", "ü", "N#", "K#",
        ];
        let mut state = 1_usize;
        let mut next = |limit: usize| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % limit
        };
        let mut texts: std::collections::BTreeSet<String> =
            [128, 129, 130].map(|n| "a".repeat(n)).into();
        texts.extend(["A", "a", "#", "%23"].map(str::to_owned));
        while texts.len() < count {
            let length = next(5);
            texts.insert((0..length).map(|_| letters[next(letters.len())]).collect());
        }
        texts
    }

    #[test]
    fn f55_no_two_rows_of_any_kind_share_a_key() {
        let texts = texts(150);
        let at = |n: i64| Timestamp::from_millisecond(1_790_000_000_000 + n * 40_000_000).unwrap();
        let ids = (0..80).map(|n| NotificationId::new(at(n), [u8::try_from(n).unwrap(); 10]));
        let ids: Vec<NotificationId> = ids.collect();
        let users: Vec<UserId> = texts
            .iter()
            .filter_map(|text| UserId::parse(text))
            .collect();
        assert!(users.len() > 20, "{} users", users.len());
        let mut keys: Vec<Key> = ids.iter().map(|id| Key::Broadcast(*id)).collect();
        keys.extend(ids.iter().map(|id| Key::Dead(id.at(), *id)));
        keys.extend(texts.iter().map(|text| Key::Owner(text.clone())));
        keys.extend(texts.iter().map(|text| Key::Rule(text.clone())));
        for subject in &texts {
            keys.extend(ids.iter().map(|id| Key::Event(subject.clone(), *id)));
            let guard = |id: &String| Key::EventGuard(subject.clone(), id.clone());
            keys.extend(texts.iter().map(guard));
        }
        for user in &users {
            keys.extend([Key::User(user.clone()), Key::Marks(user.clone())]);
            for topic in texts.iter().filter_map(|text| TopicId::parse(text)) {
                keys.push(Key::Member(topic.clone(), user.clone()));
                keys.push(Key::Membership(user.clone(), topic));
            }
            keys.extend(ids.iter().map(|id| Key::Notification(user.clone(), *id)));
            keys.extend(
                texts
                    .iter()
                    .map(|key| Key::Dedupe(user.clone(), key.clone())),
            );
        }
        for producer in &texts {
            let guard = |key: &String| Key::Guard(producer.clone(), key.clone());
            keys.extend(texts.iter().map(guard));
        }
        let mut found = std::collections::HashMap::new();
        for key in &keys {
            let (pk, sk) = (key.pk(), key.sk());
            // The limits of DynamoDB, in bytes.
            assert!(pk.len() <= 2_048 && sk.len() <= 1_024, "{key:?}");
            if let Some(other) = found.insert((pk, sk), key) {
                panic!("{key:?} and {other:?} share a key");
            }
        }
    }

    #[test]
    fn f55_no_two_guards_share_a_key() {
        let parts = ["a", "a#b", "b", "#", "%23", "", "=", "a%", "ü"];
        let long = "x".repeat(129);
        let longer = "x".repeat(130);
        let all: Vec<&str> = parts.into_iter().chain([&*long, &*longer]).collect();
        let mut keys = std::collections::HashSet::new();
        for producer in &all {
            for key in &all {
                let guard = Key::Guard((*producer).to_owned(), (*key).to_owned());
                assert!(keys.insert(guard.pk()), "{producer:?} {key:?}");
            }
        }
    }
}
