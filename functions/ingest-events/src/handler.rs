//! Which of its events the function was called for, and which operation a request asks for.

use serde_json::Value;
use serde_json::value::RawValue;
use shared::clock::{self, Clock};
use shared::error::{Error, Result};
use shared::http::{self as web, Reply, Request};
use shared::queue::Queue;
use shared::rulebook::Rulebook;
use shared::store::Store;

use crate::sources::{self, Batch};
use crate::{http, queue, rules, search, topics};

/// What every operation needs.
pub struct Handler {
    pub store: Store,
    /// What becomes of events.
    pub rulebook: Rulebook,
    /// The life of a notification in seconds, unless its rule says otherwise.
    pub retention: u32,
    /// The life of a logged event in seconds, unless the rule of its type says otherwise.
    pub event_retention: u32,
    /// Where events go that can never be taken.
    pub dead_letters: Queue,
}

impl Handler {
    /// Handles one event of Lambda.
    pub async fn handle(&self, event: &RawValue, request_id: &str) -> Result<Value> {
        match sources::read(event)? {
            Batch::Http => {
                let route = async |request: &Request| self.route(request).await;
                let answer = web::answer(event.get(), request_id, route).await;
                serde_json::to_value(answer).map_err(|source| Error::Internal {
                    what: "an answer could not be written",
                    source: source.into(),
                })
            }
            Batch::Messages(messages) => {
                queue::take(self, messages, Clock::starting(clock::wall())).await
            }
            Batch::All(messages) => {
                queue::take_all(self, messages, Clock::starting(clock::wall())).await
            }
        }
    }

    /// Routes a request.
    async fn route(&self, request: &Request) -> Result<Reply> {
        let clock = Clock::starting(clock::wall());
        web::producer(request)?;
        match web::route(request) {
            "POST /v1/events" => http::post(self, request, clock).await,
            "PUT /v1/rules/{type}" => rules::put(self, request, clock.now()).await,
            "GET /v1/rules/{type}" => rules::get(self, request).await,
            "DELETE /v1/rules/{type}" => rules::delete(self, request).await,
            "GET /v1/rules" => rules::list(self, request).await,
            "POST /v1/rules/{type}/preview" => rules::preview(self, request, clock.now()).await,
            "PUT /v1/topics/{topic}/members/{user}" => {
                topics::join(self, request, clock.now()).await
            }
            "DELETE /v1/topics/{topic}/members/{user}" => topics::leave(self, request).await,
            "POST /v1/topics/{topic}/members" => topics::join_all(self, request, clock.now()).await,
            "GET /v1/topics/{topic}/members" => topics::list(self, request).await,
            "GET /v1/events" => search::page(self, request, clock.now()).await,
            _ => Err(Error::NotFound),
        }
    }
}
