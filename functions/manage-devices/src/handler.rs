//! Which operation a request asks for.

use shared::clock;
use shared::device::Platform;
use shared::error::{Error, Result};
use shared::http::{self, Reply, Request};
use shared::sns::Sns;
use shared::store::Store;

use crate::{devices, mutes, preferences};

/// The largest body, in bytes.
pub const MAX_BODY: usize = 65_536;

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
            "GET /v1/me/devices" => devices::list(self, request).await,
            "PUT /v1/me/devices/{device_id}" => devices::register(self, request, now).await,
            "DELETE /v1/me/devices/{device_id}" => devices::remove(self, request, now).await,
            "POST /v1/me/devices/{device_id}/test" => devices::test(self, request, now).await,
            "GET /v1/me/preferences" => preferences::show(self, request, now).await,
            "PUT /v1/me/preferences" => preferences::replace(self, request).await,
            "PUT /v1/me/mutes/{kind}/{id}" => mutes::mute(self, request, now).await,
            "DELETE /v1/me/mutes/{kind}/{id}" => mutes::unmute(self, request, now).await,
            _ => Err(Error::NotFound),
        }
    }
}
