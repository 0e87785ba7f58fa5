//! Which operation a request asks for.

use shared::clock;
use shared::error::{Error, Result};
use shared::http::{self, Reply, Request};
use shared::sns::Sns;
use shared::store::Store;

use crate::{devices, pushes, trace};

/// What every operation needs.
pub struct Handler {
    pub store: Store,
    pub sns: Sns,
}

impl Handler {
    /// Routes a request. The gateway has verified that the token has the administrators' scope; the
    /// user is the path's.
    pub async fn handle(&self, request: &Request) -> Result<Reply> {
        let now = clock::wall();
        match http::route(request) {
            "DELETE /v1/users/{user}/devices/{device}" => devices::remove(self, request, now).await,
            "GET /v1/users/{user}/notifications/{id}/trace" => trace::trace(self, request).await,
            "GET /v1/pushes/dead" => pushes::dead(self, request).await,
            "POST /v1/pushes/redrive" => pushes::redrive(self, request, now).await,
            _ => Err(Error::NotFound),
        }
    }
}
