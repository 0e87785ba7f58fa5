//! Mutes: actors and groups that a user wants to hear nothing of, for a time or for good.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::contract::Fields;
use crate::error::{Error, Result, Violation};
use crate::id::{ID_RULE, UserId};

/// The most mutes of one user.
pub const MAX_MUTES: usize = 200;
/// The longest group, in characters.
const MAX_GROUP: usize = 128;

/// What is muted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Everything that somebody does.
    Actor,
    /// Everything in a group.
    Group,
}

/// An actor or a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    kind: Kind,
    id: String,
}

/// An actor or a group, and until when it is muted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mute {
    /// Who or what.
    pub target: Target,
    /// Until when, in milliseconds since 1970; for good if absent.
    pub until: Option<i64>,
}

/// A user's mutes, as they are kept with the user: by kind and id, until when in milliseconds
/// since 1970, or for good.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Mutes(BTreeMap<String, Option<i64>>);

/// A mute as the API shows it.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct View<'m> {
    kind: &'static str,
    id: &'m str,
    until: Option<String>,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::Actor => "actor",
            Kind::Group => "group",
        }
    }

    fn of(prefix: &str) -> Option<Kind> {
        match prefix {
            "a" => Some(Kind::Actor),
            "g" => Some(Kind::Group),
            _ => None,
        }
    }
}

/// The name of a mute on the row. The first `:` ends the kind, so no two share a name.
fn name(kind: Kind, id: &str) -> String {
    let prefix = match kind {
        Kind::Actor => "a",
        Kind::Group => "g",
    };
    format!("{prefix}:{id}")
}

impl Target {
    /// Reads what a path names, and notes the rules it breaks.
    fn read(kind: &str, id: &str, violations: &mut Vec<Violation>) -> Option<Target> {
        let kind = match kind {
            "actor" => Kind::Actor,
            "group" => Kind::Group,
            _ => {
                let detail = "the kind in the path must be actor or group";
                violations.push(Violation::new("/kind", "value", detail));
                return None;
            }
        };
        let (good, rule) = match kind {
            Kind::Actor => (UserId::parse(id).is_some(), ID_RULE.to_owned()),
            Kind::Group => (
                (1..=MAX_GROUP).contains(&id.chars().count()),
                format!("1 to {MAX_GROUP} characters"),
            ),
        };
        if !good {
            let detail = format!("the id in the path must have {rule}");
            violations.push(Violation::new("/id", "format", detail));
        }
        Some(Target {
            kind,
            id: id.to_owned(),
        })
    }

    /// Reads what a path names.
    pub fn parse(kind: &str, id: &str) -> Result<Target> {
        let mut violations = Vec::new();
        match Target::read(kind, id, &mut violations) {
            Some(target) if violations.is_empty() => Ok(target),
            _ => Err(Error::Invalid(violations)),
        }
    }

    /// Its name on the row.
    pub fn name(&self) -> String {
        name(self.kind, &self.id)
    }
}

impl Mute {
    /// Reads a request to mute: what the path names, and until when.
    pub fn parse(kind: &str, id: &str, body: Value, now: Timestamp) -> Result<Mute> {
        let mut violations = Vec::new();
        let target = Target::read(kind, id, &mut violations);
        let until = Fields::of(body, "", &mut violations).and_then(|mut fields| {
            let until = fields.moment("until");
            if until.is_some_and(|until| until <= now) {
                fields.refuse("until", "range", "must lie in the future");
            }
            fields.finish();
            until.map(Timestamp::as_millisecond)
        });
        match target {
            Some(target) if violations.is_empty() => Ok(Mute { target, until }),
            _ => Err(Error::Invalid(violations)),
        }
    }

    /// What its user is shown.
    pub fn view(&self) -> View<'_> {
        View::of(self.target.kind, &self.target.id, self.until)
    }
}

impl Mutes {
    /// No mutes.
    pub const NONE: Mutes = Mutes(BTreeMap::new());

    /// Whether a notification of this actor, in this group, is muted.
    pub fn is_muted(&self, actor: Option<&UserId>, group: Option<&str>, now: Timestamp) -> bool {
        let holds = |kind, id: Option<&str>| {
            let until = id.and_then(|id| self.0.get(&name(kind, id)));
            until.is_some_and(|until| is_live(*until, now))
        };
        !self.0.is_empty()
            && (holds(Kind::Actor, actor.map(UserId::as_str)) || holds(Kind::Group, group))
    }

    /// Whether a target has a mute, be it over.
    pub fn names(&self, target: &Target) -> bool {
        self.0.contains_key(&target.name())
    }

    /// Whether this very mute is there.
    pub fn has(&self, mute: &Mute) -> bool {
        self.0.get(&mute.target.name()) == Some(&mute.until)
    }

    /// The names on the row of those that are over, and when they ended.
    pub fn expired(&self, now: Timestamp) -> impl Iterator<Item = (&str, i64)> {
        let over = move |until: &Option<i64>| until.filter(|_| !is_live(*until, now));
        let mutes = self.0.iter();
        mutes.filter_map(move |(name, until)| Some((name.as_str(), over(until)?)))
    }

    /// How many there are, with those that are over.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What their user is shown: those that are not over, actors first.
    pub fn view(&self, now: Timestamp) -> Vec<View<'_>> {
        let live = self.0.iter().filter(|(_, until)| is_live(**until, now));
        live.filter_map(|(name, until)| {
            let (prefix, id) = name.split_once(':')?;
            Some(View::of(Kind::of(prefix)?, id, *until))
        })
        .collect()
    }
}

impl View<'_> {
    fn of(kind: Kind, id: &str, until: Option<i64>) -> View<'_> {
        let until = until.and_then(|millis| Timestamp::from_millisecond(millis).ok());
        View {
            kind: kind.name(),
            id,
            until: until.map(|until| until.to_string()),
        }
    }
}

fn is_live(until: Option<i64>, now: Timestamp) -> bool {
    until.is_none_or(|until| now.as_millisecond() < until)
}

/// The error of a mute beyond [`MAX_MUTES`].
pub fn too_many() -> Error {
    let detail = format!("a user has at most {MAX_MUTES} mutes");
    Error::invalid("", "too_many", detail)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn mutes(list: &[(&str, &str, Option<i64>)]) -> Mutes {
        let named = |(kind, id, until): &(&str, &str, Option<i64>)| {
            (Target::parse(kind, id).unwrap().name(), *until)
        };
        Mutes(list.iter().map(named).collect())
    }

    #[test]
    fn a_mute_holds_for_its_own_kind_and_id_until_its_end() {
        let all = [
            ("actor", "bo", None),
            ("group", "a:bo", Some(2_000)),
            ("group", "x", Some(1)),
        ];
        let mutes = mutes(&all);
        let (bo, cleo) = (UserId::parse("bo").unwrap(), UserId::parse("cleo").unwrap());
        let at = |millis| Timestamp::from_millisecond(millis).unwrap();
        let holds = |actor, group, millis| mutes.is_muted(actor, group, at(millis));
        assert!(holds(Some(&bo), None, 0) && holds(Some(&bo), Some("y"), i64::from(u32::MAX)));
        assert!(!holds(Some(&cleo), Some("bo"), 0) && !holds(None, None, 0));
        assert!(holds(None, Some("a:bo"), 1_999) && !holds(None, Some("a:bo"), 2_000));
        let shown = serde_json::to_value(mutes.view(at(1_000))).unwrap();
        let expected = json!([
            {"kind": "actor", "id": "bo", "until": null},
            {"kind": "group", "id": "a:bo", "until": "1970-01-01T00:00:02Z"},
        ]);
        assert_eq!(shown, expected);
        assert_eq!(mutes.expired(at(1_000)).collect::<Vec<_>>(), [("g:x", 1)]);
    }

    #[test]
    fn every_broken_rule_of_a_mute_is_reported_at_once() {
        let check = |kind, id: &str, body: Value, expected: &[&str]| {
            let now = Timestamp::from_second(1_000).unwrap();
            let Err(Error::Invalid(violations)) = Mute::parse(kind, id, body, now) else {
                panic!("{kind} {id} is taken");
            };
            let found: Vec<_> = violations.into_iter().map(|v| v.pointer).collect();
            assert_eq!(found, expected);
        };
        let late = json!({"until": "1970-01-01T00:16:40Z", "reason": "x"});
        check("actor", "a b", late.clone(), &["/id", "/until", "/reason"]);
        check("topic", "x", late, &["/kind", "/until", "/reason"]);
        check("group", &"ü".repeat(129), json!([]), &["/id", ""]);
        check("group", "", json!({"until": 7}), &["/id", "/until"]);
    }
}
