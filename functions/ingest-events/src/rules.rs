//! Rules by HTTP, for administrators: put, read, removed, and tried without telling anybody.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde_json::{Value, json};
use shared::contract::Fields;
use shared::error::{Error, Result, Violation};
use shared::event::MAX_EVENT_TYPE;
use shared::http::{self, Reply, Request};
use shared::page;
use shared::rules::{MAX_RULE_BYTES, Rendered, Rule};
use shared::store::StoredRule;

use crate::handler::Handler;
use crate::http::{MAX_BATCH_BYTES, read};

/// Checks a rule, tries it on its sample, and puts it in place of the one that its type has.
pub async fn put(handler: &Handler, request: &Request, now: Timestamp) -> Result<Reply> {
    http::query(request, &[])?;
    let kind = kind(request)?;
    let rule = http::body(request, MAX_RULE_BYTES)?;
    Rule::parse(&kind, rule.clone()).map_err(Error::Invalid)?;
    let stored = StoredRule {
        kind,
        rule,
        updated_at: now,
    };
    let is_new = handler.store.put_rule(&stored).await?;
    handler.rulebook.forget(&stored.kind);
    let answer = json!({"data": view(&stored)});
    if is_new {
        return Reply::created(&answer);
    }
    Reply::ok(&answer)
}

/// Answers with one rule as it was put.
pub async fn get(handler: &Handler, request: &Request) -> Result<Reply> {
    http::query(request, &[])?;
    let found = handler.store.rule(&kind(request)?).await?;
    Reply::ok(&json!({"data": view(&found.ok_or(Error::NotFound)?)}))
}

/// Removes a rule: its events are still logged, and tell nobody. Doing it twice is doing it once.
pub async fn delete(handler: &Handler, request: &Request) -> Result<Reply> {
    http::query(request, &[])?;
    let kind = kind(request)?;
    handler.store.delete_rule(&kind).await?;
    handler.rulebook.forget(&kind);
    Ok(Reply::no_content())
}

/// Lists rules by their types.
pub async fn list(handler: &Handler, request: &Request) -> Result<Reply> {
    let query = http::query(request, &["limit", "cursor"])?;
    let limit = http::limit(&query)?;
    let after = query.get("cursor").map(|cursor| {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(cursor).ok();
        let after = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
        after
            .filter(|after| is_kind(after))
            .ok_or_else(page::invalid)
    });
    let after = after.transpose()?;
    let (rules, more) = handler.store.rules(after.as_deref(), limit).await?;
    let next = rules.last().filter(|_| more);
    let next = next.map(|last| BASE64_URL_SAFE_NO_PAD.encode(&last.kind));
    let data: Vec<Value> = rules.iter().map(view).collect();
    Reply::ok(&json!({"data": data, "page": {"next": next, "has_more": more}}))
}

/// Says what would become of an event, or of the rule's sample, by the rule in the request or by the one that
/// is put. Nothing is stored and nobody is told.
pub async fn preview(handler: &Handler, request: &Request, now: Timestamp) -> Result<Reply> {
    http::query(request, &[])?;
    let kind = kind(request)?;
    let body = http::body(request, MAX_BATCH_BYTES)?;
    let mut violations = Vec::new();
    let mut given = Fields::of(body, "", &mut violations);
    let (mut rule, mut event) = (None, None);
    if let Some(mut fields) = given.take() {
        (rule, event) = (fields.take("rule"), fields.take("event"));
        fields.finish();
    }
    if !violations.is_empty() {
        return Err(Error::Invalid(violations));
    }
    let rule = match rule {
        Some(rule) if rule.to_string().len() > MAX_RULE_BYTES => {
            return Err(Error::TooLarge(MAX_RULE_BYTES));
        }
        Some(rule) => Rule::parse(&kind, rule).map_err(|broken| below("/rule", broken))?,
        None => {
            let stored = handler.store.rule(&kind).await?.ok_or(Error::NotFound)?;
            Rule::parse(&kind, stored.rule).map_err(|broken| below("/rule", broken))?
        }
    };
    let (at, event) = match event {
        Some(event) => ("/event", read(event, "/event")?),
        None => ("/sample", rule.sample().clone()),
    };
    if event.kind != kind {
        let detail = format!("must be {kind}, the type that the rule is for");
        return Err(Error::invalid("/event/type", "value", detail));
    }
    let made = rule.preview(&event, now);
    let (rendered, shown) = made.map_err(|broken| below(at, broken))?;
    let mut answer = json!({"notifies": null, "retracts": null, "nobody": null});
    match rendered {
        Rendered::Notify(_) => answer["notifies"] = shown,
        Rendered::Retract { .. } => answer["retracts"] = shown,
        Rendered::Nobody(why) => answer["nobody"] = json!(why.word()),
    }
    Reply::ok(&json!({"data": answer}))
}

/// Broken rules whose pointers begin at a part of the request.
fn below(at: &str, broken: Vec<Violation>) -> Error {
    let broken = broken.into_iter().map(|violation| Violation {
        pointer: format!("{at}{}", violation.pointer),
        ..violation
    });
    Error::Invalid(broken.collect())
}

fn view(stored: &StoredRule) -> Value {
    json!({
        "type": stored.kind,
        "updated_at": stored.updated_at.to_string(),
        "rule": stored.rule,
    })
}

/// The type of the events that the path names.
fn kind(request: &Request) -> Result<String> {
    let kind = http::path_parameter(request, "type");
    if is_kind(kind) {
        return Ok(kind.to_owned());
    }
    let detail = format!(
        "the type in the path must have 1 to {MAX_EVENT_TYPE} characters, without control characters"
    );
    Err(Error::invalid("/type", "format", detail))
}

fn is_kind(text: &str) -> bool {
    (1..=MAX_EVENT_TYPE).contains(&text.chars().count()) && !text.chars().any(char::is_control)
}
