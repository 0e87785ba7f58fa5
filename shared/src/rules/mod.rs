//! Rules: what of an event is told, to whom, and in which words.

mod fill;
mod grammar;
mod read;
mod render;
mod schema;
mod template;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde_json::Value;

use crate::contract::Fields;
use crate::error::Violation;
use crate::event::Event;
use crate::id::UserId;
use schema::Schema;

pub use render::{Nobody, Rendered};

/// The largest rule, in bytes of JSON.
pub const MAX_RULE_BYTES: usize = 32_768;
/// The shortest that an event is kept in the log, in seconds: for a day its row tells repeats.
pub const MIN_RETENTION: u32 = 86_400;
/// The longest that an event is kept in the log, in seconds: ten years.
pub const MAX_RETENTION: u32 = 10 * 366 * 86_400;

/// What to do with events of one type.
#[derive(Debug)]
pub struct Rule {
    /// The type of the events.
    pub kind: String,
    /// How long they are kept in the log, in seconds; as long as the stack keeps them if absent.
    pub retention: Option<u32>,
    recipients: Recipients,
    include_actor: bool,
    when: Vec<(Vec<String>, Value)>,
    /// The template of the dedupe key.
    dedupe_key: Option<String>,
    action: Action,
    schema: Option<Schema>,
    sample: Event,
}

/// Who is told.
#[derive(Debug)]
enum Recipients {
    /// Whoever stands at this path of the event.
    Path(Vec<String>),
    /// Always the same.
    Users(Vec<UserId>),
    /// The members of the topic that this template names.
    Topic(String),
}

/// What is done for each of them.
#[derive(Debug)]
enum Action {
    Notify(Box<Form>),
    Retract,
}

/// A notification with blanks.
#[derive(Debug)]
struct Form {
    kind: String,
    /// The templates `title`, `body`, `link`, `image` and `group`, where there are some.
    templates: BTreeMap<&'static str, String>,
    /// The templates `title` and `body` by language tag.
    locales: BTreeMap<String, BTreeMap<&'static str, String>>,
    data: Data,
    /// `push` as it was given.
    push: Value,
    expires_in: Option<u32>,
}

/// Which of the event's data the recipients get.
#[derive(Debug)]
enum Data {
    All,
    /// What stands at these paths inside `data`.
    Paths(Vec<Vec<String>>),
}

impl Rule {
    /// Reads the rule for events of this type, and tries it on its sample; or tells every broken rule.
    pub fn parse(kind: &str, value: Value) -> Result<Rule, Vec<Violation>> {
        let mut violations = Vec::new();
        let rule =
            Fields::of(value, "", &mut violations).and_then(|fields| read::rule(kind, fields));
        match rule {
            Some(rule) if violations.is_empty() => rule.try_sample().map(|()| rule),
            _ => Err(violations),
        }
    }

    /// The event that the rule is tried on.
    pub fn sample(&self) -> &Event {
        &self.sample
    }
}
