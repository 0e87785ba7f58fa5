//! How long a fan-out takes: the real steps and the real pace of pushes, in a time that passes when everybody waits, against
//! a table and an SNS that take so much a second and no more.
//!
//! The table here has members, counts the rows that are put and charges a unit for each write; what SNS took is written down
//! on the row, which is another. Lambda runs 10 steps beside each other for each shard of the stream, and 4 pushes.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use aws_sdk_dynamodb::config::{Credentials, Region};
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::retry::RetryConfig;
use futures_util::future::join_all;
use jiff::Timestamp;
use serde_json::{Value, json};
use shared::clock::Clock;
use shared::create::tell_members;
use shared::id::{NotificationId, TopicId, UserId};
use shared::notification::{self, Notification, Recipient};
use shared::outcome::Outcome;
use shared::push::Pace;
use shared::store::keys::member_shard;
use shared::store::{Job, Step, StepKey, Store, Telling};
use tokio::time::Instant;

use crate::crashes::full;

/// How long the stream takes to bring a record.
const STREAM: Duration = Duration::from_millis(250);
/// How long a call to the table takes, and a publish.
const CALL: Duration = Duration::from_millis(8);
const PUBLISH: Duration = Duration::from_millis(50);
/// Rows of one invocation of the function that pushes.
const BATCH: usize = 100;

/// What takes so much a second, and a tenth of that at once.
pub struct Bucket {
    rate: f64,
    tokens: f64,
    at: Instant,
}

impl Bucket {
    pub fn new(rate: u32) -> Bucket {
        let rate = f64::from(rate);
        Bucket {
            rate,
            tokens: rate / 10.0,
            at: Instant::now(),
        }
    }

    /// Takes up to `wanted`, and says how many.
    pub fn take(&mut self, wanted: usize) -> usize {
        let now = Instant::now();
        let grown = self.tokens + (now - self.at).as_secs_f64() * self.rate;
        (self.tokens, self.at) = (grown.min(self.rate / 10.0), now);
        let mut taken = 0;
        while taken < wanted && self.tokens >= 1.0 {
            self.tokens -= 1.0;
            taken += 1;
        }
        taken
    }
}

/// The table, and what waits to be pushed.
#[derive(Clone)]
struct Model(Arc<Mutex<State>>);

struct State {
    members: BTreeMap<u32, Vec<String>>,
    table: Bucket,
    sns: Bucket,
    /// Whose rows were put; nobody's may be put twice.
    told: HashSet<String>,
    /// When rows were put that are not pushed yet.
    waiting: VecDeque<Instant>,
    /// Steps, progress and moments that were written.
    others: usize,
    pushed: usize,
}

impl fmt::Debug for Model {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Model")
    }
}

impl Model {
    fn new(members: usize, table: u32, sns: u32) -> Model {
        let mut shards = BTreeMap::<u32, Vec<String>>::new();
        for index in 0..members {
            let user = format!("fan{index:07}");
            let shard = member_shard(&UserId::parse(&user).unwrap());
            shards.entry(shard).or_default().push(user);
        }
        Model(Arc::new(Mutex::new(State {
            members: shards,
            table: Bucket::new(table),
            sns: Bucket::new(sns),
            told: HashSet::new(),
            waiting: VecDeque::new(),
            others: 0,
            pushed: 0,
        })))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    fn store(&self) -> Store {
        let connector = SharedHttpConnector::new(self.clone());
        let config = aws_sdk_dynamodb::Config::builder()
            .behavior_version_latest()
            .region(Region::new("us-east-1"))
            .credentials_provider(Credentials::new("local", "local", None, None, "test"))
            .http_client(http_client_fn(move |_, _| connector.clone()))
            .retry_config(RetryConfig::standard())
            .endpoint_url("http://table");
        let client = aws_sdk_dynamodb::Client::from_conf(config.build());
        Store::new(client, "table".to_owned())
    }

    fn page(&self, body: &Value) -> Value {
        let value = |name: &str| body["ExpressionAttributeValues"][name]["S"].as_str();
        let shard = value(":pk").unwrap().rsplit_once('#').unwrap().1;
        let (from, to) = (&value(":from").unwrap()[2..], value(":to").unwrap());
        let limit = usize::try_from(body["Limit"].as_u64().unwrap()).unwrap();
        let state = self.lock();
        let none = Vec::new();
        let members = state.members.get(&shard.parse().unwrap()).unwrap_or(&none);
        let first = members.partition_point(|user| user.as_str() < from);
        let within = |user: &&String| format!("U#{user}").as_str() <= to;
        let found = members[first..].iter().take_while(within).take(limit);
        let items: Vec<Value> = found
            .map(|user| json!({"sk": {"S": format!("U#{user}")}, "j": {"N": "1"}}))
            .collect();
        if items.len() < limit {
            return json!({"Items": items});
        }
        json!({"Items": items, "LastEvaluatedKey": {"pk": {"S": "x"}, "sk": {"S": "x"}}})
    }

    /// Takes rows as far as there are units; the rest is left, or all of it refused.
    fn put(&self, body: &Value) -> (u16, Value) {
        let puts = body["RequestItems"]["table"].as_array().unwrap();
        let state = &mut *self.lock();
        let taken = state.table.take(puts.len());
        if taken == 0 {
            let code = "com.amazonaws.dynamodb.v20120810#ThrottlingException";
            return (400, json!({"__type": code}));
        }
        for put in &puts[..taken] {
            let user = put["PutRequest"]["Item"]["pk"]["S"].as_str().unwrap();
            assert!(state.told.insert(user.to_owned()), "{user} was told twice");
            state.waiting.push_back(Instant::now());
        }
        if taken == puts.len() {
            return (200, json!({}));
        }
        (
            200,
            json!({"UnprocessedItems": {"table": puts[taken..].to_vec()}}),
        )
    }

    fn answer(&self, operation: &str, body: &Value) -> (u16, Value) {
        match operation {
            "Query" => (200, self.page(body)),
            "BatchWriteItem" => self.put(body),
            "BatchGetItem" => (200, json!({"Responses": {"table": []}})),
            _ => {
                let mut state = self.lock();
                // They take what there is, and what there will be.
                state.table.tokens -= 1.0;
                let pk = body["Item"]["pk"]["S"].as_str().unwrap_or_default();
                if pk.starts_with("U#") {
                    // The one row that was left of a part.
                    assert!(state.told.insert(pk.to_owned()), "{pk} was told twice");
                    state.waiting.push_back(Instant::now());
                } else {
                    state.others += 1;
                }
                (200, json!({}))
            }
        }
    }

    /// The invocations of the function that pushes, one after another: the real pace, and an SNS that throttles.
    async fn push(&self, pace: Arc<Pace>, members: usize) {
        let (clock, began) = (Clock::starting(Timestamp::UNIX_EPOCH), Instant::now());
        while self.lock().pushed < members {
            let brought = |at: &Instant| at.elapsed() >= STREAM;
            let batch = {
                let waiting = &mut self.lock().waiting;
                let ready = waiting.iter().take(BATCH).take_while(|at| brought(at));
                let ready = ready.count();
                waiting.drain(..ready).count()
            };
            if batch == 0 {
                assert!(began.elapsed() < Duration::from_hours(2), "it does not end");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
            join_all((0..batch).map(|_| self.publish(&pace, &clock))).await;
        }
    }

    async fn publish(&self, pace: &Pace, clock: &Clock) {
        let _slot = pace.slot().await.unwrap();
        loop {
            assert!(pace.turn(clock, || Duration::MAX).await);
            tokio::time::sleep(PUBLISH).await;
            if self.lock().sns.take(1) == 1 {
                break;
            }
            pace.throttled(clock.instant());
        }
        pace.succeeded();
        while self.lock().table.take(1) == 0 {
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        self.lock().pushed += 1;
    }
}

impl HttpConnector for Model {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let model = self.clone();
        HttpConnectorFuture::new(async move {
            tokio::time::sleep(CALL).await;
            let target = request.headers().get("x-amz-target").unwrap().to_owned();
            let body = serde_json::from_slice(request.body().bytes().unwrap()).unwrap();
            let (status, answer) = model.answer(target.rsplit('.').next().unwrap(), &body);
            Ok(HttpResponse::new(
                status.try_into().unwrap(),
                SdkBody::from(answer.to_string()),
            ))
        })
    }
}

/// A job that tells a topic.
fn job(at: Timestamp) -> (String, Job) {
    let text = json!({"topic": "t", "type": "live", "title": "Ana is live"});
    let draft = notification::parse(text, "", at, &mut Vec::new()).unwrap();
    let id = NotificationId::new(at, [7; 10]);
    let note = Notification {
        recipient: Recipient::Topic(TopicId::parse("t").unwrap()),
        id,
        content: draft.content,
        expires_at: at.as_second() + 86_400,
        read_at: None,
        seen_at: None,
        archived_at: None,
        dedupe_key: None,
        schedule_id: None,
        outcome: Outcome::default(),
        carried_at: None,
    };
    (id.to_string(), Job::fan_out(note, None, at))
}

/// One of Lambda's lanes: the steps of its chains in turn, each brought by the stream.
async fn lane(store: Store, chains: Vec<u32>, at: Timestamp, began: Instant) -> u64 {
    let (id, job) = job(at);
    let mut open: VecDeque<(StepKey, Telling)> = chains
        .into_iter()
        .map(|chain| {
            let job = id.clone();
            (
                StepKey {
                    job,
                    chain,
                    step: 0,
                },
                Telling::default(),
            )
        })
        .collect();
    let mut written = 0;
    while let Some((key, telling)) = open.pop_front() {
        assert!(began.elapsed() < Duration::from_hours(2), "it does not end");
        if open.is_empty() {
            tokio::time::sleep(STREAM).await;
        }
        let clock = Clock::starting(at + began.elapsed());
        let told = tell_members(&store, clock, &job, &key, telling).await;
        let told = told.unwrap();
        written += told.written;
        if let Some(next) = told.next {
            let step = Step::FanOut(next.clone());
            store.put_step(&key.next(), &step, at).await.unwrap();
            open.push_back((key.next(), next));
        }
    }
    written
}

/// Tells so many members, with these limits a second; returns the time it takes, and what it must take.
async fn fan_out(members: usize, table: u32, sns: u32) -> (Duration, Duration) {
    let model = Model::new(members, table, sns);
    let began = Instant::now();
    let at = Timestamp::now();
    // A partition takes 1,000 units a second, and has a shard of the stream.
    let shards = table / 1_000;
    let mut lanes = BTreeMap::<u32, Vec<u32>>::new();
    for chain in 0..32 {
        // Keys fall where their hashes say.
        let hash = member_shard(&UserId::parse(&format!("J{chain}")).unwrap()) * 32
            + member_shard(&UserId::parse(&format!("K{chain}")).unwrap());
        lanes.entry(hash % (shards * 10)).or_default().push(chain);
    }
    let pushers = shards * 4;
    let invocations = (0..pushers).map(|_| {
        let pace = Arc::new(Pace::new(sns, pushers));
        model.push(pace, members)
    });
    let steps = lanes
        .into_values()
        .map(|chains| lane(model.store(), chains, at, began));
    let (written, _) = tokio::join!(join_all(steps), join_all(invocations));
    let took = began.elapsed();
    assert_eq!(written.iter().sum::<u64>(), members as u64, "rows put");
    let state = model.lock();
    assert_eq!((state.told.len(), state.pushed), (members, members));
    // A moment and a next step for each part, and how far the chain is; where the table throttles, a moment a second more.
    let parts = members.div_ceil(500) + 64;
    assert!(state.others <= 8 * parts, "{} for {parts}", state.others);
    let count = f64::from(u32::try_from(members).unwrap());
    let bound = (count / f64::from(sns)).max(2.0 * count / f64::from(table));
    (took, Duration::from_secs_f64(bound))
}

/// Tells a million members, or a few, where SNS takes so many publishes a second, from a new table, which takes 4,000 units a
/// second, and with all of them from an account's 40,000 as well.
async fn in_a_region(sns: u32) {
    let members = if full() { 1_000_000 } else { 8_000 };
    let tables = if full() {
        &[4_000, 40_000][..]
    } else {
        &[4_000]
    };
    for table in tables {
        let running = std::time::Instant::now();
        let (took, bound) = fan_out(members, *table, sns).await;
        let ran = running.elapsed();
        let ratio = took.as_secs_f64() / bound.as_secs_f64();
        println!(
            "{members} members, table {table}/s, SNS {sns}/s: {took:.1?}, at least {bound:.1?}, {ratio:.3} (in {ran:.0?})"
        );
        // A second for the first and the last record of the stream, which a small one feels.
        let allowed = bound.mul_f64(1.2) + Duration::from_secs(1);
        assert!(took <= allowed, "{took:?} of {bound:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn f13_a_fan_out_takes_as_long_as_the_quotas_where_sns_takes_300_a_second() {
    in_a_region(300).await;
}

#[tokio::test(start_paused = true)]
async fn f13_a_fan_out_takes_as_long_as_the_quotas_where_sns_takes_1500_a_second() {
    in_a_region(1_500).await;
}

#[tokio::test(start_paused = true)]
async fn f13_a_fan_out_takes_as_long_as_the_quotas_where_sns_takes_9000_a_second() {
    in_a_region(9_000).await;
}

#[tokio::test(start_paused = true)]
async fn f13_a_fan_out_takes_as_long_as_the_quotas_where_sns_takes_30000_a_second() {
    in_a_region(30_000).await;
}
