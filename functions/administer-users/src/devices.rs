//! A user's devices, without the user's token.

use jiff::Timestamp;
use shared::devices;
use shared::error::Result;
use shared::http::{self, Reply, Request};

use crate::handler::Handler;

/// Removes a device, as after a logout that never arrived; one that is gone already is gone.
pub async fn remove(handler: &Handler, request: &Request, now: Timestamp) -> Result<Reply> {
    let user = http::user_id(request, "user")?;
    let device = http::device_id(request, "device")?;
    http::query(request, &[])?;
    devices::remove(&handler.store, &handler.sns, &user, &device, now).await?;
    Ok(Reply::no_content())
}
