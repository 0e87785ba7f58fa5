//! One notification for 1 to 1,000 recipients.

use serde_json::{Value, json};
use shared::clock::Clock;
use shared::error::{Error, Result};
use shared::http::{self, Reply, Request};
use shared::id::NotificationId;
use shared::notification::{self, Draft};

use crate::handler::Handler;

/// The largest body, in bytes.
const MAX_BODY: usize = 65_536;

/// Stores the notification for every recipient.
pub async fn create(handler: &Handler, request: &Request, clock: Clock) -> Result<Reply> {
    let body = http::body(request, MAX_BODY)?;
    let mut violations = Vec::new();
    let draft = match notification::parse(body.clone(), "", &mut violations) {
        Some(draft) if violations.is_empty() => draft,
        _ => return Err(Error::Invalid(violations)),
    };
    let drafts = [draft];
    let accepted = handler.store(request, clock, &drafts, &body).await?;
    let [draft] = &drafts;
    let ids = accepted.ids.first().map(Vec::as_slice).unwrap_or_default();
    let reply = Reply::created(&json!({"data": results(draft, ids)}))?;
    Ok(if accepted.replayed {
        reply.header("idempotency-replayed", "true")
    } else {
        reply
    })
}

/// One result for each recipient, in the order in which they were given.
pub fn results(draft: &Draft, ids: &[NotificationId]) -> Vec<Value> {
    let pairs = draft.recipients.iter().zip(ids);
    pairs
        .map(|(recipient, id)| {
            json!({"recipient": recipient, "id": id.to_string(), "status": "created"})
        })
        .collect()
}
