//! Which notifications of an inbox a list shows.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::contract::{MOMENT_RULE, moment};
use crate::error::{Error, Result, Violation};
use crate::id::{ID_RULE, MAX_TYPE, UserId, is_type};
use crate::json::canonical_number;
use crate::notification::{MAX_GROUP, Notification};

/// The query parameters of a filter; `data.` begins any path inside `data`.
pub const PARAMETERS: [&str; 7] = [
    "status", "type", "actor", "group", "since", "until", "data.",
];

/// The most types, and the most paths, of one filter.
const MAX_PARTS: usize = 20;

/// By read state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Status {
    /// What is not archived.
    #[default]
    Inbox,
    /// Not opened, and not archived.
    Unread,
    /// Opened, and not archived.
    Read,
    /// Archived.
    Archived,
    /// Everything.
    All,
}

/// Values that must stand at paths inside `data`, all of them.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Paths(Vec<(Vec<String>, Value)>);

impl Paths {
    /// Reads one query parameter, whose name is `data.` and a path. Every broken rule is noted.
    pub fn read(&mut self, name: &str, value: &str, violations: &mut Vec<Violation>) {
        let Some(path) = name.strip_prefix("data.") else {
            return;
        };
        let mut refuse = |name: &str, code, detail: &str| {
            violations.push(Violation::new(format!("/{name}"), code, detail));
        };
        match serde_json::from_str(value) {
            Ok(value) => self.0.push((segments(path), value)),
            Err(_) => refuse(name, "format", "must be JSON: a text needs its quotes"),
        }
        if self.0.len() == MAX_PARTS + 1 {
            refuse("data", "length", "may have 20 paths");
        }
    }

    /// Whether `data` has all of these values.
    pub fn match_data(&self, data: Option<&Map<String, Value>>) -> bool {
        self.0.iter().all(|(path, wanted)| {
            let first = path.first().and_then(|name| data?.get(name));
            let found = path.iter().skip(1).fold(first, |at, name| step(at?, name));
            found.is_some_and(|found| is_equal(found, wanted))
        })
    }
}

/// What a notification must be to be shown: all of it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Filter {
    /// Its read state.
    pub status: Status,
    /// Its type is one of these; any if empty.
    types: Vec<String>,
    actor: Option<String>,
    group: Option<String>,
    /// Accepted at this moment or later.
    pub since: Option<Timestamp>,
    /// Accepted before this moment.
    pub until: Option<Timestamp>,
    data: Paths,
    /// The same filter in one spelling, to which a cursor is bound.
    pub spelling: String,
}

impl Filter {
    /// Reads a filter from a query whose names are known.
    pub fn parse(query: &BTreeMap<String, String>) -> Result<Filter> {
        let mut violations = Vec::new();
        let mut filter = Filter::default();
        for (name, value) in query {
            let mut refuse = |name: &str, code, detail: &str| {
                violations.push(Violation::new(format!("/{name}"), code, detail));
            };
            match name.as_str() {
                "status" => match status(value) {
                    Some(status) => filter.status = status,
                    None => refuse(name, "value", "must be one of unread, read, archived, all"),
                },
                "type" => {
                    filter.types = value.split(',').map(str::to_owned).collect();
                    let is_one =
                        |kind: &String| (1..=MAX_TYPE).contains(&kind.len()) && is_type(kind);
                    if filter.types.len() > MAX_PARTS {
                        refuse(name, "length", "may name 20 types");
                    } else if !filter.types.iter().all(is_one) {
                        refuse(name, "format", "must be types, separated by commas");
                    }
                }
                "actor" => {
                    filter.actor = UserId::parse(value).map(|actor| actor.as_str().to_owned());
                    if filter.actor.is_none() {
                        refuse(name, "format", &format!("must have {ID_RULE}"));
                    }
                }
                "group" => {
                    filter.group = Some(value.clone());
                    if !(1..=MAX_GROUP).contains(&value.chars().count()) {
                        refuse(name, "length", "must have 1 to 128 characters");
                    }
                }
                "since" | "until" => match moment(value) {
                    Some(moment) if name == "since" => filter.since = Some(moment),
                    Some(moment) => filter.until = Some(moment),
                    None => refuse(name, "format", MOMENT_RULE),
                },
                _ => filter.data.read(name, value, &mut violations),
            }
            if name != "cursor" && name != "limit" && name != "consistent" {
                filter.spelling += &[name, "=", value, "\n"].concat();
            }
        }
        if violations.is_empty() {
            return Ok(filter);
        }
        Err(Error::BadQuery(violations))
    }

    /// Whether a notification, with its user's marks applied, is to be shown.
    pub fn matches(&self, notification: &Notification) -> bool {
        let content = &notification.content;
        let archived = notification.archived_at.is_some();
        let by_status = match self.status {
            Status::Inbox => !archived,
            Status::Unread => !archived && notification.is_unread(),
            Status::Read => !archived && !notification.is_unread(),
            Status::Archived => archived,
            Status::All => true,
        };
        let actor = content.actor.as_ref().map(|actor| actor.id.as_str());
        let at = notification.id.at();
        by_status
            && (self.types.is_empty() || self.types.contains(&content.kind))
            && self
                .actor
                .as_deref()
                .is_none_or(|wanted| actor == Some(wanted))
            && self
                .group
                .as_deref()
                .is_none_or(|wanted| content.group.as_deref() == Some(wanted))
            && self.since.is_none_or(|since| at >= since)
            && self.until.is_none_or(|until| at < until)
            && self.data.match_data(content.data.as_ref())
    }
}

fn status(word: &str) -> Option<Status> {
    match word {
        "unread" => Some(Status::Unread),
        "read" => Some(Status::Read),
        "archived" => Some(Status::Archived),
        "all" => Some(Status::All),
        _ => None,
    }
}

/// The names on a path, separated by dots; `\.` is a dot inside a name.
pub fn segments(path: &str) -> Vec<String> {
    let mut segments = vec![String::new()];
    let mut chars = path.chars().peekable();
    while let Some(c) = chars.next() {
        let last = segments.len() - 1;
        match c {
            '\\' if chars.next_if_eq(&'.').is_some() => segments[last].push('.'),
            '.' => segments.push(String::new()),
            other => segments[last].push(other),
        }
    }
    segments
}

fn step<'v>(value: &'v Value, name: &str) -> Option<&'v Value> {
    match value {
        Value::Object(object) => object.get(name),
        // One spelling of an index: neither `00` nor `+0` is `0`.
        Value::Array(array) => {
            let index: usize = name.parse().ok()?;
            array.get(index).filter(|_| index.to_string() == name)
        }
        _ => None,
    }
}

/// What stands at a path: names of fields, and indexes of arrays.
pub fn find<'v>(value: &'v Value, path: &[String]) -> Option<&'v Value> {
    path.iter().try_fold(value, |at, name| step(at, name))
}

/// Equality as JSON means it: 1 is 1.0, whole numbers differ in their last digit, and the order of
/// fields is nothing.
pub fn is_equal(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => canonical_number(a) == canonical_number(b),
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| is_equal(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len()
                && a.iter()
                    .all(|(name, a)| b.get(name).is_some_and(|b| is_equal(a, b)))
        }
        _ => a == b,
    }
}
