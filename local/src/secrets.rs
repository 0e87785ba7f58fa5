//! Secrets Manager, as narrow as it is used: `GetSecretValue` in its JSON protocol, on a port of its own.

use crate::door;
use crate::error::Result;
use crate::ids;
use crate::output::say;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::task::JoinHandle;

type Contents = Arc<Mutex<BTreeMap<String, String>>>;

/// A running Secrets Manager; it ends when it is dropped.
pub struct SecretsManager {
    url: String,
    contents: Contents,
    server: JoinHandle<()>,
}

impl SecretsManager {
    /// Serves these secrets, by their ARNs.
    pub fn start(secrets: BTreeMap<String, String>) -> Result<Self> {
        let listener = crate::listen(0)?;
        listener.set_nonblocking(true)?;
        let url = format!("http://{}", listener.local_addr()?);
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let contents: Contents = Arc::new(Mutex::new(secrets));
        let router = Router::new().route("/", post(serve));
        let router = door::programs_only(router.with_state(contents.clone()));
        let server = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                say(format_args!("Secrets Manager ended: {error}"));
            }
        });
        Ok(Self {
            url,
            contents,
            server,
        })
    }

    /// Where it answers.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Gives a secret another text, or makes one.
    pub fn put(&self, arn: &str, text: &str) {
        let mut contents = self.contents.lock().unwrap_or_else(PoisonError::into_inner);
        contents.insert(arn.to_owned(), text.to_owned());
    }
}

impl Drop for SecretsManager {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn serve(State(contents): State<Contents>, headers: HeaderMap, body: Bytes) -> Response {
    let target = headers
        .get("x-amz-target")
        .and_then(|target| target.to_str().ok());
    let (status, answer) = match (target, serde_json::from_slice::<Value>(&body)) {
        (Some("secretsmanager.GetSecretValue"), Ok(request)) => get(&contents, &request),
        (_, Ok(_)) => refusal(
            "UnknownOperationException",
            "The local stack has GetSecretValue alone.",
        ),
        (_, Err(_)) => refusal("SerializationException", "The request is not JSON."),
    };
    let content_type = [(header::CONTENT_TYPE, "application/x-amz-json-1.1")];
    (status, content_type, answer.to_string()).into_response()
}

fn get(contents: &Contents, request: &Value) -> (StatusCode, Value) {
    let Some(arn) = request["SecretId"].as_str() else {
        return refusal("ValidationException", "SecretId must have a value.");
    };
    let contents = contents.lock().unwrap_or_else(PoisonError::into_inner);
    match contents.get(arn) {
        Some(text) => {
            let name = arn.rsplit(':').next().unwrap_or_default();
            let answer = json!({
                "ARN": arn,
                "Name": name,
                "SecretString": text,
                "VersionId": ids::uuid(),
                "VersionStages": ["AWSCURRENT"],
            });
            (StatusCode::OK, answer)
        }
        None => refusal(
            "ResourceNotFoundException",
            "Secrets Manager can't find the specified secret.",
        ),
    }
}

fn refusal(code: &str, message: &str) -> (StatusCode, Value) {
    let body = json!({"__type": code, "Message": message});
    (StatusCode::BAD_REQUEST, body)
}
