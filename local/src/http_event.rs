//! An HTTP request as the event API Gateway makes of it: payload format 2.0.

use crate::routes::Match;
use crate::template::ACCOUNT;
use axum::body::Bytes;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Version};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::net::SocketAddr;

/// Headers that belong to one connection and never reach a function or come from one.
pub const HOP_BY_HOP: &[&str] = &[
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// What the gateway knows of a request beside its bytes.
pub struct Call<'a> {
    /// The id in the answer's `apigw-requestid`.
    pub id: &'a str,
    /// When it came, in milliseconds since 1970.
    pub at: i64,
    /// Who is at the other end of the connection, whatever the headers say.
    pub peer: SocketAddr,
    /// The port it came in on.
    pub port: u16,
    /// The route it belongs to.
    pub route: &'a Match<'a>,
    /// The verified claims, and those of the route's scopes that the token has.
    pub token: Option<&'a (Map<String, Value>, Vec<String>)>,
}

/// The event for a request with this head and body.
pub fn event(parts: &Parts, body: &Bytes, call: &Call) -> Value {
    let route_key = format!("{} {}", call.route.spec.method, call.route.spec.path);
    let query = parts.uri.query().unwrap_or_default();
    let mut event = json!({
        "version": "2.0",
        "routeKey": route_key,
        "rawPath": parts.uri.path(),
        "rawQueryString": query,
        "headers": headers(parts, call),
        "requestContext": context(parts, call, &route_key),
        "isBase64Encoded": false,
    });
    // What a request does not have is left out, not empty.
    let cookies: Vec<_> = text(&parts.headers, "cookie")
        .into_iter()
        .flat_map(|all| split_cookies(&all))
        .collect();
    if !cookies.is_empty() {
        event["cookies"] = json!(cookies);
    }
    if !query.is_empty() {
        event["queryStringParameters"] = json!(query_parameters(query));
    }
    if !call.route.parameters.is_empty() {
        event["pathParameters"] = json!(call.route.parameters);
    }
    if !body.is_empty() {
        let text = std::str::from_utf8(body)
            .ok()
            .filter(|_| is_text(&parts.headers));
        event["isBase64Encoded"] = json!(text.is_none());
        event["body"] = text.map_or_else(|| json!(STANDARD.encode(body)), |text| json!(text));
    }
    event
}

fn context(parts: &Parts, call: &Call, route_key: &str) -> Value {
    let mut context = json!({
        "accountId": ACCOUNT,
        "apiId": "local",
        "domainName": "localhost",
        "domainPrefix": "localhost",
        "http": {
            "method": parts.method.as_str(),
            "path": parts.uri.path(),
            "protocol": if parts.version == Version::HTTP_10 { "HTTP/1.0" } else { "HTTP/1.1" },
            "sourceIp": call.peer.ip().to_string(),
            "userAgent": text(&parts.headers, "user-agent").unwrap_or_default(),
        },
        "requestId": call.id,
        "routeKey": route_key,
        "stage": "$default",
        "time": clf_time(call.at),
        "timeEpoch": call.at,
    });
    if let Some((claims, scopes)) = call.token {
        let claims: Map<_, _> = claims
            .iter()
            .map(|(name, value)| (name.clone(), json!(claim_text(value))))
            .collect();
        let scopes = if scopes.is_empty() {
            Value::Null
        } else {
            json!(scopes)
        };
        context["authorizer"] = json!({"jwt": {"claims": claims, "scopes": scopes}});
    }
    context
}

fn headers(parts: &Parts, call: &Call) -> BTreeMap<String, String> {
    let mut headers = BTreeMap::new();
    for name in parts.headers.keys() {
        let name = name.as_str();
        // Cookies have a field of their own.
        if !HOP_BY_HOP.contains(&name) && name != "cookie" {
            headers.insert(
                name.to_owned(),
                text(&parts.headers, name).unwrap_or_default(),
            );
        }
    }
    let peer = call.peer.ip().to_string();
    let forwarded = headers
        .get("x-forwarded-for")
        .map_or_else(|| peer.clone(), |chain| format!("{chain}, {peer}"));
    headers.insert("x-forwarded-for".to_owned(), forwarded);
    headers.insert("x-forwarded-port".to_owned(), call.port.to_string());
    headers.insert("x-forwarded-proto".to_owned(), "http".to_owned());
    headers
}

/// A header's values, joined by commas.
fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    let values: Vec<_> = headers
        .get_all(name)
        .iter()
        .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
        .collect();
    (!values.is_empty()).then(|| values.join(","))
}

fn split_cookies(all: &str) -> Vec<String> {
    all.split(';')
        .map(str::trim)
        .filter(|cookie| !cookie.is_empty())
        .map(str::to_owned)
        .collect()
}

/// Decoded names and values; a name that is there twice has its values joined by commas.
fn query_parameters(query: &str) -> BTreeMap<String, String> {
    let mut parameters = BTreeMap::<String, String>::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let value = decode(value);
        parameters
            .entry(decode(name))
            .and_modify(|values| {
                values.push(',');
                values.push_str(&value);
            })
            .or_insert(value);
    }
    parameters
}

fn decode(text: &str) -> String {
    percent_decode_str(&text.replace('+', " "))
        .decode_utf8_lossy()
        .into_owned()
}

/// API Gateway hands on text as it is and everything else in base64; a form is not text to it.
fn is_text(headers: &HeaderMap) -> bool {
    let Some(kind) = text(headers, "content-type") else {
        return true;
    };
    let kind = kind
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    let (_, subtype) = kind.split_once('/').unwrap_or_default();
    kind.starts_with("text/")
        || ["json", "xml", "javascript"].contains(&subtype)
        || subtype.ends_with("+json")
        || subtype.ends_with("+xml")
}

/// A claim as API Gateway writes it: always text, with lists and mappings in the notation of Go.
fn claim_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "<nil>".to_owned(),
        Value::Array(items) => format!(
            "[{}]",
            items.iter().map(claim_text).collect::<Vec<_>>().join(" ")
        ),
        Value::Object(entries) => {
            let entries: Vec<_> = entries
                .iter()
                .map(|(name, value)| format!("{name}:{}", claim_text(value)))
                .collect();
            format!("map[{}]", entries.join(" "))
        }
        scalar => scalar.to_string(),
    }
}

/// A moment as `20/Nov/2026:10:00:00 +0000`.
fn clf_time(at: i64) -> String {
    Timestamp::from_millisecond(at)
        .unwrap_or_default()
        .strftime("%d/%b/%Y:%H:%M:%S %z")
        .to_string()
}

#[cfg(test)]
#[path = "http_event_tests.rs"]
mod tests;
