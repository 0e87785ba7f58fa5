//! What a user wants to see and to be pushed, by notification type.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::contract::{Fields, is_locale};
use crate::error::{Error, Result};
use crate::id::{MAX_TYPE, TYPE_RULE, is_type};
use crate::quiet_hours::{QuietHours, parse_quiet_hours};

/// The most notification types that one user has preferences for.
pub const MAX_TYPES: usize = 100;
/// The longest language tag, in characters: what RFC 5646 asks a buffer to hold.
const MAX_LOCALE: usize = 35;

/// Where notifications of a type are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "u8", into = "u8")]
pub struct Channels {
    /// Whether the inbox shows and counts them.
    pub inbox: bool,
    /// Whether they are pushed.
    pub push: bool,
}

/// A user's preferences, as they are kept with the user. Without any, everything is wanted.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Preferences {
    #[serde(rename = "t", skip_serializing_if = "BTreeMap::is_empty", default)]
    types: BTreeMap<String, Channels>,
    #[serde(rename = "d", skip_serializing_if = "Channels::is_everything", default)]
    default: Channels,
    /// The language of the user's choice, a BCP 47 tag.
    #[serde(rename = "l", skip_serializing_if = "Option::is_none", default)]
    pub locale: Option<String>,
    /// When pushes wait.
    #[serde(rename = "q", skip_serializing_if = "Option::is_none", default)]
    pub quiet_hours: Option<QuietHours>,
}

impl Default for Channels {
    fn default() -> Channels {
        Channels {
            inbox: true,
            push: true,
        }
    }
}

/// A row holds what is off, one bit each: what a row says nothing of is on.
impl From<u8> for Channels {
    fn from(off: u8) -> Channels {
        Channels {
            inbox: off & 1 == 0,
            push: off & 2 == 0,
        }
    }
}

impl From<Channels> for u8 {
    fn from(channels: Channels) -> u8 {
        u8::from(!channels.inbox) | u8::from(!channels.push) << 1
    }
}

impl Channels {
    #[expect(
        clippy::trivially_copy_pass_by_ref,
        reason = "serde passes a reference"
    )]
    fn is_everything(&self) -> bool {
        *self == Channels::default()
    }

    fn view(self) -> Value {
        json!({"inbox": self.inbox, "push": self.push})
    }
}

impl Preferences {
    /// Reads the body of a request that replaces them.
    pub fn parse(body: Value) -> Result<Preferences> {
        let mut violations = Vec::new();
        let read = Fields::of(body, "", &mut violations).map(read);
        match read {
            Some(preferences) if violations.is_empty() => Ok(preferences),
            _ => Err(Error::Invalid(violations)),
        }
    }

    /// Whether the inbox shows and counts notifications of this type.
    pub fn in_inbox(&self, kind: &str) -> bool {
        self.channels(kind).inbox
    }

    /// Whether notifications of this type are pushed.
    pub fn pushes(&self, kind: &str) -> bool {
        self.channels(kind).push
    }

    fn channels(&self, kind: &str) -> Channels {
        self.types.get(kind).copied().unwrap_or(self.default)
    }

    /// What their user is shown.
    pub fn view(&self) -> Value {
        let types = self.types.iter();
        let types: Map<String, Value> = types
            .map(|(kind, channels)| (kind.clone(), channels.view()))
            .collect();
        json!({
            "types": types,
            "default": self.default.view(),
            "locale": self.locale,
            "quiet_hours": self.quiet_hours.as_ref().map(QuietHours::view),
        })
    }
}

fn read(mut fields: Fields) -> Preferences {
    let default = fields.take("default").and_then(|value| {
        let at = fields.at("default");
        let given = Fields::of(value, at, fields.violations())?;
        Some(read_channels(given, Channels::default()))
    });
    let default = default.unwrap_or_default();
    let types = read_types(&mut fields, default);
    let locale = fields.text("locale", MAX_LOCALE);
    if locale.as_ref().is_some_and(|locale| !is_locale(locale)) {
        fields.refuse("locale", "format", "must be a language tag, such as pt-BR");
    }
    let quiet_hours = parse_quiet_hours(&mut fields, "quiet_hours");
    if fields.take("mutes").is_some() {
        let detail = "is not replaced here: a mute is set at /v1/me/mutes/{kind}/{id}";
        fields.refuse("mutes", "unknown_field", detail);
    }
    fields.finish();
    Preferences {
        types,
        default,
        locale,
        quiet_hours,
    }
}

fn read_types(fields: &mut Fields, default: Channels) -> BTreeMap<String, Channels> {
    let mut types = BTreeMap::new();
    let at = fields.at("types");
    let Some(value) = fields.take("types") else {
        return types;
    };
    let Some(mut given) = Fields::of(value, at, fields.violations()) else {
        return types;
    };
    let names = given.names();
    if names.len() > MAX_TYPES {
        let detail = format!("must have at most {MAX_TYPES} types");
        fields.refuse("types", "length", detail);
        return types;
    }
    for name in names {
        if !(1..=MAX_TYPE).contains(&name.chars().count()) {
            let detail = format!("a type must have 1 to {MAX_TYPE} characters");
            given.refuse(&name, "length", detail);
        } else if !is_type(&name) {
            given.refuse(&name, "format", format!("a type {TYPE_RULE}"));
        }
        let at = given.at(&name);
        let Some(value) = given.take(&name) else {
            given.refuse(&name, "type", "must be a JSON object");
            continue;
        };
        if let Some(wanted) = Fields::of(value, at, given.violations()) {
            types.insert(name, read_channels(wanted, default));
        }
    }
    types
}

/// What is left out is as in `default`.
fn read_channels(mut fields: Fields, default: Channels) -> Channels {
    let (inbox, push) = (fields.flag("inbox"), fields.flag("push"));
    fields.finish();
    Channels {
        inbox: inbox.unwrap_or(default.inbox),
        push: push.unwrap_or(default.push),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_named_is_as_in_the_default_and_without_one_is_wanted() {
        let everything = Preferences::parse(json!({})).unwrap();
        assert_eq!(everything, Preferences::default());
        assert!(everything.in_inbox("video.liked") && everything.pushes("video.liked"));
        let body = json!({
            "types": {"video.liked": {"push": true}, "chat": {"inbox": true}, "news": {}},
            "default": {"inbox": false, "push": false},
        });
        let some = Preferences::parse(body).unwrap();
        let wanted = |kind| (some.in_inbox(kind), some.pushes(kind));
        assert_eq!(wanted("video.liked"), (false, true));
        assert_eq!(wanted("chat"), (true, false));
        assert_eq!(wanted("news"), (false, false));
        assert_eq!(wanted("other"), (false, false));
    }

    #[test]
    fn a_row_keeps_what_was_said() {
        for off in 0..4 {
            assert_eq!(u8::from(Channels::from(off)), off);
        }
        let body = json!({"types": {"a": {"push": false}}, "locale": "pt-BR"});
        let preferences = Preferences::parse(body).unwrap();
        let row = serde_json::to_value(&preferences).unwrap();
        assert_eq!(row, json!({"t": {"a": 2}, "l": "pt-BR"}));
        assert_eq!(
            serde_json::from_value::<Preferences>(row).unwrap(),
            preferences
        );
    }
}
