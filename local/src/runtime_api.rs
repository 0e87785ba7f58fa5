//! The Lambda Runtime API: one listener per function instance, on which the function asks for events and answers them.

use crate::error::Result;
use crate::output::say;
use crate::{door, ids};
use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderValue, Response, StatusCode};
use axum::routing::{get, post};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

/// The most bytes of an event or an answer: 6 MB.
pub const PAYLOAD_LIMIT: usize = 6 * 1024 * 1024;

/// What a function answered.
#[derive(Debug)]
pub enum Answer {
    /// Its result.
    Result(Bytes),
    /// Its error, as JSON.
    Error(String),
}

/// Where an instance stands before its first event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// It has not asked for an event yet.
    Pending,
    /// It has.
    Ready,
    /// It could not start; its error, as JSON.
    Failed(String),
}

/// The runner's end of one instance's Runtime API.
pub struct RuntimeApi {
    events: mpsc::Sender<Invocation>,
    start: watch::Receiver<Start>,
    address: SocketAddr,
    server: JoinHandle<()>,
}

struct Invocation {
    id: String,
    event: Vec<u8>,
    timeout: Duration,
    answer: oneshot::Sender<Answer>,
}

struct Shared {
    function_arn: String,
    events: tokio::sync::Mutex<mpsc::Receiver<Invocation>>,
    start: watch::Sender<Start>,
    open: Mutex<Option<(String, oneshot::Sender<Answer>)>>,
}

impl RuntimeApi {
    /// Listens on a free port for the instance of the function with this ARN.
    pub async fn listen(function_arn: String) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let (events, receiver) = mpsc::channel(1);
        let (sender, start) = watch::channel(Start::Pending);
        let shared = Arc::new(Shared {
            function_arn,
            events: tokio::sync::Mutex::new(receiver),
            start: sender,
            open: Mutex::new(None),
        });
        let router = Router::new()
            .route("/2018-06-01/runtime/invocation/next", get(next))
            .route(
                "/2018-06-01/runtime/invocation/{id}/response",
                post(response),
            )
            .route("/2018-06-01/runtime/invocation/{id}/error", post(error))
            .route("/2018-06-01/runtime/init/error", post(init_error))
            .with_state(shared);
        let server = tokio::spawn(async move {
            let router = door::programs_only(router);
            if let Err(error) = axum::serve(listener, router).await {
                say(format_args!("the Runtime API on {address} ended: {error}"));
            }
        });
        Ok(Self {
            events,
            start,
            address,
            server,
        })
    }

    /// The value of `AWS_LAMBDA_RUNTIME_API`.
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// Waits until the instance asks for its first event or says that it cannot start.
    pub async fn started(&mut self) -> Start {
        match self.start.wait_for(|start| *start != Start::Pending).await {
            Ok(start) => start.clone(),
            Err(_) => Start::Pending,
        }
    }

    /// Hands out one event; the answer comes on what is returned, unless the instance ends without one.
    pub async fn send(&self, event: Vec<u8>, timeout: Duration) -> oneshot::Receiver<Answer> {
        let (answer, receiver) = oneshot::channel();
        // If nobody takes it, `answer` is dropped and the receiver says so.
        self.events
            .send(Invocation {
                id: ids::uuid(),
                event,
                timeout,
                answer,
            })
            .await
            .ok();
        receiver
    }
}

impl Drop for RuntimeApi {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn next(State(shared): State<Arc<Shared>>) -> Response<Body> {
    shared.start.send_if_modified(|start| {
        let pending = *start == Start::Pending;
        if pending {
            *start = Start::Ready;
        }
        pending
    });
    // A connection that breaks while it waits takes no event with it.
    let Some(invocation) = shared.events.lock().await.recv().await else {
        // Its process is about to be ended, as on AWS without another word.
        return std::future::pending().await;
    };
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let mut response = Response::new(Body::from(invocation.event));
    let header = |text: String| HeaderValue::from_str(&text).expect("ids and names are plain text");
    response.headers_mut().extend(
        [
            ("content-type", "application/json".to_owned()),
            ("lambda-runtime-aws-request-id", invocation.id.clone()),
            (
                "lambda-runtime-deadline-ms",
                (now + invocation.timeout).as_millis().to_string(),
            ),
            (
                "lambda-runtime-invoked-function-arn",
                shared.function_arn.clone(),
            ),
            ("lambda-runtime-trace-id", ids::trace(now.as_secs())),
        ]
        .map(|(name, value)| (axum::http::HeaderName::from_static(name), header(value))),
    );
    *open(&shared) = Some((invocation.id, invocation.answer));
    response
}

async fn response(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
    body: Body,
) -> Response<Body> {
    let (answer, code) = match to_bytes(body, PAYLOAD_LIMIT).await {
        Ok(bytes) => (Answer::Result(bytes), StatusCode::ACCEPTED),
        Err(_) => (Answer::Error(too_large()), StatusCode::PAYLOAD_TOO_LARGE),
    };
    settle(&shared, &id, answer, code)
}

async fn error(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
    body: Body,
) -> Response<Body> {
    settle(
        &shared,
        &id,
        Answer::Error(error_text(body).await),
        StatusCode::ACCEPTED,
    )
}

async fn init_error(State(shared): State<Arc<Shared>>, body: Body) -> Response<Body> {
    shared
        .start
        .send_replace(Start::Failed(error_text(body).await));
    status(StatusCode::ACCEPTED)
}

async fn error_text(body: Body) -> String {
    match to_bytes(body, PAYLOAD_LIMIT).await {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(_) => too_large(),
    }
}

/// Gives the answer to whoever waits for it; an answer to another invocation is refused.
fn settle(shared: &Shared, id: &str, answer: Answer, code: StatusCode) -> Response<Body> {
    let waiting = open(shared).take_if(|(waiting, _)| waiting == id);
    match waiting {
        Some((_, sender)) => {
            // Whoever asked may have stopped waiting; the function's work is done all the same.
            sender.send(answer).ok();
            status(code)
        }
        None => status(StatusCode::BAD_REQUEST),
    }
}

fn open(shared: &Shared) -> std::sync::MutexGuard<'_, Option<(String, oneshot::Sender<Answer>)>> {
    shared.open.lock().unwrap_or_else(PoisonError::into_inner)
}

fn too_large() -> String {
    r#"{"errorType":"Function.ResponseSizeTooLarge","errorMessage":"The answer is larger than 6 MB"}"#.to_owned()
}

fn status(code: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = code;
    response
}

#[cfg(test)]
#[path = "runtime_api_tests.rs"]
mod tests;
