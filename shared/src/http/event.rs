//! From the raw event to a request.
//!
//! `lambda_http` panics on what it cannot turn into a URI, and on a body that is not base64 though
//! the event says so. It gets neither: the event is checked here, and what routing does not need
//! (path and host; the gateway has matched the route) is taken out.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use lambda_http::Body;
use lambda_http::aws_lambda_events::apigw::ApiGatewayV2httpRequest;
use lambda_http::http::header::HOST;
use lambda_http::request::LambdaRequest;

use crate::error::{Error, Result};

/// A request whose route the gateway has matched and whose token it has verified.
pub type Request = lambda_http::Request;

/// The longest query string, in bytes.
const MAX_QUERY: usize = 8_192;

/// Reads an event of payload format 2.0.
pub fn read(event: &str) -> Result<Request> {
    let malformed = |detail: &str| Error::Malformed {
        code: "malformed_request",
        detail: detail.to_owned(),
    };
    let mut event: ApiGatewayV2httpRequest = serde_json::from_str(event)
        .map_err(|_| malformed("the request is not one that an HTTP API sends"))?;
    let query = event.raw_query_string.get_or_insert_default();
    if query.len() > MAX_QUERY {
        return Err(malformed("the query is longer than 8192 bytes"));
    }
    if !query
        .bytes()
        .all(|byte| byte.is_ascii_graphic() && byte != b'#' && !br#""<>\^`{|}"#.contains(&byte))
    {
        return Err(malformed(
            "the query has characters that must be percent-encoded",
        ));
    }
    event.raw_path = Some("/".to_owned());
    event.request_context.stage = None;
    event.request_context.domain_name = None;
    event.headers.remove(HOST);
    event.cookies = None;
    let body = event.body.take().unwrap_or_default();
    let body = if event.is_base64_encoded {
        let bytes = BASE64_STANDARD.decode(body);
        Body::Binary(bytes.map_err(|_| malformed("the body is not valid base64"))?)
    } else {
        Body::Text(body)
    };
    let mut request = Request::from(LambdaRequest::ApiGatewayV2(event));
    *request.body_mut() = body;
    Ok(request)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(query: &str, body: &str, base64: bool) -> String {
        serde_json::json!({
            "version": "2.0",
            "routeKey": "GET /v1/me/notifications",
            "rawPath": format!("/v1/{}", "x\" <".repeat(20_000)),
            "rawQueryString": query,
            "headers": {"host": "a b\"<", "x-forwarded-proto": "🦀"},
            "requestContext": {
                "routeKey": "GET /v1/me/notifications",
                "stage": "a b",
                "domainName": "<",
                "http": {"method": "GET", "path": "/"},
            },
            "body": body,
            "isBase64Encoded": base64,
        })
        .to_string()
    }

    #[test]
    fn f51_f52_what_lambda_http_panics_on_never_reaches_it() {
        assert!(read(&event("limit=1", "", false)).is_ok());
        assert!(read(&event("q=%F0%9F&a=%zz", "", false)).is_ok());
        assert_eq!(
            read(&event("", "aGk=", true)).unwrap().body().as_ref(),
            b"hi"
        );
        for query in ["a b", "\"", "<", "ü", "a\u{0}", &"x".repeat(8_193)] {
            assert!(read(&event(query, "", false)).is_err(), "{query}");
        }
        assert!(read(&event("", "%%%", true)).is_err());
        for other in ["null", "{}", "[]", "1", r#"{"version":"2.0"}"#] {
            assert!(read(other).is_err(), "{other}");
        }
        let header = event("", "", false).replace("x-forwarded-proto", "bad name\\n");
        assert!(read(&header).is_err());
    }
}
