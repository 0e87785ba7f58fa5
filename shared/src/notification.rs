//! A notification: the rules for what a producer may send, and what a reader gets.

mod audience;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::contract::Fields;
use crate::error::Violation;
use crate::id::{DeviceId, MAX_TYPE, NotificationId, TYPE_RULE, TopicId, UserId, is_type};
use crate::outcome::Outcome;
use crate::push_options::{Push, parse_push};
use crate::traceparent::TraceParent;

/// The most recipients of one request.
pub const MAX_RECIPIENTS: usize = 1_000;
/// The most notifications of one batch.
pub const MAX_BATCH: usize = 100;
/// The largest `data`, in bytes of JSON without white space.
pub const MAX_DATA_BYTES: usize = 2_048;
/// The deepest `data`, in levels of objects and arrays.
pub const MAX_DATA_DEPTH: usize = 16;
/// The longest name of a group, in characters.
pub const MAX_GROUP: usize = 128;
/// The longest dedupe key, in characters.
pub const MAX_DEDUPE_KEY: usize = 128;
/// The longest life of a notification, in seconds: two years.
pub const MAX_EXPIRES_IN: u32 = 2 * 365 * 86_400;

/// How far ahead a notification may be scheduled, in seconds: a year.
pub const MAX_AHEAD: i64 = 366 * 86_400;

/// Who did it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Actor {
    /// The actor's id, by the rule of user ids.
    pub id: UserId,
    /// A name to show.
    pub name: Option<String>,
    /// The address of a picture to show.
    pub image: Option<String>,
}

/// What a notification says: the same for every recipient.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Content {
    /// The kind of event, such as `video.liked`.
    pub kind: String,
    /// The first line. Absent only in a silent push.
    pub title: Option<String>,
    /// The text below it.
    pub body: Option<String>,
    /// Who did it.
    pub actor: Option<Actor>,
    /// What it folds with.
    pub group: Option<String>,
    /// Where a tap leads.
    pub link: Option<String>,
    /// The address of a picture.
    pub image: Option<String>,
    /// Anything the app wants back.
    pub data: Option<Map<String, Value>>,
    /// When it happened, by the producer's clock.
    pub occurred_at: Option<Timestamp>,
    /// The device the action came from, which gets no push.
    pub origin_device: Option<DeviceId>,
    /// How it is pushed.
    pub push: Push,
    /// The producer's trace that it belongs to: for logs and support, and never shown.
    pub traceparent: Option<TraceParent>,
}

/// Whose inbox a notification is in.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Recipient {
    /// One user's.
    User(UserId),
    /// Those of a topic's members, which a job puts it into.
    Topic(TopicId),
    /// Everyone's.
    Everyone,
}

/// A request to notify: content, recipients, and how long it is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct Draft {
    /// What is said.
    pub content: Content,
    /// To whom: 1 to [`MAX_RECIPIENTS`] users, no two the same; or one topic; or everyone.
    pub recipients: Vec<Recipient>,
    /// A member of the topic who is not told: who did it, where a rule leaves that one out.
    pub without: Option<UserId>,
    /// The life of the rows in seconds; the stack's retention if absent.
    pub expires_in: Option<u32>,
    /// A natural key, of which each recipient has one live notification at most.
    pub dedupe_key: Option<String>,
    /// When it is to be stored, if not now.
    pub send_at: Option<Timestamp>,
}

/// One event for one recipient: one row.
#[derive(Debug, Clone, PartialEq)]
pub struct Notification {
    /// Whose inbox it is in.
    pub recipient: Recipient,
    /// Its id, which holds the moment it was accepted.
    pub id: NotificationId,
    /// What it says.
    pub content: Content,
    /// When the table may drop it, in epoch seconds. From then on nobody sees it.
    pub expires_at: i64,
    /// When it was opened.
    pub read_at: Option<Timestamp>,
    /// When the list was opened with it, where no watermark says so.
    pub seen_at: Option<Timestamp>,
    /// When it was hidden from the list.
    pub archived_at: Option<Timestamp>,
    /// The producer's natural key for it.
    pub dedupe_key: Option<String>,
    /// The schedule it was stored by.
    pub schedule_id: Option<NotificationId>,
    /// What became of its push.
    pub outcome: Outcome,
    /// Of a notification for everyone that this user is to be pushed: when the user was reached. The row says no more than
    /// that, and what became of the push.
    pub carried_at: Option<Timestamp>,
}

/// A notification as the API shows it to its recipient.
#[derive(Debug, Serialize)]
pub struct View<'n> {
    id: String,
    r#type: &'n str,
    title: Option<&'n str>,
    body: Option<&'n str>,
    actor: Option<&'n Actor>,
    group: Option<&'n str>,
    link: Option<&'n str>,
    image: Option<&'n str>,
    data: Option<&'n Map<String, Value>>,
    created_at: String,
    occurred_at: Option<String>,
    read_at: Option<String>,
    archived_at: Option<String>,
}

impl Notification {
    /// Whether it may still be seen.
    pub fn is_live(&self, now: Timestamp) -> bool {
        now.as_second() < self.expires_at
    }

    /// Whether it has not been opened.
    pub fn is_unread(&self) -> bool {
        self.read_at.is_none()
    }

    /// What its recipient is shown.
    pub fn view(&self) -> View<'_> {
        let content = &self.content;
        View {
            id: self.id.to_string(),
            r#type: &content.kind,
            title: content.title.as_deref(),
            body: content.body.as_deref(),
            actor: content.actor.as_ref(),
            group: content.group.as_deref(),
            link: content.link.as_deref(),
            image: content.image.as_deref(),
            data: content.data.as_ref(),
            created_at: self.id.at().to_string(),
            occurred_at: content.occurred_at.map(|at| at.to_string()),
            read_at: self.read_at.map(|at| at.to_string()),
            archived_at: self.archived_at.map(|at| at.to_string()),
        }
    }
}

/// Reads one notification of a request, which stands at `pointer`. Every broken rule is noted in
/// `violations`; the result counts only if there is none.
pub fn parse(
    value: Value,
    pointer: &str,
    now: Timestamp,
    violations: &mut Vec<Violation>,
) -> Option<Draft> {
    let mut fields = Fields::of(value, pointer, violations)?;
    let recipients = audience::parse(&mut fields);
    let to_everyone = recipients == [Recipient::Everyone];
    let push = parse_push(&mut fields, to_everyone);
    let content = parse_content(&mut fields, push);
    let expires_in = fields.whole("expires_in", 60, MAX_EXPIRES_IN);
    let dedupe_key = fields.text("dedupe_key", MAX_DEDUPE_KEY);
    let send_at = fields.moment("send_at");
    if send_at.is_some_and(|at| at.as_second() - now.as_second() > MAX_AHEAD) {
        fields.refuse("send_at", "value", "must be within a year");
    }
    if to_everyone {
        if dedupe_key.is_some() {
            fields.refuse(
                "dedupe_key",
                "exclusive",
                "belongs to a recipient, not to everyone",
            );
        }
        if content.push != Push::Off && content.push.topic().is_none() {
            let detail = "must be false, or name the topic whose members get it: a notification for everyone is not pushed to everyone";
            fields.refuse("push", "not_supported", detail);
        }
    }
    fields.finish();
    Some(Draft {
        content,
        recipients,
        without: None,
        expires_in,
        dedupe_key,
        send_at,
    })
}

/// What a notification says, from the fields of the object that says it, and how it is pushed.
pub fn parse_content(fields: &mut Fields, push: Option<Push>) -> Content {
    let kind = parse_kind(fields);
    let silent = push.as_ref().is_some_and(Push::is_silent);
    let title = if silent {
        fields.text("title", 200)
    } else {
        fields.required_text("title", 200)
    };
    Content {
        title,
        body: fields.text("body", 1_000),
        actor: parse_actor(fields),
        group: fields.text("group", MAX_GROUP),
        link: fields.text("link", 1_000),
        image: fields.text("image", 1_000),
        data: parse_data(fields),
        occurred_at: fields.moment("occurred_at"),
        origin_device: fields.device("origin_device"),
        kind: kind.unwrap_or_default(),
        push: push.unwrap_or_default(),
        traceparent: None,
    }
}

/// A notification for everyone is looked for as long as the stack keeps notifications (`retention`, in
/// seconds), so it cannot be kept longer.
pub fn check_life(draft: &Draft, retention: u32, pointer: &str, violations: &mut Vec<Violation>) {
    let everyone = draft.recipients == [Recipient::Everyone];
    if everyone && draft.expires_in.is_some_and(|life| life > retention) {
        let detail = format!("may be {retention} seconds at most for everyone");
        violations.push(Violation::new(
            format!("{pointer}/expires_in"),
            "range",
            detail,
        ));
    }
}

fn parse_kind(fields: &mut Fields) -> Option<String> {
    let kind = fields.required_text("type", MAX_TYPE)?;
    if !is_type(&kind) {
        fields.refuse("type", "format", TYPE_RULE);
    }
    Some(kind)
}

fn parse_actor(fields: &mut Fields) -> Option<Actor> {
    let value = fields.take("actor")?;
    let pointer = fields.at("actor");
    let mut actor = Fields::of(value, pointer, fields.violations())?;
    let id = actor.user("id");
    let (name, image) = (actor.text("name", 200), actor.text("image", 1_000));
    if id.is_none() {
        actor.refuse("id", "required", "is required");
    }
    actor.finish();
    Some(Actor {
        id: id?,
        name,
        image,
    })
}

fn parse_data(fields: &mut Fields) -> Option<Map<String, Value>> {
    let value = fields.take("data")?;
    if let Err((code, detail)) = check_data(&value) {
        fields.refuse("data", code, detail);
        return None;
    }
    match value {
        Value::Object(data) => Some(data),
        _ => None,
    }
}

/// `data` is free, within what the table can hold and what keeps a row cheap to read.
fn check_data(value: &Value) -> Result<(), (&'static str, String)> {
    if !value.is_object() {
        return Err(("type", "must be a JSON object".to_owned()));
    }
    let bytes = value.to_string().len();
    if bytes > MAX_DATA_BYTES {
        let detail = format!("has {bytes} bytes, and may have {MAX_DATA_BYTES}");
        return Err(("length", detail));
    }
    check_nested(value, 1)
}

/// What a row can hold of free JSON: 16 levels, the numbers of DynamoDB, no empty names.
pub fn check_nested(value: &Value, depth: usize) -> Result<(), (&'static str, String)> {
    let nested: Vec<&Value> = match value {
        Value::Array(items) => items.iter().collect(),
        Value::Object(object) => {
            if object.contains_key("") {
                return Err(("format", "may not have an empty field name".to_owned()));
            }
            object.values().collect()
        }
        // DynamoDB holds magnitudes from 1e-130 to 9.99e125.
        Value::Number(number) => {
            let size = number.as_f64().unwrap_or_default().abs();
            if size != 0.0 && !(1e-130..1e126).contains(&size) {
                return Err(("range", format!("cannot hold the number {number}")));
            }
            return Ok(());
        }
        _ => return Ok(()),
    };
    if depth > MAX_DATA_DEPTH {
        let detail = format!("may be nested {MAX_DATA_DEPTH} levels deep");
        return Err(("depth", detail));
    }
    nested
        .into_iter()
        .try_for_each(|value| check_nested(value, depth + 1))
}
