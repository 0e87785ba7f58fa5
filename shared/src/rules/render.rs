//! From an event to what its rule makes of it.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::fill::{Filler, check};
use super::{Action, Recipients, Rule};
use crate::error::Violation;
use crate::event::Event;
use crate::filter::{find, is_equal};
use crate::id::{ID_RULE, UserId};
use crate::notification::{Draft, MAX_RECIPIENTS};

/// What a rule makes of an event.
#[derive(Debug, Clone, PartialEq)]
pub enum Rendered {
    /// A notification, checked as a producer's own.
    Notify(Box<Draft>),
    /// What these users have with this dedupe key is taken back.
    Retract {
        /// The key.
        dedupe_key: String,
        /// The users, no two the same.
        users: Vec<UserId>,
    },
    /// Nobody is told.
    Nobody(Nobody),
}

/// Why nobody is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nobody {
    /// The event's type has no rule.
    NoRule,
    /// The event is not as the rule's `when` wants it.
    Condition,
    /// The event names no recipient.
    NoRecipient,
    /// The one recipient is who did it.
    OnlyActor,
}

impl Nobody {
    /// The reason as the API tells it.
    pub fn word(self) -> &'static str {
        match self {
            Nobody::NoRule => "no_rule",
            Nobody::Condition => "condition",
            Nobody::NoRecipient => "no_recipient",
            Nobody::OnlyActor => "only_actor",
        }
    }
}

/// A broken rule, at a place of the event or of the rule.
pub(super) struct Fault {
    /// A pointer into the event, if it is the event's; otherwise into the rule.
    in_event: bool,
    pointer: String,
    code: &'static str,
    detail: String,
}

impl Fault {
    pub(super) fn in_event(
        pointer: String,
        code: &'static str,
        detail: impl Into<String>,
    ) -> Fault {
        Fault {
            in_event: true,
            pointer,
            code,
            detail: detail.into(),
        }
    }

    pub(super) fn in_rule(pointer: String, code: &'static str, detail: impl Into<String>) -> Fault {
        Fault {
            in_event: false,
            pointer,
            code,
            detail: detail.into(),
        }
    }

    /// As the sender of the event is told, who knows the event alone.
    fn of_event(self) -> Violation {
        if self.in_event {
            return Violation::new(self.pointer, self.code, self.detail);
        }
        let detail = format!(
            "the rule's {} cannot be made of it: {}",
            self.pointer, self.detail
        );
        Violation::new("/data", self.code, detail)
    }

    /// As the author of the rule is told, whose sample was tried.
    fn of_rule(self) -> Violation {
        let pointer = if self.in_event {
            format!("/sample{}", self.pointer)
        } else {
            self.pointer
        };
        Violation::new(pointer, self.code, self.detail)
    }
}

impl Rule {
    /// What an event breaks of the rule's contract, with pointers into the event.
    pub fn breaches(&self, event: &Event) -> Vec<Violation> {
        self.contract(event)
            .into_iter()
            .map(Fault::of_event)
            .collect()
    }

    /// What the rule makes of an event that keeps the contract; or why it can make nothing of it, with
    /// pointers into the event.
    pub fn render(&self, event: &Event, now: Timestamp) -> Result<Rendered, Vec<Violation>> {
        let breaches = self.breaches(event);
        if !breaches.is_empty() {
            return Err(breaches);
        }
        let made = self.make(event, now).map(|(rendered, _)| rendered);
        made.map_err(|faults| faults.into_iter().map(Fault::of_event).collect())
    }

    /// The same, with the notification in the form that a producer would send.
    pub fn preview(
        &self,
        event: &Event,
        now: Timestamp,
    ) -> Result<(Rendered, Value), Vec<Violation>> {
        let breaches = self.breaches(event);
        if !breaches.is_empty() {
            return Err(breaches);
        }
        let made = self.make(event, now);
        made.map_err(|faults| faults.into_iter().map(Fault::of_event).collect())
    }

    /// Tries the rule on its sample, which must tell somebody, or it would show nothing.
    pub(super) fn try_sample(&self) -> Result<(), Vec<Violation>> {
        let mut faults = self.contract(&self.sample);
        if faults.is_empty() {
            match self.make(&self.sample, Timestamp::UNIX_EPOCH) {
                Ok((Rendered::Nobody(why), _)) => {
                    let detail = format!(
                        "would tell nobody ({}), so the rule cannot be tried on it",
                        why.word()
                    );
                    faults.push(Fault::in_event(String::new(), "sample", detail));
                }
                Ok(_) => {}
                Err(found) => faults = found,
            }
        }
        if faults.is_empty() {
            return Ok(());
        }
        Err(faults.into_iter().map(Fault::of_rule).collect())
    }

    fn contract(&self, event: &Event) -> Vec<Fault> {
        let broken = self.schema.as_ref().map(|schema| schema.check(&event.data));
        let broken = broken.unwrap_or_default().into_iter();
        broken
            .map(|(at, detail)| Fault::in_event(format!("/data{at}"), "contract", detail))
            .collect()
    }

    fn make(&self, event: &Event, now: Timestamp) -> Result<(Rendered, Value), Vec<Fault>> {
        let mut context = event.context();
        if let Value::Object(fields) = &mut context {
            // What is not there is an error in a template, unless the template has a default for it.
            fields.retain(|_, value| !value.is_null());
        }
        let nobody = |why| Ok((Rendered::Nobody(why), Value::Null));
        let is_met = |(path, wanted): &(Vec<String>, Value)| {
            find(&context, path).is_some_and(|found| is_equal(found, wanted))
        };
        if !self.when.iter().all(is_met) {
            return nobody(Nobody::Condition);
        }
        let mut filler = Filler::new(&context);
        let actor = event.actor_id().filter(|_| !self.include_actor);
        if let (Recipients::Topic(template), Action::Notify(form)) =
            (&self.recipients, &self.action)
        {
            let mut note = form.fill(event, &mut filler);
            note.insert("topic".to_owned(), json!(filler.topic(template)));
            let (mut draft, note) = self.checked(note, now, filler)?;
            draft.without = actor.and_then(UserId::parse);
            return Ok((Rendered::Notify(Box::new(draft)), note));
        }
        let mut users = self.users(&context).map_err(|fault| vec![fault])?;
        if users.is_empty() {
            return nobody(Nobody::NoRecipient);
        }
        users.retain(|user| Some(user.as_str()) != actor);
        if users.is_empty() {
            return nobody(Nobody::OnlyActor);
        }
        match &self.action {
            Action::Retract => match self.key(&mut filler) {
                Some(dedupe_key) if filler.faults.is_empty() => {
                    let shown = json!({"dedupe_key": dedupe_key, "recipients": users});
                    Ok((Rendered::Retract { dedupe_key, users }, shown))
                }
                _ => Err(filler.faults),
            },
            Action::Notify(form) => {
                let mut note = form.fill(event, &mut filler);
                note.insert("recipients".to_owned(), json!(users));
                let (draft, note) = self.checked(note, now, filler)?;
                Ok((Rendered::Notify(Box::new(draft)), note))
            }
        }
    }

    fn key(&self, filler: &mut Filler) -> Option<String> {
        let template = self.dedupe_key.as_ref();
        template.and_then(|template| filler.key(template))
    }

    /// The notification with its dedupe key, by its own rules.
    fn checked(
        &self,
        mut note: Map<String, Value>,
        now: Timestamp,
        mut filler: Filler,
    ) -> Result<(Draft, Value), Vec<Fault>> {
        if let Some(dedupe_key) = self.key(&mut filler) {
            note.insert("dedupe_key".to_owned(), Value::String(dedupe_key));
        }
        let note = Value::Object(note);
        let draft = check(note.clone(), now, filler.faults)?;
        Ok((draft, note))
    }

    /// Who is told, no two the same, the actor included.
    fn users(&self, context: &Value) -> Result<Vec<UserId>, Fault> {
        let path = match &self.recipients {
            Recipients::Users(users) => return Ok(users.clone()),
            Recipients::Path(path) => path,
            Recipients::Topic(_) => return Ok(Vec::new()),
        };
        let pointer = pointer(path);
        let items = match find(context, path) {
            None => {
                let detail = "is required: the rule's recipients stand here";
                return Err(Fault::in_event(pointer, "required", detail));
            }
            Some(Value::Null) => &[],
            Some(Value::Array(items)) => items.as_slice(),
            Some(one) => std::slice::from_ref(one),
        };
        if items.len() > MAX_RECIPIENTS {
            let detail = format!("may have {MAX_RECIPIENTS} user ids");
            return Err(Fault::in_event(pointer, "length", detail));
        }
        let mut seen = std::collections::HashSet::new();
        let mut users = Vec::new();
        for (index, item) in items.iter().enumerate() {
            let Some(user) = item.as_str().and_then(UserId::parse) else {
                let at = if items.len() > 1 {
                    format!("{pointer}/{index}")
                } else {
                    pointer
                };
                return Err(Fault::in_event(
                    at,
                    "format",
                    format!("must have {ID_RULE}, as a string"),
                ));
            };
            if seen.insert(user.clone()) {
                users.push(user);
            }
        }
        Ok(users)
    }
}

/// A path as a JSON pointer; the actor stands in the data.
fn pointer(path: &[String]) -> String {
    let root = path.first().is_some_and(|root| root == "actor");
    let mut pointer = if root {
        "/data".to_owned()
    } else {
        String::new()
    };
    for name in path {
        pointer.push('/');
        pointer.push_str(&name.replace('~', "~0").replace('/', "~1"));
    }
    pointer
}
