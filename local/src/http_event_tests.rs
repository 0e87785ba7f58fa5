//! The event's shape.

use super::*;
use crate::routes::Routes;
use crate::template::RouteSpec;
use axum::http::Request;

fn check(request: Request<&[u8]>) -> Value {
    let spec = RouteSpec {
        method: "POST".to_owned(),
        path: "/v1/things/{id}".to_owned(),
        function: "Things".to_owned(),
        authorizer: None,
    };
    let routes = Routes::new(&[spec]).unwrap();
    let (parts, body) = request.into_parts();
    let route = routes.find("POST", parts.uri.path()).unwrap();
    let claims = json!({"sub": "ana", "exp": 1_700_000_000, "groups": ["a", "b"], "ok": true});
    let token = (
        claims.as_object().unwrap().clone(),
        vec!["x/read".to_owned()],
    );
    let call = Call {
        id: "r1",
        at: 1_709_210_096_789,
        peer: "127.0.0.1:55555".parse().unwrap(),
        port: 3000,
        route: &route,
        token: Some(&token),
    };
    event(&parts, &Bytes::copy_from_slice(body), &call)
}

fn request(content_type: Option<&str>, body: &'static [u8]) -> Request<&'static [u8]> {
    let mut request = Request::post("/v1/things/a%20b?n=1&q=x%2Cy&n=2&flag");
    if let Some(kind) = content_type {
        request = request.header("Content-Type", kind);
    }
    request
        .header("Host", "example.com")
        .header("X-Two", "1")
        .header("X-Two", "2")
        .header("X-Forwarded-For", "6.6.6.6")
        .header("Connection", "close")
        .header("Cookie", "a=1; b=2")
        .header("User-Agent", "test")
        .body(body)
        .unwrap()
}

#[test]
fn the_whole_event_is_as_api_gateway_makes_it() {
    let expected = json!({
        "version": "2.0",
        "routeKey": "POST /v1/things/{id}",
        "rawPath": "/v1/things/a%20b",
        "rawQueryString": "n=1&q=x%2Cy&n=2&flag",
        "cookies": ["a=1", "b=2"],
        "headers": {
            "content-type": "application/json",
            "host": "example.com",
            "user-agent": "test",
            "x-forwarded-for": "6.6.6.6, 127.0.0.1",
            "x-forwarded-port": "3000",
            "x-forwarded-proto": "http",
            "x-two": "1,2",
        },
        "queryStringParameters": {"n": "1,2", "q": "x,y", "flag": ""},
        "pathParameters": {"id": "a b"},
        "requestContext": {
            "accountId": "000000000000",
            "apiId": "local",
            "authorizer": {"jwt": {
                "claims": {"sub": "ana", "exp": "1700000000", "groups": "[a b]", "ok": "true"},
                "scopes": ["x/read"],
            }},
            "domainName": "localhost",
            "domainPrefix": "localhost",
            "http": {
                "method": "POST",
                "path": "/v1/things/a%20b",
                "protocol": "HTTP/1.1",
                "sourceIp": "127.0.0.1",
                "userAgent": "test",
            },
            "requestId": "r1",
            "routeKey": "POST /v1/things/{id}",
            "stage": "$default",
            "time": "29/Feb/2024:12:34:56 +0000",
            "timeEpoch": 1_709_210_096_789_u64,
        },
        "body": "{}",
        "isBase64Encoded": false,
    });
    assert_eq!(check(request(Some("application/json"), b"{}")), expected);
}

#[test]
fn only_text_stays_text() {
    let cases: [(Option<&str>, &'static [u8], &str, bool); 6] = [
        (Some("text/plain; charset=utf-8"), b"hi", "hi", false),
        (Some("application/problem+json"), b"{}", "{}", false),
        (None, b"hi", "hi", false),
        (
            Some("application/x-www-form-urlencoded"),
            b"a=b",
            "YT1i",
            true,
        ),
        (Some("application/octet-stream"), b"hi", "aGk=", true),
        (Some("application/json"), b"\xff", "/w==", true),
    ];
    for (kind, body, expected, base64) in cases {
        let event = check(request(kind, body));
        assert_eq!(
            (event["body"].as_str(), event["isBase64Encoded"].as_bool()),
            (Some(expected), Some(base64)),
            "{kind:?}"
        );
    }
    assert!(check(request(None, b"")).get("body").is_none());
}
