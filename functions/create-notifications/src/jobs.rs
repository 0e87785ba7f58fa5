//! Jobs: how far one is, and stopping it.

use jiff::Timestamp;
use serde_json::json;
use shared::error::{Error, Result};
use shared::http::{self, Reply, Request};
use shared::id::NotificationId;

use crate::handler::Handler;

/// The job that the path names; one that cannot exist is not found.
fn job(request: &Request) -> Result<&str> {
    let job = http::path_parameter(request, "job");
    NotificationId::parse(job)
        .map(|_| job)
        .ok_or(Error::NotFound)
}

/// How far a job is: the sum of what its chains say.
pub async fn show(handler: &Handler, request: &Request) -> Result<Reply> {
    http::query(request, &[])?;
    let id = job(request)?;
    let found = handler.store.job(id).await?;
    let (job, chains) = found.ok_or(Error::NotFound)?;
    let done = chains.iter().filter(|chain| chain.done).count();
    let open = job.chains.len() - done.min(job.chains.len());
    let state = match (job.cancelled_at, open) {
        (Some(_), _) => "cancelled",
        (None, 0) => "done",
        (None, _) => "running",
    };
    let created_at = Timestamp::from_millisecond(job.created_at).unwrap_or_default();
    Reply::ok(&json!({
        "job": id,
        "kind": job.kind,
        "state": state,
        "written": chains.iter().map(|chain| chain.written).sum::<u64>(),
        "chains": {"open": open, "done": done},
        "created_at": created_at.to_string(),
    }))
}

/// Stops a job: what a step has begun is finished. Doing it twice is doing it once.
pub async fn cancel(handler: &Handler, request: &Request, now: Timestamp) -> Result<Reply> {
    http::query(request, &[])?;
    handler.store.cancel_job(job(request)?, now).await?;
    Ok(Reply::no_content())
}
