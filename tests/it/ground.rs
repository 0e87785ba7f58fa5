//! A table of a test's own, and functions that the test itself starts and invokes: what is in the table at the end is
//! what these functions put there.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::path::PathBuf;

use aws_sdk_dynamodb::config::{Credentials, Region};
use aws_sdk_dynamodb::types::AttributeValue;
use local::function::Function;
use local::table::Tables;
use local::template::Template;
use serde_json::{Map, Value, json};
use shared::connections::Connections;
use shared::id::{NotificationId, UserId};
use shared::notification::{Content, Notification, Recipient};
use shared::outcome::Outcome;
use shared::push_options::Push;
use shared::store::Store;

use crate::engine;
use crate::proxy::Proxy;
use crate::stack::{binaries, shared};

/// A row's partition key and sort key.
pub type RowKey = (String, String);

/// The address of an engine with DynamoDB's API, in which tests have their tables instead of the embedded one.
const ENGINE: &str = "TIDINGS_DYNAMODB";

/// The table, whose stream nobody reads. SNS and the queues are those of the shared stack.
pub struct Ground {
    url: String,
    /// The embedded engine, unless there is another.
    _tables: Option<Tables>,
    client: aws_sdk_dynamodb::Client,
    template: Template,
    _data: tempfile::TempDir,
}

/// What a function answered.
#[derive(Debug, Clone)]
pub struct Reply {
    pub status: u64,
    pub headers: Value,
    pub body: Value,
}

impl Ground {
    pub async fn new() -> Ground {
        let mut template = crate::events::template();
        let data = tempfile::tempdir().unwrap();
        if let Ok(url) = std::env::var(ENGINE) {
            let client = client(&url);
            template.tables[0].name = engine::create(&client, &template.tables[0].create).await;
            return Ground {
                url,
                _tables: None,
                client,
                template,
                _data: data,
            };
        }
        let tables = Tables::start(data.path(), &template.tables).await;
        let tables = tables.unwrap();
        Ground {
            url: tables.url(),
            client: client(&tables.url()),
            _tables: Some(tables),
            template,
            _data: data,
        }
    }

    pub fn table(&self) -> &str {
        &self.template.tables[0].name
    }

    pub fn url(&self) -> String {
        self.url.clone()
    }

    /// A proxy before this table and the shared stack's SNS.
    pub async fn proxy(&self, metered: bool) -> Proxy {
        Proxy::start(&self.url(), shared().sns(), metered).await
    }

    /// A function's name for Lambda.
    pub fn name(&self, binary: &str) -> String {
        let mut functions = self.template.functions.iter();
        functions
            .find(|spec| spec.binary == binary)
            .unwrap()
            .name
            .clone()
    }

    /// A function that calls through `proxy`, or directly.
    pub fn function(&self, binary: &str, proxy: Option<&Proxy>) -> Function {
        self.function_ahead(binary, proxy, 0)
    }

    /// The same, with a clock that is this many seconds ahead.
    pub fn function_ahead(&self, binary: &str, proxy: Option<&Proxy>, ahead: i64) -> Function {
        self.function_with(binary, proxy, ahead, &[])
    }

    /// The same, with these variables instead of the template's.
    pub fn function_with(
        &self,
        binary: &str,
        proxy: Option<&Proxy>,
        ahead: i64,
        variables: &[(&str, &str)],
    ) -> Function {
        let (dynamodb, sns) = match proxy {
            Some(proxy) => (proxy.dynamodb.clone(), proxy.sns.clone()),
            None => (self.url(), shared().sns().to_owned()),
        };
        let mut endpoints = BTreeMap::from([
            ("AWS_ENDPOINT_URL_DYNAMODB".to_owned(), dynamodb),
            ("AWS_ENDPOINT_URL_SNS".to_owned(), sns),
            ("AWS_ENDPOINT_URL_SQS".to_owned(), shared().sqs().to_owned()),
            ("CLOCK_AHEAD_MS".to_owned(), (ahead * 1_000).to_string()),
            ("TABLE_NAME".to_owned(), self.table().to_owned()),
        ]);
        let variables = variables.iter();
        endpoints.extend(variables.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let mut functions = self.template.functions.iter();
        let spec = functions.find(|spec| spec.binary == binary).unwrap();
        Function::new(spec, binaries().join(binary), &endpoints)
    }

    /// The table through the real SDK.
    pub fn client(&self) -> &aws_sdk_dynamodb::Client {
        &self.client
    }

    /// The table in the domain's words.
    pub fn store(&self) -> Store {
        let client = self.client.clone();
        Store::new(client, self.table().to_owned())
    }

    /// Every row, by its key.
    pub async fn rows(&self) -> BTreeMap<RowKey, Value> {
        let pages = self.client.scan().table_name(self.table());
        let mut pages = pages.consistent_read(true).into_paginator().items().send();
        let mut rows = BTreeMap::new();
        while let Some(item) = pages.next().await {
            let row = as_json(item.unwrap());
            let text = |name: &str| row[name].as_str().unwrap().to_owned();
            rows.insert((text("pk"), text("sk")), row);
        }
        rows
    }

    /// The keys of every row.
    pub async fn keys(&self) -> BTreeSet<RowKey> {
        self.rows().await.into_keys().collect()
    }

    /// The keys of a user's notifications, read consistently, without what remembers duplicates.
    pub async fn inbox(&self, user: &str) -> Vec<RowKey> {
        let query = self.client.query().table_name(self.table());
        let query = query
            .key_condition_expression("pk = :pk AND begins_with(sk, :sk)")
            .filter_expression("attribute_not_exists(du)")
            .expression_attribute_values(":pk", AttributeValue::S(format!("U#{user}")))
            .expression_attribute_values(":sk", AttributeValue::S("N#".to_owned()));
        let rows = query.consistent_read(true).send().await.unwrap();
        let key =
            |name| move |item: &HashMap<String, AttributeValue>| item[name].as_s().unwrap().clone();
        let rows = rows.items.unwrap_or_default();
        rows.iter()
            .map(|row| (key("pk")(row), key("sk")(row)))
            .collect()
    }

    /// One row, read consistently.
    pub async fn row(&self, pk: &str, sk: &str) -> Option<Value> {
        let get = self.client.get_item().table_name(self.table());
        let get = get.key("pk", AttributeValue::S(pk.to_owned()));
        let get = get.key("sk", AttributeValue::S(sk.to_owned()));
        let item = get.consistent_read(true).send().await.unwrap().item?;
        Some(as_json(item))
    }
}

/// A row as JSON, its bytes as hexadecimal digits.
fn as_json(row: HashMap<String, AttributeValue>) -> Value {
    fn spelled(value: AttributeValue) -> AttributeValue {
        let digits = |text: String, byte: &u8| format!("{text}{byte:02x}");
        match value {
            AttributeValue::B(bytes) => {
                AttributeValue::S(bytes.as_ref().iter().fold(String::new(), digits))
            }
            AttributeValue::L(items) => AttributeValue::L(items.into_iter().map(spelled).collect()),
            AttributeValue::M(fields) => {
                let fields = fields.into_iter();
                AttributeValue::M(fields.map(|(name, field)| (name, spelled(field))).collect())
            }
            other => other,
        }
    }
    let row = row.into_iter();
    let row: HashMap<_, _> = row.map(|(name, value)| (name, spelled(value))).collect();
    serde_dynamo::from_item(row).unwrap()
}

/// The real SDK before the table at `url`.
pub fn client(url: &str) -> aws_sdk_dynamodb::Client {
    let config = aws_sdk_dynamodb::Config::builder()
        .behavior_version_latest()
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("local", "local", None, None, "test"))
        .http_client(Connections::new(&[]).unwrap())
        .endpoint_url(url);
    aws_sdk_dynamodb::Client::from_conf(config.build())
}

/// An HTTP event of payload format 2.0, as the gateway makes it of a request with a valid token.
#[derive(Debug, Clone)]
pub struct Http(Value);

impl Http {
    /// A request of the user or producer `sub` on a route such as `GET /v1/me/devices`.
    pub fn new(route: &str, sub: &str) -> Http {
        let method = route.split(' ').next().unwrap();
        Http(json!({
            "version": "2.0",
            "routeKey": route,
            "rawPath": "/",
            "rawQueryString": "",
            "headers": {},
            "pathParameters": {},
            "requestContext": {
                "routeKey": route,
                "requestId": "r",
                "http": {"method": method, "path": "/"},
                "authorizer": {"jwt": {"claims": {"sub": sub}, "scopes": null}},
            },
            "isBase64Encoded": false,
        }))
    }

    /// Replaces the token's claims; what is null is not there.
    pub fn claims(mut self, claims: &Value) -> Http {
        let mut claims = claims.as_object().unwrap().clone();
        claims.retain(|_, claim| !claim.is_null());
        self.0["requestContext"]["authorizer"]["jwt"]["claims"] = json!(claims);
        self
    }

    pub fn path(mut self, name: &str, value: &str) -> Http {
        self.0["pathParameters"][name] = json!(value);
        self
    }

    pub fn query(mut self, query: &str) -> Http {
        let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        let pairs: Map<String, Value> = pairs.map(|(n, v)| (n.to_owned(), json!(v))).collect();
        self.0["rawQueryString"] = json!(query);
        self.0["queryStringParameters"] = json!(pairs);
        self
    }

    pub fn header(mut self, name: &str, value: &str) -> Http {
        self.0["headers"][name] = json!(value);
        self
    }

    pub fn json(self, body: &Value) -> Http {
        self.text(&body.to_string())
    }

    pub fn text(mut self, body: &str) -> Http {
        self.0["body"] = json!(body);
        self.header("content-type", "application/json")
    }

    /// The event as Lambda gets it.
    pub fn event(&self) -> Value {
        self.0.clone()
    }

    /// Sends it; an error if the function gave no answer.
    pub async fn send(&self, function: &Function) -> Result<Reply, String> {
        let answer = function.invoke(self.0.to_string().into_bytes()).await;
        let answer = answer.map_err(|error| format!("{error:?}"))?;
        let answer: Value = serde_json::from_slice(&answer).unwrap();
        let body = answer["body"].as_str().unwrap_or("null");
        Ok(Reply {
            status: answer["statusCode"].as_u64().unwrap(),
            headers: answer["headers"].clone(),
            // What is not one JSON document stays text.
            body: serde_json::from_str(body).unwrap_or_else(|_| json!(body)),
        })
    }
}

/// A request to create, as the producer `likes`, under `key` if there is one.
pub fn create(key: Option<&str>, note: &Value) -> Http {
    let route = if note.get("notifications").is_some() {
        "POST /v1/notifications/batch"
    } else {
        "POST /v1/notifications"
    };
    let request = Http::new(route, "likes").json(note);
    match key {
        Some(key) => request.header("idempotency-key", key),
        None => request,
    }
}

/// A notification with a title and nothing else.
pub fn plain(user: &UserId, id: NotificationId) -> Notification {
    Notification {
        recipient: Recipient::User(user.clone()),
        id,
        content: Content {
            kind: "video.liked".to_owned(),
            title: Some("Bo liked your video".to_owned()),
            body: None,
            actor: None,
            group: None,
            link: None,
            image: None,
            data: None,
            occurred_at: None,
            origin_device: None,
            push: Push::default(),
            traceparent: None,
        },
        expires_at: id.at().as_second() + 86_400 * 90,
        read_at: None,
        seen_at: None,
        archived_at: None,
        dedupe_key: None,
        schedule_id: None,
        outcome: Outcome::default(),
        carried_at: None,
    }
}

/// The rows that an accepted create says it stored.
pub fn stored(reply: &Reply) -> Vec<RowKey> {
    fn walk(value: &Value, found: &mut Vec<RowKey>) {
        if let (Some(recipient), Some(id)) = (value["recipient"].as_str(), value["id"].as_str()) {
            found.push((format!("U#{recipient}"), format!("N#{id}")));
        }
        let nested = value["data"].as_array().into_iter().flatten();
        nested.for_each(|value| walk(value, found));
    }
    let mut found = Vec::new();
    walk(&reply.body, &mut found);
    found
}

/// What `/proc` says of the processes of a function, known by its own table or endpoint.
pub fn processes(binary: &str, own: &str) -> Vec<PathBuf> {
    let is_it = |folder: &PathBuf| {
        let file = |name: &str| fs::read(folder.join(name)).unwrap_or_default();
        let has = |name: &str, text: &str| String::from_utf8_lossy(&file(name)).contains(text);
        has("cmdline", binary) && has("environ", own)
    };
    let all = fs::read_dir("/proc").unwrap().flatten();
    all.map(|entry| entry.path()).filter(is_it).collect()
}
