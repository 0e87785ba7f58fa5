//! A function's result as the HTTP answer API Gateway makes of it, and the answers that are its own.

use crate::http_event::HOP_BY_HOP;
use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, Response, StatusCode};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

/// An answer of the gateway itself.
pub fn refusal(status: StatusCode, message: &str) -> Response<Body> {
    let mut response = Response::new(Body::from(json!({"message": message}).to_string()));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert("content-type", HeaderValue::from_static("application/json"));
    response
}

/// The answer to a function that failed.
pub fn internal_error() -> Response<Body> {
    refusal(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error")
}

/// The answer a function's result stands for; `None` if it stands for none.
pub fn from_function(result: &[u8]) -> Option<Response<Body>> {
    let result: Value = serde_json::from_slice(result).ok()?;
    let Some(status) = result.get("statusCode") else {
        // Without a status the whole result is the body.
        let mut response = Response::new(Body::from(result.to_string()));
        response
            .headers_mut()
            .insert("content-type", HeaderValue::from_static("application/json"));
        return Some(response);
    };
    let status = status.as_u64().or_else(|| status.as_str()?.parse().ok())?;
    let body = match result.get("body") {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::String(text)) if result["isBase64Encoded"] == true => {
            STANDARD.decode(text).ok()?
        }
        Some(Value::String(text)) => text.clone().into_bytes(),
        Some(_) => return None,
    };
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::from_u16(u16::try_from(status).ok()?).ok()?;
    if !body.is_empty() {
        response.headers_mut().insert(
            "content-type",
            HeaderValue::from_static("text/plain;charset=UTF-8"),
        );
    }
    for (name, value) in result["headers"].as_object().into_iter().flatten() {
        let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
        // The length and the connection are the gateway's business, and so is CORS.
        let own = HOP_BY_HOP.contains(&name.as_str()) || name == "content-length";
        if !own && !value.is_null() {
            let value = value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned);
            response
                .headers_mut()
                .insert(name, HeaderValue::from_str(&value).ok()?);
        }
    }
    for cookie in result["cookies"].as_array().into_iter().flatten() {
        response
            .headers_mut()
            .append("set-cookie", HeaderValue::from_str(cookie.as_str()?).ok()?);
    }
    *response.body_mut() = Body::from(body);
    Some(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_result_becomes_an_answer() {
        let result = json!({
            "statusCode": 201,
            "headers": {"Content-Type": "application/json", "X-N": 5, "Connection": "close", "content-length": "99"},
            "multiValueHeaders": {"x-ignored": ["1"]},
            "cookies": ["a=1", "b=2"],
            "body": "e30=",
            "isBase64Encoded": true,
        });
        let response = from_function(result.to_string().as_bytes()).unwrap();
        assert_eq!(response.status(), 201);
        let mut names: Vec<_> = response
            .headers()
            .iter()
            .map(|(name, value)| format!("{name}={}", value.to_str().unwrap()))
            .collect();
        names.sort();
        assert_eq!(
            names,
            [
                "content-type=application/json",
                "set-cookie=a=1",
                "set-cookie=b=2",
                "x-n=5"
            ]
        );
        assert_eq!(
            axum::body::to_bytes(response.into_body(), 9).await.unwrap(),
            "{}"
        );
    }

    #[test]
    fn a_result_without_a_status_is_the_body() {
        assert_eq!(from_function(b"{\"a\":1}").unwrap().status(), 200);
        assert_eq!(
            from_function(b"\"text\"").unwrap().headers()["content-type"],
            "application/json"
        );
    }

    #[test]
    fn a_wrong_result_is_no_answer() {
        for result in [
            "",
            "{",
            r#"{"statusCode": 99}"#,
            r#"{"statusCode": "x"}"#,
            r#"{"statusCode": 200, "body": {}}"#,
            r#"{"statusCode": 200, "headers": {"a b": "c"}}"#,
            r#"{"statusCode": 200, "headers": {"a": "b\nc"}}"#,
            r#"{"statusCode": 200, "body": "%", "isBase64Encoded": true}"#,
        ] {
            assert!(from_function(result.as_bytes()).is_none(), "{result}");
        }
    }
}
