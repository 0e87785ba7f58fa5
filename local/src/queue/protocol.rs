//! SQS's JSON protocol: an operation in a header, JSON in and out.

use super::refusal::Refusal;
use super::requests;
use super::sending;
use crate::ids;
use crate::state::State;
use axum::Router;
use axum::body::Bytes;
use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// The most bytes of a request: a batch of 1 MiB in which every byte is escaped.
const BODY_LIMIT: usize = 8 * 1024 * 1024;

/// What an operation answers.
pub(super) type Reply = Result<Value, Refusal>;

/// Serves SQS, at `/` and at the queues' own URLs: some clients send to those.
pub(crate) fn router(state: State) -> Router {
    Router::new()
        .fallback(serve)
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .with_state(state)
}

async fn serve(
    axum::extract::State(state): axum::extract::State<State>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let operation = text("x-amz-target").and_then(|target| target.strip_prefix("AmazonSQS."));
    let host = text("host").unwrap_or_default();
    let request_id = ids::uuid();
    let outcome = act(&state, operation.unwrap_or_default(), host, &body).await;
    let own = [
        (header::CONTENT_TYPE.as_str(), "application/x-amz-json-1.0"),
        ("x-amzn-requestid", &request_id),
    ];
    match outcome {
        Ok(reply) => (StatusCode::OK, own, reply.to_string()).into_response(),
        Err(refusal) => {
            let query = [("x-amzn-query-error", refusal.query_error())];
            (refusal.status, own, query, refusal.body().to_string()).into_response()
        }
    }
}

async fn act(state: &State, operation: &str, host: &str, body: &[u8]) -> Reply {
    match operation {
        "ChangeMessageVisibility" => requests::change_visibility(state, read(body)?).await,
        "ChangeMessageVisibilityBatch" => {
            requests::change_visibility_batch(state, read(body)?).await
        }
        "DeleteMessage" => requests::delete(state, read(body)?).await,
        "DeleteMessageBatch" => requests::delete_batch(state, read(body)?).await,
        "GetQueueAttributes" => requests::queue_attributes(state, read(body)?).await,
        "GetQueueUrl" => requests::queue_url(state, host, read(body)?).await,
        "ListQueues" => requests::list_queues(state, host, read(body)?).await,
        "PurgeQueue" => requests::purge(state, read(body)?).await,
        "ReceiveMessage" => requests::receive(state, read(body)?).await,
        "SendMessage" => sending::send(state, read(body)?).await,
        "SendMessageBatch" => sending::send_batch(state, read(body)?).await,
        _ => Err(Refusal::unknown_operation()),
    }
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refusal> {
    let body = if body.is_empty() { b"{}" } else { body };
    serde_json::from_slice(body).map_err(|error| Refusal::unreadable(&error.to_string()))
}
