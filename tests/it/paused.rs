//! The real pushing code and the real SDK over connections that are only in memory, in a time that passes when everybody
//! waits: what would take hours takes seconds.
//!
//! The table here knows one device for each user and the outcomes that were written; SNS is what a test makes of it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use aws_sdk_dynamodb::config::{Credentials, Region};
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use jiff::Timestamp;
use serde_json::{Value, json};
use shared::broadcast::Broadcasts;
use shared::clock::Clock;
use shared::id::{NotificationId, UserId};
use shared::push::{Limits, Pusher, Target, Undone};
use shared::sns::Sns;
use shared::store::Store;
use tokio::time::Instant;

use crate::table::FUTURE;

/// What SNS does with one publish: how long it takes, its status and its error code.
pub type Reaction = (Duration, u16, &'static str);

/// A publish that has reached SNS: whose, and when.
#[derive(Debug, Clone)]
pub struct Publish {
    pub user: String,
    pub at: Instant,
}

/// A push function in memory.
pub struct World {
    pub pusher: Pusher,
    pub ether: Ether,
}

type React = dyn FnMut(&Publish) -> Reaction + Send;

/// What the connections lead to.
#[derive(Clone)]
pub struct Ether(Arc<Mutex<Services>>);

struct Services {
    react: Box<React>,
    push: Value,
    publishes: Vec<Publish>,
    in_flight: usize,
    widest: usize,
    /// Row → the outcome, and when it was written.
    outcomes: BTreeMap<(String, String), (Value, Instant)>,
}

impl fmt::Debug for Ether {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Ether")
    }
}

impl World {
    /// A push function whose notifications have these push options, as the row has them.
    pub fn new(
        limits: Limits,
        push: Value,
        react: impl FnMut(&Publish) -> Reaction + Send + 'static,
    ) -> World {
        let services = Services {
            react: Box::new(react),
            push,
            publishes: Vec::new(),
            in_flight: 0,
            widest: 0,
            outcomes: BTreeMap::new(),
        };
        let ether = Ether(Arc::new(Mutex::new(services)));
        let http = ether.client();
        let credentials = || Credentials::new("local", "local", None, None, "test");
        let table = aws_sdk_dynamodb::Config::builder()
            .behavior_version_latest()
            .region(Region::new("us-east-1"))
            .credentials_provider(credentials())
            .http_client(http.clone())
            .endpoint_url("http://table");
        let table = aws_sdk_dynamodb::Client::from_conf(table.build());
        let attempt = TimeoutConfig::builder().operation_attempt_timeout(Duration::from_secs(5));
        let sns = aws_sdk_sns::Config::builder()
            .behavior_version_latest()
            .region(aws_sdk_sns::config::Region::new("us-east-1"))
            .credentials_provider(credentials())
            .http_client(http)
            .timeout_config(attempt.build())
            .retry_config(RetryConfig::disabled())
            .endpoint_url("http://sns");
        let sns = aws_sdk_sns::Client::from_conf(sns.build());
        let store = Store::new(table, "table".to_owned());
        let broadcasts = Broadcasts::new(store.clone(), 86_400);
        let pusher = Pusher::new(store, Sns::new(sns.clone(), sns), broadcasts, limits);
        World { pusher, ether }
    }

    /// One invocation with 30 seconds. Returns how long it took.
    pub async fn invoke(&self, targets: &[Target]) -> (Vec<Result<(), Undone>>, Duration) {
        let began = Instant::now();
        let clock = Clock::starting(Timestamp::now());
        let budget = Duration::from_secs(30);
        let done = self.pusher.deliver(targets, clock, budget).await.unwrap();
        (done, began.elapsed())
    }
}

/// Notifications for as many users, each as old as this.
pub fn targets(count: usize, age: Duration) -> Vec<Target> {
    let at = Timestamp::now() - age;
    let target = |index| {
        let user = UserId::parse(&crate::stack::unique(&format!("paused-{index}"))).unwrap();
        (user, NotificationId::draw(at))
    };
    (0..count).map(target).collect()
}

impl Ether {
    fn client(&self) -> SharedHttpClient {
        let connector = SharedHttpConnector::new(self.clone());
        http_client_fn(move |_, _| connector.clone())
    }

    fn lock(&self) -> MutexGuard<'_, Services> {
        self.0.lock().unwrap()
    }

    /// Forgets the publishes so far, and returns them.
    pub fn take_publishes(&self) -> Vec<Publish> {
        std::mem::take(&mut self.lock().publishes)
    }

    /// The outcome of a notification, and when it was written.
    pub fn outcome(&self, (user, id): &Target) -> Option<(Value, Instant)> {
        let key = (format!("U#{}", user.as_str()), format!("N#{id}"));
        self.lock().outcomes.get(&key).cloned()
    }

    /// The most publishes that were on their way at the same time, since it was asked last.
    pub fn take_widest(&self) -> usize {
        std::mem::take(&mut self.lock().widest)
    }

    async fn sns(&self, body: &str) -> (u16, String) {
        let (_, endpoint) = body.split_once("endpoint%2FGCM%2Flocal%2F").unwrap();
        let publish = Publish {
            user: endpoint.split('&').next().unwrap().to_owned(),
            at: Instant::now(),
        };
        let (delay, status, code) = {
            let mut services = self.lock();
            services.publishes.push(publish.clone());
            services.in_flight += 1;
            services.widest = services.widest.max(services.in_flight);
            (services.react)(&publish)
        };
        let landing = Landing(self);
        tokio::time::sleep(delay).await;
        drop(landing);
        let body = if code.is_empty() {
            "<PublishResponse><PublishResult><MessageId>m</MessageId></PublishResult></PublishResponse>".to_owned()
        } else {
            format!("<ErrorResponse><Error><Code>{code}</Code></Error></ErrorResponse>")
        };
        (status, body)
    }

    fn table(&self, operation: &str, body: &Value) -> Value {
        match operation {
            "BatchGetItem" => {
                let keys = body["RequestItems"]["table"]["Keys"].as_array().unwrap();
                let rows: Vec<Value> = keys.iter().filter_map(|key| self.row(key)).collect();
                json!({"Responses": {"table": rows}})
            }
            "UpdateItem" => {
                let key = |name: &str| body["Key"][name]["S"].as_str().unwrap().to_owned();
                let outcome = body["ExpressionAttributeValues"][":outcome"].clone();
                let written = (outcome, Instant::now());
                self.lock().outcomes.insert((key("pk"), key("sk")), written);
                json!({})
            }
            _ => json!({"Items": []}),
        }
    }

    fn row(&self, key: &Value) -> Option<Value> {
        let (pk, sk) = (key["pk"]["S"].as_str()?, key["sk"]["S"].as_str()?);
        let mut row = key.clone();
        match sk {
            "A#user" => {
                let (_, user) = pk.split_once('#')?;
                let seen = Timestamp::now().as_millisecond().to_string();
                let device = json!({
                    "p": {"S": "fcm"}, "a": {"S": "default"}, "h": {"S": "hash"}, "b": {"BOOL": false},
                    "e": {"S": format!("arn:aws:sns:us-east-1:000000000000:endpoint/GCM/local/{user}")},
                    "s": {"N": seen},
                });
                row["dev"] = json!({"M": {"phone": {"M": device}}});
            }
            "A#marks" => return None,
            _ => {
                let services = self.lock();
                row["v"] = json!({"N": "1"});
                row["expires_at"] = json!({"N": FUTURE.to_string()});
                row["t"] = json!({"S": "video.liked"});
                row["ti"] = json!({"S": "Bo liked your video"});
                row["p"] = services.push.clone();
                if let Some((outcome, _)) = services.outcomes.get(&(pk.to_owned(), sk.to_owned())) {
                    row["po"] = outcome.clone();
                }
            }
        }
        Some(row)
    }
}

/// A publish that is on its way until this is dropped, whoever gives up on it.
struct Landing<'e>(&'e Ether);

impl Drop for Landing<'_> {
    fn drop(&mut self) {
        self.0.lock().in_flight -= 1;
    }
}

impl HttpConnector for Ether {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let ether = self.clone();
        HttpConnectorFuture::new(async move {
            let body = request.body().bytes().unwrap_or_default().to_vec();
            let target = request.headers().get("x-amz-target").map(str::to_owned);
            let (status, text) = match target {
                None => ether.sns(&String::from_utf8(body).unwrap()).await,
                Some(target) => {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                    let operation = target.rsplit('.').next().unwrap();
                    let body = serde_json::from_slice(&body).unwrap();
                    (200, ether.table(operation, &body).to_string())
                }
            };
            let status = status.try_into().unwrap();
            Ok(HttpResponse::new(status, SdkBody::from(text)))
        })
    }
}
