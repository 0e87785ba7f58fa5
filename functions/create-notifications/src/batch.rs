//! 1 to 100 notifications in one call, each with a result of its own.

use jiff::Timestamp;
use serde_json::{Value, json};
use shared::clock::Clock;
use shared::contract::Fields;
use shared::error::{Error, Result};
use shared::http::{self, Reply, Request, item_problem};
use shared::notification::{self, Draft, MAX_BATCH, MAX_RECIPIENTS};

use crate::create::{is_nothing_new, job, results};
use crate::handler::Handler;

/// The largest body, in bytes.
const MAX_BODY: usize = 1_048_576;

/// Stores the valid notifications, after all have been checked.
pub async fn create(handler: &Handler, request: &Request, clock: Clock) -> Result<Reply> {
    http::query(request, &[])?;
    let body = http::body(request, MAX_BODY)?;
    let items = items(body.clone())?;
    let parsed: Vec<Result<Draft>> = items
        .into_iter()
        .enumerate()
        .map(|(index, item)| parse(handler, index, item, clock.now()))
        .collect();
    let mut drafts: Vec<Draft> = parsed.iter().flatten().cloned().collect();
    let traceparent = http::traceparent(request);
    for draft in &mut drafts {
        draft.content.traceparent = traceparent;
    }
    let recipients: usize = drafts.iter().map(|draft| draft.recipients.len()).sum();
    if recipients > MAX_RECIPIENTS {
        let detail =
            format!("have {recipients} recipients together, and may have {MAX_RECIPIENTS}");
        return Err(Error::invalid("/notifications", "length", detail));
    }
    let accepted = handler.store(request, clock, &drafts, &body).await?;
    let mut stored = drafts.iter().zip(&accepted.receipts);
    let results: Vec<Value> = parsed
        .iter()
        .map(|item| {
            if let Err(error) = item {
                return item_problem(error);
            }
            let Some((draft, receipts)) = stored.next() else {
                return Value::Null;
            };
            if let Some(mut job) = job(draft, receipts) {
                job["status"] = json!(202);
                return job;
            }
            let status = if is_nothing_new(receipts) { 200 } else { 201 };
            json!({"status": status, "data": results(draft, receipts)})
        })
        .collect();
    let reply = Reply::multi(&json!({"data": results}))?;
    Ok(if accepted.replayed {
        reply.header("idempotency-replayed", "true")
    } else {
        reply
    })
}

/// The items of a batch, each still unchecked.
fn items(body: Value) -> Result<Vec<Value>> {
    let mut violations = Vec::new();
    let mut items = Vec::new();
    if let Some(mut fields) = Fields::of(body, "", &mut violations) {
        match fields.take("notifications") {
            Some(Value::Array(given)) if (1..=MAX_BATCH).contains(&given.len()) => items = given,
            Some(_) => {
                let detail = format!("must be an array of 1 to {MAX_BATCH} notifications");
                fields.refuse("notifications", "length", detail);
            }
            None => fields.refuse("notifications", "required", "is required"),
        }
        fields.finish();
    }
    if violations.is_empty() {
        return Ok(items);
    }
    Err(Error::Invalid(violations))
}

fn parse(handler: &Handler, index: usize, item: Value, now: Timestamp) -> Result<Draft> {
    let mut violations = Vec::new();
    let pointer = format!("/notifications/{index}");
    let draft = notification::parse(item, &pointer, now, &mut violations);
    if let Some(draft) = &draft {
        notification::check_life(draft, handler.retention, &pointer, &mut violations);
    }
    match draft {
        Some(draft) if violations.is_empty() => Ok(draft),
        _ => Err(Error::Invalid(violations)),
    }
}
