//! Which operation a request asks for.

use jiff::Timestamp;
use serde_json::json;
use shared::device::Platform;
use shared::error::{Error, Result};
use shared::http::{self, Reply, Request};
use shared::sns::Sns;
use shared::store::Store;

use crate::{mutes, preferences, register};

/// The largest body, in bytes.
pub const MAX_BODY: usize = 65_536;
/// How often a change that lost a race is thought again.
pub const ROUNDS: usize = 5;

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
        let now = Timestamp::now();
        match http::route(request) {
            "GET /v1/me/devices" => self.list(request).await,
            "PUT /v1/me/devices/{device_id}" => register::register(self, request, now).await,
            "DELETE /v1/me/devices/{device_id}" => self.remove(request).await,
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
    async fn remove(&self, request: &Request) -> Result<Reply> {
        let (user, id) = (http::caller(request)?, http::device_id(request)?);
        http::query(request, &[])?;
        for _ in 0..ROUNDS {
            let seen = self.store.user(&user).await?;
            let Some(device) = seen.device(&id) else {
                return Ok(Reply::no_content());
            };
            let endpoint = &device.endpoint;
            let owner = self.store.owner(endpoint).await?;
            match self
                .store
                .remove_device(&user, &id, endpoint, owner.as_ref())
                .await
            {
                Err(Error::Conflict(_)) => {}
                Err(error) => return Err(error),
                Ok(()) => {
                    // An endpoint that another user's device holds by now is theirs.
                    if owner.is_none_or(|owner| owner.user == user && owner.device == id) {
                        self.sns.delete_endpoint(endpoint).await?;
                    }
                    return Ok(Reply::no_content());
                }
            }
        }
        Err(Error::Conflict("the device changes too often"))
    }
}
