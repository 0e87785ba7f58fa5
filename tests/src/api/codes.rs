//! The words by which programs tell problems apart, and the statuses that problems have.

/// A status of problems: its name in the document, what it says, and the codes that come with it.
pub type Status = (u16, &'static str, &'static str, &'static [&'static str]);

/// All of them.
pub const STATUSES: &[Status] = &[
    (
        400,
        "Malformed",
        "The request is not what its format promises: JSON, a header, the query, a cursor.",
        &[
            "invalid_cursor",
            "invalid_idempotency_key",
            "invalid_query",
            "malformed_header",
            "malformed_json",
            "malformed_request",
        ],
    ),
    (
        401,
        "Unauthorized",
        "There is no token, or none that is valid here.",
        &[],
    ),
    (
        403,
        "Forbidden",
        "The token has not the scope, or does not say who is calling in a form that can be used.",
        &["unusable_token"],
    ),
    (
        404,
        "NotFound",
        "Unknown, somebody else's, expired or erased.",
        &["not_found"],
    ),
    (
        409,
        "Conflict",
        "Somebody else changed the same thing at the same time, again and again, or is just changing it.",
        &["conflict"],
    ),
    (
        413,
        "TooLarge",
        "The body is larger than the operation takes.",
        &["too_large"],
    ),
    (
        415,
        "UnsupportedMediaType",
        "The body has another media type, or is compressed.",
        &["unsupported_media_type"],
    ),
    (
        422,
        "Invalid",
        "The request breaks rules, all of which are named in `errors`; or its `Idempotency-Key` was used with another body.",
        &["idempotency_key_reused", "invalid"],
    ),
    (
        429,
        "Throttled",
        "The API, or this user's part of the table, takes no more for a moment.",
        &["throttled"],
    ),
    (
        431,
        "HeadersTooLarge",
        "The request line and the headers have more than 10,240 bytes together.",
        &[],
    ),
    (
        500,
        "Failed",
        "A bug or a misconfiguration; the log says more under the `request_id`.",
        &["internal"],
    ),
    (
        503,
        "Unavailable",
        "The table or SNS is down or does not answer. Trying again later may work.",
        &["unavailable"],
    ),
];

/// Statuses with which the gateway itself answers, in a form of its own.
pub const OF_THE_GATEWAY: &[u16] = &[401, 403, 413, 429, 431, 500, 503];
/// Statuses after which the same request may succeed.
pub const AGAIN: &[u16] = &[409, 429, 503];

/// What a broken rule is called, and what that means.
pub const RULES: &[(&str, &str)] = &[
    ("circular", "a reference of the schema leads back to itself"),
    (
        "contract",
        "the event's `data` breaks the schema of its rule",
    ),
    ("depth", "nested too deep"),
    ("duplicate", "given twice"),
    (
        "event_id_reused",
        "another event has this source, id and time",
    ),
    ("exclusive", "cannot be given beside another field"),
    ("format", "not of the form that is asked for"),
    ("length", "too short or too long, too few or too many"),
    ("more", "more rules are broken than are named"),
    ("not_allowed", "not allowed for this job"),
    ("not_configured", "the stack is not set up for it"),
    ("not_supported", "has no meaning here"),
    ("range", "too small or too large"),
    ("required", "must be given"),
    ("sample", "the rule would tell nobody of its sample"),
    ("schema", "not a JSON Schema that can be used"),
    ("template", "not a template, or one that fails"),
    (
        "token",
        "SNS does not take this for a token of the platform",
    ),
    ("too_many", "one more than a user may have"),
    ("type", "of another JSON type"),
    ("unknown", "a reference of the schema leads nowhere"),
    ("unknown_field", "not a field of this object"),
    ("unknown_parameter", "not a parameter of this route"),
    ("value", "not one of the values that are taken"),
];

/// The name of a status in the document.
pub fn response_name(status: u16) -> &'static str {
    let found = STATUSES.iter().find(|(known, ..)| *known == status);
    found.map_or("", |(_, name, ..)| name)
}
