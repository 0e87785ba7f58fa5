//! The connections of a simulated instance: to a table in memory and to an SNS that is a ledger, with faults that follow
//! from the seed, the instance and the number of the call.

use std::collections::BTreeMap;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use aws_sdk_dynamodb::config::retry::{RetryPartition, TokenBucket};
use aws_sdk_dynamodb::config::{Credentials, Region};
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use jiff::Timestamp;
use local::table::Engine;
use serde_json::{Value, json};
use shared::sns::Sns;
use shared::store::Store;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::ledger::Ledger;
use crate::chance::Chance;
use crate::fan_out_pace::Bucket;

/// What happens to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    None,
    /// It does not arrive, and the connection closes.
    DropBefore,
    /// It is applied, and the connection closes.
    DropAfter,
    /// It is refused, and may be tried again.
    Throttle,
    /// It is answered with a 500; SNS may have taken it all the same.
    Fail,
    /// It is applied, and the answer never comes.
    Hang,
    /// It takes longer than an attempt may.
    Slow,
    /// It is applied twice.
    Twice,
}

/// Which faults there are, each once in so many calls; 0 for never.
#[derive(Debug, Clone, Copy)]
pub struct Faults {
    /// Calls to the table.
    pub table: usize,
    /// Calls to SNS that it certainly did not take.
    pub sns: usize,
    /// Calls to SNS that it may have taken.
    pub unclear: usize,
    /// Calls to the table whose answer is lost, which are `table`'s otherwise.
    pub lost: bool,
}

impl Faults {
    pub const NONE: Faults = Faults {
        table: 0,
        sns: 0,
        unclear: 0,
        lost: false,
    };
}

/// How much the services take, and how fast.
#[derive(Default)]
pub struct Speed {
    /// How long a publish takes; by default as long as a call to the table.
    pub publish: Option<Duration>,
    /// The writes that the table takes.
    pub writes: Option<Mutex<Bucket>>,
}

/// What all instances of one simulation share.
pub struct World {
    pub engine: Engine,
    pub table: String,
    pub seed: u64,
    pub ledger: Mutex<Ledger>,
    speed: Speed,
    began: (Timestamp, Instant),
}

impl fmt::Debug for World {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "World({})", self.seed)
    }
}

impl World {
    /// A world with an empty table, at the beginning of 2026. Whatever is drawn on this thread follows from its seed.
    pub fn new(seed: u64) -> Arc<World> {
        World::with(seed, Speed::default())
    }

    /// The same with services of this speed.
    pub fn with(seed: u64, services: Speed) -> Arc<World> {
        shared::random::follow(seed);
        fastrand::seed(seed);
        let mut tables = crate::events::template().tables;
        // Nobody reads the stream, and with every record in memory each one is dearer than the last.
        for table in &mut tables {
            let create = table.create.as_object_mut().expect("a request");
            create.remove("StreamSpecification");
        }
        Arc::new(World {
            engine: Engine::in_memory(&tables).unwrap(),
            table: tables[0].name.clone(),
            seed,
            ledger: Mutex::default(),
            speed: services,
            began: ("2026-01-01T00:00:00Z".parse().unwrap(), Instant::now()),
        })
    }

    /// The present moment of the simulation.
    pub fn now(&self) -> Timestamp {
        self.began.0 + self.began.1.elapsed()
    }

    /// Whether the table takes one more write now.
    fn takes(&self, operation: &str) -> bool {
        let is_write = ["Put", "Update", "Delete", "BatchWrite", "TransactWrite"];
        let is_write = is_write.iter().any(|start| operation.starts_with(start));
        let writes = self.speed.writes.as_ref().filter(|_| is_write);
        writes.is_none_or(|writes| writes.lock().unwrap().take(1) == 1)
    }

    pub fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap()
    }

    /// Writes down what happens now.
    fn trace(&self, what: &impl Hash) {
        let mut hasher = DefaultHasher::new();
        let mut ledger = self.ledger();
        (ledger.trace, self.now().as_millisecond(), what).hash(&mut hasher);
        ledger.trace = hasher.finish();
    }

    /// Every row, as the engine has it.
    pub fn rows(&self) -> Vec<Value> {
        let mut rows = Vec::new();
        let mut request = json!({"TableName": self.table});
        loop {
            let (status, body) = self.engine.answer("Scan", request.to_string().as_bytes());
            assert_eq!(status, 200, "{body}");
            let mut body: Value = serde_json::from_str(&body).unwrap();
            let Some(Value::Array(items)) = body.get_mut("Items").map(Value::take) else {
                panic!("{body}");
            };
            rows.extend(items);
            match body.get("LastEvaluatedKey") {
                Some(key) => request["ExclusiveStartKey"] = key.clone(),
                None => return rows,
            }
        }
    }
}

/// The connections of one instance.
#[derive(Debug, Clone)]
pub struct Wire {
    world: Arc<World>,
    pub instance: usize,
    faults: Faults,
    calls: Arc<AtomicU64>,
}

impl Wire {
    pub fn new(world: &Arc<World>, instance: usize, faults: Faults) -> Wire {
        Wire {
            world: world.clone(),
            instance,
            faults,
            calls: Arc::default(),
        }
    }

    /// Chance that is the same for the same call of the same instance.
    fn chance(&self) -> Chance {
        let call = self.calls.fetch_add(1, Ordering::Relaxed);
        let instance = u64::try_from(self.instance).unwrap();
        let mut chance = Chance::new(self.world.seed.rotate_left(48) ^ (instance << 32) ^ call);
        chance.next();
        chance
    }

    /// The table, with the functions' own time-outs.
    pub fn store(&self) -> Store {
        let connector = SharedHttpConnector::new(self.clone());
        // Each instance has a process of its own, and with it what its SDK may spend on repeats.
        let partition = RetryPartition::custom("instance").token_bucket(TokenBucket::default());
        let timeouts = TimeoutConfig::builder()
            .operation_attempt_timeout(Duration::from_millis(700))
            .operation_timeout(Duration::from_millis(1_500));
        let config = aws_sdk_dynamodb::Config::builder()
            .behavior_version_latest()
            .region(Region::new("us-east-1"))
            .credentials_provider(Credentials::new("local", "local", None, None, "test"))
            .http_client(http_client_fn(move |_, _| connector.clone()))
            .timeout_config(timeouts.build())
            .retry_config(RetryConfig::standard().with_max_attempts(2))
            .retry_partition(partition.build())
            .endpoint_url("http://table");
        let client = aws_sdk_dynamodb::Client::from_conf(config.build());
        Store::new(client, self.world.table.clone())
    }

    /// SNS, with the functions' own time-outs.
    pub fn sns(&self) -> Sns {
        let connector = SharedHttpConnector::new(self.clone());
        let timeouts = TimeoutConfig::builder().operation_attempt_timeout(Duration::from_secs(5));
        let config = aws_sdk_sns::Config::builder()
            .behavior_version_latest()
            .region(aws_sdk_sns::config::Region::new("us-east-1"))
            .credentials_provider(Credentials::new("local", "local", None, None, "test"))
            .http_client(http_client_fn(move |_, _| connector.clone()))
            .timeout_config(timeouts.build())
            .retry_config(RetryConfig::disabled())
            .endpoint_url("http://sns");
        let client = aws_sdk_sns::Client::from_conf(config.build());
        Sns::new(client.clone(), client)
    }

    fn table_fault(&self, chance: &mut Chance, operation: &str) -> Fault {
        if self.faults.table == 0 || !chance.one_in(self.faults.table) {
            return Fault::None;
        }
        let kinds = [
            Fault::DropBefore,
            Fault::Throttle,
            Fault::Fail,
            Fault::DropAfter,
            Fault::Hang,
            Fault::Slow,
            Fault::Twice,
        ];
        let kinds = &kinds[..if self.faults.lost { 7 } else { 3 }];
        let kind = kinds[chance.below(kinds.len())];
        // A read that comes twice is one read.
        if kind == Fault::Twice && !operation.starts_with("Put") && operation != "UpdateItem" {
            return Fault::DropAfter;
        }
        kind
    }

    fn sns_fault(&self, chance: &mut Chance) -> Fault {
        if self.faults.unclear > 0 && chance.one_in(self.faults.unclear) {
            return [Fault::DropAfter, Fault::Fail, Fault::Hang][chance.below(3)];
        }
        if self.faults.sns > 0 && chance.one_in(self.faults.sns) {
            return Fault::Throttle;
        }
        Fault::None
    }

    /// One call to the table: its answer, however often it was applied.
    fn apply(&self, operation: &str, body: &[u8], fault: Fault) -> (u16, String) {
        let code = match fault {
            Fault::Throttle => "com.amazon.coral.service#ThrottlingException",
            Fault::Fail => "com.amazonaws.dynamodb.v20120810#InternalServerError",
            _ => "",
        };
        let full = code.is_empty() && !self.world.takes(operation);
        let code = if full {
            "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException"
        } else {
            code
        };
        if !code.is_empty() {
            let status = if fault == Fault::Fail { 500 } else { 400 };
            return (status, json!({"__type": code}).to_string());
        }
        let answer = self.world.engine.answer(operation, body);
        let taken = answer.0 == 200;
        self.world
            .ledger()
            .applied(self.instance, operation, body, taken);
        if fault == Fault::Twice {
            return self.world.engine.answer(operation, body);
        }
        answer
    }

    /// One publish: SNS takes it, or says why not.
    fn publish(&self, invocation: u64, body: &str, fault: Fault) -> (u16, String) {
        let refused = |status, code: &str| {
            let body = format!("<ErrorResponse><Error><Code>{code}</Code></Error></ErrorResponse>");
            (status, body)
        };
        if fault == Fault::Throttle {
            return refused(429, "Throttled");
        }
        let url = reqwest::Url::parse(&format!("http://sns/?{body}")).unwrap();
        let fields: BTreeMap<_, _> = url.query_pairs().collect();
        let unclear = fault != Fault::None;
        let now = self.world.now();
        let by = (self.instance, invocation);
        let endpoint = (&*fields["TargetArn"], &*fields["Message"]);
        self.world.ledger().accepted(by, endpoint, unclear, now);
        if fault == Fault::Fail {
            return refused(500, "InternalError");
        }
        let id = "<MessageId>m</MessageId>";
        (
            200,
            format!("<PublishResponse><PublishResult>{id}</PublishResult></PublishResponse>"),
        )
    }
}

impl HttpConnector for Wire {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let wire = self.clone();
        let mut chance = wire.chance();
        let invocation = wire.world.ledger().invocation(wire.instance);
        let target = request.headers().get("x-amz-target").map(str::to_owned);
        let operation = target.map(|target| target.rsplit('.').next().unwrap().to_owned());
        let fault = match &operation {
            Some(operation) => wire.table_fault(&mut chance, operation),
            None => wire.sns_fault(&mut chance),
        };
        wire.world.trace(&(
            wire.instance,
            invocation,
            &operation,
            fault as u8,
            request.body().bytes().map(<[u8]>::len),
        ));
        let body = request.body().bytes().unwrap_or_default().to_vec();
        let mut there = Duration::from_millis(1 + chance.next() % 8);
        let back = Duration::from_millis(1 + chance.next() % 8);
        if let Some(publish) = self.world.speed.publish.filter(|_| operation.is_none()) {
            there = publish.saturating_sub(back);
        }
        if fault == Fault::Slow {
            there += Duration::from_secs(1);
        }
        let closed = || ConnectorError::io("the connection was closed".into());
        HttpConnectorFuture::new(async move {
            if fault == Fault::DropBefore {
                tokio::time::sleep(there).await;
                return Err(closed());
            }
            let (tell, told) = oneshot::channel();
            // On its way it does not end with the one who sent it.
            tokio::spawn(async move {
                tokio::time::sleep(there).await;
                let answer = if let Some(operation) = &operation {
                    wire.apply(operation, &body, fault)
                } else {
                    let body = String::from_utf8(body).unwrap();
                    wire.publish(invocation, &body, fault)
                };
                tokio::time::sleep(back).await;
                tell.send(answer).ok();
            });
            let (status, body) = told.await.unwrap();
            match fault {
                Fault::DropAfter => Err(closed()),
                Fault::Hang => std::future::pending().await,
                _ => {
                    let status = status.try_into().unwrap();
                    Ok(HttpResponse::new(status, SdkBody::from(body)))
                }
            }
        })
    }
}
