//! SNS, as narrow as it is used: its query protocol, platform applications, their endpoints, publishing to them and to the
//! template's topics.
//!
//! As long as no platform application was created, every `arn:aws:sns:us-east-1:000000000000:app/<platform>/<name>` takes
//! endpoints. Accepted pushes go to the outbox before they are answered; no device is ever spoken to.

mod answers;
mod applications;
mod endpoints;
mod events;
mod message;
mod protocol;
mod publish;
mod refusal;
mod reply;
mod trouble;

use crate::error::Result;
use crate::state::State;
use crate::topics::Topics;
use axum::Router;
use axum::body::Bytes;
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use events::Event;
use protocol::Form;
use refusal::Refusal;
use rusqlite::Connection;

/// What the actions work on.
#[derive(Clone)]
struct Service {
    state: State,
    topics: Topics,
}

impl Service {
    /// Changes the state, and afterwards sends the event that the change makes.
    async fn change<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> rusqlite::Result<(T, Option<Event>)> + Send + 'static,
    ) -> Result<T> {
        let (answer, event) = self.state.run(work).await?;
        if let Some(event) = event {
            event.send(&self.topics).await;
        }
        Ok(answer)
    }
}

/// Serves SNS at `/`.
pub fn router(state: State, topics: Topics) -> Router {
    let service = Service { state, topics };
    Router::new().route("/", any(serve)).with_state(service)
}

async fn serve(
    axum::extract::State(service): axum::extract::State<Service>,
    body: Bytes,
) -> Response {
    match act(&service, &body).await {
        Ok(response) => response,
        Err(refusal) => refusal.into_response(),
    }
}

async fn act(service: &Service, body: &[u8]) -> std::result::Result<Response, Refusal> {
    let form = Form::parse(body)?;
    let reply = match form.get("Action").unwrap_or_default() {
        "CreatePlatformApplication" => applications::create(service, &form).await,
        "DeletePlatformApplication" => applications::delete(service, &form).await,
        "CreatePlatformEndpoint" => endpoints::create(service, &form).await,
        "GetEndpointAttributes" => endpoints::get_attributes(service, &form).await,
        "SetEndpointAttributes" => endpoints::set_attributes(service, &form).await,
        "DeleteEndpoint" => endpoints::delete(service, &form).await,
        "GetPlatformApplicationAttributes" => applications::get_attributes(service, &form).await,
        "SetPlatformApplicationAttributes" => applications::set_attributes(service, &form).await,
        "Publish" => return publish::publish(service, &form).await,
        "" => Err(Refusal::new(
            400,
            "MissingAction",
            "The request must contain the parameter Action",
        )),
        other => Err(Refusal::new(
            400,
            "InvalidAction",
            format!("Could not find operation {other} for version 2010-03-31"),
        )),
    };
    reply.map(IntoResponse::into_response)
}

#[cfg(test)]
mod tests;
