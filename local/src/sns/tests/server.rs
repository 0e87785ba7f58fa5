//! SNS and the outbox on a port, and a client that writes HTTP by hand.

use crate::door;
use crate::outbox::{self, Page};
use crate::sns::router;
use crate::state::State;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

pub(super) const GCM: &str = "arn:aws:sns:us-east-1:000000000000:app/GCM/local";
pub(super) const APNS: &str = "arn:aws:sns:us-east-1:000000000000:app/APNS/local";

pub(super) struct Server {
    address: String,
    pub(super) state: State,
    _dir: tempfile::TempDir,
}

impl Server {
    pub(super) async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let state = State::open(dir.path()).unwrap();
        let page = Page {
            path: "index.html",
            content_type: "text/html",
            body: std::sync::Arc::new(|| "<p>".to_owned()),
        };
        let app = door::programs_only(router(state.clone()))
            .merge(outbox::router(state.clone(), vec![page]));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self {
            address,
            state,
            _dir: dir,
        }
    }

    pub(super) async fn http(&self, start: &str, body: &str) -> (u16, String) {
        let mut connection = TcpStream::connect(&self.address).await.unwrap();
        let request = format!(
            "{start} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
            self.address,
            body.len()
        );
        connection.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).await.unwrap();
        (answer[9..12].parse().unwrap(), answer)
    }

    pub(super) async fn call(&self, action: &str, parameters: &[(&str, &str)]) -> (u16, String) {
        let encode = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let mut form = vec![format!("Action={action}&Version=2010-03-31")];
        form.extend(
            parameters
                .iter()
                .map(|(name, value)| format!("{}={}", encode(name), encode(value))),
        );
        self.http("POST /", &form.join("&")).await
    }

    pub(super) async fn endpoint(&self, application: &str, token: &str) -> String {
        let (status, answer) = self
            .call(
                "CreatePlatformEndpoint",
                &[("PlatformApplicationArn", application), ("Token", token)],
            )
            .await;
        assert_eq!(status, 200, "{answer}");
        between(&answer, "<EndpointArn>", "</EndpointArn>")
    }

    pub(super) async fn publish(&self, arn: &str, message: &Value) -> (u16, String) {
        let message = message.to_string();
        self.call(
            "Publish",
            &[
                ("TargetArn", arn),
                ("MessageStructure", "json"),
                ("Message", &message),
            ],
        )
        .await
    }

    pub(super) async fn outbox(&self, query: &str) -> Value {
        let (status, answer) = self.http(&format!("GET /_local/outbox{query}"), "").await;
        assert_eq!(status, 200, "{answer}");
        serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
    }
}

pub(super) fn between(text: &str, start: &str, end: &str) -> String {
    text.split_once(start)
        .unwrap()
        .1
        .split_once(end)
        .unwrap()
        .0
        .to_owned()
}
