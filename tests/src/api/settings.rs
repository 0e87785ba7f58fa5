//! The shapes of devices, preferences and mutes.

use serde_json::{Value, json};
use shared::device::MAX_DEVICES;
use shared::mutes::MAX_MUTES;
use shared::outcome::Reason;
use shared::preferences::MAX_TYPES;

use super::schema::{
    flag, gives, list, map, moment, named, or_null, set, string, takes, text, words,
};

/// The schemas by their names.
pub fn shapes() -> Vec<(&'static str, Value)> {
    let days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
    let platform = || words(&["fcm", "apns", "apns_sandbox"]);
    let time = |example: &str| json!({"type": "string", "pattern": "^([01][0-9]|2[0-3]):[0-5][0-9]$", "examples": [example]});
    let zone = || json!({"type": "string", "minLength": 1, "maxLength": 64, "examples": ["Europe/Madrid"]});
    let channels = vec![("inbox", flag(), ""), ("push", flag(), "")];
    let mute = gives(vec![
        ("kind", words(&["actor", "group"]), ""),
        ("id", string(), ""),
        (
            "until",
            or_null(moment()),
            "Until when; for good if `null`.",
        ),
    ]);
    let shown = vec![
        (
            "types",
            json!({"type": "object", "additionalProperties": {"$ref": "#/components/schemas/ShownChannels"}}),
            "",
        ),
        ("default", named("ShownChannels"), ""),
        ("locale", or_null(named("Locale")), ""),
        ("quiet_hours", or_null(named("ShownQuietHours")), ""),
    ];
    let with_mutes = [
        shown.clone(),
        vec![("mutes", list(named("Mute"), 0, MAX_MUTES), "")],
    ]
    .concat();
    let mut quiet = vec![
        ("from", time("22:00"), "When they begin."),
        (
            "to",
            time("07:30"),
            "When they end; on the next day if it is not after `from`, from which it differs.",
        ),
        ("time_zone", zone(), "The IANA name of the time zone."),
    ];
    let mut shown_quiet = quiet.clone();
    quiet.push((
        "days?",
        set(words(&days), 7),
        "On which days they begin; every day if left out.",
    ));
    shown_quiet.push(("days", set(words(&days), 7), ""));
    let registration = takes(vec![
        ("platform", platform(), "Which service delivers."),
        (
            "token",
            json!({"type": "string", "pattern": "^[^\\s\\x00-\\x1f\\x7f-\\x9f]+$", "minLength": 1, "maxLength": 4_096}),
            "What that service gave the app. It is not kept.",
        ),
        ("app?", words(&["default"]), "Which app it is."),
        ("locale?", text(35), "The language of the device."),
        (
            "badge?",
            flag(),
            "Whether it shows the number of unread notifications; it does if left out.",
        ),
    ]);
    let device = gives(vec![
        ("id", named("Id"), ""),
        ("platform", platform(), ""),
        ("app", string(), ""),
        ("locale", or_null(string()), ""),
        ("badge", flag(), ""),
        ("last_seen_at", moment(), "When the app last registered."),
    ]);
    let trial = gives(vec![
        (
            "outcome",
            words(&["sent", "dead", "blocked"]),
            "What became of it.",
        ),
        ("reason", or_null(reason()), "Why not."),
        ("message_id", or_null(string()), "SNS's id for it."),
    ]);
    let preferences = takes(vec![
        (
            "types?",
            map(named("Type"), named("Channels"), MAX_TYPES),
            "By notification type; what a type leaves out is as in `default`.",
        ),
        (
            "default?",
            named("Channels"),
            "For all other types; what is left out is on.",
        ),
        ("locale?", named("Locale"), "The user's language."),
        ("quiet_hours?", named("QuietHours"), "When pushes wait."),
    ]);
    vec![
        ("Registration", registration),
        ("Device", device),
        (
            "Devices",
            gives(vec![("data", list(named("Device"), 0, MAX_DEVICES), "")]),
        ),
        ("Trial", trial),
        (
            "Channels",
            takes(vec![
                ("inbox?", flag(), "Whether the inbox shows and counts it."),
                ("push?", flag(), "Whether it is pushed."),
            ]),
        ),
        ("ShownChannels", gives(channels)),
        ("QuietHours", takes(quiet)),
        ("ShownQuietHours", gives(shown_quiet)),
        ("Preferences", preferences),
        ("ShownPreferences", gives(shown)),
        ("Settings", gives(with_mutes)),
        (
            "MuteUntil",
            takes(vec![(
                "until?",
                later(),
                "Until when, in the future; for good if left out.",
            )]),
        ),
        ("Mute", mute),
    ]
}

/// Why a push ended as it did.
fn reason() -> Value {
    let known: Vec<&str> = Reason::ALL.iter().map(|reason| reason.word()).collect();
    words(&known)
}

/// A moment in the future.
fn later() -> Value {
    let mut later = moment();
    later["examples"] = json!(["2099-01-01T00:00:00Z"]);
    later
}
