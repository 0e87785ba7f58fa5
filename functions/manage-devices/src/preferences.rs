//! What a user wants: shown with the mutes, replaced without them.

use jiff::Timestamp;
use serde_json::json;
use shared::error::Result;
use shared::http::{self, Reply, Request};
use shared::preferences::Preferences;

use crate::handler::{Handler, MAX_BODY};

/// Shows the preferences and the mutes that are not over.
pub async fn show(handler: &Handler, request: &Request, now: Timestamp) -> Result<Reply> {
    let user = http::caller(request)?;
    http::query(request, &[])?;
    let user = handler.store.user(&user).await?;
    let mut shown = user.preferences().view();
    shown["mutes"] = json!(user.mutes().view(now));
    Reply::ok(&shown)
}

/// Replaces all of them but the mutes; what the body leaves out is as if it had never been set.
pub async fn replace(handler: &Handler, request: &Request) -> Result<Reply> {
    let user = http::caller(request)?;
    http::query(request, &[])?;
    let preferences = Preferences::parse(http::body(request, MAX_BODY)?)?;
    handler.store.put_preferences(&user, &preferences).await?;
    Reply::ok(&preferences.view())
}
