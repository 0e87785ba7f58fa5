//! Nine o'clock: the quiet hours of many users end in one minute. Each gets one push, nothing is lost, and no partition of
//! the minute has much more to do than another.
//!
//! `cargo test` takes 200 users; `TIDINGS_FULL=1` takes 100,000, and `TIDINGS_USERS` as many as it says.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::time::{Duration, Instant};

use aws_sdk_dynamodb::types::{AttributeValue, PutRequest, Select, WriteRequest};
use futures_util::stream::{self, StreamExt};
use jiff::Timestamp;
use local::function::Function;
use serde_json::{Value, json};
use shared::id::{NotificationId, UserId};
use shared::store::keys::Key;
use shared::task::{Name, Place, SHARDS};
use tokio::sync::watch;

use crate::crashes::full;
use crate::ground::{RowKey, processes};
use crate::stack::shared;
use crate::tasks::{Field, NOTHING_LEFT, batch, minute};

/// Rows of one write: DynamoDB's limit.
const ROWS: usize = 25;
/// Writes at the same time.
const WRITES: usize = 4;
/// Instances that run steps: one partition after another, so that their times can be compared.
const INSTANCES: usize = 1;
/// How often the stream brings a step again, and the most sweeps.
const RETRIES: usize = 5;
const SWEEPS: i64 = 10;
/// Every so many users have two notifications.
const TWO: usize = 10;

type Item = HashMap<String, AttributeValue>;

/// What was put: the id under which each user is to be told, with the user's partition, and the number of rows.
struct Blast {
    minute: i64,
    told: BTreeMap<String, u8>,
    rows: usize,
}

fn users() -> usize {
    let asked = std::env::var("TIDINGS_USERS").ok();
    let asked = asked.map(|users| users.parse().expect("a number of users"));
    asked.unwrap_or(if full() { 100_000 } else { 200 })
}

fn text(text: impl Into<String>) -> AttributeValue {
    AttributeValue::S(text.into())
}

/// A user's row whose phone registered at a moment of its own: to a function it is no other's, although its endpoint is.
fn registered(mut own: Item, at: i64) -> Item {
    let Some(AttributeValue::M(devices)) = own.get_mut("dev") else {
        panic!("{own:?}");
    };
    let Some(AttributeValue::M(phone)) = devices.get_mut("phone") else {
        panic!("{devices:?}");
    };
    phone.insert("s".to_owned(), AttributeValue::N(at.to_string()));
    own
}

/// The processor's time of a function with this table, in steps of 10 ms: a machine that stands still for a moment adds
/// nothing.
fn worked(table: &str) -> Duration {
    let processes = processes("run-tasks", table);
    let ticks = processes.iter().map(|process| {
        let stat = fs::read_to_string(process.join("stat")).unwrap_or_default();
        let fields = stat.rsplit(')').next().unwrap().split_whitespace();
        let fields = fields.skip(11).take(2);
        fields
            .map(|ticks| ticks.parse::<u64>().unwrap())
            .sum::<u64>()
    });
    Duration::from_millis(10 * ticks.sum::<u64>())
}

impl Field {
    async fn item(&self, (pk, sk): &RowKey) -> Item {
        let get = self.ground.client().get_item();
        let get = get.table_name(self.ground.table());
        let get = get.key("pk", text(pk)).key("sk", text(sk));
        get.send().await.unwrap().item.expect("the row")
    }

    async fn write(&self, items: &[Item]) {
        let put = |item: &Item| {
            let put = PutRequest::builder().set_item(Some(item.clone()));
            let put = put.build().unwrap();
            WriteRequest::builder().put_request(put).build()
        };
        let write = self.ground.client().batch_write_item();
        let puts = items.iter().map(put).collect();
        let written = write.request_items(self.ground.table(), puts).send().await;
        let left = written.unwrap().unprocessed_items.unwrap_or_default();
        assert!(left.is_empty());
    }

    /// Rows that a filter finds.
    async fn count(&self, filter: &str, values: &[(&str, &str)]) -> usize {
        let scan = self.ground.client().scan().table_name(self.ground.table());
        let mut scan = scan.filter_expression(filter).select(Select::Count);
        for (name, value) in values {
            scan = scan.expression_attribute_values(*name, text(*value));
        }
        let mut pages = scan.into_paginator().send();
        let mut count = 0;
        while let Some(page) = pages.next().await {
            count += usize::try_from(page.unwrap().count).unwrap();
        }
        count
    }

    /// What is held back for one user by the functions themselves, copied for all the others.
    async fn blast(&self, user: &str, users: usize) -> Blast {
        let row = self.send_and_push(user, json!({})).await;
        assert_eq!(self.outcome(&row).await.0, "deferred");
        let [task] = &self.later().await[..] else {
            panic!("one task");
        };
        let minute: i64 = task.0.split('#').nth(1).unwrap().parse().unwrap();
        let own = self.item(&(row.0.clone(), "A#user".to_owned())).await;
        let (row, task, own) = (&self.item(&row).await, &self.item(task).await, &own);
        let shard = |user: &UserId| Place::new(minute, Name::User(user.clone())).shard;
        let first = row["sk"].as_s().unwrap()[2..].to_owned();
        let first_shard = shard(&UserId::parse(user).unwrap());
        let mut blast = Blast {
            minute,
            told: BTreeMap::from([(first, first_shard)]),
            rows: 1,
        };
        let mut items = Vec::new();
        for index in 1..users {
            let user = UserId::parse(&format!("blast-{index}")).unwrap();
            let now = Timestamp::now();
            let ids = (0..=usize::from(index % TWO == 0)).map(|_| NotificationId::draw(now));
            let ids: Vec<NotificationId> = ids.collect();
            let pk = format!("U#{}", user.as_str());
            let put = |from: &Item, pk: &str, sk: String| {
                let mut item = from.clone();
                item.insert("pk".to_owned(), text(pk));
                item.insert("sk".to_owned(), text(sk));
                item
            };
            let own = put(own, &pk, "A#user".to_owned());
            items.push(registered(
                own,
                now.as_millisecond() - i64::try_from(index).unwrap(),
            ));
            items.extend(ids.iter().map(|id| put(row, &pk, format!("N#{id}"))));
            let key = Key::Later(Place::new(minute, Name::User(user.clone())));
            let mut later = put(task, &key.pk(), key.sk());
            later.insert("u".to_owned(), text(user.as_str()));
            let oldest = ids.iter().min().unwrap();
            later.insert("id".to_owned(), text(oldest.to_string()));
            items.push(later);
            let newest = ids.iter().max().unwrap().to_string();
            blast.told.insert(newest, shard(&user));
            blast.rows += ids.len();
        }
        let writes = stream::iter(items.chunks(ROWS)).map(|items| self.write(items));
        writes.buffer_unordered(WRITES).collect::<Vec<()>>().await;
        blast
    }

    /// Runs the steps of one partition of a sweep; returns how much of the processor's time they took.
    async fn chain(&self, runner: &Function, sweep: i64, shard: u8) -> Duration {
        let before = worked(self.ground.table());
        for step in 0.. {
            let key = Key::Step(format!("sweep-{sweep}"), u32::from(shard), step);
            let key = (key.pk(), key.sk());
            if self.ground.row(&key.0, &key.1).await.is_none() {
                break;
            }
            // A step that fails on a busy machine is brought again, as the stream does it.
            for _ in 0..=RETRIES {
                if runner.invoke(batch([&key])).await.unwrap() == NOTHING_LEFT {
                    break;
                }
            }
        }
        worked(self.ground.table()).saturating_sub(before)
    }

    /// Sweeps until nothing waits; returns what each partition took in the first sweep.
    async fn sweep_all(&self, due: i64) -> Vec<Duration> {
        let mut times = Vec::new();
        // How fast one publishes is not what is asked here.
        let pace = [("PUBLISH_RATE", "1000000"), ("PUSH_INVOCATIONS", "1")];
        for round in 0..SWEEPS {
            let second = due + 5 + 240 * round;
            let ahead = second - Timestamp::now().as_second();
            let runner = self.ground.function_with("run-tasks", None, ahead, &pace);
            // One that fails is made up for by the next.
            runner.invoke(minute()).await.ok();
            let chains = stream::iter(0..SHARDS)
                .map(|shard| self.chain(&runner, second.div_euclid(60), shard));
            let took: Vec<Duration> = chains.buffered(INSTANCES).collect().await;
            if round == 0 {
                times = took;
            }
            let open = "begins_with(pk, :q) AND attribute_exists(k)";
            if self.count(open, &[(":q", "Q#")]).await == 0 {
                return times;
            }
        }
        panic!("tasks are left");
    }
}

/// The outbox after the push with that number: its pushes, and the number to go on from.
async fn outbox(after: i64, wait: u8) -> (Vec<Value>, i64) {
    let url = format!(
        "{}/_local/outbox?limit=1000&after={after}&wait={wait}",
        shared().api()
    );
    let mut answer: Value = reqwest::get(url).await.unwrap().json().await.unwrap();
    let Some(Value::Array(data)) = answer.get_mut("data").map(Value::take) else {
        panic!("{answer}");
    };
    (data, answer["next"].as_i64().unwrap())
}

/// The id and the title of every push of a token, collected until the end, because the outbox keeps the newest only.
async fn collect(token: &str, mut after: i64, end: watch::Receiver<bool>) -> Vec<(String, String)> {
    let mut found = Vec::new();
    loop {
        let is_last = *end.borrow();
        let (data, next) = outbox(after, u8::from(!is_last)).await;
        if data.is_empty() && is_last {
            return found;
        }
        assert!(
            data.first().is_none_or(|push| push["n"] == after + 1),
            "none is missed"
        );
        after = next;
        let own = data.iter().filter(|push| push["token"] == token);
        found.extend(own.map(|push| {
            let message = &push["message"]["fcmV1Message"]["message"];
            let text = |value: &Value| value.as_str().expect("a text").to_owned();
            (
                text(&message["android"]["notification"]["tag"]),
                text(&message["notification"]["title"]),
            )
        }));
    }
}

/// Of each partition its processor's time against what its tasks take by the mean.
fn by_tasks(times: &[Duration], work: &[usize]) -> Vec<String> {
    let count = |tasks: usize| f64::from(u32::try_from(tasks).unwrap());
    let mean = times.iter().sum::<Duration>().as_secs_f64() / count(work.iter().sum());
    let each = times.iter().zip(work);
    each.map(|(time, tasks)| format!("{:.2}", time.as_secs_f64() / count(*tasks) / mean))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn i4_a_blast_at_the_end_of_quiet_hours_tells_everybody_once_and_is_spread_evenly() {
    let users = users();
    let field = Field::new().await;
    let phone = field.sleeper().await;
    let began = Instant::now();
    let blast = field.blast(&phone.user, users).await;
    let written = began.elapsed();
    let (newest, next) = outbox(-1, 0).await;
    let after = if newest.is_empty() { 0 } else { next };
    field.set_cursor(blast.minute - 1).await;
    let began = Instant::now();
    let (end, ended) = watch::channel(false);
    let sweeps = async {
        let times = field.sweep_all(blast.minute * 60).await;
        end.send_replace(true);
        (times, began.elapsed())
    };
    let (shown, (times, swept)) = tokio::join!(collect(&phone.token, after, ended), sweeps);
    let mut told: BTreeMap<String, usize> = BTreeMap::new();
    let mut work = [0_usize; SHARDS as usize];
    let mut several = 0;
    for (id, title) in shown {
        work[usize::from(blast.told[&id])] += 1;
        several += usize::from(title == "2 new notifications");
        *told.entry(id).or_default() += 1;
    }
    assert_eq!(told.len(), users, "nobody is left out");
    // Where the machine is so busy that the table's answer to a mark comes too late, a push is repeated.
    let twice = told.values().filter(|times| **times > 1).count();
    assert!(twice <= users / 1_000, "{twice} are told twice");
    let expected = (users - 1) / TWO;
    assert!(
        (expected..=expected + twice).contains(&several),
        "one push for two notifications"
    );
    let sent = "begins_with(sk, :n) AND po.s = :sent";
    let values = [(":n", "N#"), (":sent", "sent")];
    assert_eq!(field.count(sent, &values).await, blast.rows);

    let (most, mean) = (work.iter().max().unwrap(), users / usize::from(SHARDS));
    let total: Duration = times.iter().sum();
    let part = total / u32::from(SHARDS);
    let longest = times.iter().max().unwrap();
    let by_tasks = by_tasks(&times, &work);
    println!(
        "time of each partition for its tasks: {}",
        by_tasks.join(" ")
    );
    println!(
        "{users} users written in {written:.1?}, told in {swept:.1?}, {twice} of them twice; of {SHARDS} partitions the largest has {most} tasks, \
         the mean is {mean}; the slowest worked {longest:.2?}, {:.2} of its part of {part:.2?}",
        longest.div_duration_f64(part)
    );
    // A tenth more than its share; a few users are spread as well as chance does it.
    let share = if mean >= 1_000 {
        mean * 11 / 10
    } else {
        mean + 4 * mean.isqrt() + 4
    };
    assert!(*most <= share, "{most} of {mean}");
    let worst = longest.div_duration_f64(part);
    assert!(mean < 1_000 || worst <= 1.1, "{worst:.3} of its part");
}
