//! Answers that are kept as files, in SNS's own words: `shared/answers`, where each names its source.

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::Response;

/// An answer to a publish: status line, headers, an empty line, the body.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answer {
    /// Its file's name without the extension.
    pub(super) name: &'static str,
    text: &'static str,
}

/// The header that says where a text comes from; it is not part of the answer.
const SOURCE: &str = "x-source";

macro_rules! answers {
    ($($name:literal),+ $(,)?) => {
        &[$(Answer {
            name: $name,
            text: include_str!(concat!("../../../shared/answers/", $name, ".http")),
        }),+]
    };
}

/// Every answer but `sent`, which says an id of its own each time.
pub(super) const ANSWERS: &[Answer] = answers![
    "apns-too-long",
    "authorization-error",
    "broken-body",
    "empty-body",
    "endpoint-disabled",
    "expired-token",
    "fcm-too-large",
    "internal-error",
    "invalid-client-token-id",
    "invalid-parameter",
    "invalid-security",
    "kms-access-denied",
    "kms-disabled",
    "kms-throttling",
    "message-too-long",
    "no-endpoint-found",
    "not-found",
    "parameter-value-invalid",
    "platform-application-disabled",
    "request-limit-exceeded",
    "service-unavailable",
    "throttled",
    "throttled-exception",
    "throttling",
    "throttling-exception",
];

/// The answer of this name.
pub(super) fn find(name: &str) -> Option<&'static Answer> {
    ANSWERS.iter().find(|answer| answer.name == name)
}

impl Answer {
    /// Its HTTP status.
    pub(super) fn status(&self) -> StatusCode {
        let number = self.text.split(' ').nth(1).unwrap_or_default();
        StatusCode::from_bytes(number.as_bytes()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// Whether SNS took the message.
    pub(super) fn accepts(&self) -> bool {
        self.status().is_success()
    }

    /// Its error code.
    pub(super) fn code(&self) -> &'static str {
        self.element("Code")
    }

    /// What it says of the error.
    pub(super) fn message(&self) -> &'static str {
        self.element("Message")
    }

    fn element(&self, name: &str) -> &'static str {
        let rest = self.text.split_once(&format!("<{name}>"));
        let inner = rest.and_then(|(_, rest)| rest.split_once("</"));
        inner.map_or("", |(inner, _)| inner)
    }

    /// The answer as it is sent; the server writes the length anew.
    pub(super) fn response(&self) -> Response {
        let (head, body) = self.text.split_once("\r\n\r\n").unwrap_or((self.text, ""));
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = self.status();
        for line in head.lines().skip(1) {
            let Some((name, value)) = line.split_once(": ") else {
                continue;
            };
            if let (Ok(name), Ok(value)) = (
                HeaderName::from_bytes(name.as_bytes()),
                HeaderValue::from_str(value),
            ) && ![SOURCE, "content-length"].contains(&name.as_str())
            {
                response.headers_mut().insert(name, value);
            }
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/answers");

    #[test]
    fn every_file_is_an_answer_with_its_source_and_its_true_length() {
        let mut names = BTreeSet::new();
        for file in std::fs::read_dir(FOLDER).unwrap() {
            let path = file.unwrap().path();
            let text = std::fs::read_to_string(&path).unwrap();
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            let (head, body) = text.split_once("\r\n\r\n").expect(&name);
            let lines: Vec<&str> = head.split("\r\n").collect();
            assert!(lines[0].starts_with("HTTP/1.1 "), "{name}");
            assert!(lines[1].starts_with("x-source: "), "{name}");
            let length = format!("content-length: {}", body.len());
            assert!(lines.contains(&length.as_str()), "{name}");
            assert!(!body.contains('&'), "{name}: nothing here unescapes");
            names.insert(name);
        }
        assert!(names.remove("sent"));
        let known: BTreeSet<String> = ANSWERS.iter().map(|a| a.name.to_owned()).collect();
        assert_eq!(names, known);
    }

    #[test]
    fn an_answer_is_taken_apart() {
        let answer = find("throttled").unwrap();
        assert_eq!(answer.status(), 429);
        assert_eq!(
            (answer.code(), answer.message()),
            ("Throttled", "Rate exceeded")
        );
        assert!(!answer.accepts() && find("broken-body").unwrap().accepts());
        let response = answer.response();
        assert_eq!(response.headers()["content-type"], "text/xml");
        assert!(!response.headers().contains_key(SOURCE));
        assert_eq!(find("sent"), None);
    }
}
