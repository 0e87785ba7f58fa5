//! An event: something that happened, as CloudEvents 1.0 writes it.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::contract::Fields;
use crate::error::Violation;
use crate::id::fingerprint;
use crate::json::canonical;
use crate::notification::check_nested;
use crate::traceparent::TraceParent;

/// The largest event, in bytes of JSON.
pub const MAX_EVENT_BYTES: usize = 65_536;
/// The longest id, source and subject, in characters.
pub const MAX_NAME: usize = 255;
/// The longest type, in characters.
pub const MAX_EVENT_TYPE: usize = 128;
/// The most extension attributes, and the longest of them, in characters.
const MAX_EXTENSIONS: usize = 20;
const MAX_EXTENSION: usize = 1_000;

/// Something that happened.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// The producer's id for it: with `source` it tells the event from all others.
    pub id: String,
    /// Where it happened.
    pub source: String,
    /// Its type, such as `video.liked`: any text.
    pub kind: String,
    /// What it is about.
    pub subject: Option<String>,
    /// When it happened, by the producer's clock.
    pub time: Option<Timestamp>,
    /// What is known of it; empty if nothing is.
    pub data: Map<String, Value>,
    /// Every other attribute, such as `traceparent`, in the form in which it came.
    pub extensions: Map<String, Value>,
    /// The producer's trace: by the attribute of that name, or else by the header of the request that brought it.
    pub traceparent: Option<TraceParent>,
}

impl Event {
    /// Reads one event in the JSON format, which stands at `pointer`. Every broken rule is noted in
    /// `violations`; the result counts only if there is none.
    pub fn parse(value: Value, pointer: &str, violations: &mut Vec<Violation>) -> Option<Event> {
        let mut fields = Fields::of(value, pointer, violations)?;
        let version = fields.required_text("specversion", 10);
        if version.is_some_and(|version| version != "1.0") {
            fields.refuse("specversion", "not_supported", "must be 1.0");
        }
        let mut name = |name: &str, max| {
            let text = fields.required_text(name, max);
            plain(&mut fields, name, text).unwrap_or_default()
        };
        let id = name("id", MAX_NAME);
        let source = name("source", MAX_NAME);
        let kind = name("type", MAX_EVENT_TYPE);
        let subject = fields.text("subject", MAX_NAME);
        let subject = plain(&mut fields, "subject", subject);
        let time = fields.moment("time");
        let data = parse_data(&mut fields);
        let extensions = parse_extensions(&mut fields);
        fields.finish();
        let traceparent = extensions.get("traceparent").and_then(Value::as_str);
        Some(Event {
            traceparent: traceparent.and_then(TraceParent::parse),
            id,
            source,
            kind,
            subject,
            time,
            data,
            extensions,
        })
    }

    /// Who did it: `data.actor`, an object with an `id`, or the id alone.
    pub fn actor(&self) -> Option<&Value> {
        self.data.get("actor").filter(|actor| !actor.is_null())
    }

    /// The id of who did it.
    pub fn actor_id(&self) -> Option<&str> {
        let actor = self.actor()?;
        actor.get("id").unwrap_or(actor).as_str()
    }

    /// What the log files it under: its subject, or its source if it has none.
    pub fn logged_under(&self) -> &str {
        self.subject.as_deref().unwrap_or(&self.source)
    }

    /// What templates and conditions see.
    pub fn context(&self) -> Value {
        json!({
            "id": self.id,
            "source": self.source,
            "type": self.kind,
            "subject": self.subject,
            "time": self.time.map(|time| time.to_string()),
            "actor": self.actor(),
            "data": self.data,
        })
    }

    /// What ids of what follows from it are derived from: no other event has it.
    pub fn seed(&self) -> String {
        let time = self.time.map(|time| time.to_string());
        json!(["event", self.source, self.id, self.logged_under(), time]).to_string()
    }

    /// A hash of what it says, the same however it was sent. Extensions are about the sending, so they
    /// do not count.
    pub fn hash(&self) -> String {
        fingerprint(&canonical(&self.context()).to_string())
    }

    /// The event in the JSON format.
    pub fn view(&self) -> Value {
        let mut view = self.extensions.clone();
        let mut set = |name: &str, value: Value| view.insert(name.to_owned(), value);
        set("specversion", json!("1.0"));
        set("id", json!(self.id));
        set("source", json!(self.source));
        set("type", json!(self.kind));
        if let Some(subject) = &self.subject {
            set("subject", json!(subject));
        }
        if let Some(time) = self.time {
            set("time", json!(time.to_string()));
        }
        set("data", json!(self.data));
        Value::Object(view)
    }
}

/// A text without control characters, which CloudEvents does not allow.
fn plain(fields: &mut Fields, name: &str, text: Option<String>) -> Option<String> {
    let text = text?;
    if text.chars().any(char::is_control) {
        fields.refuse(name, "format", "may not have control characters");
        return None;
    }
    Some(text)
}

/// Whether a media type is JSON's, with or without parameters.
pub fn is_json(media_type: &str) -> bool {
    let essence = media_type.split(';').next().unwrap_or_default().trim();
    let essence = essence.to_ascii_lowercase();
    essence == "application/json" || essence == "text/json" || essence.ends_with("+json")
}

/// `data`, or `data_base64`: a JSON object either way.
fn parse_data(fields: &mut Fields) -> Map<String, Value> {
    let media_type = fields.text("datacontenttype", MAX_NAME);
    if media_type.is_some_and(|media_type| !is_json(&media_type)) {
        fields.refuse(
            "datacontenttype",
            "not_supported",
            "must be application/json",
        );
    }
    let (name, data) = match (fields.take("data"), fields.take("data_base64")) {
        (Some(_), Some(_)) => {
            fields.refuse("data_base64", "exclusive", "cannot be given beside data");
            return Map::new();
        }
        (Some(data), None) => ("data", data),
        (None, Some(encoded)) => {
            let bytes = encoded
                .as_str()
                .and_then(|text| BASE64_STANDARD.decode(text).ok());
            let data = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
            let Some(data) = data else {
                fields.refuse("data_base64", "format", "must be JSON in base64");
                return Map::new();
            };
            ("data_base64", data)
        }
        (None, None) => return Map::new(),
    };
    if let Err((code, detail)) = check_nested(&data, 1) {
        fields.refuse(name, code, detail);
        return Map::new();
    }
    if let Value::Object(data) = data {
        return data;
    }
    fields.refuse(name, "type", "must be a JSON object");
    Map::new()
}

/// All other attributes: their names have lower-case letters and digits.
fn parse_extensions(fields: &mut Fields) -> Map<String, Value> {
    let is_name = |name: &str| {
        (1..=20).contains(&name.len())
            && name
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    };
    let names = fields.names();
    // What has another name is refused as unknown.
    let names: Vec<String> = names.into_iter().filter(|name| is_name(name)).collect();
    if let Some(surplus) = names.get(MAX_EXTENSIONS) {
        let detail = format!("is one extension attribute more than {MAX_EXTENSIONS}");
        fields.refuse(surplus, "length", detail);
    }
    let mut extensions = Map::new();
    for name in names {
        match fields.take(&name) {
            None => {}
            Some(Value::String(text)) if text.chars().count() > MAX_EXTENSION => {
                let detail = format!("must have 0 to {MAX_EXTENSION} characters");
                fields.refuse(&name, "length", detail);
            }
            Some(value @ (Value::String(_) | Value::Bool(_))) => {
                extensions.insert(name, value);
            }
            Some(Value::Number(number)) if number.as_i64().is_some() => {
                extensions.insert(name, Value::Number(number));
            }
            Some(_) => fields.refuse(&name, "type", "must be a string, a boolean or an integer"),
        }
    }
    extensions
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(value: Value) -> Result<Event, Vec<String>> {
        let mut violations = Vec::new();
        let event = Event::parse(value, "", &mut violations);
        let broken: Vec<String> = violations.into_iter().map(|v| v.pointer).collect();
        event.filter(|_| broken.is_empty()).ok_or(broken)
    }

    fn liked() -> Value {
        json!({
            "specversion": "1.0", "id": "1", "source": "/likes", "type": "Video Liked", "subject": "video:42",
            "time": "2026-11-20T11:00:00+01:00", "datacontenttype": "application/json; charset=utf-8",
            "traceparent": "00-1", "sequence": 7,
            "data": {"actor": {"id": "bo", "name": "Bo"}, "owner": "ana"},
        })
    }

    #[test]
    fn an_event_is_read_and_shown_as_it_was() {
        let event = parse(liked()).unwrap();
        assert_eq!(event.actor_id(), Some("bo"));
        assert_eq!(event.time.unwrap().to_string(), "2026-11-20T10:00:00Z");
        assert_eq!(event.extensions["traceparent"], "00-1");
        assert_eq!(event.extensions["sequence"], 7);
        assert_eq!(parse(event.view()).unwrap(), event);
        assert_eq!(event.context()["actor"]["name"], "Bo");
        let plain = json!({"specversion": "1.0", "id": "1", "source": "s", "type": "t", "data": {"actor": "bo"}});
        let plain = parse(plain).unwrap();
        assert_eq!((plain.actor_id(), plain.logged_under()), (Some("bo"), "s"));
        assert_eq!(parse(plain.view()).unwrap(), plain);
    }

    #[test]
    fn every_broken_rule_of_an_event_is_told_at_once() {
        let bad = json!({
            "specversion": "0.3", "id": "", "source": "a\nb", "subject": "", "time": "yesterday",
            "datacontenttype": "text/plain", "data": [1], "traceparent": {}, "Bad_Name": 1,
        });
        let found = parse(bad).unwrap_err();
        let expected = [
            "/specversion",
            "/id",
            "/source",
            "/type",
            "/subject",
            "/time",
            "/datacontenttype",
            "/data",
            "/traceparent",
            "/Bad_Name",
        ];
        assert_eq!(found, expected);
        for (name, value) in [
            ("data", json!("text")),
            ("data", json!({"a": 1e200})),
            ("data_base64", json!("e30=")),
            ("type", json!("x".repeat(129))),
            ("id", json!(7)),
            ("time", json!("1969-12-31T23:59:59Z")),
            ("long", json!("x".repeat(1_001))),
        ] {
            let mut event = liked();
            event[name] = value;
            assert_eq!(parse(event).unwrap_err(), [format!("/{name}")]);
        }
        assert_eq!(parse(json!([])).unwrap_err(), [""]);
    }

    #[test]
    fn events_that_say_the_same_have_one_hash() {
        let hash = |change: &dyn Fn(&mut Value)| {
            let mut event = liked();
            change(&mut event);
            parse(event).unwrap().hash()
        };
        let one = hash(&|_| {});
        assert_eq!(
            one,
            hash(&|e| e["time"] = json!("2026-11-20T10:00:00.000Z"))
        );
        assert_eq!(one, hash(&|e| e["traceparent"] = json!("00-2")));
        let encoded =
            BASE64_STANDARD.encode(r#"{"owner": "ana", "actor": {"name": "Bo", "id": "bo"}}"#);
        assert_eq!(
            one,
            hash(&|e| {
                e.as_object_mut().unwrap().remove("data");
                e["data_base64"] = json!(encoded);
            })
        );
        for name in ["id", "source", "type", "subject"] {
            assert_ne!(one, hash(&|e| e[name] = json!("other")), "{name}");
        }
        assert_ne!(one, hash(&|e| e["time"] = Value::Null));
        assert_ne!(one, hash(&|e| e["data"]["owner"] = json!("bo")));
    }
}
