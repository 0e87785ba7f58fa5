//! The HTTP side of a function: requests in, replies out. The only place with status codes.

mod event;
mod list;
mod reply;

pub use event::Request;
pub use list::{counts_view, inbox_page, is_consistent};
pub use reply::{Reply, item_problem};

use std::collections::BTreeMap;

use lambda_http::RequestExt;
use lambda_http::aws_lambda_events::apigw::ApiGatewayV2httpResponse;
use lambda_http::http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use lambda_http::request::RequestContext;
use lambda_runtime::{LambdaEvent, service_fn};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::error::{Error, Result, Violation};
use crate::id::{DeviceId, NotificationId, TopicId, UserId};
use crate::json;
use crate::metrics::{self, Metric};
use crate::traceparent::TraceParent;

/// Entries on a page, unless the query says otherwise.
const DEFAULT_LIMIT: usize = 25;
/// The most entries on a page.
const MAX_LIMIT: usize = 100;

/// Serves HTTP events with `handle` until the environment ends. Every answer is a response: an
/// error returned to Lambda would become the gateway's own 500.
pub async fn serve<F>(handle: F) -> Result<(), lambda_runtime::Error>
where
    F: AsyncFn(&Request) -> Result<Reply>,
{
    lambda_runtime::run(service_fn(async |event: LambdaEvent<Box<RawValue>>| {
        let id = event.context.request_id;
        let answer = async {
            let handle = async |request: &Request| handle(request).await;
            let answer = answer(event.payload.get(), &id, handle).await;
            Ok::<ApiGatewayV2httpResponse, lambda_runtime::Error>(answer)
        };
        metrics::observe(&id, answer).await
    }))
    .await
}

/// The answer to one HTTP event, for a function that gets other events too.
pub async fn answer<F>(event: &str, request_id: &str, handle: F) -> ApiGatewayV2httpResponse
where
    F: AsyncFn(&Request) -> Result<Reply>,
{
    let outcome = match event::read(event) {
        // On the heap: the future of a whole request is large.
        Ok(request) => {
            metrics::tell("route", route(&request));
            metrics::trace(traceparent(&request));
            Box::pin(handle(&request)).await
        }
        Err(error) => Err(error),
    };
    let response = reply::response(outcome, request_id);
    metrics::tell("status", response.status_code);
    let refused = matches!(response.status_code, 429 | 503);
    metrics::count(Metric::Unavailable, usize::from(refused));
    metrics::count(Metric::Failed, usize::from(response.status_code == 500));
    response
}

/// The route that the gateway matched, such as `GET /v1/me/notifications/{id}`.
pub fn route(request: &Request) -> &str {
    match request.request_context_ref() {
        Some(RequestContext::ApiGatewayV2(context)) => {
            context.route_key.as_deref().unwrap_or_default()
        }
        _ => "",
    }
}

/// The body as JSON of at most `limit` bytes.
pub fn body(request: &Request, limit: usize) -> Result<Value> {
    if media_type(request)? != "application/json" {
        return Err(Error::UnsupportedMediaType);
    }
    json::parse(request.body().as_ref(), limit)
}

/// The media type of the body in lower case, without its parameters; empty if the request names none.
/// A body in another encoding is refused.
pub fn media_type(request: &Request) -> Result<String> {
    let header = |name| {
        request
            .headers()
            .get(name)
            .map(|value| value.to_str().unwrap_or("?"))
    };
    let is_plain =
        header(CONTENT_ENCODING).is_none_or(|value| value.eq_ignore_ascii_case("identity"));
    if !is_plain {
        return Err(Error::UnsupportedMediaType);
    }
    let media_type = header(CONTENT_TYPE).and_then(|value| value.split(';').next());
    Ok(media_type.unwrap_or_default().trim().to_ascii_lowercase())
}

/// The bytes of the body.
pub fn bytes(request: &Request) -> &[u8] {
    request.body().as_ref()
}

/// The headers whose names begin with `prefix`, without it. A value that is no text is `None`.
pub fn headers<'r>(request: &'r Request, prefix: &str) -> Vec<(&'r str, Option<&'r str>)> {
    let headers = request.headers().iter();
    let named = headers.filter_map(|(name, value)| {
        let name = name.as_str().strip_prefix(prefix)?;
        Some((name, value.to_str().ok()))
    });
    named.collect()
}

/// The `limit` of a page in a query: 1 to 100, 25 unless it says otherwise.
pub fn limit(query: &BTreeMap<String, String>) -> Result<usize> {
    let Some(text) = query.get("limit") else {
        return Ok(DEFAULT_LIMIT);
    };
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let limit = text.parse().ok();
    let limit = limit.filter(|limit| digits && (1..=MAX_LIMIT).contains(limit));
    limit.ok_or_else(|| {
        let detail = format!("must be a whole number from 1 to {MAX_LIMIT}");
        Error::BadQuery(vec![Violation::new("/limit", "range", detail)])
    })
}

fn claim<'r>(request: &'r Request, name: &str) -> Option<&'r str> {
    let Some(RequestContext::ApiGatewayV2(context)) = request.request_context_ref() else {
        return None;
    };
    let claims = &context.authorizer.as_ref()?.jwt.as_ref()?.claims;
    claims.get(name).map(String::as_str)
}

/// The user whose token it is. The gateway has verified the token; nothing else in a request says
/// who is calling.
pub fn caller(request: &Request) -> Result<UserId> {
    claim(request, "sub").and_then(UserId::parse).ok_or(Error::Forbidden(
        "the token's sub is missing, or is not an id of 1 to 128 bytes without '#', white space and control characters",
    ))
}

/// The backend service whose token it is.
pub fn producer(request: &Request) -> Result<String> {
    let names = ["sub", "client_id"].map(|name| claim(request, name));
    let mut names = names.into_iter().flatten();
    names
        .find(|name| !name.is_empty())
        .map(str::to_owned)
        .ok_or(Error::Forbidden("the token has neither sub nor client_id"))
}

/// A part of the path by the name that the route gives it; percent-decoded.
pub fn path_parameter<'r>(request: &'r Request, name: &str) -> &'r str {
    let parameters = request.path_parameters_ref();
    let part = parameters.and_then(|parameters| parameters.first(name));
    part.unwrap_or_default()
}

/// The notification that the path names; one that cannot exist is not found.
pub fn notification_id(request: &Request) -> Result<NotificationId> {
    NotificationId::parse(path_parameter(request, "id")).ok_or(Error::NotFound)
}

/// The device that the path names, under the name that the route gives it.
pub fn device_id(request: &Request, name: &str) -> Result<DeviceId> {
    id_in_path(request, name, DeviceId::parse)
}

/// The user that the path names, under the name that the route gives it: for administrators alone.
pub fn user_id(request: &Request, name: &str) -> Result<UserId> {
    id_in_path(request, name, UserId::parse)
}

/// The topic that the path names.
pub fn topic_id(request: &Request) -> Result<TopicId> {
    id_in_path(request, "topic", TopicId::parse)
}

fn id_in_path<T>(request: &Request, name: &str, parse: fn(&str) -> Option<T>) -> Result<T> {
    parse(path_parameter(request, name)).ok_or_else(|| {
        let what = name.trim_end_matches("_id");
        let detail = format!("the {what} id in the path must have {}", crate::id::ID_RULE);
        Error::invalid(format!("/{name}"), "format", detail)
    })
}

/// The query, of which each name must be known and given once. A known name that ends in a dot
/// stands for every name that begins with it.
pub fn query(request: &Request, known: &[&str]) -> Result<BTreeMap<String, String>> {
    let mut query = BTreeMap::new();
    let mut violations = Vec::new();
    let given = request.query_string_parameters_ref();
    for (name, value) in given
        .into_iter()
        .flat_map(lambda_http::aws_lambda_events::query_map::QueryMap::iter)
    {
        let mut refuse = |code, detail: &str| {
            violations.push(Violation::new(format!("/{name}"), code, detail));
        };
        let is_known = known.iter().any(|known| {
            if known.ends_with('.') {
                return name.len() > known.len() && name.starts_with(known);
            }
            *known == name
        });
        if !is_known {
            refuse(
                "unknown_parameter",
                "is not a query parameter of this route",
            );
        } else if query.insert(name.to_owned(), value.to_owned()).is_some() {
            refuse("duplicate", "is given twice");
        }
    }
    if violations.is_empty() {
        return Ok(query);
    }
    Err(Error::BadQuery(violations))
}

/// The first value of a query parameter, whatever else the query has.
pub fn parameter<'r>(request: &'r Request, name: &str) -> Option<&'r str> {
    request
        .query_string_parameters_ref()
        .and_then(|query| query.first(name))
}

/// Whether the caller has what an `ETag` names already (`If-None-Match`).
pub fn has_etag(request: &Request, etag: &str) -> bool {
    let header = request.headers().get("if-none-match");
    let given = header
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    given
        .split(',')
        .any(|given| matches!(given.trim(), "*") || given.trim().trim_start_matches("W/") == etag)
}

/// Where the caller's trace is, by the header `traceparent`; one that is not valid is as good as none.
pub fn traceparent(request: &Request) -> Option<TraceParent> {
    // One that is given twice arrives as one text, which is not valid.
    let header = request.headers().get("traceparent")?;
    TraceParent::parse(header.to_str().ok()?)
}

/// The `Idempotency-Key` header: 1 to 255 printable ASCII characters.
pub fn idempotency_key(request: &Request) -> Result<Option<&str>> {
    let Some(value) = request.headers().get("idempotency-key") else {
        return Ok(None);
    };
    // What counts as text in a header may hold a tab.
    match value.to_str() {
        Ok(key) if (1..=255).contains(&key.len()) && !key.contains('\t') => Ok(Some(key)),
        _ => Err(Error::Malformed {
            code: "invalid_idempotency_key",
            detail: "the Idempotency-Key must have 1 to 255 printable ASCII characters".to_owned(),
        }),
    }
}
