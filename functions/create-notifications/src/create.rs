//! One notification for 1 to 1,000 recipients, for the members of a topic, or for everyone.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use shared::clock::Clock;
use shared::create::{Receipt, Status};
use shared::error::{Error, Result};
use shared::http::{self, Reply, Request};
use shared::notification::{self, Draft, Recipient};

use crate::handler::Handler;

/// The largest body, in bytes.
const MAX_BODY: usize = 65_536;

/// Stores the notification for every recipient.
pub async fn create(handler: &Handler, request: &Request, clock: Clock) -> Result<Reply> {
    http::query(request, &[])?;
    let body = http::body(request, MAX_BODY)?;
    let mut violations = Vec::new();
    let draft = notification::parse(body.clone(), "", clock.now(), &mut violations);
    if let Some(draft) = &draft {
        notification::check_life(draft, handler.retention, "", &mut violations);
    }
    let mut draft = match draft {
        Some(draft) if violations.is_empty() => draft,
        _ => return Err(Error::Invalid(violations)),
    };
    draft.content.traceparent = http::traceparent(request);
    let drafts = [draft];
    let accepted = handler.store(request, clock, &drafts, &body).await?;
    let [draft] = &drafts;
    let receipts = accepted.receipts.first().map(Vec::as_slice);
    let receipts = receipts.unwrap_or_default();
    let reply = if let Some(job) = job(draft, receipts) {
        Reply::accepted(&job)?
    } else {
        // Not `json!`, which copies what it is given.
        let results = BTreeMap::from([("data", results(draft, receipts))]);
        if is_nothing_new(receipts) {
            Reply::ok(&results)?
        } else {
            Reply::created(&results)?
        }
    };
    Ok(if accepted.replayed {
        reply.header("idempotency-replayed", "true")
    } else {
        reply
    })
}

/// What is said of the job that tells the members of a topic, or pushes to them what everyone gets; `None` without a topic.
pub fn job(draft: &Draft, receipts: &[Receipt]) -> Option<Value> {
    let [receipt] = receipts else {
        return None;
    };
    match draft.recipients[..] {
        [Recipient::Topic(_)] => Some(json!({"job": receipt.id})),
        [Recipient::Everyone] if draft.content.push.topic().is_some() => {
            Some(json!({"job": receipt.id, "data": results(draft, receipts)}))
        }
        _ => None,
    }
}

/// Whether every recipient had it already.
pub fn is_nothing_new(receipts: &[Receipt]) -> bool {
    receipts
        .iter()
        .all(|receipt| receipt.status == Status::Duplicate)
}

/// One result for each recipient, in the order in which they were given.
pub fn results(draft: &Draft, receipts: &[Receipt]) -> Vec<Value> {
    let pairs = draft.recipients.iter().zip(receipts);
    pairs
        .map(|(recipient, receipt)| {
            let id = receipt.id.to_string();
            let status = match receipt.status {
                Status::Created => "created",
                Status::FanOut => "fan_out",
                Status::Scheduled => "scheduled",
                Status::Duplicate => "duplicate",
                Status::Retracted => "retracted",
            };
            match recipient {
                Recipient::User(user) => json!({"recipient": user, "id": id, "status": status}),
                Recipient::Topic(topic) => json!({"topic": topic, "job": id}),
                Recipient::Everyone => json!({"everyone": true, "id": id, "status": status}),
            }
        })
        .collect()
}
