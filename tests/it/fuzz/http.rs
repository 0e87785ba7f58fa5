//! A request from its raw event to what a function would do with it, by the decoders that functions use.

use jiff::Timestamp;
use serde_json::{Value, json};
use shared::contract::Fields;
use shared::device::Announcement;
use shared::error::{Error, Result};
use shared::event::{Event, MAX_EVENT_BYTES};
use shared::filter::{Filter, PARAMETERS, Paths};
use shared::http::{self, Reply, Request};
use shared::id::NotificationId;
use shared::mutes::{Mute, Target};
use shared::notification;
use shared::page;
use shared::preferences::Preferences;
use shared::push::Text;
use shared::rules::{MAX_RULE_BYTES, Rule};

/// The moment at which everything is read.
pub const NOW: Timestamp = Timestamp::constant(1_795_168_800, 0);
const KB64: usize = 65_536;
const MB: usize = 1_048_576;

/// Whatever a handler reads of a request before it asks the table.
pub fn decode(request: &Request) -> Result<Reply> {
    let key = http::idempotency_key(request)?;
    let _ = (http::has_etag(request, "x"), http::headers(request, "ce-"));
    let who = http::caller(request).map(|user| user.as_str().to_owned());
    let who = who.or_else(|_| http::producer(request))?;
    let read = match http::route(request) {
        "POST /v1/notifications" => create(request)?,
        "POST /v1/notifications/batch" => batch(request)?,
        "GET /v1/me/notifications" | "GET /v1/users/{user}/notifications" => list(request, &who)?,
        "POST /v1/me/notifications/read" | "POST /v1/me/notifications/seen" => mark(request)?,
        "PUT /v1/me/devices/{device_id}" => {
            http::device_id(request, "device_id")?;
            Announcement::parse(http::body(request, KB64)?)
                .map(|device| json!(device.token_hash()))?
        }
        "POST /v1/me/devices/{device_id}/test" => {
            Text::parse(http::body(request, KB64)?).map(|_| json!({}))?
        }
        "PUT /v1/me/preferences" => Preferences::parse(http::body(request, KB64)?)?.view(),
        "PUT /v1/me/mutes/{kind}/{id}" => {
            let part = |name| http::path_parameter(request, name);
            Target::parse(part("kind"), part("id"))?;
            let body = http::body(request, KB64)?;
            json!(Mute::parse(part("kind"), part("id"), body, NOW)?.view())
        }
        "POST /v1/events" => {
            let body = shared::json::parse(http::bytes(request), MB)?;
            events(body)
                .into_iter()
                .collect::<Result<Vec<Value>>>()?
                .into()
        }
        "GET /v1/events" => search(request)?,
        "PUT /v1/rules/{type}" => {
            let body = json!({"rule": http::body(request, MAX_RULE_BYTES)?});
            rule(http::path_parameter(request, "type"), body)?
        }
        "POST /v1/rules/{type}/preview" => rule(
            http::path_parameter(request, "type"),
            http::body(request, MB)?,
        )?,
        route if route.contains("{topic}") => {
            http::user_id(request, "user")?;
            json!(http::topic_id(request)?)
        }
        route if route.contains("{id}") => json!(http::notification_id(request)?.to_string()),
        _ => return Err(Error::NotFound),
    };
    Ok(Reply::ok(&json!({"read": read, "key": key}))?.header("idempotency-replayed", "true"))
}

fn draft(value: Value, pointer: &str) -> Result<Value> {
    let mut broken = Vec::new();
    let draft = notification::parse(value, pointer, NOW, &mut broken);
    if let Some(draft) = &draft {
        notification::check_life(draft, 7_776_000, pointer, &mut broken);
    }
    match draft {
        Some(draft) if broken.is_empty() => Ok(json!(draft.recipients.len())),
        _ => Err(Error::Invalid(broken)),
    }
}

fn create(request: &Request) -> Result<Value> {
    http::query(request, &[])?;
    let body = http::body(request, KB64)?;
    let same = shared::json::canonical(&body);
    Ok(json!([draft(body, "")?, same.to_string().len()]))
}

fn batch(request: &Request) -> Result<Value> {
    let body = http::body(request, MB)?;
    let items = body["notifications"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let items = items.into_iter().take(notification::MAX_BATCH).enumerate();
    let each = items.map(
        |(index, item)| match draft(item, &format!("/notifications/{index}")) {
            Ok(read) => read,
            Err(error) => http::item_problem(&error),
        },
    );
    Ok(each.collect())
}

fn list(request: &Request, owner: &str) -> Result<Value> {
    let known = ["limit", "cursor", "consistent", "grouped"];
    let query = http::query(request, &[&known[..], &PARAMETERS].concat())?;
    let (limit, filter) = (http::limit(&query)?, Filter::parse(&query)?);
    http::is_consistent(request)?;
    let before = query
        .get("cursor")
        .map(|cursor| page::read(cursor, owner, &filter.spelling));
    let before = before.transpose()?.map(|id| id.to_string());
    Ok(json!([limit, filter.spelling, before]))
}

fn search(request: &Request) -> Result<Value> {
    let query = http::query(
        request,
        &["subject", "type", "since", "data.", "limit", "cursor"],
    )?;
    let (mut paths, mut broken) = (Paths::default(), Vec::new());
    for (name, value) in query.iter().filter(|(name, _)| name.starts_with("data.")) {
        paths.read(name, value, &mut broken);
    }
    if !broken.is_empty() {
        return Err(Error::BadQuery(broken));
    }
    let data = json!({"video": {"id": 42}});
    Ok(json!([
        http::limit(&query)?,
        paths.match_data(data.as_object())
    ]))
}

fn mark(request: &Request) -> Result<Value> {
    let mut broken = Vec::new();
    let mut up_to = None;
    if let Some(mut fields) = Fields::of(http::body(request, KB64)?, "", &mut broken) {
        up_to = fields
            .text("up_to", 64)
            .and_then(|id| NotificationId::parse(&id));
        fields.text("group", notification::MAX_GROUP);
        fields.finish();
    }
    if broken.is_empty() {
        return Ok(json!(up_to.map(|id| id.to_string())));
    }
    Err(Error::Invalid(broken))
}

/// The events of a body, or why each is none.
pub fn events(body: Value) -> Vec<Result<Value>> {
    let one = |value: Value| {
        if value.to_string().len() > MAX_EVENT_BYTES {
            return Err(Error::EventTooLarge(MAX_EVENT_BYTES));
        }
        let mut broken = Vec::new();
        match Event::parse(value, "", &mut broken) {
            Some(event) if broken.is_empty() => Ok(json!([
                event.view(),
                event.context(),
                event.seed(),
                event.hash(),
                event.actor_id(),
                event.logged_under(),
            ])),
            _ => Err(Error::Invalid(broken)),
        }
    };
    match body {
        Value::Array(items) => items.into_iter().take(100).map(one).collect(),
        value => vec![one(value)],
    }
}

/// Reads a rule, and an event by it, as a preview does.
pub fn rule(kind: &str, body: Value) -> Result<Value> {
    let mut broken = Vec::new();
    let (mut given, mut event) = (Value::Null, Value::Null);
    if let Some(mut fields) = Fields::of(body, "", &mut broken) {
        given = fields.take("rule").unwrap_or_default();
        event = fields.take("event").unwrap_or_default();
    }
    let rule = Rule::parse(kind, given).map_err(Error::Invalid)?;
    let event = match event {
        Value::Null => rule.sample().clone(),
        event => {
            let mut broken = Vec::new();
            let event = Event::parse(event, "/event", &mut broken);
            event
                .filter(|_| broken.is_empty())
                .ok_or(Error::Invalid(broken))?
        }
    };
    let (_, shown) = rule.preview(&event, NOW).map_err(Error::Invalid)?;
    Ok(shown)
}
