//! Which operation a request asks for.

use jiff::Timestamp;
use serde_json::json;
use shared::clock::{self, pause};
use shared::device::Platform;
use shared::error::{Error, Result};
use shared::http::{self, Reply, Request};
use shared::id::UserId;
use shared::sns::Sns;
use shared::store::{Owner, Store};

use crate::{mutes, preferences, register};

/// The largest body, in bytes.
pub const MAX_BODY: usize = 65_536;
/// How often a change that lost a race is thought again.
pub const ROUNDS: u32 = 5;

/// What every operation needs.
pub struct Handler {
    pub store: Store,
    pub sns: Sns,
    /// The SNS platform applications by platform.
    pub applications: Vec<(Platform, String)>,
}

impl Handler {
    /// Routes a request. The user is always the token's.
    pub async fn handle(&self, request: &Request) -> Result<Reply> {
        let now = clock::wall();
        match http::route(request) {
            "GET /v1/me/devices" => self.list(request).await,
            "PUT /v1/me/devices/{device_id}" => register::register(self, request, now).await,
            "DELETE /v1/me/devices/{device_id}" => self.remove(request, now).await,
            "GET /v1/me/preferences" => preferences::show(self, request, now).await,
            "PUT /v1/me/preferences" => preferences::replace(self, request).await,
            "PUT /v1/me/mutes/{kind}/{id}" => mutes::mute(self, request, now).await,
            "DELETE /v1/me/mutes/{kind}/{id}" => mutes::unmute(self, request, now).await,
            _ => Err(Error::NotFound),
        }
    }

    async fn list(&self, request: &Request) -> Result<Reply> {
        let user = self.store.user(&http::caller(request)?).await?;
        http::query(request, &[])?;
        let devices: Vec<_> = user.devices().map(|(id, device)| device.view(id)).collect();
        Reply::ok(&json!({"data": devices}))
    }

    /// Removes a device; one that is gone already is gone.
    async fn remove(&self, request: &Request, now: Timestamp) -> Result<Reply> {
        let (user, id) = (http::caller(request)?, http::device_id(request)?);
        http::query(request, &[])?;
        for round in 0..ROUNDS {
            if round > 0 {
                pause(round).await;
            }
            let seen = self.store.user(&user).await?;
            let Some(device) = seen.device(&id) else {
                return Ok(Reply::no_content());
            };
            let endpoint = &device.endpoint;
            let owner = self.store.owner(endpoint).await?;
            let removed = self
                .store
                .remove_device(&user, &id, endpoint, owner.as_ref(), now);
            match removed.await {
                Err(Error::Conflict(_)) => {}
                Err(error) => return Err(error),
                Ok(()) => {
                    remove_endpoint(self, endpoint, owner.as_ref(), &user, now).await?;
                    return Ok(Reply::no_content());
                }
            }
        }
        Err(Error::Conflict("the device changes too often"))
    }
}

/// Removes an endpoint from SNS that its device has given up, unless it was another user's.
pub async fn remove_endpoint(
    handler: &Handler,
    endpoint: &str,
    owner: Option<&Owner>,
    user: &UserId,
    now: Timestamp,
) -> Result<()> {
    if owner.is_some_and(|owner| owner.user != *user) {
        return Ok(());
    }
    handler.sns.delete_endpoint(endpoint).await?;
    handler.store.forget_owner(endpoint, owner, now).await
}
