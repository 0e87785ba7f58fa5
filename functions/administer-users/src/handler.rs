//! Which operation a request asks for.

use jiff::Timestamp;
use shared::broadcast::Broadcasts;
use shared::clock;
use shared::error::{Error, Result};
use shared::http::{self, Reply, Request};
use shared::inbox::Inbox;
use shared::sns::Sns;
use shared::store::Store;

use crate::{devices, erase, export, pushes, trace};

/// The API's document, which is the same for everyone.
const DOCUMENT: &str = include_str!("../../../docs/openapi.json");

/// What every operation needs.
pub struct Handler {
    pub store: Store,
    pub sns: Sns,
    pub broadcasts: Broadcasts,
    /// How long notifications are kept, in seconds.
    pub retention: u32,
}

impl Handler {
    /// Routes a request. The gateway has verified that the token has the administrators' scope, but for the
    /// document, which needs none; the user is the path's.
    pub async fn handle(&self, request: &Request) -> Result<Reply> {
        let now = clock::wall();
        let route = http::route(request);
        if route == "GET /openapi.json" {
            http::query(request, &[])?;
            return Ok(Reply::document(DOCUMENT));
        }
        http::producer(request)?;
        match route {
            "GET /v1/users/{user}/notifications" => self.inbox(request, now).await,
            "GET /v1/users/{user}/export" => export::export(self, request, now).await,
            "DELETE /v1/users/{user}" => erase::erase(self, request, now).await,
            "DELETE /v1/users/{user}/devices/{device}" => devices::remove(self, request, now).await,
            "GET /v1/users/{user}/notifications/{id}/trace" => trace::trace(self, request).await,
            "GET /v1/pushes/dead" => pushes::dead(self, request).await,
            "POST /v1/pushes/redrive" => pushes::redrive(self, request, now).await,
            _ => Err(Error::NotFound),
        }
    }

    /// The page that the user would get.
    async fn inbox(&self, request: &Request, now: Timestamp) -> Result<Reply> {
        let user = http::user_id(request, "user")?;
        let consistent = http::is_consistent(request)?;
        let broadcasts = self.broadcasts.current(now).await?;
        let inbox = Inbox {
            store: &self.store,
            user: &user,
            now,
            consistent,
            broadcasts: &broadcasts,
        };
        http::inbox_page(&inbox, request, self.retention).await
    }
}
