//! A notification as it is written: short attribute names, so that a typical row stays below
//! 400 bytes, which makes ten of them one read unit.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::keys::Key;
use crate::error::{Error, Result, Source};
use crate::id::{DeviceId, NotificationId, TopicId, UserId};
use crate::notification::{Actor, Content, Notification, Recipient};
use crate::outcome::Outcome;
use crate::push_options::{Disclosure, Options, Priority, Push, Text};
use crate::traceparent::TraceParent;

/// The table's own form of a row.
pub type Item = HashMap<String, AttributeValue>;

/// The attribute of a row that is all that remains of a notification.
pub const TOMBSTONE: &str = "z";
/// The attribute of a tombstone that names the notification a request was answered with instead.
pub const DUPLICATE: &str = "du";
/// The attribute of a row that carries the push of a notification for everyone to one user: when it was put.
pub const CARRIED: &str = "bc";
/// The attribute with the producer's trace, in a row whose producer sent one.
pub const TRACEPARENT: &str = "tp";
/// What a row must be for its push to have an outcome.
pub const PUSHED: &str = "(attribute_exists(t) OR attribute_exists(bc))";
/// How long a tombstone tells repeats what became of a notification, in seconds: 24 h.
pub const TOMBSTONE_LIFE: i64 = 86_400;

/// The version of this form. A reader refuses a row of a newer one.
const VERSION: u8 = 1;

#[derive(Serialize, Deserialize)]
struct Row {
    pk: String,
    sk: String,
    v: u8,
    expires_at: i64,
    #[serde(rename = "t", skip_serializing_if = "Option::is_none", default)]
    kind: Option<String>,
    #[serde(rename = "ti", skip_serializing_if = "Option::is_none", default)]
    title: Option<String>,
    #[serde(rename = "b", skip_serializing_if = "Option::is_none", default)]
    body: Option<String>,
    #[serde(rename = "a", skip_serializing_if = "Option::is_none", default)]
    actor: Option<ActorRow>,
    #[serde(rename = "g", skip_serializing_if = "Option::is_none", default)]
    group: Option<String>,
    #[serde(rename = "l", skip_serializing_if = "Option::is_none", default)]
    link: Option<String>,
    #[serde(rename = "im", skip_serializing_if = "Option::is_none", default)]
    image: Option<String>,
    #[serde(rename = "d", skip_serializing_if = "Option::is_none", default)]
    data: Option<Map<String, Value>>,
    #[serde(rename = "o", skip_serializing_if = "Option::is_none", default)]
    occurred_at: Option<i64>,
    #[serde(rename = "od", skip_serializing_if = "Option::is_none", default)]
    origin_device: Option<DeviceId>,
    #[serde(rename = "p", skip_serializing_if = "Option::is_none", default)]
    push: Option<PushRow>,
    #[serde(rename = "r", skip_serializing_if = "Option::is_none", default)]
    read_at: Option<i64>,
    #[serde(rename = "se", skip_serializing_if = "Option::is_none", default)]
    seen_at: Option<i64>,
    #[serde(rename = "k", skip_serializing_if = "Option::is_none", default)]
    dedupe_key: Option<String>,
    #[serde(rename = "sc", skip_serializing_if = "Option::is_none", default)]
    schedule_id: Option<NotificationId>,
    #[serde(rename = "ar", skip_serializing_if = "Option::is_none", default)]
    archived_at: Option<i64>,
    #[serde(rename = "po", skip_serializing_if = "Option::is_none", default)]
    outcome: Option<Outcome>,
    #[serde(rename = "bc", skip_serializing_if = "Option::is_none", default)]
    carried_at: Option<i64>,
    #[serde(rename = "tp", skip_serializing_if = "Option::is_none", default)]
    traceparent: Option<TraceParent>,
}

#[derive(Serialize, Deserialize)]
struct ActorRow {
    #[serde(rename = "i")]
    id: UserId,
    #[serde(rename = "n", skip_serializing_if = "Option::is_none", default)]
    name: Option<String>,
    #[serde(rename = "m", skip_serializing_if = "Option::is_none", default)]
    image: Option<String>,
}

/// The push options that differ from the default.
#[derive(Serialize, Deserialize, Default)]
struct PushRow {
    #[serde(rename = "x", skip_serializing_if = "Option::is_none", default)]
    off: Option<bool>,
    #[serde(rename = "si", skip_serializing_if = "Option::is_none", default)]
    silent: Option<bool>,
    #[serde(rename = "p", skip_serializing_if = "Option::is_none", default)]
    priority: Option<Priority>,
    #[serde(rename = "t", skip_serializing_if = "Option::is_none", default)]
    ttl: Option<u32>,
    #[serde(rename = "s", skip_serializing_if = "Option::is_none", default)]
    sound: Option<String>,
    #[serde(rename = "o", skip_serializing_if = "Option::is_none", default)]
    once: Option<bool>,
    #[serde(rename = "c", skip_serializing_if = "Option::is_none", default)]
    content: Option<Disclosure>,
    #[serde(rename = "ch", skip_serializing_if = "Option::is_none", default)]
    channel: Option<String>,
    #[serde(rename = "ca", skip_serializing_if = "Option::is_none", default)]
    category: Option<String>,
    #[serde(rename = "il", skip_serializing_if = "Option::is_none", default)]
    interruption_level: Option<String>,
    #[serde(rename = "lo", skip_serializing_if = "BTreeMap::is_empty", default)]
    locales: BTreeMap<String, Text>,
    #[serde(rename = "de", skip_serializing_if = "Option::is_none", default)]
    delay: Option<u32>,
    #[serde(rename = "to", skip_serializing_if = "Option::is_none", default)]
    topic: Option<TopicId>,
}

fn push_row(push: &Push) -> Option<PushRow> {
    let options = match push {
        Push::Off => {
            return Some(PushRow {
                off: Some(true),
                ..PushRow::default()
            });
        }
        Push::On(options) => options.clone(),
    };
    let default = Options::default();
    if options == default {
        return None;
    }
    Some(PushRow {
        off: None,
        silent: options.silent.then_some(true),
        priority: (options.priority != default.priority).then_some(options.priority),
        ttl: (options.ttl != default.ttl).then_some(options.ttl),
        sound: (options.sound != default.sound).then_some(options.sound),
        once: options.once.then_some(true),
        content: (options.content != default.content).then_some(options.content),
        channel: options.channel,
        category: options.category,
        interruption_level: options.interruption_level,
        locales: options.locales,
        delay: (options.delay != default.delay).then_some(options.delay),
        topic: options.topic,
    })
}

fn push_of(row: Option<PushRow>) -> Push {
    let default = Options::default();
    match row {
        None => Push::default(),
        Some(PushRow {
            off: Some(true), ..
        }) => Push::Off,
        Some(row) => Push::On(Options {
            silent: row.silent.unwrap_or(default.silent),
            priority: row.priority.unwrap_or(default.priority),
            ttl: row.ttl.unwrap_or(default.ttl),
            sound: row.sound.unwrap_or(default.sound),
            once: row.once.unwrap_or(default.once),
            content: row.content.unwrap_or(default.content),
            channel: row.channel,
            category: row.category,
            interruption_level: row.interruption_level,
            locales: row.locales,
            delay: row.delay.unwrap_or(default.delay),
            topic: row.topic,
        }),
    }
}

fn moment(millis: i64) -> Option<Timestamp> {
    Timestamp::from_millisecond(millis).ok()
}

/// A notification inside another row, such as its job's.
pub mod nested {
    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::{Row, from_row, to_row};
    use crate::notification::Notification;

    /// Writes it as the row that it would be.
    #[expect(clippy::ref_option, reason = "serde hands over the field as it is")]
    pub fn serialize<S: Serializer>(
        notification: &Option<Box<Notification>>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let row = notification.as_deref().map(to_row);
        row.serialize(serializer)
    }

    /// The inverse of [`serialize`].
    pub fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Box<Notification>>, D::Error> {
        let row = Option::<Row>::deserialize(deserializer)?;
        let read = row.map(|row| from_row(row).map(Box::new).map_err(D::Error::custom));
        read.transpose()
    }
}

fn to_row(notification: &Notification) -> Row {
    let content = notification.content.clone();
    let carried_at = notification.carried_at.map(Timestamp::as_millisecond);
    let key = Key::of(&notification.recipient, notification.id);
    let outcome = &notification.outcome;
    Row {
        pk: key.pk(),
        sk: key.sk(),
        v: VERSION,
        expires_at: notification.expires_at,
        push: push_row(&content.push),
        kind: carried_at.is_none().then_some(content.kind),
        title: content.title,
        body: content.body,
        actor: content.actor.map(|actor| ActorRow {
            id: actor.id,
            name: actor.name,
            image: actor.image,
        }),
        group: content.group,
        link: content.link,
        image: content.image,
        data: content.data,
        occurred_at: content.occurred_at.map(Timestamp::as_millisecond),
        origin_device: content.origin_device,
        read_at: notification.read_at.map(Timestamp::as_millisecond),
        seen_at: notification.seen_at.map(Timestamp::as_millisecond),
        archived_at: notification.archived_at.map(Timestamp::as_millisecond),
        dedupe_key: notification.dedupe_key.clone(),
        schedule_id: notification.schedule_id,
        outcome: (*outcome != Outcome::default()).then(|| outcome.clone()),
        carried_at,
        traceparent: content.traceparent,
    }
}

/// The row of a notification.
pub fn to_item(notification: &Notification) -> Result<Item> {
    serde_dynamo::to_item(to_row(notification)).map_err(|source| Error::Internal {
        what: "a notification could not be written as a row",
        source: source.into(),
    })
}

/// Whether the row is what remains of a notification that was taken back.
pub fn is_tombstone(item: &Item) -> bool {
    item.contains_key(TOMBSTONE)
}

/// Whether the row carries the push of a notification for everyone, and is none itself.
pub fn is_carrier(item: &Item) -> bool {
    item.contains_key(CARRIED)
}

/// Whose the row is, and its id.
pub fn key_of(item: &Item) -> Option<(Recipient, NotificationId)> {
    let text = |name| item.get(name).and_then(|value| value.as_s().ok());
    Key::recipient(text("pk")?, text("sk")?)
}

/// The notification of a row; an error for what is not one, or is of a newer version.
pub fn from_item(item: Item) -> Result<Notification> {
    let row = serde_dynamo::from_item(item);
    row.map_err(|error| unreadable(error.into()))
        .and_then(from_row)
}

fn unreadable(source: Source) -> Error {
    Error::Internal {
        what: "a row could not be read as a notification",
        source,
    }
}

fn from_row(row: Row) -> Result<Notification> {
    if row.v > VERSION {
        let text = format!("it has version {}, known is {VERSION}", row.v);
        return Err(unreadable(text.into()));
    }
    let Some((recipient, id)) = Key::recipient(&row.pk, &row.sk) else {
        return Err(unreadable("its key is another's".into()));
    };
    let carried_at = row.carried_at.and_then(moment);
    if row.kind.is_none() && carried_at.is_none() {
        return Err(unreadable("it has no type".into()));
    }
    Ok(Notification {
        recipient,
        id,
        content: Content {
            kind: row.kind.unwrap_or_default(),
            title: row.title,
            body: row.body,
            actor: row.actor.map(|actor| Actor {
                id: actor.id,
                name: actor.name,
                image: actor.image,
            }),
            group: row.group,
            link: row.link,
            image: row.image,
            data: row.data,
            occurred_at: row.occurred_at.and_then(moment),
            origin_device: row.origin_device,
            push: push_of(row.push),
            traceparent: row.traceparent,
        },
        expires_at: row.expires_at,
        read_at: row.read_at.and_then(moment),
        seen_at: row.seen_at.and_then(moment),
        archived_at: row.archived_at.and_then(moment),
        dedupe_key: row.dedupe_key,
        schedule_id: row.schedule_id,
        outcome: row.outcome.unwrap_or_default(),
        carried_at,
    })
}
