//! `/_local/clock`: what time the stack has, and how it is moved forward.

use crate::clock::MAX_AHEAD;
use crate::door;
use crate::state::{self, State};
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Forward {
    forward_seconds: i64,
}

/// What the clock shows and how far that is ahead.
pub(crate) async fn show(axum::extract::State(state): axum::extract::State<State>) -> Response {
    answer(StatusCode::OK, &view(&state))
}

/// Moves the clock by whole seconds, for programs of this machine and for the stack's own page.
pub(crate) async fn forward(
    axum::extract::State(state): axum::extract::State<State>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if !door::is_own_page_or_program(&headers) {
        return refuse(StatusCode::FORBIDDEN, "Forbidden");
    }
    let wanted = serde_json::from_slice::<Forward>(&body);
    let by = wanted.ok().and_then(|wanted| {
        let ahead = state.clock().ahead();
        let by = wanted.forward_seconds.checked_mul(1000)?;
        (by > 0 && by <= MAX_AHEAD - ahead).then_some(by)
    });
    let Some(by) = by else {
        let message = "The body must be {\"forward_seconds\": N}, N whole, above 0, and within 100 years in all";
        return refuse(StatusCode::BAD_REQUEST, message);
    };
    match state.forward(by).await {
        Ok(()) => answer(StatusCode::OK, &view(&state)),
        Err(error) => refuse(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    }
}

fn view(state: &State) -> Value {
    let clock = state.clock();
    json!({"now": state::rfc3339(clock.now()), "ahead_seconds": clock.ahead() / 1000})
}

fn refuse(status: StatusCode, message: &str) -> Response {
    answer(status, &json!({"message": message}))
}

fn answer(status: StatusCode, body: &Value) -> Response {
    let headers = [(header::CONTENT_TYPE, "application/json")];
    (status, headers, body.to_string()).into_response()
}
