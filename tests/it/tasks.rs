//! Tasks: parked pushes, the sweep, and time that goes by. The clock of a function is moved by its environment, the stream
//! and the schedule are the test's own: what they bring is in the table.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::types::AttributeValue;
use futures_util::future::join_all;
use jiff::Timestamp;
use local::function::Function;
use serde_json::{Value, json};

use crate::create::note;
use crate::ground::{Ground, Http, Reply, RowKey, create, stored};
use crate::proxy::{Fault, Proxy, Rule};
use crate::stack::{shared, unique};

/// The answer to a batch of which nothing must come again.
pub const NOTHING_LEFT: &[u8] = br#"{"batchItemFailures":[]}"#;

/// A table of a test's own, and the functions that work on it.
pub struct Field {
    pub ground: Ground,
    pub creator: Function,
    pub devices: Function,
    pub inbox: Function,
    pub pusher: Function,
    /// The steps that have been brought to their function.
    brought: std::sync::Mutex<BTreeSet<RowKey>>,
}

/// A user with one phone.
pub struct Phone {
    pub user: String,
    pub token: String,
}

/// The event of the schedule.
pub fn minute() -> Vec<u8> {
    json!({"version": "0", "source": "aws.events", "detail-type": "Scheduled Event", "detail": {}})
        .to_string()
        .into_bytes()
}

/// A batch of the stream that brings these rows.
pub fn batch<'r>(rows: impl IntoIterator<Item = &'r RowKey>) -> Vec<u8> {
    let records = rows.into_iter().enumerate().map(|(index, (pk, sk))| {
        let keys = json!({"pk": {"S": pk}, "sk": {"S": sk}});
        json!({"eventName": "INSERT", "dynamodb": {"Keys": keys, "SequenceNumber": (index + 1).to_string()}})
    });
    json!({"Records": records.collect::<Vec<_>>()})
        .to_string()
        .into_bytes()
}

impl Field {
    pub async fn new() -> Field {
        let ground = Ground::new().await;
        Field {
            creator: ground.function("create-notifications", None),
            devices: ground.function("manage-devices", None),
            inbox: ground.function("read-inbox", None),
            pusher: ground.function("push-notifications", None),
            brought: std::sync::Mutex::default(),
            ground,
        }
    }

    /// Tasks as they are run this many seconds from now.
    pub fn runner(&self, ahead: i64) -> Function {
        self.ground.function_ahead("run-tasks", None, ahead)
    }

    /// A user with a phone whose token begins so.
    pub async fn phone(&self, token: &str) -> Phone {
        let phone = Phone {
            user: unique("task-user"),
            token: unique(token),
        };
        self.register(&phone, "phone").await;
        phone
    }

    /// Registers a device with a phone's token.
    pub async fn register(&self, phone: &Phone, device: &str) {
        let put = json!({"platform": "fcm", "token": phone.token});
        let request = Http::new("PUT /v1/me/devices/{device_id}", &phone.user);
        let request = request.path("device_id", device).json(&put);
        assert_eq!(request.send(&self.devices).await.unwrap().status, 201);
    }

    /// Stores a notification for a user, with these fields beside the usual ones; returns the answer.
    pub async fn send(&self, user: &str, fields: Value) -> Reply {
        let mut body = note(user);
        for (name, value) in fields.as_object().unwrap() {
            body[name] = value.clone();
        }
        create(None, &body).send(&self.creator).await.unwrap()
    }

    /// Stores a notification, and brings it to the function that pushes.
    pub async fn send_and_push(&self, user: &str, fields: Value) -> RowKey {
        let reply = self.send(user, fields).await;
        let [row] = &stored(&reply)[..] else {
            panic!("{reply:?}");
        };
        assert_eq!(self.push(row).await, NOTHING_LEFT);
        row.clone()
    }

    /// Brings a row to the function that pushes.
    pub async fn push(&self, row: &RowKey) -> Vec<u8> {
        self.pusher.invoke(batch([row])).await.unwrap()
    }

    /// What became of a push, and why.
    pub async fn outcome(&self, (pk, sk): &RowKey) -> (String, String) {
        let row = self.ground.row(pk, sk).await.unwrap();
        let text = |name: &str| row["po"][name].as_str().unwrap_or_default().to_owned();
        (text("s"), text("w"))
    }

    /// The rows whose partition key begins so.
    pub async fn rows(&self, prefix: &str) -> Vec<RowKey> {
        let keys = self.ground.keys().await;
        keys.into_iter()
            .filter(|(pk, _)| pk.starts_with(prefix))
            .collect()
    }

    /// The open tasks for later.
    pub async fn later(&self) -> Vec<RowKey> {
        let rows = self.ground.rows().await.into_iter();
        let open = rows
            .filter(|((pk, sk), row)| pk.starts_with("Q#") && sk != "-" && row.get("z").is_none());
        open.map(|(key, _)| key).collect()
    }

    /// The steps that nobody has brought.
    pub async fn steps(&self) -> Vec<RowKey> {
        let rows = self.rows("J#").await.into_iter();
        let new = rows
            .filter(|key| key.1.starts_with("T#") && !self.brought.lock().unwrap().contains(key));
        new.collect()
    }

    /// The same; they count as brought from now on.
    pub async fn take_steps(&self) -> Vec<RowKey> {
        let steps = self.steps().await;
        self.brought.lock().unwrap().extend(steps.iter().cloned());
        steps
    }

    /// Has every step brought again.
    pub fn forget_steps(&self) {
        self.brought.lock().unwrap().clear();
    }

    /// Brings every step that was put to `runner`, as the stream does, until no new one appears.
    pub async fn bring_steps(&self, runner: &Function) {
        loop {
            let new = self.steps().await;
            if new.is_empty() {
                return;
            }
            let ran = new.iter().map(async |key| {
                let answer = runner.invoke(batch([key])).await.unwrap();
                assert_eq!(answer, NOTHING_LEFT, "{key:?}");
                self.brought.lock().unwrap().insert(key.clone());
            });
            join_all(ran).await;
        }
    }

    /// The first minute with an open task, counted from 1970.
    pub async fn first_minute(&self) -> Option<i64> {
        let open = self.later().await;
        let minutes = open.iter().map(|(pk, _)| pk.split('#').nth(1).unwrap());
        minutes.map(|minute| minute.parse().unwrap()).min()
    }

    /// Lets time go by until this many seconds from now, with a sweep in each minute that has a task: what sweeps do in
    /// all the other minutes is to move the cursor.
    pub async fn pass(&self, ahead: i64) {
        self.pass_with(ahead, None).await;
    }

    /// The same with calls through a proxy.
    pub async fn pass_with(&self, ahead: i64, proxy: Option<&Proxy>) {
        let start = Timestamp::now().as_second();
        let mut swept = 0;
        while let Some(first) = self.first_minute().await
            && first * 60 <= start + ahead
        {
            // A task that is met twice is under a lease.
            let second = (first * 60).max(swept + 130);
            self.set_cursor(first - 1).await;
            let runner = self
                .ground
                .function_ahead("run-tasks", proxy, second + 5 - start);
            self.sweep_with(&runner).await;
            swept = second;
        }
    }

    pub async fn set_cursor(&self, minute: i64) {
        let put = self
            .ground
            .client()
            .put_item()
            .table_name(self.ground.table());
        let put = put
            .item("pk", AttributeValue::S("Q#cursor".to_owned()))
            .item("sk", AttributeValue::S("-".to_owned()))
            .item("m", AttributeValue::N(minute.to_string()));
        put.send().await.unwrap();
    }

    /// One sweep and all that follows from it.
    pub async fn sweep_with(&self, runner: &Function) {
        runner.invoke(minute()).await.unwrap();
        self.bring_steps(runner).await;
    }
}

/// How often SNS took a push for a token, and the payloads.
pub async fn pushes(token: &str) -> Vec<Value> {
    let pushes = shared().pushes(token).await;
    pushes
        .into_iter()
        .map(|push| push["message"]["fcmV1Message"]["message"].clone())
        .collect()
}

/// A moment this many seconds from now, in RFC 3339 form.
pub fn ahead(seconds: i64) -> String {
    let now = Timestamp::now().as_second();
    Timestamp::from_second(now + seconds).unwrap().to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn i4_a_push_that_is_refused_for_now_is_parked_and_comes_later() {
    let field = Field::new().await;
    let phone = field.phone("error-throttled-4-task").await;
    let row = field.send_and_push(&phone.user, json!({})).await;
    assert_eq!(field.outcome(&row).await.0, "", "it is pending");
    let tasks = field.later().await;
    assert_eq!(tasks.len(), 1);
    // Brought again, it is parked again, and still pushed once.
    assert_eq!(field.push(&row).await, NOTHING_LEFT);
    field.pass(60).await;
    assert_eq!(pushes(&phone.token).await.len(), 1);
    field.pass(600).await;
    assert_eq!(field.outcome(&row).await.0, "sent");
    assert_eq!(pushes(&phone.token).await.len(), 1);
    assert_eq!(field.later().await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn f37_a_push_that_can_be_neither_sent_nor_parked_comes_again_and_holds_up_no_other() {
    let field = Field::new().await;
    let (bad, good) = (
        field.phone("error-internal-task").await,
        field.phone("task").await,
    );
    let proxy = field.ground.proxy(false).await;
    let pusher = field.ground.function("push-notifications", Some(&proxy));
    let bad_row = stored(&field.send(&bad.user, json!({})).await).remove(0);
    let good_row = stored(&field.send(&good.user, json!({})).await).remove(0);
    proxy.script(vec![
        Rule::on("PutItem", 1..=9, Fault::Status(500, "InternalServerError")).containing("Q#"),
    ]);
    let answer = pusher.invoke(batch([&bad_row, &good_row])).await.unwrap();
    assert_eq!(answer, br#"{"batchItemFailures":[{"itemIdentifier":"1"}]}"#);
    assert_eq!(field.outcome(&good_row).await.0, "sent");
    assert_eq!(field.later().await, []);
    proxy.script(Vec::new());
    assert_eq!(
        pusher.invoke(batch([&bad_row])).await.unwrap(),
        NOTHING_LEFT
    );
    assert_eq!(field.later().await.len(), 1, "the table takes it now");
    assert_eq!(pushes(&good.token).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn f20_an_outage_of_sns_parks_everything_and_nothing_is_lost_or_late() {
    let field = Field::new().await;
    let (phone, brief) = (field.phone("task").await, field.phone("task").await);
    let down = field.ground.proxy(false).await;
    let every = |fault| vec![Rule::on("Publish", 1..=usize::MAX, fault)];
    down.script(every(Fault::Status(503, "ServiceUnavailable")));
    let pusher = field.ground.function("push-notifications", Some(&down));
    let row = stored(&field.send(&phone.user, json!({})).await).remove(0);
    let ttl = json!({"push": {"ttl": 1_800}});
    let brief_row = stored(&field.send(&brief.user, ttl).await).remove(0);
    let rows = [&row, &brief_row];
    assert_eq!(pusher.invoke(batch(rows)).await.unwrap(), NOTHING_LEFT);
    assert_eq!(field.later().await.len(), 2);
    field.pass_with(3_600, Some(&down)).await;
    assert_eq!(pushes(&phone.token).await.len(), 0);
    field.pass(8 * 3_600).await;
    assert_eq!(field.outcome(&row).await.0, "sent");
    assert_eq!(pushes(&phone.token).await.len(), 1);
    assert_eq!(field.outcome(&brief_row).await.0, "expired");
    assert_eq!(pushes(&brief.token).await.len(), 0);
    assert_eq!(field.later().await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_that_never_succeeds_is_dead_and_on_the_list() {
    let field = Field::new().await;
    let phone = field.phone("error-internal-task").await;
    let long = json!({"push": {"ttl": 604_800}});
    let row = field.send_and_push(&phone.user, long).await;
    field.pass(26 * 3_600).await;
    assert_eq!(
        field.outcome(&row).await,
        ("dead".to_owned(), "gave_up".to_owned())
    );
    assert_eq!(field.later().await, []);
    let dead = field.rows("D#").await;
    assert_eq!(dead.len(), 1);
    let entry = field.ground.row(&dead[0].0, &dead[0].1).await.unwrap();
    assert_eq!(
        (entry["rpk"].as_str(), entry["rsk"].as_str()),
        (Some(&*row.0), Some(&*row.1))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn f38_f39_sweeps_that_overlap_come_late_or_are_missed_push_once() {
    let field = Field::new().await;
    let phone = field.phone("error-throttled-3-task").await;
    let row = field.send_and_push(&phone.user, json!({})).await;
    let due = field.first_minute().await.unwrap() * 60 - Timestamp::now().as_second();
    field
        .set_cursor(field.first_minute().await.unwrap() - 1)
        .await;
    // Minutes later, several at once, each with every step brought twice.
    let runners = [
        field.runner(7_200),
        field.runner(7_230),
        field.runner(7_290),
    ];
    // One of them may find the table too busy, and then leaves the rest to the next.
    join_all(
        runners
            .iter()
            .map(async |runner| runner.invoke(minute()).await.is_ok()),
    )
    .await;
    let steps: Vec<RowKey> = field.rows("J#sweep").await;
    let brought = runners.iter().flat_map(|runner| {
        let steps = steps.iter().chain(&steps);
        steps.map(move |step| async move { runner.invoke(batch([step])).await.unwrap() })
    });
    for answer in join_all(brought).await {
        assert_eq!(answer, NOTHING_LEFT);
    }
    field.pass(due + 900).await;
    assert_eq!(field.outcome(&row).await.0, "sent");
    assert_eq!(pushes(&phone.token).await.len(), 1);
    assert_eq!(field.later().await, []);
}

/// A proxy that kills `function` at a call.
pub fn doom(proxy: &Proxy, function: &Function, call: usize, kill: Fault) {
    proxy.victim(function);
    proxy.script(vec![Rule::on("", call..=call, kill)]);
}
