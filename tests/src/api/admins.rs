//! What administrators may do.

use serde_json::{Value, json};

use super::operation::Operation;
use super::schema::{
    count, either, free, gives, list, many, map, moment, named, or_null, page, set, string, takes,
    words,
};

/// What may become of a push.
pub const OUTCOMES: [&str; 8] = [
    "sent",
    "partial",
    "no_device",
    "skipped",
    "deferred",
    "expired",
    "dead",
    "unknown",
];

/// The schemas by their names.
pub fn shapes() -> Vec<(&'static str, Value)> {
    let why = words(&["no_rule", "condition", "no_recipient", "only_actor"]);
    let stored = gives(vec![
        ("type", string(), "The type of the events."),
        ("updated_at", moment(), ""),
        ("rule", free(), "The rule as it was put: a `Rule`."),
    ]);
    let retracts = gives(vec![
        ("dedupe_key", string(), ""),
        ("recipients", many(named("Id")), ""),
    ]);
    let preview = gives(vec![
        (
            "notifies",
            or_null(free()),
            "The notification, as a producer would send it.",
        ),
        ("retracts", or_null(retracts), "What would be taken back."),
        ("nobody", or_null(why), "Why nobody would be told."),
    ]);
    let redriven = gives(vec![
        ("job", named("NotificationId"), "The job that does it."),
        (
            "read_units",
            or_null(count()),
            "What a window costs: the read units of a scan of the table.",
        ),
    ]);
    let own = vec![
        ("StoredRule", stored),
        ("OneRule", gives(vec![("data", named("StoredRule"), "")])),
        ("StoredRules", page(named("StoredRule"))),
        (
            "Preview",
            gives(vec![("data", preview, "One of the three.")]),
        ),
        ("DeadPushes", page(named("DeadPush"))),
        ("Redriven", redriven),
    ];
    [own, of_support(), redrives()].concat()
}

/// What support is told.
fn of_support() -> Vec<(&'static str, Value)> {
    let steps = [
        "stored",
        "told",
        "retracted",
        "scheduled",
        "cancelled",
        "published",
        "refused",
        "unclear",
        "parked",
        "pending",
        "deferred",
        "ended",
        "read",
        "archived",
    ];
    let step = gives(vec![
        ("at", or_null(moment()), "When."),
        ("step", words(&steps), "What happened."),
        ("device?", named("Id"), "To which device."),
        ("outcome?", words(&OUTCOMES), "How it ended."),
        (
            "reason?",
            string(),
            "Why: a word of docs/OPERATIONS.md, and then what SNS said.",
        ),
        ("message_id?", string(), "SNS's id for it."),
        (
            "traceparent?",
            string(),
            "The producer's trace, if the request said it: of `stored` and `scheduled`.",
        ),
        ("detail?", string(), "A sentence for people."),
    ]);
    let dead = gives(vec![
        ("at", moment(), "When it died."),
        (
            "user",
            or_null(named("Id")),
            "Whose it is, if that is known.",
        ),
        (
            "notification",
            or_null(named("NotificationId")),
            "Which it is, if that is known.",
        ),
        (
            "sequence_number",
            or_null(string()),
            "Of the stream's record, if it could not be decoded.",
        ),
        ("reason", string(), "Why."),
    ]);
    let record = json!({
        "type": "object", "required": ["record"], "additionalProperties": true,
        "properties": {"record": words(&["export", "device", "preferences", "mute", "marks", "membership", "notification", "unreadable"])},
        "description": "One line: what it is, and the fields of such a record.",
    });
    let states = [&OUTCOMES[..], &["pending"]].concat();
    let job = gives(vec![
        ("job", named("NotificationId"), "Its id."),
        (
            "kind",
            words(&["redrive", "fan_out", "erase"]),
            "What it is for.",
        ),
        (
            "state",
            words(&["scheduled", "running", "done", "cancelled"]),
            "",
        ),
        (
            "written",
            count(),
            "How many notifications it has stored or pushed again, or rows it has removed.",
        ),
        (
            "chains",
            gives(vec![("open", count(), ""), ("done", count(), "")]),
            "Its parts.",
        ),
        (
            "states",
            or_null(map(words(&states), count(), states.len())),
            "Of a redrive of a window: how many notifications of the window were in each state when the job came to them, `pending` \
             those that it then pushed. While it runs, those that it has come to; `null` of other jobs.",
        ),
        (
            "created_at",
            or_null(moment()),
            "When it began; `null` while it is scheduled.",
        ),
    ]);
    vec![
        ("Step", step),
        (
            "Trace",
            gives(vec![("data", many(named("Step")), "The oldest first.")]),
        ),
        ("DeadPush", dead),
        ("ExportRecord", record),
        ("Job", job),
        (
            "Begun",
            gives(vec![(
                "job",
                named("NotificationId"),
                "The job that does it.",
            )]),
        ),
    ]
}

/// The operations.
pub fn operations() -> Vec<Operation> {
    let all = [rules(), users(), pushes(), document()];
    all.into_iter().flatten().collect()
}

fn rules() -> Vec<Operation> {
    vec![
        Operation::new("PUT /v1/rules/{type}", "putRule", "Says what becomes of the events of a type")
            .says("The rule is tried on its sample. It counts within 10 seconds. A body has at most 32 KB.")
            .takes(named("Rule"), "The rule.")
            .gives(200, named("OneRule"), "It stands in the place of another.")
            .gives(201, named("OneRule"), "It is the type's first."),
        Operation::new("GET /v1/rules/{type}", "getRule", "One rule as it was put")
            .gives(200, named("OneRule"), "The rule.")
            .refuses(&[404, 422]),
        Operation::new("DELETE /v1/rules/{type}", "deleteRule", "Removes a rule")
            .says("Its events are still logged, and tell nobody.")
            .empty(204, "The type has no rule.")
            .refuses(&[422]),
        Operation::new("GET /v1/rules", "listRules", "The rules by their types")
            .paged()
            .gives(200, named("StoredRules"), "The rules."),
        Operation::new("POST /v1/rules/{type}/preview", "previewRule", "What would become of an event, without telling anybody")
            .says("A body has at most 1 MB.")
            .takes(named("PreviewRequest"), "The event, and the rule.")
            .gives(200, named("Preview"), "What would become of it.")
            .refuses(&[404]),
    ]
}

fn users() -> Vec<Operation> {
    let inbox = Operation::new(
        "GET /v1/users/{user}/notifications",
        "listNotificationsOfUser",
        "The inbox as its user sees it",
    );
    vec![
        super::users::filtered(inbox).refuses(&[422]),
        Operation::new("GET /v1/users/{user}/export", "exportUser", "Everything that is kept of a user, as JSON lines by pages")
            .says("The first line says what is not in it.")
            .cursor()
            .gives_as(200, "application/x-ndjson", json!({"type": "string"}), "One `ExportRecord` a line.")
            .with_header(200, "Link", "The next page, with `rel=\"next\"`; none with the last page.")
            .refuses(&[422]),
        Operation::new("DELETE /v1/users/{user}", "eraseUser", "Erases a user")
            .says("What was accepted before is hidden at once, and then removed by a job, which cannot be stopped.")
            .gives(202, named("Begun"), "A job removes it.")
            .refuses(&[422]),
        Operation::new("DELETE /v1/users/{user}/devices/{device}", "removeDeviceOfUser", "Removes a device without its user's token")
            .empty(204, "It is gone.")
            .refuses(&[409, 422]),
        Operation::new("GET /v1/users/{user}/notifications/{id}/trace", "traceNotification", "What happened to a notification or a schedule, and why")
            .gives(200, named("Trace"), "Step by step.")
            .refuses(&[404, 422]),
    ]
}

fn pushes() -> Vec<Operation> {
    let day = json!({"type": "string", "format": "date", "examples": ["2026-11-20"]});
    vec![
        Operation::new(
            "GET /v1/pushes/dead",
            "listDeadPushes",
            "What died on a day, 100 to a page",
        )
        .query("day", day, "The day, by UTC.")
        .cursor()
        .gives(200, named("DeadPushes"), "The dead."),
        Operation::new(
            "POST /v1/pushes/redrive",
            "redrivePushes",
            "Pushes again: these, what died on a day, or what a window holds without an outcome",
        )
        .takes(named("RedriveRequest"), "What is pushed again.")
        .gives(202, named("Redriven"), "A job does it."),
    ]
}

fn document() -> Vec<Operation> {
    vec![
        Operation::new("GET /openapi.json", "getDocument", "This document")
            .says("The one route without a token.")
            .gives(200, free(), "An OpenAPI document of version 3.1.")
            .with_header(200, "Cache-Control", "It may be kept for an hour."),
    ]
}

/// What is asked of many at once.
fn redrives() -> Vec<(&'static str, Value)> {
    let target = takes(vec![
        ("user", named("Id"), ""),
        ("id", named("NotificationId"), ""),
    ]);
    let day = json!({"type": "string", "format": "date", "examples": ["2026-11-20"]});
    let window = vec![
        ("from", moment(), "From this moment on"),
        (
            "to",
            moment(),
            "until this one, at most 28 days later: what was accepted then and has no outcome.",
        ),
    ];
    let any = [
        "RedriveTheseRequest",
        "RedriveDayRequest",
        "RedriveWindowRequest",
    ];
    vec![
        ("RedriveTarget", target),
        (
            "RedriveTheseRequest",
            takes(vec![(
                "notifications",
                list(named("RedriveTarget"), 1, 100),
                "These.",
            )]),
        ),
        (
            "RedriveDayRequest",
            takes(vec![("day", day, "What died on this day, by UTC.")]),
        ),
        ("RedriveWindowRequest", takes(window)),
        ("RedriveRequest", either(any.map(named).to_vec())),
        (
            "MembersRequest",
            takes(vec![("users", set(named("Id"), 1_000), "Who joins.")]),
        ),
    ]
}
