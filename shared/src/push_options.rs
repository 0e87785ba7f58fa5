//! How a notification is pushed: the `push` field of a request.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::contract::Fields;

/// The longest life of a push, in seconds: four weeks, which is SNS's own longest.
pub const MAX_PUSH_TTL: u32 = 28 * 86_400;

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
}

/// Reads `push`: an object, or `false` for none. `None` if the field is absent or broken.
pub fn parse_push(fields: &mut Fields) -> Option<Push> {
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
    };
    push.finish();
    Some(Push::On(options))
}
