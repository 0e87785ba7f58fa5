//! Reading a rule, field by field.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::schema::Schema;
use super::template::{self, MAX_TEMPLATE};
use super::{Action, Data, Form, MAX_RETENTION, MIN_RETENTION, Recipients, Rule};
use crate::contract::{Fields, is_locale};
use crate::error::Violation;
use crate::event::Event;
use crate::filter::segments;
use crate::id::{ID_RULE, MAX_TYPE, TYPE_RULE, UserId, is_type};
use crate::notification::{MAX_EXPIRES_IN, MAX_RECIPIENTS};
use crate::push_options::{MAX_LOCALES, Push, parse_push};

/// The most conditions of a rule, and the most paths of its data.
const MAX_PATHS: usize = 20;
/// The longest path, in characters.
const MAX_PATH: usize = 256;
/// What a path may begin with: what [`Event::context`] has.
const ROOTS: [&str; 7] = ["actor", "data", "id", "source", "subject", "time", "type"];
/// Fields that only a rule that notifies has.
const NOTIFYING: [&str; 10] = [
    "notification_type",
    "title",
    "body",
    "link",
    "image",
    "group",
    "locales",
    "data",
    "push",
    "expires_in",
];

/// Reads the rule for events of this type.
pub fn rule(kind: &str, mut fields: Fields) -> Option<Rule> {
    let retracts = fields.flag("retract").unwrap_or(false);
    let recipients = read_recipients(&mut fields, retracts);
    let include_actor = fields.flag("include_actor").unwrap_or(false);
    let when = read_when(&mut fields);
    let (required, had_key) = (retracts, fields.has("dedupe_key"));
    let dedupe_key = read_template(&mut fields, "dedupe_key");
    if required && !had_key {
        fields.refuse(
            "dedupe_key",
            "required",
            "is required: what has this key is taken back",
        );
    }
    let retention = fields.whole("retention", MIN_RETENTION, MAX_RETENTION);
    let schema = read_schema(&mut fields);
    let sample = read_sample(&mut fields, kind);
    let action = if retracts {
        for name in NOTIFYING {
            if fields.take(name).is_some() {
                fields.refuse(
                    name,
                    "exclusive",
                    "has no meaning in a rule that takes notifications back",
                );
            }
        }
        Some(Action::Retract)
    } else {
        read_form(&mut fields, kind).map(|form| Action::Notify(Box::new(form)))
    };
    fields.finish();
    Some(Rule {
        kind: kind.to_owned(),
        retention,
        recipients: recipients?,
        include_actor,
        when,
        dedupe_key,
        action: action?,
        schema,
        sample: sample?,
    })
}

fn read_recipients(fields: &mut Fields, retracts: bool) -> Option<Recipients> {
    let Some(value) = fields.take("recipients") else {
        fields.refuse("recipients", "required", "is required");
        return None;
    };
    let pointer = fields.at("recipients");
    let mut given = Fields::of(value, pointer, fields.violations())?;
    let ways = ["path", "users", "topic"];
    let found: Vec<&str> = ways.into_iter().filter(|way| given.has(way)).collect();
    let recipients = match found[..] {
        ["path"] => {
            let path = given.text("path", MAX_PATH);
            path.and_then(|path| rooted(&mut given, "path", &path))
                .map(Recipients::Path)
        }
        ["users"] => read_users(&mut given).map(Recipients::Users),
        ["topic"] => {
            if retracts {
                let detail = "has no meaning in a rule that takes notifications back";
                given.refuse("topic", "exclusive", detail);
            }
            read_template(&mut given, "topic").map(Recipients::Topic)
        }
        _ => {
            let rest: Vec<Option<Value>> = ways.into_iter().map(|way| given.take(way)).collect();
            drop(rest);
            given.finish();
            fields.refuse(
                "recipients",
                "required",
                "must have one of path, users and topic",
            );
            return None;
        }
    };
    given.finish();
    recipients
}

fn read_users(fields: &mut Fields) -> Option<Vec<UserId>> {
    let Some(Value::Array(items)) = fields.take("users") else {
        fields.refuse("users", "type", "must be an array of user ids");
        return None;
    };
    if !(1..=MAX_RECIPIENTS).contains(&items.len()) {
        fields.refuse(
            "users",
            "length",
            format!("must have 1 to {MAX_RECIPIENTS} user ids"),
        );
        return None;
    }
    let mut users = Vec::new();
    for (index, item) in items.iter().enumerate() {
        match item.as_str().and_then(UserId::parse) {
            Some(user) if users.contains(&user) => {
                fields.refuse_item("users", index, "duplicate", "is a recipient already");
            }
            Some(user) => users.push(user),
            None => fields.refuse_item("users", index, "format", format!("must have {ID_RULE}")),
        }
    }
    Some(users)
}

/// The names on a path into the event, which must begin with something that events have.
fn rooted(fields: &mut Fields, name: &str, path: &str) -> Option<Vec<String>> {
    let path = segments(path);
    if path
        .first()
        .is_some_and(|root| ROOTS.contains(&root.as_str()))
    {
        return Some(path);
    }
    fields.refuse(
        name,
        "format",
        format!(
            "must be a path that begins with one of {}",
            ROOTS.join(", ")
        ),
    );
    None
}

/// `when`: paths into the event, and what must stand there.
fn read_when(fields: &mut Fields) -> Vec<(Vec<String>, Value)> {
    let mut when = Vec::new();
    let at = fields.at("when");
    let Some(value) = fields.take("when") else {
        return when;
    };
    let Value::Object(conditions) = value else {
        fields.refuse(
            "when",
            "type",
            "must be an object: a path, and the value that must stand there",
        );
        return when;
    };
    if conditions.len() > MAX_PATHS {
        fields.refuse("when", "length", format!("may have {MAX_PATHS} conditions"));
        return when;
    }
    if let Some(mut given) = Fields::of(Value::Object(conditions.clone()), at, fields.violations())
    {
        for (path, wanted) in conditions {
            when.extend(rooted(&mut given, &path, &path).map(|path| (path, wanted)));
        }
    }
    when
}

/// A template, if it was given and is one.
fn read_template(fields: &mut Fields, name: &str) -> Option<String> {
    let template = fields.text(name, MAX_TEMPLATE)?;
    if let Err(detail) = template::check(&template) {
        fields.refuse(name, "template", detail);
    }
    Some(template)
}

fn read_schema(fields: &mut Fields) -> Option<Schema> {
    let schema = fields.take("schema")?;
    if !schema.is_object() {
        fields.refuse("schema", "type", "must be a JSON Schema, as an object");
        return None;
    }
    let at = fields.at("schema");
    Schema::parse(&schema, &at, fields.violations())
}

fn read_sample(fields: &mut Fields, kind: &str) -> Option<Event> {
    let at = fields.at("sample");
    let Some(value) = fields.take("sample") else {
        fields.refuse(
            "sample",
            "required",
            "is required: an event that the rule is tried on",
        );
        return None;
    };
    let sample = Event::parse(value, &at, fields.violations())?;
    if !sample.kind.is_empty() && sample.kind != kind {
        let detail = format!("must be {kind}, the type that the rule is for");
        fields
            .violations()
            .push(Violation::new(format!("{at}/type"), "value", detail));
    }
    Some(sample)
}

fn read_form(fields: &mut Fields, event_kind: &str) -> Option<Form> {
    let kind = read_kind(fields, event_kind);
    let push = fields
        .get("push")
        .cloned()
        .unwrap_or_else(|| Value::Object(Map::new()));
    let options = parse_push(fields, false).unwrap_or_default();
    if push.get("locales").is_some() {
        let detail = "stand beside push in a rule, as templates";
        let at = format!("{}/locales", fields.at("push"));
        fields
            .violations()
            .push(Violation::new(at, "exclusive", detail));
    }
    if !options.is_silent() && !fields.has("title") {
        fields.refuse("title", "required", "is required");
    }
    let names = ["title", "body", "link", "image", "group"];
    let templates = names
        .into_iter()
        .filter_map(|name| Some((name, read_template(fields, name)?)));
    let templates = templates.collect();
    let locales = read_locales(fields);
    if options == Push::Off && !locales.is_empty() {
        fields.refuse(
            "locales",
            "exclusive",
            "are for pushes, of which there are none",
        );
    }
    let data = read_data(fields);
    let expires_in = fields.whole("expires_in", 60, MAX_EXPIRES_IN);
    Some(Form {
        kind: kind?,
        templates,
        locales,
        data,
        push,
        expires_in,
    })
}

/// The notification's type: the event's if the rule names none.
fn read_kind(fields: &mut Fields, event_kind: &str) -> Option<String> {
    let given = fields.has("notification_type");
    let kind = fields.text("notification_type", MAX_TYPE);
    let kind = if given { kind? } else { event_kind.to_owned() };
    if is_type(&kind) && kind.len() <= MAX_TYPE {
        return Some(kind);
    }
    let (code, detail) = if given {
        ("format", TYPE_RULE.to_owned())
    } else {
        (
            "required",
            format!(
                "is required, as the event's type is none of a notification, which {TYPE_RULE}"
            ),
        )
    };
    fields.refuse("notification_type", code, detail);
    None
}

/// `locales`: language tag → the templates of title, body or both.
fn read_locales(fields: &mut Fields) -> BTreeMap<String, BTreeMap<&'static str, String>> {
    let mut locales = BTreeMap::new();
    let at = fields.at("locales");
    let Some(value) = fields.take("locales") else {
        return locales;
    };
    let Some(mut given) = Fields::of(value, at, fields.violations()) else {
        return locales;
    };
    let names = given.names();
    if names.len() > MAX_LOCALES {
        fields.refuse(
            "locales",
            "length",
            format!("must have at most {MAX_LOCALES} locales"),
        );
        return locales;
    }
    for name in names {
        if !is_locale(&name) {
            given.refuse(&name, "format", "must be a language tag, such as pt-BR");
        }
        let at = given.at(&name);
        let value = given.take(&name).unwrap_or_default();
        let Some(mut text) = Fields::of(value, at, given.violations()) else {
            continue;
        };
        let templates = ["title", "body"].into_iter();
        let templates = templates
            .filter_map(|part| Some((part, read_template(&mut text, part)?)))
            .collect();
        text.finish();
        locales.insert(name, templates);
    }
    locales
}

/// `data`: paths inside the event's data, or `true` for all of it.
fn read_data(fields: &mut Fields) -> Data {
    let none = Data::Paths(Vec::new());
    let items = match fields.take("data") {
        None | Some(Value::Bool(false)) => return none,
        Some(Value::Bool(true)) => return Data::All,
        Some(Value::Array(items)) => items,
        Some(_) => {
            fields.refuse(
                "data",
                "type",
                "must be true, or an array of paths inside the event's data",
            );
            return none;
        }
    };
    if items.len() > MAX_PATHS {
        fields.refuse("data", "length", format!("may have {MAX_PATHS} paths"));
        return none;
    }
    let mut paths = Vec::new();
    for (index, item) in items.iter().enumerate() {
        match item.as_str() {
            Some(path) if (1..=MAX_PATH).contains(&path.chars().count()) => {
                paths.push(segments(path));
            }
            _ => fields.refuse_item("data", index, "format", "must be a path, such as post.id"),
        }
    }
    Data::Paths(paths)
}
