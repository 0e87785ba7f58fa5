//! SNS mobile push, as narrow as it is used: its query protocol, platform endpoints and publishing to them.
//!
//! Every platform application `arn:aws:sns:us-east-1:000000000000:app/<platform>/<name>` exists. Accepted pushes go to the
//! outbox before they are answered; no device is ever spoken to. There are no topics.

mod endpoints;
mod message;
mod protocol;
mod publish;
mod refusal;
mod trouble;

use crate::ids;
use crate::state::State;
use axum::Router;
use axum::body::Bytes;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use protocol::Form;
use refusal::Refusal;

/// Serves SNS at `/`.
pub fn router(state: State) -> Router {
    Router::new().route("/", any(serve)).with_state(state)
}

async fn serve(axum::extract::State(state): axum::extract::State<State>, body: Bytes) -> Response {
    let request_id = ids::uuid();
    let (status, text) = match act(&state, &body).await {
        Ok(reply) => (StatusCode::OK, reply.xml(&request_id)),
        Err(refusal) => (refusal.status, refusal.xml(&request_id)),
    };
    let headers = [
        (header::CONTENT_TYPE.as_str(), "text/xml"),
        ("x-amzn-requestid", request_id.as_str()),
    ];
    (status, headers, text).into_response()
}

async fn act(state: &State, body: &[u8]) -> Result<protocol::Reply, Refusal> {
    let form = Form::parse(body)?;
    match form.get("Action").unwrap_or_default() {
        "CreatePlatformEndpoint" => endpoints::create(state, &form).await,
        "GetEndpointAttributes" => endpoints::get_attributes(state, &form).await,
        "SetEndpointAttributes" => endpoints::set_attributes(state, &form).await,
        "DeleteEndpoint" => endpoints::delete(state, &form).await,
        "Publish" => publish::publish(state, &form).await,
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
    }
}

#[cfg(test)]
mod tests;
