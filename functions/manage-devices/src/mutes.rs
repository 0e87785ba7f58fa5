//! Muting an actor or a group, and hearing of them again.

use jiff::Timestamp;
use serde_json::json;
use shared::clock::pause;
use shared::error::{Error, Result};
use shared::http::{self, Reply, Request};
use shared::mutes::{Mute, Target};

use crate::handler::{Handler, MAX_BODY};

/// How often a change that lost a race is thought again.
const ROUNDS: u32 = 5;

/// Mutes what the path names, in place of an earlier mute. A mute for good needs no body.
pub async fn mute(handler: &Handler, request: &Request, now: Timestamp) -> Result<Reply> {
    let user = http::caller(request)?;
    http::query(request, &[])?;
    let body = if request.body().is_empty() {
        json!({})
    } else {
        http::body(request, MAX_BODY)?
    };
    let (kind, id) = named(request);
    let mute = Mute::parse(kind, id, body, now)?;
    for round in 0..ROUNDS {
        if round > 0 {
            pause(round).await;
        }
        let seen = handler.store.user(&user).await?;
        match handler.store.put_mute(&user, &seen, &mute, now).await {
            Err(Error::Conflict(_)) => {}
            Err(error) => return Err(error),
            Ok(()) => return Reply::ok(&mute.view()),
        }
    }
    Err(Error::Conflict("the mutes change too often"))
}

/// Ends the mute that the path names; one that is gone already is gone.
pub async fn unmute(handler: &Handler, request: &Request, now: Timestamp) -> Result<Reply> {
    let user = http::caller(request)?;
    http::query(request, &[])?;
    let (kind, id) = named(request);
    let target = Target::parse(kind, id)?;
    for round in 0..ROUNDS {
        if round > 0 {
            pause(round).await;
        }
        let seen = handler.store.user(&user).await?;
        match handler.store.delete_mute(&user, &seen, &target, now).await {
            Err(Error::Conflict(_)) => {}
            Err(error) => return Err(error),
            Ok(()) => return Ok(Reply::no_content()),
        }
    }
    Err(Error::Conflict("the mutes change too often"))
}

fn named(request: &Request) -> (&str, &str) {
    (
        http::path_parameter(request, "kind"),
        http::path_parameter(request, "id"),
    )
}
