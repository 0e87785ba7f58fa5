//! The function `platform-apps` with secrets of a test's own, and the place where it puts its answers.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use local::function::Function;
use local::secrets::SecretsManager;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;

use crate::caller::query;
use crate::proxy::Proxy;
use crate::stack::{binaries, shared, unique};
use crate::wire::read_message;

/// A text that stands in every secret here, and may stand nowhere else.
pub const CANARY: &str = "Q0FOQVJZ";

/// The place where answers are put, as S3 takes them.
pub struct Answers {
    pub url: String,
    /// Heads and bodies.
    pub got: Arc<Mutex<Vec<(String, Value)>>>,
    /// How many puts are still refused.
    pub refusals: Arc<Mutex<u32>>,
    _server: tokio::task::JoinSet<()>,
}

impl Answers {
    pub async fn listen() -> Answers {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let got: Arc<Mutex<Vec<_>>> = Arc::default();
        let refusals: Arc<Mutex<u32>> = Arc::default();
        let mut server = tokio::task::JoinSet::new();
        let (seen, left) = (got.clone(), refusals.clone());
        server.spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let Ok(Some((head, body))) = read_message(&mut client).await else {
                    continue;
                };
                let body = serde_json::from_slice(&body).unwrap();
                seen.lock().unwrap().push((head, body));
                let refused = {
                    let mut left = left.lock().unwrap();
                    let refused = *left > 0;
                    *left = left.saturating_sub(1);
                    refused
                };
                let status = if refused { "503 Slow Down" } else { "200 OK" };
                let reply =
                    format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
                client.write_all(reply.as_bytes()).await.unwrap();
            }
        });
        Answers {
            url: format!("http://{address}/bucket/key?X-Amz-Signature=a%2Fb"),
            got,
            refusals,
            _server: server,
        }
    }
}

/// A function, its secrets, and a stack name that is nobody else's. SNS is that of the shared stack.
pub struct Bench {
    pub function: Function,
    pub secrets: SecretsManager,
    pub proxy: Proxy,
    pub answers: Answers,
    pub name: String,
    log: tempfile::TempDir,
}

pub fn key(text: &str) -> String {
    format!("-----BEGIN PRIVATE KEY-----\n{CANARY}{text}\n-----END PRIVATE KEY-----\n")
}

pub fn service_account(text: &str) -> Value {
    json!({"type": "service_account", "project_id": "p", "client_email": "e@p", "private_key": key(text)})
}

pub fn token_key(text: &str) -> Value {
    json!({"key_id": "ABCDE12345", "team_id": "TEAM123456", "bundle_id": "com.example", "private_key": key(text)})
}

pub fn certificate() -> Value {
    let certificate = format!("-----BEGIN CERTIFICATE-----\n{CANARY}\n-----END CERTIFICATE-----");
    json!({"certificate": certificate, "private_key": key("c")})
}

pub fn arn(secret: &str) -> String {
    format!("arn:aws:secretsmanager:us-east-1:000000000000:secret:{secret}")
}

impl Bench {
    pub async fn new() -> Bench {
        Bench::with_time(60).await
    }

    /// A bench whose function has so many seconds.
    pub async fn with_time(seconds: u64) -> Bench {
        let secrets = SecretsManager::start([].into()).unwrap();
        secrets.put(&arn("fcm"), &service_account("f").to_string());
        secrets.put(&arn("apns"), &token_key("a").to_string());
        secrets.put(&arn("sandbox"), &certificate().to_string());
        let proxy = Proxy::start(secrets.url(), shared().sns(), false).await;
        let mut template = crate::events::template();
        let mut functions = template.functions.drain(..);
        let mut spec = functions
            .find(|spec| spec.binary == "platform-apps")
            .unwrap();
        spec.timeout = Duration::from_secs(seconds);
        "TRACE".clone_into(&mut spec.log_level);
        let endpoints = [
            ("AWS_ENDPOINT_URL_SECRETS_MANAGER", &proxy.dynamodb),
            ("AWS_ENDPOINT_URL_SNS", &proxy.sns),
        ];
        let endpoints = endpoints.map(|(name, url)| (name.to_owned(), url.clone()));
        // What it says goes to a file, too.
        let log = tempfile::tempdir().unwrap();
        let program = log.path().join("program");
        let (binary, file) = (binaries().join("platform-apps"), log.path().join("log"));
        let script = format!(
            "#!/bin/sh\nexec '{}' >>'{}' 2>&1\n",
            binary.display(),
            file.display()
        );
        fs::write(&program, script).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o700)).unwrap();
        Bench {
            function: Function::new(&spec, program, &endpoints.into()),
            secrets,
            proxy,
            answers: Answers::listen().await,
            name: unique("stack"),
            log,
        }
    }

    /// The properties of a stack with these secrets, by property.
    pub fn properties(&self, secrets: &[(&str, &str)]) -> Value {
        let mut properties = json!({
            "ServiceToken": "arn:aws:lambda:us-east-1:000000000000:function:PlatformApps",
            "Name": self.name,
            "CredentialsVersion": "1",
            "EventTopicArn": "arn:aws:sns:us-east-1:000000000000:PlatformEvents",
            "FcmSecretArn": "", "ApnsSecretArn": "", "ApnsSandboxSecretArn": "",
            "SuccessFeedbackRoleArn": "", "FailureFeedbackRoleArn": "", "SuccessFeedbackSampleRate": "",
        });
        for (property, secret) in secrets {
            properties[property] = json!(arn(secret));
        }
        properties
    }

    /// The properties of a stack with one secret for each platform.
    pub fn all(&self) -> Value {
        self.properties(&[
            ("FcmSecretArn", "fcm"),
            ("ApnsSecretArn", "apns"),
            ("ApnsSandboxSecretArn", "sandbox"),
        ])
    }

    pub fn physical_id(&self) -> String {
        format!("applications/{}", self.name)
    }

    pub async fn create(&self, properties: &Value) -> Value {
        self.ask(json!({"RequestType": "Create", "ResourceProperties": properties}))
            .await
    }

    pub async fn update(&self, old: &Value, properties: &Value) -> Value {
        self.ask(json!({
            "RequestType": "Update", "PhysicalResourceId": self.physical_id(),
            "ResourceProperties": properties, "OldResourceProperties": old,
        }))
        .await
    }

    pub async fn delete(&self, physical_id: &str, properties: &Value) -> Value {
        self.ask(json!({
            "RequestType": "Delete", "PhysicalResourceId": physical_id, "ResourceProperties": properties,
        }))
        .await
    }

    /// Sends an event, to which what is always the same is added, and returns what was put.
    pub async fn ask(&self, mut event: Value) -> Value {
        event["ResponseURL"] = json!(self.answers.url);
        event["StackId"] = json!("arn:aws:cloudformation:us-east-1:000000000000:stack/s/1");
        event["RequestId"] = json!("r-1");
        event["LogicalResourceId"] = json!("PlatformApplications");
        event["ResourceType"] = json!("Custom::PlatformApplications");
        let returned = self
            .function
            .invoke(event.to_string().into_bytes())
            .await
            .unwrap();
        let returned: Value = serde_json::from_slice(&returned).unwrap();
        let (head, put) = self.answers.got.lock().unwrap().pop().expect("an answer");
        assert_eq!(put, returned, "what is returned is what was put");
        assert!(
            head.starts_with("PUT /bucket/key?X-Amz-Signature=a%2Fb HTTP/1.1"),
            "{head}"
        );
        assert!(
            !head.to_ascii_lowercase().contains("content-type"),
            "{head}"
        );
        assert!(
            put.to_string().len() <= 4096 && !put.to_string().contains(CANARY),
            "{put}"
        );
        assert_eq!(
            (
                &put["RequestId"],
                &put["StackId"],
                &put["LogicalResourceId"]
            ),
            (
                &event["RequestId"],
                &event["StackId"],
                &event["LogicalResourceId"]
            )
        );
        assert!(
            put["PhysicalResourceId"]
                .as_str()
                .is_some_and(|id| !id.is_empty()),
            "{put}"
        );
        put
    }

    pub fn application(&self, platform: &str) -> String {
        format!(
            "arn:aws:sns:us-east-1:000000000000:app/{platform}/{}",
            self.name
        )
    }

    /// The platforms that have an application of this name.
    pub async fn existing(&self) -> Vec<&'static str> {
        let mut existing = Vec::new();
        for platform in ["GCM", "APNS", "APNS_SANDBOX"] {
            if self.attributes(platform).await.is_some() {
                existing.push(platform);
            }
        }
        existing
    }

    /// What SNS shows of an application.
    pub async fn attributes(&self, platform: &str) -> Option<HashMap<String, String>> {
        let arn = self.application(platform);
        let action = ("Action", "GetPlatformApplicationAttributes");
        let (status, text) = sns(&[action, ("PlatformApplicationArn", &arn)]).await;
        let entries = text.split("<entry><key>").skip(1).map(|entry| {
            let (name, rest) = entry.split_once("</key><value>").unwrap();
            (
                name.to_owned(),
                rest.split("</value>").next().unwrap().to_owned(),
            )
        });
        (status == 200).then(|| entries.collect())
    }

    /// An application of this name that somebody else has made.
    pub async fn stranger(&self, platform: &str) {
        let mut parameters = vec![
            ("Action", "CreatePlatformApplication"),
            ("Name", &self.name),
            ("Platform", platform),
        ];
        let attributes = [
            ("PlatformPrincipal", "p"),
            ("PlatformCredential", "c"),
            ("FailureFeedbackRoleArn", "theirs"),
        ];
        let names: Vec<_> = (1..=attributes.len())
            .map(|n| {
                (
                    format!("Attributes.entry.{n}.key"),
                    format!("Attributes.entry.{n}.value"),
                )
            })
            .collect();
        for ((name, value), (key, text)) in attributes.iter().zip(&names) {
            parameters.extend([(key.as_str(), *name), (text.as_str(), *value)]);
        }
        let (status, text) = sns(&parameters).await;
        assert_eq!(status, 200, "{text}");
    }

    /// Checks that nothing the function said has a secret in it.
    pub fn check_log(&self) {
        let log = fs::read_to_string(self.log.path().join("log")).unwrap();
        assert!(log.contains("done") || log.contains("failed"), "{log}");
        for secret in [CANARY, "X-Amz-Signature"] {
            assert!(!log.contains(secret), "{log}");
        }
    }
}

async fn sns(parameters: &[(&str, &str)]) -> (u16, String) {
    let body = query(parameters).split_off(1);
    let request = reqwest::Client::new().post(shared().sns()).body(body);
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

#[track_caller]
pub fn failed(answer: &Value, with: &[&str]) {
    assert_eq!(answer["Status"], "FAILED", "{answer}");
    let reason = answer["Reason"].as_str().unwrap();
    for words in with {
        assert!(reason.contains(words), "{words:?} is not in {reason:?}");
    }
}
