//! Which operation a request asks for.

use shared::broadcast::Broadcasts;
use shared::clock;
use shared::error::{Error, Result};
use shared::http::{self, Reply, Request};
use shared::inbox::Inbox;
use shared::marks::Watermark;
use shared::store::{Mark, Store};

use crate::{list, marks};

/// What every operation needs.
pub struct Handler {
    pub store: Store,
    pub broadcasts: Broadcasts,
    /// How long notifications are kept, in seconds.
    pub retention: u32,
}

impl Handler {
    /// Reads what everyone gets before the first request, which opens the connection to the table too. A table that is
    /// away is reported by the request that needs it.
    pub async fn prepare(&self) {
        self.broadcasts.current(clock::wall()).await.ok();
    }

    /// Routes a request. The user is always the token's.
    pub async fn handle(&self, request: &Request) -> Result<Reply> {
        let now = clock::wall();
        let user = http::caller(request)?;
        let broadcasts = self.broadcasts.current(now).await?;
        let inbox = Inbox {
            store: &self.store,
            user: &user,
            now,
            consistent: http::is_consistent(request)?,
            broadcasts: &broadcasts,
        };
        match http::route(request) {
            "GET /v1/me/notifications" => http::inbox_page(&inbox, request, self.retention).await,
            "GET /v1/me/notifications/counts" => list::counts(&inbox, request).await,
            "GET /v1/me/notifications/{id}" => {
                http::query(request, &[])?;
                let notification = inbox.get(http::notification_id(request)?).await?;
                Reply::ok(&notification.view())
            }
            "PUT /v1/me/notifications/{id}/read" => marks::one(&inbox, request, Mark::Read).await,
            "DELETE /v1/me/notifications/{id}/read" => {
                marks::one(&inbox, request, Mark::Unread).await
            }
            "PUT /v1/me/notifications/{id}/archived" => {
                marks::one(&inbox, request, Mark::Archived).await
            }
            "DELETE /v1/me/notifications/{id}/archived" => {
                marks::one(&inbox, request, Mark::Unarchived).await
            }
            "POST /v1/me/notifications/read" => marks::many(&inbox, request, Watermark::Read).await,
            "POST /v1/me/notifications/seen" => marks::many(&inbox, request, Watermark::Seen).await,
            _ => Err(Error::NotFound),
        }
    }
}
