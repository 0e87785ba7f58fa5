//! HTTP for the calls that no SDK client of ours makes, over the connections that the SDK's
//! clients use.

use std::time::Duration;

use aws_smithy_runtime_api::client::http::HttpConnector as _;
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;

use crate::connections::Connections;
use crate::error::{Error, Result, Source};

/// A caller of HTTP.
pub struct Outgoing {
    connections: Connections,
}

/// A request.
pub struct Request<'r> {
    /// `GET`, `PUT`, `POST`.
    pub method: &'static str,
    /// Where to; its path and query are sent as they are.
    pub url: &'r str,
    /// Names in lower case, and values. There are no others than these, `host`, `user-agent` and
    /// `content-length`.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
}

/// What came back.
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// The whole body.
    pub body: Vec<u8>,
}

impl Outgoing {
    /// HTTP over these connections.
    pub fn new(connections: Connections) -> Outgoing {
        Outgoing { connections }
    }

    /// Sends a request once and reads its answer, within `limit`. `what` is who is asked, for errors:
    /// a URL that cannot be one is `Internal`, everything else `Unavailable`.
    pub async fn send(
        &self,
        request: Request<'_>,
        what: &'static str,
        limit: Duration,
    ) -> Result<Response> {
        let request = build(request).map_err(|source| Error::Internal { what, source })?;
        let exchange = async {
            let response = self.connections.call(request).await?;
            let status = response.status().as_u16();
            let body = ByteStream::new(response.into_body()).collect().await?;
            Ok::<_, Source>(Response {
                status,
                body: body.to_vec(),
            })
        };
        let unavailable = |source| Error::Unavailable { what, source };
        match tokio::time::timeout(limit, exchange).await {
            Ok(answer) => answer.map_err(unavailable),
            Err(elapsed) => Err(unavailable(elapsed.into())),
        }
    }
}

fn build(request: Request<'_>) -> Result<HttpRequest, Source> {
    let mut built = HttpRequest::new(SdkBody::from(request.body));
    built.set_method(request.method)?;
    built.set_uri(request.url)?;
    for (name, value) in request.headers {
        built.headers_mut().try_insert(name, value)?;
    }
    Ok(built)
}
