//! A user's devices: shown, registered, removed, tried out.

use jiff::Timestamp;
use serde_json::json;
use shared::device::Announcement;
use shared::devices::{self, Arrival};
use shared::error::{Error, Result};
use shared::http::{self, Reply, Request};
use shared::id::{DeviceId, UserId};
use shared::push::{Text, try_out};

use crate::handler::{Handler, MAX_BODY};

/// Shows them all.
pub async fn list(handler: &Handler, request: &Request) -> Result<Reply> {
    let user = handler.store.user(&http::caller(request)?).await?;
    http::query(request, &[])?;
    let devices = user.live_devices().map(|(id, device)| device.view(id));
    let devices: Vec<_> = devices.collect();
    Reply::ok(&json!({"data": devices}))
}

/// Registers the device the path names.
pub async fn register(handler: &Handler, request: &Request, now: Timestamp) -> Result<Reply> {
    let (user, id) = named(request)?;
    let announced = Announcement::parse(http::body(request, MAX_BODY)?)?;
    let mut applications = handler.applications.iter();
    let application = applications.find(|(platform, _)| *platform == announced.platform);
    let Some((_, application)) = application else {
        let detail = "this stack has no application for this platform";
        return Err(Error::invalid("/platform", "not_configured", detail));
    };
    let arrival = Arrival {
        user: &user,
        id: &id,
        announced: &announced,
        application,
    };
    let registered = devices::register(&handler.store, &handler.sns, &arrival, now);
    match registered.await? {
        (device, true) => Reply::created(&device.view(&id)),
        (device, false) => Reply::ok(&device.view(&id)),
    }
}

/// Removes a device; one that is gone already is gone.
pub async fn remove(handler: &Handler, request: &Request, now: Timestamp) -> Result<Reply> {
    let (user, id) = named(request)?;
    devices::remove(&handler.store, &handler.sns, &user, &id, now).await?;
    Ok(Reply::no_content())
}

/// Sends a test push to the device. A test needs no body.
pub async fn test(handler: &Handler, request: &Request, now: Timestamp) -> Result<Reply> {
    let (user, id) = named(request)?;
    let text = if request.body().is_empty() {
        Text::default()
    } else {
        Text::parse(http::body(request, MAX_BODY)?)?
    };
    let trial = try_out(&handler.store, &handler.sns, (&user, &id), text, now);
    Reply::ok(&trial.await?)
}

fn named(request: &Request) -> Result<(UserId, DeviceId)> {
    let named = (
        http::caller(request)?,
        http::device_id(request, "device_id")?,
    );
    http::query(request, &[])?;
    Ok(named)
}
