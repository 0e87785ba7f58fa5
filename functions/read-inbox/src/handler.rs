//! Which operation a request asks for.

use jiff::Timestamp;
use shared::error::{Error, Result};
use shared::http::{self, Reply, Request};
use shared::store::Store;

use crate::list;

/// What every operation needs.
pub struct Handler {
    pub store: Store,
}

impl Handler {
    /// Routes a request. The user is always the token's.
    pub async fn handle(&self, request: &Request) -> Result<Reply> {
        let now = Timestamp::now();
        match http::route(request) {
            "GET /v1/me/notifications" => list::list(&self.store, request, now).await,
            "GET /v1/me/notifications/{id}" => {
                let (user, id) = (http::caller(request)?, http::notification_id(request)?);
                http::query(request, &[])?;
                let notification = self.store.get_notification(&user, id, now).await?;
                Reply::ok(&notification.view())
            }
            "PUT /v1/me/notifications/{id}/read" => self.mark(request, true, now).await,
            "DELETE /v1/me/notifications/{id}/read" => self.mark(request, false, now).await,
            _ => Err(Error::NotFound),
        }
    }

    async fn mark(&self, request: &Request, read: bool, now: Timestamp) -> Result<Reply> {
        let (user, id) = (http::caller(request)?, http::notification_id(request)?);
        http::query(request, &[])?;
        let notification = self.store.mark_read(&user, id, read, now).await?;
        Reply::ok(&notification.view())
    }
}
