//! Erasing everything of a user.

use jiff::Timestamp;
use serde_json::json;
use shared::error::Result;
use shared::http::{self, Reply, Request};
use shared::id::NotificationId;

use crate::handler::Handler;

/// Hides at once what the user had, and starts the job that removes it. Who asks again starts another job, which takes
/// what came meanwhile, too.
pub async fn erase(handler: &Handler, request: &Request, now: Timestamp) -> Result<Reply> {
    let user = http::user_id(request, "user")?;
    http::query(request, &[])?;
    let store = &handler.store;
    let erase = NotificationId::draw(now);
    let until = erase.at();
    store.begin_erase(&user, until).await?;
    store.repeat_erase(&user, erase, now).await?;
    let job = erase.to_string();
    store.start_erase(&job, &user, until, now).await?;
    Reply::accepted(&json!({"job": job}))
}
