//! Which operation a request asks for.

use serde_json::Value;
use shared::clock::{self, Clock};
use shared::create::{Accepted, RequestKey, create_drawn, create_keyed};
use shared::error::{Error, Result};
use shared::http::{self, Reply, Request};
use shared::id::{NotificationId, fingerprint};
use shared::json::canonical;
use shared::notification::Draft;
use shared::store::Store;
use shared::store::keys::Key;

use crate::{batch, create, jobs, retract};

/// What every operation needs.
pub struct Handler {
    pub store: Store,
    /// The life of a notification in seconds, unless its request says otherwise.
    pub retention: u32,
}

impl Handler {
    /// Routes a request.
    pub async fn handle(&self, request: &Request) -> Result<Reply> {
        let clock = Clock::starting(clock::wall());
        http::producer(request)?;
        match http::route(request) {
            "POST /v1/notifications" => create::create(self, request, clock).await,
            "POST /v1/notifications/batch" => batch::create(self, request, clock).await,
            "DELETE /v1/notifications" => retract::by_dedupe_key(self, request, clock.now()).await,
            "DELETE /v1/notifications/{id}" => retract::by_id(self, request, clock.now()).await,
            "GET /v1/jobs/{job}" => jobs::show(self, request).await,
            "DELETE /v1/jobs/{job}" => jobs::cancel(self, request, clock.now()).await,
            _ => Err(Error::NotFound),
        }
    }

    /// Stores drafts, under the request's key if it has one. `body` is what was asked: two
    /// bodies with the same meaning have the same hash.
    pub async fn store(
        &self,
        request: &Request,
        clock: Clock,
        drafts: &[Draft],
        body: &Value,
    ) -> Result<Accepted> {
        let producer = http::producer(request)?;
        let Some(key) = http::idempotency_key(request)? else {
            return create_drawn(&self.store, clock, drafts, self.retention).await;
        };
        let guard = Key::Guard(producer, key.to_owned());
        let key = RequestKey {
            seed: guard.pk(),
            guard,
            body_hash: fingerprint(&canonical(body).to_string()),
            nonce: NotificationId::draw(clock.now()).to_string(),
        };
        create_keyed(&self.store, clock, drafts, self.retention, &key).await
    }
}
