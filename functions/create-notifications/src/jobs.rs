//! Jobs: how far one is, and stopping it.

use jiff::Timestamp;
use serde_json::json;
use shared::error::{Error, Result};
use shared::http::{self, Reply, Request};
use shared::id::NotificationId;
use shared::store::{JobKind, MEMBER_SHARDS};

use crate::handler::Handler;

/// The job that the path names; one that cannot exist is not found.
fn job(request: &Request) -> Result<NotificationId> {
    NotificationId::parse(http::path_parameter(request, "job")).ok_or(Error::NotFound)
}

/// A job that has not begun: a notification to a topic that is scheduled.
async fn waiting(handler: &Handler, id: NotificationId) -> Result<Reply> {
    let waits = handler.store.is_waiting(id).await?;
    let state = if waits.ok_or(Error::NotFound)? {
        "scheduled"
    } else {
        "cancelled"
    };
    Reply::ok(&json!({
        "job": id,
        "kind": JobKind::FanOut,
        "state": state,
        "written": 0,
        "chains": {"open": MEMBER_SHARDS, "done": 0},
        "states": null,
        "created_at": null,
    }))
}

/// How far a job is: the sum of what its chains say.
pub async fn show(handler: &Handler, request: &Request) -> Result<Reply> {
    http::query(request, &[])?;
    let id = job(request)?;
    let Some((job, chains)) = handler.store.job(&id.to_string()).await? else {
        return waiting(handler, id).await;
    };
    let done = chains.iter().filter(|chain| chain.done).count();
    let open = job.chains.len() - done.min(job.chains.len());
    let state = match (job.cancelled_at, open) {
        (Some(_), _) => "cancelled",
        (None, 0) => "done",
        (None, _) => "running",
    };
    // The redrive of a window is one chain, and no other job counts.
    let states = chains.iter().find_map(|chain| chain.states.as_ref());
    let created_at = Timestamp::from_millisecond(job.created_at).unwrap_or_default();
    Reply::ok(&json!({
        "job": id,
        "kind": job.kind,
        "state": state,
        "written": chains.iter().map(|chain| chain.written).sum::<u64>(),
        "chains": {"open": open, "done": done},
        "states": states,
        "created_at": created_at.to_string(),
    }))
}

/// Stops a job that may be stopped: what a step has begun is finished. Doing it twice is doing it once.
pub async fn cancel(handler: &Handler, request: &Request, now: Timestamp) -> Result<Reply> {
    http::query(request, &[])?;
    let id = job(request)?;
    let found = handler.store.job(&id.to_string()).await?;
    if found.is_some_and(|(job, _)| job.kind == JobKind::Erase) {
        let detail = "an erase cannot be stopped: what it has hidden stays hidden";
        return Err(Error::invalid("/job", "not_allowed", detail));
    }
    handler.store.stop_job(id, now).await?;
    Ok(Reply::no_content())
}
