//! SNS and the outbox on a port, and a client that writes HTTP by hand.

use crate::door;
use crate::outbox::{self, Page};
use crate::sns::router;
use crate::state::State;
use crate::template::TopicSpec;
use crate::topics::{Listener, Topics};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Mutex;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::timeout;

pub(super) const GCM: &str = "arn:aws:sns:us-east-1:000000000000:app/GCM/local";
/// How long what must come is waited for.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);
pub(super) const TOPIC: &str = "arn:aws:sns:us-east-1:000000000000:Events";
pub(super) const APNS: &str = "arn:aws:sns:us-east-1:000000000000:app/APNS/local";

pub(super) struct Server {
    address: String,
    pub(super) state: State,
    events: Mutex<UnboundedReceiver<Vec<u8>>>,
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
        let (sender, events) = unbounded_channel();
        let listener = Listener::new(move |event| {
            sender.send(event).ok();
            std::future::ready(Ok(()))
        });
        let topic = TopicSpec {
            logical_id: "Events".to_owned(),
            arn: TOPIC.to_owned(),
        };
        let topics = Topics::new(
            &[topic],
            [(TOPIC.to_owned(), listener)],
            state.clock().clone(),
        );
        let app = door::programs_only(router(state.clone(), topics))
            .merge(outbox::router(state.clone(), vec![page]));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self {
            address,
            state,
            events: Mutex::new(events),
            _dir: dir,
        }
    }

    /// The `Sns` part of the next event that the topic's function got.
    pub(super) async fn event(&self) -> Value {
        let event = self.events.lock().await.recv().await.unwrap();
        let mut event: Value = serde_json::from_slice(&event).unwrap();
        assert_eq!(event["Records"][0]["EventSource"], "aws:sns");
        event["Records"][0]["Sns"].take()
    }

    /// The next platform event.
    pub(super) async fn platform_event(&self) -> Value {
        serde_json::from_str(self.event().await["Message"].as_str().unwrap()).unwrap()
    }

    pub(super) async fn http(&self, start: &str, body: &str) -> (u16, String) {
        let (answer, closed) = self.exchange(start, body, [PATIENCE, PATIENCE]).await;
        assert!(closed, "{answer}");
        (answer[9..12].parse().unwrap(), answer)
    }

    /// What comes, and whether the connection was closed after it; waits so long for its beginning and for its end.
    pub(super) async fn exchange(
        &self,
        start: &str,
        body: &str,
        limits: [Duration; 2],
    ) -> (String, bool) {
        let mut connection = TcpStream::connect(&self.address).await.unwrap();
        let request = format!(
            "{start} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
            self.address,
            body.len()
        );
        connection.write_all(request.as_bytes()).await.unwrap();
        let mut answer = vec![0; 1024];
        let began = timeout(limits[0], connection.read(&mut answer)).await;
        let Ok(count) = began.map(Result::unwrap) else {
            return (String::new(), false);
        };
        answer.truncate(count);
        let read = timeout(limits[1], connection.read_to_end(&mut answer)).await;
        (String::from_utf8(answer).unwrap(), read.is_ok())
    }

    pub(super) async fn call(&self, action: &str, parameters: &[(&str, &str)]) -> (u16, String) {
        self.http("POST /", &form(action, parameters)).await
    }

    /// Creates both applications, if they are not there.
    pub(super) async fn applications(&self) {
        for platform in ["GCM", "APNS"] {
            let parameters = [
                ("Name", "local"),
                ("Platform", platform),
                ("Attributes.entry.1.key", "PlatformPrincipal"),
                ("Attributes.entry.1.value", "principal"),
                ("Attributes.entry.2.key", "PlatformCredential"),
                ("Attributes.entry.2.value", "secret"),
            ];
            self.call("CreatePlatformApplication", &parameters).await;
        }
    }

    /// Has the application's events of these kinds sent to the topic.
    pub(super) async fn subscribe(&self, application: &str, attributes: &[&str]) {
        self.applications().await;
        for attribute in attributes {
            let parameters = [
                ("PlatformApplicationArn", application),
                ("Attributes.entry.1.key", attribute),
                ("Attributes.entry.1.value", TOPIC),
            ];
            let action = "SetPlatformApplicationAttributes";
            let (status, answer) = self.call(action, &parameters).await;
            assert_eq!(status, 200, "{answer}");
        }
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

/// A request's body.
pub(super) fn form(action: &str, parameters: &[(&str, &str)]) -> String {
    let encode = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let mut form = vec![format!("Action={action}&Version=2010-03-31")];
    form.extend(
        parameters
            .iter()
            .map(|(name, value)| format!("{}={}", encode(name), encode(value))),
    );
    form.join("&")
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
