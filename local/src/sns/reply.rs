//! How a publish is answered, with and without trouble.

use super::protocol::Reply;
use super::trouble::{self, Ending};
use axum::body::Body;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures_util::{StreamExt, stream};
use std::io;
use std::time::Duration;

/// How long what was sent has to reach the client before the connection is closed.
const ON_ITS_WAY: Duration = Duration::from_millis(20);

/// Answers a publish; `reply` is what a push that was accepted would get.
pub(super) async fn answer(how: trouble::Reply, reply: Reply) -> Response {
    match how {
        trouble::Reply::Usual => reply.into_response(),
        trouble::Reply::File(answer) => answer.response(),
        trouble::Reply::After(time) => {
            tokio::time::sleep(time).await;
            reply.into_response()
        }
        trouble::Reply::Broken(Ending::Hang) => std::future::pending().await,
        trouble::Reply::Broken(Ending::LostReply) => {
            // The head waits for the body's first bytes, so that nothing at all is sent.
            Response::new(Body::from_stream(stream::iter([broken()])))
        }
        trouble::Reply::Broken(Ending::HalfReply) => half(&reply, true),
        trouble::Reply::Broken(Ending::StalledReply) => half(&reply, false),
    }
}

/// The first half of an answer; then the connection is closed, or nothing more comes.
fn half(reply: &Reply, closed: bool) -> Response {
    let whole = reply.xml(&crate::ids::uuid());
    let length = whole.len();
    let sent = whole.as_bytes()[..length / 2].to_vec();
    let end = async move {
        if closed {
            tokio::time::sleep(ON_ITS_WAY).await;
        } else {
            std::future::pending::<()>().await;
        }
        broken()
    };
    let body = stream::once(std::future::ready(Ok(sent))).chain(stream::once(end));
    let headers = [
        (header::CONTENT_TYPE, "text/xml".to_owned()),
        (header::CONTENT_LENGTH, length.to_string()),
    ];
    (headers, Body::from_stream(body)).into_response()
}

/// What makes the server close a connection.
fn broken() -> io::Result<Vec<u8>> {
    Err(io::ErrorKind::ConnectionAborted.into())
}
