//! Replies, and errors as problem details (RFC 9457).

use lambda_http::Body;
use lambda_http::aws_lambda_events::apigw::ApiGatewayV2httpResponse;
use lambda_http::http::{HeaderName, HeaderValue, StatusCode, header};
use serde::Serialize;
use serde_json::{Value, json};

use crate::error::{Error, Result, Violation};

/// The most broken rules that an answer, or an item of a batch, names.
const MAX_SHOWN: usize = 100;
const MAX_SHOWN_OF_ITEM: usize = 20;

/// What a function answers.
#[derive(Debug)]
pub struct Reply {
    status: StatusCode,
    headers: Vec<(HeaderName, HeaderValue)>,
    body: Option<String>,
}

impl Reply {
    fn with(status: StatusCode, body: &impl Serialize) -> Result<Reply> {
        let body = serde_json::to_string(body).map_err(|source| Error::Internal {
            what: "an answer could not be written",
            source: source.into(),
        })?;
        Ok(Reply {
            status,
            headers: Vec::new(),
            body: Some(body),
        })
    }

    /// 200: read, replaced, or nothing new.
    pub fn ok(body: &impl Serialize) -> Result<Reply> {
        Reply::with(StatusCode::OK, body)
    }

    /// 200: JSON lines, one record a line.
    pub fn lines(lines: &[Value]) -> Reply {
        let lines = lines.iter().map(|line| format!("{line}\n"));
        let json_lines = HeaderValue::from_static("application/x-ndjson");
        Reply {
            status: StatusCode::OK,
            headers: vec![(header::CONTENT_TYPE, json_lines)],
            body: Some(lines.collect()),
        }
    }

    /// 200: JSON that is the same for everyone until the next release, and may be kept for an hour.
    pub fn document(json: &str) -> Reply {
        let an_hour = HeaderValue::from_static("public, max-age=3600");
        Reply {
            status: StatusCode::OK,
            headers: vec![(header::CACHE_CONTROL, an_hour)],
            body: Some(json.to_owned()),
        }
    }

    /// 201: something new.
    pub fn created(body: &impl Serialize) -> Result<Reply> {
        Reply::with(StatusCode::CREATED, body)
    }

    /// 202: a job has begun.
    pub fn accepted(body: &impl Serialize) -> Result<Reply> {
        Reply::with(StatusCode::ACCEPTED, body)
    }

    /// 207: a result for each item.
    pub fn multi(body: &impl Serialize) -> Result<Reply> {
        Reply::with(StatusCode::MULTI_STATUS, body)
    }

    /// 304: nothing has changed since the caller asked last.
    pub fn not_modified() -> Reply {
        Reply {
            status: StatusCode::NOT_MODIFIED,
            headers: Vec::new(),
            body: None,
        }
    }

    /// 204: gone.
    pub fn no_content() -> Reply {
        Reply {
            status: StatusCode::NO_CONTENT,
            headers: Vec::new(),
            body: None,
        }
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: &str) -> Reply {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.push((HeaderName::from_static(name), value));
        }
        self
    }
}

/// The one place where an error becomes a status: status, title, code.
fn status(error: &Error) -> (StatusCode, &'static str) {
    match error {
        Error::Malformed { code, .. } => (StatusCode::BAD_REQUEST, code),
        Error::BadQuery(_) => (StatusCode::BAD_REQUEST, "invalid_query"),
        Error::Forbidden(_) => (StatusCode::FORBIDDEN, "unusable_token"),
        Error::NotFound => (StatusCode::NOT_FOUND, "not_found"),
        Error::Conflict(_) => (StatusCode::CONFLICT, "conflict"),
        Error::TooLarge(_) | Error::EventTooLarge(_) => {
            (StatusCode::PAYLOAD_TOO_LARGE, "too_large")
        }
        Error::UnsupportedMediaType => {
            (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type")
        }
        Error::Invalid(_) => (StatusCode::UNPROCESSABLE_ENTITY, "invalid"),
        Error::KeyReused => (StatusCode::UNPROCESSABLE_ENTITY, "idempotency_key_reused"),
        Error::Throttled { .. } => (StatusCode::TOO_MANY_REQUESTS, "throttled"),
        Error::Unavailable { .. } => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
        Error::Internal { .. } => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
    }
}

/// Failures are logged here, once; what the caller did wrong is not ours to log.
fn log(error: &Error, status: StatusCode) {
    let error = error.chain();
    match status {
        StatusCode::INTERNAL_SERVER_ERROR => tracing::error!(error, "a request failed"),
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS | StatusCode::CONFLICT => {
            tracing::warn!(error, "a request must be tried again");
        }
        _ => {}
    }
}

/// An error's sentence; an internal error's is for the log alone.
fn detail(error: &Error) -> String {
    if matches!(error, Error::Internal { .. }) {
        return "the request failed; the log has the reason under this request_id".to_owned();
    }
    error.to_string()
}

fn problem(error: &Error, request_id: &str) -> Reply {
    let (status, code) = status(error);
    log(error, status);
    let mut problem = json!({
        "type": "about:blank",
        "title": status.canonical_reason(),
        "status": status.as_u16(),
        "detail": detail(error),
        "code": code,
        "request_id": request_id,
    });
    if let Error::Invalid(violations) | Error::BadQuery(violations) = error {
        problem["errors"] = shown(violations, MAX_SHOWN);
    }
    let mut headers = vec![(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/problem+json"),
    )];
    if matches!(status.as_u16(), 409 | 429 | 503) {
        headers.push((header::RETRY_AFTER, HeaderValue::from_static("1")));
    }
    Reply {
        status,
        headers,
        body: Some(problem.to_string()),
    }
}

/// One error as an item's result in a batch.
pub fn item_problem(error: &Error) -> Value {
    let (status, code) = status(error);
    log(error, status);
    let mut problem = json!({"status": status.as_u16(), "code": code, "detail": detail(error)});
    if let Error::Invalid(violations) = error {
        problem["errors"] = shown(violations, MAX_SHOWN_OF_ITEM);
    }
    problem
}

/// Broken rules as an answer shows them: so many, and how many more there are. An answer beyond
/// 6 MB would be refused by Lambda.
fn shown(violations: &[Violation], most: usize) -> Value {
    let mut shown: Vec<Value> = violations.iter().take(most).map(|v| json!(v)).collect();
    if violations.len() > most {
        let detail = format!("and {} more", violations.len() - most);
        shown.push(json!(Violation::new("", "more", detail)));
    }
    Value::Array(shown)
}

/// The gateway's form of a reply, or of the problem that an error is.
pub fn response(outcome: Result<Reply>, request_id: &str) -> ApiGatewayV2httpResponse {
    let reply = outcome.unwrap_or_else(|error| problem(&error, request_id));
    let mut response = ApiGatewayV2httpResponse::default();
    response.status_code = i64::from(reply.status.as_u16());
    if reply.body.is_some() {
        let json = HeaderValue::from_static("application/json");
        response.headers.insert(header::CONTENT_TYPE, json);
    }
    response
        .headers
        .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    for (name, value) in reply.headers {
        response.headers.insert(name, value);
    }
    response.body = reply.body.map(Body::Text);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_has_its_status() {
        let source = || "cause".into();
        let what = "x";
        let cases = [
            (
                Error::Malformed {
                    code: "c",
                    detail: String::new(),
                },
                400,
                false,
            ),
            (Error::BadQuery(Vec::new()), 400, false),
            (Error::Forbidden("x"), 403, false),
            (Error::NotFound, 404, false),
            (Error::Conflict("x"), 409, true),
            (Error::TooLarge(1), 413, false),
            (Error::UnsupportedMediaType, 415, false),
            (Error::Invalid(Vec::new()), 422, false),
            (Error::KeyReused, 422, false),
            (
                Error::Throttled {
                    what,
                    source: source(),
                },
                429,
                true,
            ),
            (
                Error::Unavailable {
                    what,
                    source: source(),
                },
                503,
                true,
            ),
            (
                Error::Internal {
                    what,
                    source: source(),
                },
                500,
                false,
            ),
        ];
        for (error, status, retry) in cases {
            let response = response(Err(error), "r1");
            assert_eq!(response.status_code, status);
            assert_eq!(
                response.headers.contains_key("retry-after"),
                retry,
                "{status}"
            );
            let Some(Body::Text(body)) = response.body else {
                panic!("no body");
            };
            let body: Value = serde_json::from_str(&body).unwrap();
            assert_eq!(body["status"], status);
            assert_eq!(body["request_id"], "r1");
        }
    }

    #[test]
    fn an_items_problem_says_no_more_than_an_answers() {
        let internal = Error::Internal {
            what: "an inner thing",
            source: "cause".into(),
        };
        for error in [internal, Error::EventTooLarge(1), Error::NotFound] {
            let item = item_problem(&error);
            let Some(Body::Text(body)) = response(Err(error), "r1").body else {
                panic!("no body");
            };
            let body: Value = serde_json::from_str(&body).unwrap();
            for field in ["status", "code", "detail"] {
                assert_eq!(item[field], body[field]);
            }
            assert!(!body.to_string().contains("inner"));
        }
    }
}
