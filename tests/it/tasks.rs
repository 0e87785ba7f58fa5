//! Tasks: parked pushes, the sweep, and time that goes by. The clock of a function is moved by its environment, the stream
//! and the schedule are the test's own: what they bring is in the table.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::types::AttributeValue;
use futures_util::stream::{self, StreamExt};
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
        // Who is told that the table is too busy comes again.
        for _ in 0..5 {
            match request.send(&self.devices).await.unwrap().status {
                503 => {}
                status => return assert!(matches!(status, 200 | 201), "{status}"),
            }
        }
        panic!("the table is too busy");
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

    /// Takes a notification back.
    pub async fn retract(&self, phone: &Phone, row: &RowKey) {
        let request = Http::new("DELETE /v1/notifications/{id}", "likes");
        let request = request
            .path("id", &row.1[2..])
            .query(&format!("recipient={}", phone.user));
        assert_eq!(request.send(&self.creator).await.unwrap().status, 204);
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
            // A few at a time, or each would have a process of its own.
            stream::iter(ran)
                .buffer_unordered(8)
                .collect::<Vec<()>>()
                .await;
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

/// A proxy that kills `function` at a call.
pub fn doom(proxy: &Proxy, function: &Function, call: usize, kill: Fault) {
    proxy.victim(function);
    proxy.script(vec![Rule::on("", call..=call, kill)]);
}
