//! How a notification is pushed: the `push` field of a request.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::contract::{Fields, is_locale};
use crate::id::TopicId;

/// The longest life of a push, in seconds: four weeks, which is SNS's own longest.
pub const MAX_PUSH_TTL: u32 = 28 * 86_400;

/// The most languages that one notification has texts in, beside its own.
pub const MAX_LOCALES: usize = 10;
/// The shortest delay of a push, in seconds: what waits is looked for by the minute.
pub const MIN_DELAY: u32 = 120;
/// The longest delay of a push, in seconds: a week.
pub const MAX_DELAY: u32 = 7 * 86_400;

/// Whether and how a notification is pushed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Push {
    /// Stored only.
    Off,
    /// Pushed to every device of the recipient.
    On(Options),
}

/// How urgent a push is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    /// When the device is awake.
    #[default]
    Normal,
    /// At once.
    High,
    /// At once, and through what the user has silenced.
    Critical,
}

/// What passes through Apple and Google.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Disclosure {
    /// The text.
    #[default]
    Full,
    /// The id alone; the app fetches the rest.
    IdOnly,
}

/// What a push shows in one language.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Text {
    /// The first line; the notification's own if absent.
    #[serde(rename = "ti", skip_serializing_if = "Option::is_none", default)]
    pub title: Option<String>,
    /// The text below it; the notification's own if absent.
    #[serde(rename = "b", skip_serializing_if = "Option::is_none", default)]
    pub body: Option<String>,
}

/// Options of a push; the defaults are the API's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Shows nothing: wakes the app.
    pub silent: bool,
    /// How urgent it is.
    pub priority: Priority,
    /// Seconds after the notification was accepted in which a push still makes sense.
    pub ttl: u32,
    /// The sound to play.
    pub sound: String,
    /// At most once: rather none than two.
    pub once: bool,
    /// What passes through Apple and Google.
    pub content: Disclosure,
    /// The Android notification channel.
    pub channel: Option<String>,
    /// The iOS category.
    pub category: Option<String>,
    /// The iOS interruption level.
    pub interruption_level: Option<String>,
    /// Texts by language tag, beside the notification's own.
    pub locales: BTreeMap<String, Text>,
    /// Seconds after which it is pushed if it is still unread then; 0 for at once.
    pub delay: u32,
    /// Whose members get the push of a notification for everyone.
    pub topic: Option<TopicId>,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            silent: false,
            priority: Priority::Normal,
            ttl: 86_400,
            sound: "default".to_owned(),
            once: false,
            content: Disclosure::Full,
            channel: None,
            category: None,
            interruption_level: None,
            locales: BTreeMap::new(),
            delay: 0,
            topic: None,
        }
    }
}

impl Default for Push {
    fn default() -> Push {
        Push::On(Options::default())
    }
}

impl Push {
    /// Whether it shows nothing.
    pub fn is_silent(&self) -> bool {
        matches!(self, Push::On(options) if options.silent)
    }

    /// The topic whose members get it, of a notification for everyone.
    pub fn topic(&self) -> Option<&TopicId> {
        match self {
            Push::On(options) => options.topic.as_ref(),
            Push::Off => None,
        }
    }
}

/// Reads `push`: an object, or `false` for none. `None` if the field is absent or broken. It may have a topic if it is
/// `to_everyone`; otherwise who is told is who is pushed.
pub fn parse_push(fields: &mut Fields, to_everyone: bool) -> Option<Push> {
    let value = fields.take("push")?;
    if value == Value::Bool(false) {
        return Some(Push::Off);
    }
    if !value.is_object() {
        fields.refuse("push", "type", "must be an object, or false for no push");
        return None;
    }
    let pointer = fields.at("push");
    let mut push = Fields::of(value, pointer, fields.violations())?;
    if !to_everyone && push.take("topic").is_some() {
        let detail = "can be given with \"everyone\": true alone";
        push.refuse("topic", "exclusive", detail);
    }
    let default = Options::default();
    let priorities = [
        ("high", Priority::High),
        ("normal", Priority::Normal),
        ("critical", Priority::Critical),
    ];
    let contents = [("full", Disclosure::Full), ("id_only", Disclosure::IdOnly)];
    let levels = ["passive", "active", "time-sensitive", "critical"].map(|level| (level, level));
    let options = Options {
        silent: push.flag("silent").unwrap_or(default.silent),
        priority: push
            .choice("priority", &priorities)
            .unwrap_or(default.priority),
        ttl: push.whole("ttl", 60, MAX_PUSH_TTL).unwrap_or(default.ttl),
        sound: push.text("sound", 64).unwrap_or(default.sound),
        once: push.flag("once").unwrap_or(default.once),
        content: push.choice("content", &contents).unwrap_or(default.content),
        channel: push.text("channel", 64),
        category: push.text("category", 64),
        interruption_level: push
            .choice("interruption_level", &levels)
            .map(str::to_owned),
        locales: parse_locales(&mut push),
        delay: parse_delay(&mut push),
        topic: push.topic("topic"),
    };
    if options.delay > 0 && options.delay >= options.ttl {
        push.refuse(
            "delay",
            "range",
            "must be less than ttl, or it would always expire",
        );
    }
    push.finish();
    Some(Push::On(options))
}

/// `delay`: none, or long enough for what waits to be found in time.
fn parse_delay(push: &mut Fields) -> u32 {
    let delay = push.whole("delay", 0, MAX_DELAY).unwrap_or(0);
    if (1..MIN_DELAY).contains(&delay) {
        let detail = format!("must be 0, or a whole number from {MIN_DELAY} to {MAX_DELAY}");
        push.refuse("delay", "range", detail);
    }
    delay
}

/// `locales`: language tag → title, body or both.
fn parse_locales(push: &mut Fields) -> BTreeMap<String, Text> {
    let mut locales = BTreeMap::new();
    let at = push.at("locales");
    let Some(value) = push.take("locales") else {
        return locales;
    };
    let Some(mut given) = Fields::of(value, at, push.violations()) else {
        return locales;
    };
    let names = given.names();
    if names.len() > MAX_LOCALES {
        let detail = format!("must have at most {MAX_LOCALES} locales");
        push.refuse("locales", "length", detail);
        return locales;
    }
    for name in names {
        if !is_locale(&name) {
            given.refuse(&name, "format", "must be a language tag, such as pt-BR");
        }
        if locales
            .keys()
            .any(|tag: &String| tag.eq_ignore_ascii_case(&name))
        {
            given.refuse(&name, "duplicate", "is there in other letters already");
        }
        let at = given.at(&name);
        let value = given.take(&name).unwrap_or_default();
        let Some(mut text) = Fields::of(value, at, given.violations()) else {
            continue;
        };
        let found = Text {
            title: text.text("title", 200),
            body: text.text("body", 1_000),
        };
        text.finish();
        locales.insert(name, found);
    }
    locales
}

impl Options {
    /// The text in the first of these languages that there is one in: of each the very tag, then
    /// with fewer and fewer subtags, as RFC 4647 looks up (`zh-Hant-TW`, `zh-Hant`, `zh`).
    pub fn text_for<'l>(&self, wanted: impl IntoIterator<Item = &'l str>) -> Option<&Text> {
        if self.locales.is_empty() {
            return None;
        }
        wanted.into_iter().find_map(|locale| {
            // As Android writes it: `pt_BR`.
            let locale = locale.replace('_', "-");
            let mut range = locale.as_str();
            loop {
                let mut locales = self.locales.iter();
                let found = locales.find(|(tag, _)| tag.eq_ignore_ascii_case(range));
                if let Some((_, text)) = found {
                    return Some(text);
                }
                range = range.rsplit_once('-')?.0;
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse(push: &Value) -> (Options, Vec<String>) {
        let mut violations = Vec::new();
        let body = json!({ "push": push });
        let mut fields = Fields::of(body, "", &mut violations).unwrap();
        let push = parse_push(&mut fields, false);
        let broken = violations.iter().map(|violation| violation.pointer.clone());
        match push {
            Some(Push::On(options)) => (options, broken.collect()),
            _ => (Options::default(), broken.collect()),
        }
    }

    #[test]
    fn a_text_is_found_by_the_tag_then_by_what_is_left_of_it() {
        let text = |title: &str| json!({"title": title});
        let locales = json!({"pt": text("pt"), "pt-BR": text("br"), "zh-Hant": text("zh")});
        let (options, broken) = parse(&json!({"locales": locales}));
        assert!(broken.is_empty(), "{broken:?}");
        let cases: [(&[&str], Option<&str>); 9] = [
            (&["pt-BR"], Some("br")),
            (&["pt_br"], Some("br")),
            (&["pt-PT"], Some("pt")),
            (&["pt"], Some("pt")),
            (&["zh-Hant-TW"], Some("zh")),
            (&["zh"], None),
            (&["de", "pt-BR"], Some("br")),
            (&["pt-AO", "pt-BR"], Some("pt")),
            (&[], None),
        ];
        for (wanted, expected) in cases {
            let found = options.text_for(wanted.iter().copied());
            let title = found.and_then(|text| text.title.as_deref());
            assert_eq!(title, expected, "{wanted:?}");
        }
    }

    #[test]
    fn what_a_push_says_is_checked_with_pointers() {
        let many: serde_json::Map<String, Value> = (0..11)
            .map(|n| (format!("en-{n:02}"), json!({"title": "x"})))
            .collect();
        let cases = [
            (json!({"delay": 119}), "/push/delay"),
            (json!({"delay": 604_801}), "/push/delay"),
            (json!({"delay": 120.5}), "/push/delay"),
            (json!({"delay": 900, "ttl": 900}), "/push/delay"),
            (json!({"locales": []}), "/push/locales"),
            (json!({"locales": many}), "/push/locales"),
            (json!({"locales": {"e": {"title": "x"}}}), "/push/locales/e"),
            (json!({"locales": {"en": "x"}}), "/push/locales/en"),
            (
                json!({"locales": {"EN": {"title": "x"}, "en": {"title": "x"}}}),
                "/push/locales/en",
            ),
            (json!({"locales": {"en": null}}), "/push/locales/en"),
            (
                json!({"locales": {"en": {"title": ""}}}),
                "/push/locales/en/title",
            ),
            (
                json!({"locales": {"en": {"body": 1}}}),
                "/push/locales/en/body",
            ),
            (
                json!({"locales": {"en": {"text": "x"}}}),
                "/push/locales/en/text",
            ),
        ];
        for (push, pointer) in cases {
            assert_eq!(parse(&push).1, [pointer], "{push}");
        }
        for delay in [0, 120, 604_800] {
            let (options, broken) = parse(&json!({"delay": delay, "ttl": 604_801}));
            assert_eq!((options.delay, broken.len()), (delay, 0));
        }
    }
}
