//! AWS as a test of the doctor has it: the shared stack's own answers over one address, and some of them changed.

use std::sync::Arc;

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::stack::Stack;
use crate::wire::{forward, header, operation, read_message};

/// What happens to an answer.
#[derive(Clone, Copy)]
pub enum Act {
    /// Its JSON is changed.
    Edit(fn(&mut Value)),
    /// A part of its text becomes another; `{aws}` in it is this address.
    Replace(&'static str, &'static str),
    /// This status and text come instead; `{aws}` is this address.
    Answer(u16, &'static str),
}

/// Which answer, and what happens to it.
#[derive(Clone, Copy)]
pub struct Rule {
    /// The operation, such as `DescribeTable`, or for one without a name its path.
    on: &'static str,
    /// What the request's first line or body contains; empty for all.
    containing: &'static str,
    act: Act,
}

impl Rule {
    pub const fn edit(on: &'static str, edit: fn(&mut Value)) -> Rule {
        Rule {
            on,
            containing: "",
            act: Act::Edit(edit),
        }
    }

    pub const fn replace(on: &'static str, from: &'static str, to: &'static str) -> Rule {
        Rule {
            on,
            containing: "",
            act: Act::Replace(from, to),
        }
    }

    pub const fn answer(on: &'static str, status: u16, text: &'static str) -> Rule {
        Rule {
            on,
            containing: "",
            act: Act::Answer(status, text),
        }
    }

    pub const fn containing(self, containing: &'static str) -> Rule {
        Rule { containing, ..self }
    }

    fn applies(&self, name: &str, line: &str, body: &str) -> bool {
        let contains = line.contains(self.containing) || body.contains(self.containing);
        (self.on.is_empty() || self.on == name) && contains
    }
}

/// What a stack on AWS has and one on this machine has not; and nothing of what other tests leave behind.
const HEALTHY: &[Rule] = &[
    Rule::replace("/v2/apis/Api/authorizers", "https://issuer.local", "{aws}"),
    Rule::answer(
        "/users/.well-known/openid-configuration",
        200,
        r#"{"issuer": "{aws}/users", "jwks_uri": "{aws}/keys"}"#,
    ),
    Rule::answer(
        "/producers/.well-known/openid-configuration",
        200,
        r#"{"issuer": "{aws}/producers", "jwks_uri": "{aws}/keys"}"#,
    ),
    Rule::answer(
        "/keys",
        200,
        r#"{"keys": [{"kty": "EC", "kid": "e"}, {"kty": "RSA", "use": "sig", "kid": "local"}]}"#,
    ),
    Rule::answer(
        "DescribeContinuousBackups",
        200,
        r#"{"ContinuousBackupsDescription": {"PointInTimeRecoveryDescription": {"PointInTimeRecoveryStatus": "ENABLED"}}}"#,
    ),
    Rule::edit("DescribeTable", |reply| {
        if let Some(table) = reply["Table"].as_object_mut() {
            table.insert("DeletionProtectionEnabled".to_owned(), json!(true));
        }
    }),
    Rule::answer(
        "GetQueueAttributes",
        200,
        r#"{"Attributes": {"ApproximateNumberOfMessages": "0", "ApproximateNumberOfMessagesNotVisible": "0"}}"#,
    ),
    Rule::answer(
        "Query",
        200,
        r#"{"Items": [], "Count": 0, "ScannedCount": 0}"#,
    )
    .containing("\"D#"),
];

/// AWS, as long as this lives.
pub struct Aws {
    pub url: String,
    server: JoinHandle<()>,
}

struct Shared {
    url: String,
    rules: Vec<Rule>,
    dynamodb: String,
    sns: String,
    sqs: String,
    control: String,
}

impl Aws {
    /// A healthy stack's answers, changed by these rules.
    pub async fn with(stack: &Stack, rules: &[Rule]) -> Aws {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let host = |url: &str| url.trim_start_matches("http://").to_owned();
        let shared = Arc::new(Shared {
            url: url.clone(),
            rules: [rules, HEALTHY].concat(),
            dynamodb: host(stack.dynamodb()),
            sns: host(stack.sns()),
            sqs: host(stack.sqs()),
            control: host(stack.control()),
        });
        let server = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                connections.spawn(relay(client, shared.clone()));
            }
        });
        Aws { url, server }
    }
}

impl Drop for Aws {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn relay(mut client: TcpStream, shared: Arc<Shared>) {
    while let Ok(Some((head, body))) = read_message(&mut client).await {
        let reply = shared.reply(&head, &body).await;
        if client.write_all(&reply).await.is_err() {
            return;
        }
    }
}

impl Shared {
    async fn reply(&self, head: &str, body: &[u8]) -> Vec<u8> {
        let text = String::from_utf8_lossy(body);
        let path = head.split(' ').nth(1).unwrap_or_default();
        let path = path.split('?').next().unwrap_or_default();
        let name = match operation(head, &text).as_str() {
            "?" => path.to_owned(),
            name => name.to_owned(),
        };
        let mut rules: Vec<&Rule> = self.rules.iter().collect();
        let line = head.lines().next().unwrap_or_default();
        rules.retain(|rule| rule.applies(&name, line, &text));
        let here = |text: &str| text.replace("{aws}", &self.url);
        let canned = rules.iter().find_map(|rule| match rule.act {
            Act::Answer(status, text) => Some((status, here(text))),
            _ => None,
        });
        let (status, mut answer) = match canned {
            Some(canned) => canned,
            None => self.ask(head, body, &text).await,
        };
        // What is planted comes last.
        for rule in rules.into_iter().rev() {
            match rule.act {
                Act::Edit(edit) if status == 200 => {
                    // What a rule has put there may be anything.
                    if let Ok(mut value @ Value::Object(_)) = serde_json::from_str(&answer) {
                        edit(&mut value);
                        answer = value.to_string();
                    }
                }
                Act::Replace(from, to) => answer = answer.replace(from, &here(to)),
                _ => {}
            }
        }
        format!(
            "HTTP/1.1 {status} X\r\ncontent-length: {}\r\n\r\n{answer}",
            answer.len()
        )
        .into_bytes()
    }

    /// The stack's own answer.
    async fn ask(&self, head: &str, body: &[u8], text: &str) -> (u16, String) {
        let target = header(head, "x-amz-target").unwrap_or_default();
        let upstream = if target.starts_with("DynamoDB") {
            &self.dynamodb
        } else if target.starts_with("AmazonSQS") {
            &self.sqs
        } else if text.contains("Version=2010-03-31") || text.contains("Version=2010%2D03%2D31") {
            &self.sns
        } else {
            &self.control
        };
        let mut server = TcpStream::connect(upstream).await.unwrap();
        let reply = forward(&mut server, head, body).await.unwrap();
        let reply = String::from_utf8(reply).unwrap();
        let status = reply[9..12].parse().unwrap();
        let (_, body) = reply.split_once("\r\n\r\n").unwrap();
        (status, body.to_owned())
    }
}
