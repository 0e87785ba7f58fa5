//! The API as its users call it: one method for each kind of request.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use reqwest::{Client, Method, RequestBuilder};
use serde_json::Value;

use crate::documented;

/// Somebody with a token.
#[derive(Clone)]
pub struct Caller {
    api: String,
    token: String,
    client: Client,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub replayed: bool,
    pub body: Value,
}

impl Answer {
    /// The answer, if it has this status.
    #[track_caller]
    pub fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{:#}", self.body);
        self.body
    }

    /// The pointers and codes of the broken rules, sorted.
    pub fn violations(&self) -> Vec<(String, String)> {
        let errors = self.body["errors"].as_array().cloned().unwrap_or_default();
        let text = |error: &Value, name| error[name].as_str().unwrap().to_owned();
        let mut found: Vec<_> = errors
            .iter()
            .map(|error| (text(error, "pointer"), text(error, "code")))
            .collect();
        found.sort();
        found
    }
}

impl Caller {
    pub fn new(api: &str, token: String) -> Caller {
        Caller {
            api: api.to_owned(),
            token,
            client: Client::new(),
        }
    }

    /// A request that is still to be sent.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let url = format!("{}{path}", self.api);
        self.client.request(method, url).bearer_auth(&self.token)
    }

    pub async fn get(&self, path: &str) -> Answer {
        send(self.request(Method::GET, path)).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        send(self.request(Method::DELETE, path)).await
    }

    pub async fn put(&self, path: &str, body: &Value) -> Answer {
        send(self.request(Method::PUT, path).json(body)).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        send(self.request(Method::POST, path).json(body)).await
    }

    /// A post with an `Idempotency-Key`.
    pub async fn post_keyed(&self, path: &str, key: &str, body: &Value) -> Answer {
        let request = self.request(Method::POST, path);
        send(request.header("idempotency-key", key).json(body)).await
    }
}

/// Sends a request, reads the whole answer, and compares both with the API's document.
pub async fn send(request: RequestBuilder) -> Answer {
    let (client, request) = request.build_split();
    let request = request.unwrap();
    let sent = request.try_clone();
    let response = client.execute(request).await.unwrap();
    let status = response.status().as_u16();
    let header = |name: &str| response.headers().get(name);
    let replayed = header("idempotency-replayed").is_some();
    let media_type = header("content-type").and_then(|value| value.to_str().ok());
    let media_type = media_type.unwrap_or_default().to_owned();
    let text = response.text().await.unwrap();
    // Lines are a text, be there one.
    let json =
        Some(&text).filter(|_| media_type.ends_with("json") && !media_type.ends_with("ndjson"));
    let body = json.and_then(|text| serde_json::from_str(text).ok());
    let body = body.unwrap_or(Value::String(text));
    if let Some(sent) = sent {
        documented::check(&sent, status, &media_type, &body);
    }
    Answer {
        status,
        replayed,
        body,
    }
}

/// Waits until `check` has found something, for 10 seconds at most.
pub async fn eventually<T>(what: &str, check: impl AsyncFn() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = check().await {
            return found;
        }
        assert!(
            began.elapsed() < Duration::from_secs(10),
            "still not: {what}"
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A query: names as they are, values percent-encoded to the last byte.
pub fn query(pairs: &[(&str, &str)]) -> String {
    let mut query = String::new();
    for (name, value) in pairs {
        let sign = if query.is_empty() { '?' } else { '&' };
        write!(query, "{sign}{name}=").unwrap();
        value
            .bytes()
            .for_each(|byte| write!(query, "%{byte:02X}").unwrap());
    }
    query
}
