//! The HTTP API: routes, JWT authorizers, CORS and limits as API Gateway has them.

use crate::clock::Clock;
use crate::function::{Function, InvokeError};
use crate::http_event::{Call, event};
use crate::http_reply::{from_function, internal_error, refusal};
use crate::output::say;
use crate::routes::Routes;
use crate::runtime_api::PAYLOAD_LIMIT;
use crate::template::{Authorizer, Cors};
use crate::throttle::Throttle;
use crate::tokens::Signer;
use crate::{cors, door, ids};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use futures_util::StreamExt;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The most bytes of a request's body: 10 MB.
const BODY_LIMIT: usize = 10 * 1024 * 1024;
/// The most bytes of the request line and all headers.
const HEAD_LIMIT: usize = 10_240;
/// How long a request's body may take to arrive.
pub const BODY_TIME: Duration = Duration::from_secs(30);
/// How long a function may take to answer, whatever its own limit is; waiting for a free instance counts.
const INTEGRATION_LIMIT: Duration = Duration::from_secs(30);

/// Everything the gateway needs to answer.
pub struct Gateway {
    /// The API's routes.
    pub routes: Routes,
    /// What browsers of other origins may do.
    pub cors: Option<Cors>,
    /// How many requests its routes take.
    pub throttle: Throttle,
    /// The functions by logical id.
    pub functions: BTreeMap<String, Function>,
    /// Whose tokens are believed.
    pub signer: Signer,
    /// What time a request comes at.
    pub clock: Clock,
    /// The port it listens on.
    pub port: u16,
    /// How long a request's body may take to arrive; [`BODY_TIME`] but for tests.
    pub body_time: Duration,
}

/// Claims, and those of the route's scopes that the token has.
type Token = (Map<String, Value>, Vec<String>);

impl Gateway {
    /// The API, with `own` under a path prefix that belongs to the stack.
    pub fn router(self, own: Router) -> Router {
        let api = Router::new().fallback(answer).with_state(Arc::new(self));
        api.merge(door::this_machine_only(own))
    }

    async fn respond(
        &self,
        parts: &Parts,
        body: Body,
        peer: SocketAddr,
        id: &str,
    ) -> Response<Body> {
        if head_size(parts) > HEAD_LIMIT {
            return refusal(
                StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
                "Request Header Fields Too Large",
            );
        }
        if let Some(cors) = &self.cors
            && cors::is_preflight(parts)
        {
            return cors::preflight(cors, parts);
        }
        let Some(route) = self.routes.find(parts.method.as_str(), parts.uri.path()) else {
            return refusal(StatusCode::NOT_FOUND, "Not Found");
        };
        if !self.throttle.takes(route.spec, Instant::now()) {
            return refusal(StatusCode::TOO_MANY_REQUESTS, "Too Many Requests");
        }
        let token = match route
            .spec
            .authorizer
            .as_ref()
            .map(|authorizer| self.authorize(authorizer, &parts.headers))
        {
            None => None,
            Some(Ok(token)) => Some(token),
            Some(Err(refusal)) => return *refusal,
        };
        let body = match tokio::time::timeout(self.body_time, whole(body)).await {
            Ok(Ok(body)) => body,
            Ok(Err(refusal)) => return *refusal,
            Err(_) => return refusal(StatusCode::REQUEST_TIMEOUT, "Request Timeout"),
        };
        let call = Call {
            id,
            at: self.clock.now(),
            peer,
            port: self.port,
            route: &route,
            token: token.as_ref(),
        };
        let event = event(parts, &body, &call).to_string().into_bytes();
        if event.len() > PAYLOAD_LIMIT {
            return too_large();
        }
        let function = &self.functions[&route.spec.function];
        match tokio::time::timeout(INTEGRATION_LIMIT, function.invoke(event)).await {
            Err(_) => refusal(StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable"),
            Ok(Err(InvokeError::TimedOut | InvokeError::Failed(_))) => internal_error(),
            Ok(Ok(result)) => from_function(&result).unwrap_or_else(|| {
                say(format_args!(
                    "{} answered what is no HTTP response: {}",
                    function.name(),
                    beginning(&result)
                ));
                internal_error()
            }),
        }
    }

    fn authorize(
        &self,
        authorizer: &Authorizer,
        headers: &HeaderMap,
    ) -> Result<Token, Box<Response<Body>>> {
        let unauthorized =
            |details: &str| Box::new(challenge(StatusCode::UNAUTHORIZED, "Unauthorized", details));
        let mut values = headers.get_all(&authorizer.header).iter();
        let (Some(value), None) = (values.next(), values.next()) else {
            return Err(unauthorized(""));
        };
        let token = value.to_str().unwrap_or_default().trim();
        let token = match token.split_once(' ') {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim(),
            _ => token,
        };
        let claims = self
            .signer
            .verify(token, &authorizer.issuer, &authorizer.audiences)
            .map_err(|reason| {
                unauthorized(&format!(
                    r#" scope="" error="invalid_token" error_description="{reason}""#
                ))
            })?;
        let had = scopes(&claims);
        let scopes: Vec<_> = authorizer
            .scopes
            .iter()
            .filter(|scope| had.contains(scope))
            .cloned()
            .collect();
        if scopes.is_empty() && !authorizer.scopes.is_empty() {
            let wanted = authorizer.scopes.join(" ");
            let details = format!(
                r#" scope="{wanted}" error="insufficient_scope" error_description="the token does not have a scope the route asks for""#
            );
            return Err(Box::new(challenge(
                StatusCode::FORBIDDEN,
                "Forbidden",
                &details,
            )));
        }
        Ok((claims, scopes))
    }
}

fn too_large() -> Response<Body> {
    refusal(StatusCode::PAYLOAD_TOO_LARGE, "Request Entity Too Large")
}

/// The whole of a body, unless it is too long, or not sent as its head says.
async fn whole(body: Body) -> Result<Bytes, Box<Response<Body>>> {
    let (mut whole, mut parts) = (Vec::new(), body.into_data_stream());
    while let Some(part) = parts.next().await {
        let broken = |_| Box::new(refusal(StatusCode::BAD_REQUEST, "Bad Request"));
        whole.extend_from_slice(&part.map_err(broken)?);
        if whole.len() > BODY_LIMIT {
            return Err(Box::new(too_large()));
        }
    }
    Ok(whole.into())
}

async fn answer(
    State(gateway): State<Arc<Gateway>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
) -> Response<Body> {
    let id = ids::uuid();
    let (parts, body) = request.into_parts();
    let mut response = gateway.respond(&parts, body, peer, &id).await;
    if let Some(cors) = &gateway.cors {
        cors::apply(cors, &parts.headers, response.headers_mut());
    }
    let id = HeaderValue::from_str(&id).expect("a UUID is plain text");
    response.headers_mut().insert("apigw-requestid", id);
    response
}

fn challenge(status: StatusCode, message: &str, details: &str) -> Response<Body> {
    let mut response = refusal(status, message);
    let value = HeaderValue::from_str(&format!("Bearer{details}"))
        .expect("scopes and reasons are plain text");
    response
        .headers_mut()
        .insert(header::WWW_AUTHENTICATE, value);
    response
}

/// A token's scopes: `scope`, or `scp`, as text or as a list.
fn scopes(claims: &Map<String, Value>) -> Vec<String> {
    match claims.get("scope").or_else(|| claims.get("scp")) {
        Some(Value::String(text)) => text.split_whitespace().map(str::to_owned).collect(),
        Some(Value::Array(items)) => items
            .iter()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect(),
        _ => Vec::new(),
    }
}

fn head_size(parts: &Parts) -> usize {
    let line = parts.method.as_str().len() + parts.uri.to_string().len();
    line + parts
        .headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len())
        .sum::<usize>()
}

fn beginning(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&Bytes::copy_from_slice(&bytes[..bytes.len().min(200)])).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::template::{RouteSpec, Throttling};
    use axum::http::Request;

    /// A gateway whose one route leads nowhere.
    fn gateway() -> Gateway {
        let route = RouteSpec {
            method: "POST".to_owned(),
            path: "/x".to_owned(),
            function: "F".to_owned(),
            authorizer: None,
        };
        Gateway {
            routes: Routes::new(&[route]).unwrap(),
            cors: None,
            throttle: Throttle::default(),
            functions: BTreeMap::new(),
            signer: crate::tokens::tests::SIGNER.clone(),
            clock: Clock::default(),
            port: 0,
            body_time: Duration::from_millis(10),
        }
    }

    /// The status for a body that never ends.
    async fn endless(gateway: &Gateway) -> StatusCode {
        let endless = futures_util::stream::pending::<std::io::Result<Bytes>>();
        let request = Request::post("/x")
            .body(Body::from_stream(endless))
            .unwrap();
        let (parts, body) = request.into_parts();
        let peer = SocketAddr::from(([127, 0, 0, 1], 1));
        gateway.respond(&parts, body, peer, "id").await.status()
    }

    #[tokio::test]
    async fn a_body_that_never_ends_is_cut_off() {
        assert_eq!(endless(&gateway()).await, StatusCode::REQUEST_TIMEOUT);
    }

    #[tokio::test]
    async fn f60_a_route_that_is_flooded_answers_429() {
        let mut gateway = gateway();
        gateway.throttle = Throttle::new(Some(Throttling {
            rate: 1.0,
            burst: 2.0,
        }));
        for expected in [408, 408, 429] {
            assert_eq!(endless(&gateway).await, expected);
        }
    }
}
