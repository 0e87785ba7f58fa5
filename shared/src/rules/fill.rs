//! Filling a rule's blanks with what an event says.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::render::Fault;
use super::template::Renderer;
use super::{Data, Form};
use crate::error::Violation;
use crate::event::Event;
use crate::filter::find;
use crate::id::{ID_RULE, TopicId};
use crate::notification::{self, Draft, MAX_DEDUPE_KEY};

/// The longest title and body, in characters: what is longer is cut, since people write long things.
const SHOWN: [(&str, usize); 2] = [("title", 200), ("body", 1_000)];

/// Fills blanks, and remembers what it could not.
pub struct Filler {
    renderer: Renderer,
    context: minijinja::Value,
    /// What could not be made.
    pub faults: Vec<Fault>,
}

impl Filler {
    /// With what templates see.
    pub fn new(context: &Value) -> Filler {
        Filler {
            renderer: Renderer::new(values(context)),
            context: minijinja::Value::from(minijinja::value::Serde(context)),
            faults: Vec::new(),
        }
    }

    fn text(&mut self, at: &str, template: &str) -> Option<String> {
        match self.renderer.render(template, &self.context) {
            Ok(text) => Some(text),
            Err(detail) => {
                let fault = Fault::in_rule(at.to_owned(), "template", detail);
                self.faults.push(fault);
                None
            }
        }
    }

    /// The name of a topic.
    pub fn topic(&mut self, template: &str) -> Option<String> {
        let topic = self.text("/recipients/topic", template)?;
        if TopicId::parse(&topic).is_none() {
            let at = "/recipients/topic".to_owned();
            let detail = format!("must have {ID_RULE}");
            self.faults.push(Fault::in_rule(at, "format", detail));
        }
        Some(topic)
    }

    /// A dedupe key, which is never cut and never empty: it would be another one.
    pub fn key(&mut self, template: &str) -> Option<String> {
        let key = self.text("/dedupe_key", template)?;
        if (1..=MAX_DEDUPE_KEY).contains(&key.chars().count()) {
            return Some(key);
        }
        let detail = format!("must have 1 to {MAX_DEDUPE_KEY} characters");
        self.faults
            .push(Fault::in_rule("/dedupe_key".to_owned(), "length", detail));
        None
    }
}

/// How many values there are in a value, itself included.
pub fn values(value: &Value) -> u64 {
    match value {
        Value::Array(items) => 1 + items.iter().map(values).sum::<u64>(),
        Value::Object(fields) => 1 + fields.values().map(values).sum::<u64>(),
        _ => 1,
    }
}

impl Form {
    /// The notification as a producer would send it, without recipients.
    pub fn fill(&self, event: &Event, filler: &mut Filler) -> Map<String, Value> {
        let mut note = Map::new();
        note.insert("type".to_owned(), json!(self.kind));
        for (name, template) in &self.templates {
            let text = filler.text(&format!("/{name}"), template);
            // A template may decide that there is nothing to say; but a title has to say something.
            if let Some(text) = text.filter(|text| !text.is_empty() || *name == "title") {
                note.insert((*name).to_owned(), Value::String(cut(name, text)));
            }
        }
        if let Some(actor) = event.actor() {
            note.insert("actor".to_owned(), shown_actor(actor));
        }
        if let Some(data) = self.data_of(event) {
            note.insert("data".to_owned(), data);
        }
        if let Some(time) = event.time {
            note.insert("occurred_at".to_owned(), json!(time.to_string()));
        }
        if let Some(expires_in) = self.expires_in {
            note.insert("expires_in".to_owned(), json!(expires_in));
        }
        let mut push = self.push.clone();
        let locales = self.fill_locales(filler);
        if !locales.is_empty() {
            push["locales"] = Value::Object(locales);
        }
        note.insert("push".to_owned(), push);
        note
    }

    fn fill_locales(&self, filler: &mut Filler) -> Map<String, Value> {
        let mut locales = Map::new();
        for (locale, templates) in &self.locales {
            let mut texts = Map::new();
            for (name, template) in templates {
                let text = filler.text(&format!("/locales/{locale}/{name}"), template);
                if let Some(text) = text.filter(|text| !text.is_empty()) {
                    texts.insert((*name).to_owned(), Value::String(cut(name, text)));
                }
            }
            locales.insert(locale.clone(), Value::Object(texts));
        }
        locales
    }

    /// What of the event's data goes along, where it stood.
    fn data_of(&self, event: &Event) -> Option<Value> {
        let all = Value::Object(event.data.clone());
        let Data::Paths(paths) = &self.data else {
            return Some(all);
        };
        let mut chosen = Map::new();
        for path in paths {
            if let (Some(found), Some((last, way))) = (find(&all, path), path.split_last()) {
                place(&mut chosen, way, last, found.clone());
            }
        }
        (!chosen.is_empty()).then_some(Value::Object(chosen))
    }
}

/// Puts a value where it stood; an index of an array becomes the name of a field.
fn place(chosen: &mut Map<String, Value>, way: &[String], last: &str, value: Value) {
    let Some((first, rest)) = way.split_first() else {
        chosen.insert(last.to_owned(), value);
        return;
    };
    let next = chosen
        .entry(first.clone())
        .or_insert_with(|| Value::Object(Map::new()));
    if let Value::Object(next) = next {
        place(next, rest, last, value);
    }
}

/// The event's actor as a notification has one. What else is known of the actor stays in the log.
fn shown_actor(actor: &Value) -> Value {
    if actor.is_string() {
        return json!({"id": actor});
    }
    let mut shown = actor.clone();
    if let Value::Object(fields) = &mut shown {
        fields.retain(|name, _| ["id", "name", "image"].contains(&name.as_str()));
    }
    shown
}

/// A text as long as it may be shown.
fn cut(name: &str, text: String) -> String {
    let limit = SHOWN
        .iter()
        .find(|(shown, _)| *shown == name)
        .map(|(_, limit)| *limit);
    let Some(limit) = limit.filter(|limit| text.chars().count() > *limit) else {
        return text;
    };
    let mut cut: String = text.chars().take(limit - 1).collect();
    cut.push('…');
    cut
}

/// The notification by its own rules.
pub fn check(note: Value, now: Timestamp, mut faults: Vec<Fault>) -> Result<Draft, Vec<Fault>> {
    let mut violations = Vec::new();
    let draft = notification::parse(note, "", now, &mut violations);
    faults.extend(violations.into_iter().filter_map(|violation| {
        let Violation {
            pointer,
            code,
            detail,
        } = violation;
        let place = |from: &str| pointer.strip_prefix(from).map(str::to_owned);
        let said = pointer == "/title" && code == "required";
        if said || pointer == "/topic" || pointer == "/recipients" && code == "required" {
            // It could not be made, which has been said.
            return None;
        }
        Some(
            if pointer.starts_with("/actor") || pointer.starts_with("/data") {
                Fault::in_event(
                    if pointer.starts_with("/data") {
                        pointer
                    } else {
                        format!("/data{pointer}")
                    },
                    code,
                    detail,
                )
            } else if let Some(rest) = place("/push/locales") {
                Fault::in_rule(format!("/locales{rest}"), code, detail)
            } else {
                Fault::in_rule(pointer, code, detail)
            },
        )
    }));
    match draft {
        Some(draft) if faults.is_empty() => Ok(draft),
        _ => Err(faults),
    }
}
