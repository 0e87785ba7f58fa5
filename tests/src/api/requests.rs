//! The shapes of what producers and administrators send.

use serde_json::{Value, json};
use shared::event::{MAX_EVENT_TYPE, MAX_NAME};
use shared::notification::{MAX_BATCH, MAX_DEDUPE_KEY, MAX_EXPIRES_IN, MAX_GROUP, MAX_RECIPIENTS};
use shared::push_options::{MAX_DELAY, MAX_LOCALES, MAX_PUSH_TTL, MIN_DELAY};
use shared::rules::{MAX_RETENTION, MIN_RETENTION};

use super::schema::{
    Field, always, either, flag, free, list, map, moment, named, set, takes, text, whole, words,
};

/// The most conditions of a rule, and the most paths of its data.
const MAX_PATHS: usize = 20;
/// The longest path, in characters.
const MAX_PATH: usize = 256;
/// The longest template, in characters.
const MAX_TEMPLATE: usize = 1_000;

/// The schemas by their names.
pub fn shapes() -> Vec<(&'static str, Value)> {
    [notifications(), events(), rules()].concat()
}

fn notifications() -> Vec<(&'static str, Value)> {
    let off = || json!({"const": false, "description": "No push."});
    let users = (
        "recipients",
        set(named("Id"), MAX_RECIPIENTS),
        "Whom it is for, no two the same.",
    );
    let topic = ("topic", named("Id"), "The topic whose members it is for.");
    let everyone = ("everyone", always(true), "It is for everyone.");
    let key = (
        "dedupe_key?",
        text(MAX_DEDUPE_KEY),
        "A natural key: each recipient has at most one live notification of it.",
    );
    let pushed = (
        "push?",
        either(vec![named("Push"), off()]),
        "How it is pushed.",
    );
    let stored = (
        "push",
        either(vec![named("PushOfEveryone"), off()]),
        "It is pushed to the members of a topic, or to nobody.",
    );
    let to = |fields: Vec<Field>| if_not_silent(takes([fields, content()].concat()));
    let mut to_everyone = takes([vec![everyone, stored], content()].concat());
    to_everyone["required"] = json!(["everyone", "push", "type", "title"]);
    to_everyone["properties"]["title"]["type"] = json!("string");
    let life = &mut to_everyone["properties"]["expires_in"];
    life["examples"] = json!([7_776_000]);
    life["description"] = json!(
        "How long it is kept, in seconds: the stack's retention at most, which is 90 days unless it is set otherwise."
    );
    let members = ("topic", named("Id"), "The topic whose members get it.");
    let any = [
        "NotificationToUsers",
        "NotificationToTopic",
        "NotificationToEveryone",
    ];
    let batch = list(named("NotificationRequest"), 1, MAX_BATCH);
    vec![
        (
            "NotificationToUsers",
            to(vec![users, key.clone(), pushed.clone()]),
        ),
        ("NotificationToTopic", to(vec![topic, key, pushed])),
        ("NotificationToEveryone", to_everyone),
        ("NotificationRequest", either(any.map(named).to_vec())),
        (
            "BatchRequest",
            takes(vec![(
                "notifications",
                batch,
                "Up to 1,000 recipients together. Each has a result of its own.",
            )]),
        ),
        ("Push", takes(push(true))),
        ("PushOfRule", takes(push(false))),
        (
            "PushOfEveryone",
            takes([vec![members], push(true)].concat()),
        ),
    ]
}

/// What a notification says, whomever it is for.
fn content() -> Vec<Field> {
    vec![
        ("type", named("Type"), "What kind of thing happened."),
        (
            "title?",
            text(200),
            "The first line. Required unless `push.silent`.",
        ),
        ("body?", text(1_000), "The text below it."),
        ("actor?", named("Actor"), "Who did it."),
        (
            "group?",
            text(MAX_GROUP),
            "What it folds with in the inbox, and threads with on the device.",
        ),
        ("link?", text(1_000), "Where a tap leads."),
        ("image?", text(1_000), "The address of a picture."),
        ("data?", named("Data"), "What the app wants back."),
        (
            "occurred_at?",
            moment(),
            "When it happened, by the producer's clock.",
        ),
        (
            "expires_in?",
            whole(60, MAX_EXPIRES_IN.into()),
            "How long it is kept, in seconds; the stack's retention if left out.",
        ),
        (
            "send_at?",
            moment(),
            "When it is to be stored, within a year (366 days); now if left out.",
        ),
        (
            "origin_device?",
            named("Id"),
            "The device that the action came from, which gets no push.",
        ),
    ]
}

/// The title is required unless the push is silent.
fn if_not_silent(mut schema: Value) -> Value {
    let silent =
        json!({"type": "object", "required": ["silent"], "properties": {"silent": always(true)}});
    schema["if"] = json!({"required": ["push"], "properties": {"push": silent}});
    schema["else"] = json!({"required": ["title"], "properties": {"title": {"type": "string"}}});
    schema
}

fn push(with_locales: bool) -> Vec<Field> {
    let levels = ["passive", "active", "time-sensitive", "critical"];
    let mut fields = vec![
        ("silent?", flag(), "Wakes the app, and shows nothing."),
        (
            "priority?",
            words(&["high", "normal", "critical"]),
            "`critical` passes the cap of its group and quiet hours; `normal` if left out.",
        ),
        (
            "ttl?",
            whole(60, MAX_PUSH_TTL.into()),
            "Seconds after which it makes no sense any more; a day if left out.",
        ),
        (
            "sound?",
            text(64),
            "The sound to play; `default` if left out.",
        ),
        ("once?", flag(), "At most once: rather none than two."),
        (
            "content?",
            words(&["full", "id_only"]),
            "What passes through Apple and Google; `full` if left out.",
        ),
        ("channel?", text(64), "Android's notification channel."),
        ("category?", text(64), "iOS's category."),
        (
            "interruption_level?",
            words(&levels),
            "iOS's interruption level.",
        ),
        (
            "delay?",
            delay(),
            "Seconds after which it is pushed, if it is still unread then: 0, or so many, and less than `ttl`.",
        ),
    ];
    if with_locales {
        let texts = map(named("Locale"), named("Text"), MAX_LOCALES);
        fields.push((
            "locales?",
            texts,
            "Texts in other languages, chosen by the device's, then by the user's locale.",
        ));
    }
    fields
}

fn delay() -> Value {
    let some = whole(MIN_DELAY.into(), MAX_DELAY.into());
    either(vec![always(0), some])
}

fn events() -> Vec<(&'static str, Value)> {
    let name = |max: usize| json!({"type": "string", "minLength": 1, "maxLength": max, "pattern": "^[^\\x00-\\x1f\\x7f-\\x9f]+$"});
    let json_type = json!({"type": "string", "examples": ["application/json"], "maxLength": MAX_NAME, "pattern": "^(application/json|text/json|[^;]+\\+json)( *;.*)?$"});
    let attributes = vec![
        ("specversion", always("1.0"), ""),
        (
            "id",
            name(MAX_NAME),
            "The producer's id for it: with `source` and `time` it tells the event from all others.",
        ),
        ("source", name(MAX_NAME), "Where it happened."),
        (
            "type",
            name(MAX_EVENT_TYPE),
            "Its type; the rule with this name is applied.",
        ),
        (
            "subject?",
            name(MAX_NAME),
            "What it is about: the log files it under this, or under its source.",
        ),
        ("time?", moment(), "When it happened."),
        ("datacontenttype?", json_type, "JSON, if it is given."),
        (
            "data?",
            free(),
            "What is known of it, up to 16 levels. `data.actor` is who did it: an object with an `id`, or the id.",
        ),
        (
            "data_base64?",
            json!({"type": "string", "contentEncoding": "base64", "contentMediaType": "application/json", "maxLength": 65_536}),
            "The same in base64.",
        ),
    ];
    let mut event = takes(attributes);
    event["description"] = json!(
        "Something that happened, as CloudEvents 1.0 writes it; up to 64 KB, and up to 20 attributes of the sender's own."
    );
    event["propertyNames"] = json!({"pattern": "^([a-z0-9]{1,20}|data_base64)$"});
    event["additionalProperties"] =
        json!({"type": ["string", "boolean", "integer", "null"], "maxLength": 1_000});
    vec![("Event", event), ("Events", list(named("Event"), 1, 100))]
}

fn rules() -> Vec<(&'static str, Value)> {
    let template = || text(MAX_TEMPLATE);
    let path = || text(MAX_PATH);
    let texts = takes(vec![
        ("title?", template(), "A template."),
        ("body?", template(), "A template."),
    ]);
    let rooted = json!({"type": "string", "examples": ["data.owner"], "maxLength": MAX_PATH, "pattern": "^(actor|data|id|source|subject|time|type)(\\..*)?$"});
    let by_path = takes(vec![(
        "path",
        rooted,
        "Where in the event a user id stands, or an array of them.",
    )]);
    let by_name = takes(vec![(
        "users",
        set(named("Id"), MAX_RECIPIENTS),
        "Always the same.",
    )]);
    let by_topic = takes(vec![(
        "topic",
        template(),
        "The members of the topic that this template names.",
    )]);
    let whom = vec![named("RecipientsAtPath"), named("RecipientsByName")];
    let whom_or_topic = [whom.clone(), vec![named("RecipientsOfTopic")]].concat();
    let paths = list(path(), 0, MAX_PATHS);
    let data = either(vec![json!({"type": "boolean"}), paths]);
    let off = json!({"const": false, "description": "No push."});
    let key = "Template of the dedupe key.";
    let common = || -> Vec<Field> {
        vec![
            ("include_actor?", flag(), "Whether who did it is told, too."),
            (
                "when?",
                json!({"type": "object", "propertyNames": {"pattern": "^(actor|data|id|source|subject|time|type)(\\..*)?$"}, "additionalProperties": true, "maxProperties": MAX_PATHS}),
                "Paths into the event, and the values that must stand there.",
            ),
            (
                "retention?",
                whole(MIN_RETENTION.into(), MAX_RETENTION.into()),
                "How long these events stay in the log, in seconds.",
            ),
            (
                "schema?",
                free(),
                "A JSON Schema that `data` must keep, of 2020-12 or 07, of up to 16 KB.",
            ),
            (
                "sample",
                named("Event"),
                "An event of the type, on which the rule is tried.",
            ),
        ]
    };
    let telling = vec![
        ("retract?", json!({"const": false}), ""),
        ("recipients", either(whom_or_topic), "Who is told."),
        ("dedupe_key?", template(), key),
        (
            "notification_type?",
            named("Type"),
            "The notification's type; the event's, if it can be one.",
        ),
        (
            "title?",
            template(),
            "A template. Required unless `push.silent`.",
        ),
        ("body?", template(), "A template."),
        ("link?", template(), "A template."),
        ("image?", template(), "A template."),
        ("group?", template(), "A template."),
        (
            "locales?",
            map(named("Locale"), named("TextTemplates"), MAX_LOCALES),
            "Templates in other languages.",
        ),
        (
            "data?",
            data,
            "Which of the event's data goes along: paths inside `data`, or all of it; none if left out.",
        ),
        (
            "push?",
            either(vec![named("PushOfRule"), off]),
            "How it is pushed.",
        ),
        (
            "expires_in?",
            whole(60, MAX_EXPIRES_IN.into()),
            "How long the notification is kept, in seconds.",
        ),
    ];
    let retracting = vec![
        (
            "retract",
            always(true),
            "The rule takes back what the recipients have with this dedupe key.",
        ),
        ("recipients", either(whom), "Of whom it is taken back."),
        ("dedupe_key", template(), key),
    ];
    vec![
        ("TextTemplates", texts),
        ("RecipientsAtPath", by_path),
        ("RecipientsByName", by_name),
        ("RecipientsOfTopic", by_topic),
        (
            "TellingRule",
            if_not_silent(takes([telling, common()].concat())),
        ),
        ("RetractingRule", takes([retracting, common()].concat())),
        (
            "Rule",
            either(vec![named("TellingRule"), named("RetractingRule")]),
        ),
        (
            "PreviewRequest",
            takes(vec![
                (
                    "rule?",
                    named("Rule"),
                    "The rule to try; the one that is put if left out.",
                ),
                (
                    "event?",
                    named("Event"),
                    "The event to try it on; the rule's sample if left out.",
                ),
            ]),
        ),
    ]
}
