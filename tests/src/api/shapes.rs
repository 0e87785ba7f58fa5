//! The shapes that requests and answers share.

use serde_json::{Value, json};
use shared::id::{MAX_ID_BYTES, MAX_TYPE};
use shared::notification::{MAX_DATA_BYTES, MAX_DATA_DEPTH, MAX_GROUP};

use super::codes::{RULES, STATUSES};
use super::schema::{
    either, flag, free, gives, list, many, moment, named, or_null, string, takes, text, whole,
    words,
};

/// The schemas by their names.
pub fn shapes() -> Vec<(&'static str, Value)> {
    [words_and_names(), problems(), of_inboxes()].concat()
}

fn says(mut schema: Value, says: &str) -> Value {
    schema["description"] = json!(says);
    schema
}

fn words_and_names() -> Vec<(&'static str, Value)> {
    let id = format!("^[^#\\s\\x00-\\x1f\\x7f-\\x9f]{{1,{MAX_ID_BYTES}}}$");
    let id = json!({"type": "string", "pattern": id, "examples": ["ana"]});
    let kind = format!("^[a-z0-9._-]{{1,{MAX_TYPE}}}$");
    let kind = json!({"type": "string", "pattern": kind, "examples": ["video.liked"]});
    let tag = "^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$";
    let tag = json!({"type": "string", "pattern": tag, "maxLength": 35, "examples": ["pt-BR"]});
    let ulid = json!({"type": "string", "pattern": "^[0-7][0-9A-HJKMNP-TV-Z]{25}$", "examples": ["01KAG3N7V0C5S9W2X4Y6Z8A0B1"]});
    let cursor =
        json!({"type": "string", "minLength": 1, "maxLength": 4_096, "examples": ["opaque"]});
    let data = format!(
        "What the app wants back: any JSON object of at most {MAX_DATA_BYTES} bytes and {MAX_DATA_DEPTH} levels, \
        without empty names and with numbers that DynamoDB holds."
    );
    vec![
        (
            "Id",
            says(
                id,
                "A name of 1 to 128 bytes without `#`, white space and control characters.",
            ),
        ),
        (
            "NotificationId",
            says(
                ulid,
                "A ULID: when it was accepted, and 80 bits that tell it from all others.",
            ),
        ),
        ("Type", says(kind, "What kind of thing happened.")),
        ("Locale", says(tag, "A language tag, as BCP 47 writes it.")),
        ("Cursor", says(cursor, "Opaque.")),
        ("Data", says(free(), &data)),
        (
            "Page",
            gives(vec![
                (
                    "next",
                    or_null(named("Cursor")),
                    "The cursor of the next page.",
                ),
                ("has_more", flag(), "Whether there may be a next page."),
            ]),
        ),
        (
            "Actor",
            takes(vec![
                ("id", named("Id"), "The actor's id."),
                ("name?", text(200), "A name to show."),
                ("image?", text(1_000), "The address of a picture to show."),
            ]),
        ),
        (
            "Text",
            takes(vec![
                (
                    "title?",
                    text(200),
                    "The first line; the notification's own if left out.",
                ),
                (
                    "body?",
                    text(1_000),
                    "The text below it; the notification's own if left out.",
                ),
            ]),
        ),
    ]
}

fn problems() -> Vec<(&'static str, Value)> {
    let mut codes: Vec<&str> = STATUSES
        .iter()
        .flat_map(|(.., codes)| *codes)
        .copied()
        .collect();
    codes.sort_unstable();
    let rules: Vec<&str> = RULES.iter().map(|(code, _)| *code).collect();
    let violation = gives(vec![
        (
            "pointer",
            string(),
            "Where, as a JSON pointer into the body, or `/` and the name of a parameter.",
        ),
        ("code", words(&rules), "Which rule, for programs."),
        ("detail", string(), "Which rule, for people."),
    ]);
    let problem = gives(vec![
        ("type", super::schema::always("about:blank"), ""),
        ("title", string(), "The status in words."),
        ("status", json!({"type": "integer"}), "The status."),
        ("detail", string(), "What is wrong, for people."),
        ("code", words(&codes), "What is wrong, for programs."),
        ("request_id", string(), "What to ask about: the log has it."),
        (
            "errors?",
            many(named("Violation")),
            "Every broken rule, up to 100.",
        ),
    ]);
    let problem = says(
        problem,
        "What is wrong with a request, as RFC 9457 writes it.",
    );
    let of_item = gives(vec![
        (
            "status",
            json!({"type": "integer"}),
            "The status that the item would have had alone.",
        ),
        ("code", words(&codes), "What is wrong, for programs."),
        ("detail", string(), "What is wrong, for people."),
        (
            "errors?",
            many(named("Violation")),
            "Every broken rule, up to 20.",
        ),
    ]);
    // Clients that know one form for each status read a problem as this one, too.
    let message = gives(vec![("message?", string(), "What is wrong, for people.")]);
    vec![
        ("Violation", says(violation, "One broken rule.")),
        ("Problem", problem),
        (
            "ItemProblem",
            says(of_item, "What is wrong with one item of a batch."),
        ),
        (
            "Message",
            says(
                message,
                "What the gateway itself says of a request that it refuses.",
            ),
        ),
    ]
}

fn of_inboxes() -> Vec<(&'static str, Value)> {
    let actor = gives(vec![
        ("id", named("Id"), ""),
        ("name", or_null(string()), ""),
        ("image", or_null(string()), ""),
    ]);
    let counts = vec![
        (
            "unread_count",
            whole(0, 99),
            "Not opened, and newer than the last mark-all.",
        ),
        (
            "unseen_count",
            whole(0, 99),
            "Neither opened nor in a list that was opened.",
        ),
        (
            "capped",
            flag(),
            "Whether there may be more: counts go to 99, and examine 500 notifications.",
        ),
    ];
    let gap = (
        "gap",
        flag(),
        "Whether retention has removed what stood behind the cursor.",
    );
    let meta = [counts.clone(), vec![gap]].concat();
    let notification = vec![
        ("id", named("NotificationId"), ""),
        ("type", named("Type"), ""),
        ("title", or_null(string()), "Absent only in a silent one."),
        ("body", or_null(string()), ""),
        ("actor", or_null(named("ShownActor")), "Who did it."),
        ("group", or_null(string()), "What it folds with."),
        ("link", or_null(string()), "Where a tap leads."),
        ("image", or_null(string()), "The address of a picture."),
        (
            "data",
            or_null(free()),
            "What the producer gave for the app.",
        ),
        ("created_at", moment(), "When it was accepted."),
        (
            "occurred_at",
            or_null(moment()),
            "When it happened, by the producer's clock.",
        ),
        (
            "read_at",
            or_null(moment()),
            "When it was opened, or covered by a mark-all.",
        ),
        (
            "archived_at",
            or_null(moment()),
            "When it was hidden from the list.",
        ),
    ];
    let folded = gives(vec![
        ("group", string(), ""),
        (
            "count",
            json!({"type": "integer", "minimum": 2}),
            "How many notifications of the group are on this page.",
        ),
        (
            "actors",
            list(named("ShownActor"), 0, 3),
            "Who did it, the newest first.",
        ),
        ("newest", named("Notification"), ""),
        ("unread", flag(), "Whether one of them is unread."),
    ]);
    let inbox = gives(vec![
        (
            "data",
            many(either(vec![named("Notification"), named("FoldedGroup")])),
            "Newest first.",
        ),
        ("page", named("Page"), ""),
        ("meta", named("Meta"), ""),
    ]);
    vec![
        ("ShownActor", actor),
        (
            "Counts",
            says(
                gives(counts),
                "How many notifications of an inbox are new to its user.",
            ),
        ),
        ("Meta", gives(meta)),
        (
            "Notification",
            says(gives(notification), "One event for one recipient."),
        ),
        (
            "FoldedGroup",
            says(
                folded,
                "Notifications of one group as one entry, with `grouped=true`.",
            ),
        ),
        ("Inbox", inbox),
        (
            "MarkGroup",
            takes(vec![(
                "group",
                text(MAX_GROUP),
                "The group: its newest 500 notifications are read.",
            )]),
        ),
        (
            "MarkUpTo",
            takes(vec![(
                "up_to",
                named("NotificationId"),
                "The newest one that the client knows of.",
            )]),
        ),
    ]
}
