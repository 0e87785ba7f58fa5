//! The outbox: every push that was accepted, as JSON and as a live page, under `/_local/` on the API's own port.

use crate::clock;
use crate::error::Error;
use crate::output::log as function_log;
use crate::queue;
use crate::state::{self, State};
use axum::Router;
use axum::extract::{Path, Query, Request};
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use rusqlite::{Connection, Row, params};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// The most pushes or messages of one answer.
const MAX_LIMIT: usize = 1000;
/// The longest a request may wait for a push, in seconds.
const MAX_WAIT: u64 = 20;

/// What the page may load: nothing from elsewhere but pictures.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
    img-src 'self' data: http: https:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// A file to serve.
#[derive(Clone)]
pub struct Page {
    /// Its path below `/_local/`, without a leading slash. `index.html` is also what `/_local/` shows.
    pub path: &'static str,
    /// Its content type.
    pub content_type: &'static str,
    /// What is in it, made anew for each request.
    pub body: Arc<dyn Fn() -> String + Send + Sync>,
}

#[derive(Debug, Deserialize)]
struct OutboxQuery {
    /// The last push that is known; below 0 it counts back from the newest.
    #[serde(default)]
    after: i64,
    limit: Option<usize>,
    /// Seconds to wait for a push if there is none.
    #[serde(default)]
    wait: u64,
}

#[derive(Debug, Deserialize)]
struct QueueQuery {
    limit: Option<usize>,
}

/// Serves `/_local/` and below; the paths are whole, so merge it. The pages hold tokens: whoever mounts this keeps foreign
/// hosts from it.
pub fn router(state: State, pages: Vec<Page>) -> Router {
    let mut router = Router::new()
        .route("/_local", get(|| async { Redirect::permanent("/_local/") }))
        .route("/_local/outbox", get(outbox))
        .route("/_local/endpoints", get(endpoints))
        .route("/_local/queues/{name}", get(messages))
        .route("/_local/log", get(log))
        .route(
            "/_local/clock",
            get(clock::page::show).post(clock::page::forward),
        );
    for page in pages {
        let path = format!("/_local/{}", page.path);
        let serve = move || {
            std::future::ready(([(header::CONTENT_TYPE, page.content_type)], (page.body)()))
        };
        if page.path == "index.html" {
            router = router.route("/_local/", get(serve.clone()));
        }
        router = router.route(&path, get(serve));
    }
    router.layer(middleware::from_fn(guard)).with_state(state)
}

/// What the functions wrote, as they wrote it: each line behind its function's name.
async fn log() -> String {
    let lines = function_log().into_iter();
    let lines: Vec<String> = lines
        .map(|(function, line)| format!("{function} {line}"))
        .collect();
    lines.join("\n")
}

/// Says on every answer that it is neither to be kept nor framed nor loaded from elsewhere.
async fn guard(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = [
        ("cache-control", "no-store"),
        ("content-security-policy", POLICY),
        ("cross-origin-resource-policy", "same-origin"),
        ("referrer-policy", "no-referrer"),
        ("x-content-type-options", "nosniff"),
    ];
    for (name, value) in headers {
        response
            .headers_mut()
            .insert(name, header::HeaderValue::from_static(value));
    }
    response
}

async fn outbox(
    axum::extract::State(state): axum::extract::State<State>,
    Query(query): Query<OutboxQuery>,
) -> Result<Response, Failure> {
    let mut changes = state.pushes();
    let deadline = Instant::now() + Duration::from_secs(query.wait.min(MAX_WAIT));
    let limit = query.limit.unwrap_or(100).clamp(1, MAX_LIMIT);
    let after = if query.after < 0 {
        let newest = state.run(newest).await?;
        newest.saturating_add(query.after).max(0)
    } else {
        query.after
    };
    loop {
        changes.mark_unchanged();
        let data = state
            .run(move |connection| pushes(connection, after, limit))
            .await?;
        let waited =
            data.is_empty() && matches!(timeout_at(deadline, changes.changed()).await, Ok(Ok(())));
        if !waited {
            let next = data.last().map_or(json!(after), |last| last["n"].clone());
            return Ok(answer(&json!({"data": data, "next": next})));
        }
    }
}

async fn endpoints(
    axum::extract::State(state): axum::extract::State<State>,
) -> Result<Response, Failure> {
    let data = state.run(all_endpoints).await?;
    Ok(answer(&json!({"data": data})))
}

async fn messages(
    axum::extract::State(state): axum::extract::State<State>,
    Path(name): Path<String>,
    Query(query): Query<QueueQuery>,
) -> Result<Response, Failure> {
    let limit = query.limit.unwrap_or(100).clamp(1, MAX_LIMIT);
    Ok(match queue::list(&state, &name, limit).await? {
        Some(data) => answer(&json!({"data": data})),
        None => (
            StatusCode::NOT_FOUND,
            answer(&json!({"message": "There is no such queue"})),
        )
            .into_response(),
    })
}

fn answer(body: &Value) -> Response {
    (
        [(header::CONTENT_TYPE, "application/json")],
        body.to_string(),
    )
        .into_response()
}

fn newest(connection: &mut Connection) -> rusqlite::Result<i64> {
    connection.query_row("SELECT coalesce(max(n), 0) FROM pushes", [], |row| {
        row.get(0)
    })
}

fn pushes(connection: &mut Connection, after: i64, limit: usize) -> rusqlite::Result<Vec<Value>> {
    connection
        .prepare_cached(
            "SELECT n, at, message_id, endpoint_arn, pushes.token, pushes.application, message, attributes,
                    coalesce(enabled, 0)
             FROM pushes LEFT JOIN endpoints ON arn = endpoint_arn WHERE n > ?1 ORDER BY n LIMIT ?2",
        )?
        .query_map(params![after, limit], push)?
        .collect()
}

fn all_endpoints(connection: &mut Connection) -> rusqlite::Result<Vec<Value>> {
    connection
        .prepare_cached(
            "SELECT arn, application, token, enabled FROM endpoints ORDER BY rowid LIMIT ?1",
        )?
        .query_map([MAX_LIMIT], |row| {
            let application: String = row.get(1)?;
            let mut parts = application.split('/').skip(1);
            Ok(json!({
                "endpoint_arn": row.get::<_, String>(0)?,
                "platform": parts.next(),
                "application": parts.next(),
                "token": row.get::<_, String>(2)?,
                "enabled": row.get::<_, bool>(3)?,
            }))
        })?
        .collect()
}

fn push(row: &Row) -> rusqlite::Result<Value> {
    let application: String = row.get(5)?;
    let mut parts = application.split('/').skip(1);
    let parsed = |column| {
        row.get::<_, String>(column)
            .map(|text| serde_json::from_str(&text).unwrap_or(Value::Null))
    };
    Ok(json!({
        "n": row.get::<_, i64>(0)?,
        "at": state::rfc3339(row.get(1)?),
        "message_id": row.get::<_, String>(2)?,
        "endpoint_arn": row.get::<_, String>(3)?,
        "token": row.get::<_, String>(4)?,
        "platform": parts.next(),
        "application": parts.next(),
        "enabled": row.get::<_, bool>(8)?,
        "message": parsed(6)?,
        "attributes": parsed(7)?,
    }))
}

/// The state file could not be read.
struct Failure(Error);

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self(error)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        (
            StatusCode::INTERNAL_SERVER_ERROR,
            answer(&json!({"message": self.0.to_string()})),
        )
            .into_response()
    }
}
