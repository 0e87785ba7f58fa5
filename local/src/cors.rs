//! What browsers of other origins are told.

use crate::template::Cors;
use axum::body::Body;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header};

/// Whether a browser asks what it may do.
pub fn is_preflight(parts: &Parts) -> bool {
    parts.method == Method::OPTIONS
        && parts.headers.contains_key(header::ORIGIN)
        && parts
            .headers
            .contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

/// The answer to such a request; no function is asked. [`apply`] adds the origin.
pub fn preflight(cors: &Cors, parts: &Parts) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    if allowed_origin(cors, &parts.headers).is_some() {
        let headers = response.headers_mut();
        set(
            headers,
            header::ACCESS_CONTROL_ALLOW_METHODS,
            &cors.methods.join(","),
        );
        set(
            headers,
            header::ACCESS_CONTROL_ALLOW_HEADERS,
            &cors.headers.join(","),
        );
        if let Some(seconds) = cors.max_age {
            set(
                headers,
                header::ACCESS_CONTROL_MAX_AGE,
                &seconds.to_string(),
            );
        }
    }
    response
}

/// Puts the API's CORS headers in place of the function's, as API Gateway does.
pub fn apply(cors: &Cors, request: &HeaderMap, response: &mut HeaderMap) {
    for name in [
        header::ACCESS_CONTROL_ALLOW_ORIGIN,
        header::ACCESS_CONTROL_ALLOW_CREDENTIALS,
        header::ACCESS_CONTROL_EXPOSE_HEADERS,
    ] {
        response.remove(name);
    }
    let Some(origin) = allowed_origin(cors, request) else {
        return;
    };
    set(response, header::ACCESS_CONTROL_ALLOW_ORIGIN, &origin);
    if origin != "*" {
        response.append(header::VARY, HeaderValue::from_static("origin"));
    }
    if cors.credentials {
        set(response, header::ACCESS_CONTROL_ALLOW_CREDENTIALS, "true");
    }
    set(
        response,
        header::ACCESS_CONTROL_EXPOSE_HEADERS,
        &cors.expose.join(","),
    );
}

fn allowed_origin(cors: &Cors, request: &HeaderMap) -> Option<String> {
    let origin = request.get(header::ORIGIN)?.to_str().ok()?;
    if cors.origins.iter().any(|allowed| allowed == "*") {
        return Some("*".to_owned());
    }
    let allows = |allowed: &String| {
        allowed == origin
            || allowed
                .strip_suffix('*')
                .is_some_and(|scheme| scheme.ends_with("://") && origin.starts_with(scheme))
    };
    cors.origins.iter().any(allows).then(|| origin.to_owned())
}

fn set(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    // Text that is no header value is left out; the template's lists hold names and origins.
    if let Some(value) = HeaderValue::from_str(value)
        .ok()
        .filter(|value| !value.is_empty())
    {
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(origins: &[&str], origin: &'static str) -> Option<String> {
        let cors = Cors {
            origins: origins.iter().map(|&each| each.to_owned()).collect(),
            ..Cors::default()
        };
        let request = HeaderMap::from_iter([(header::ORIGIN, HeaderValue::from_static(origin))]);
        let mut response = HeaderMap::new();
        response.insert(
            header::ACCESS_CONTROL_ALLOW_ORIGIN,
            HeaderValue::from_static("https://the.function"),
        );
        apply(&cors, &request, &mut response);
        response
            .get(header::ACCESS_CONTROL_ALLOW_ORIGIN)
            .map(|value| value.to_str().unwrap().to_owned())
    }

    #[test]
    fn only_named_origins_are_allowed() {
        assert_eq!(
            check(&["https://a.b"], "https://a.b").as_deref(),
            Some("https://a.b")
        );
        assert_eq!(check(&["https://a.b"], "https://a.b.evil"), None);
        assert_eq!(
            check(&["https://*"], "https://any").as_deref(),
            Some("https://any")
        );
        assert_eq!(check(&["https://*"], "http://any"), None);
        assert_eq!(check(&["*"], "http://any").as_deref(), Some("*"));
        assert_eq!(check(&[], "http://any"), None);
    }
}
