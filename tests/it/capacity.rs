//! What each operation costs: calls to AWS and capacity units of the table, as the table itself counts them.
//!
//! The figures are exact, must not depend on how much is stored, and are those the README prints. `cargo test` compares
//! a table of 1,000 rows with one of 5,000; `TIDINGS_FULL=1` with one of 1,000,000, which takes a while to fill.

#[path = "../../cli/src/cost/counts.rs"]
mod expected;

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::fs;
use std::slice;
use std::time::Duration;

use aws_sdk_dynamodb::types::{AttributeValue, PutRequest, WriteRequest};
use futures_util::stream::{self, StreamExt};
use local::function::Function;
use serde_json::{Value, json};
use shared::broadcast::Broadcasts;
use shared::store::Store;

use crate::crashes::full;
use crate::ground::{Ground, Http, Reply, client, create, stored};
use crate::proxy::{Call, Proxy};
use crate::stack::{root, unique};
use expected::EXPECTED;

/// A stored notification of about 200 bytes.
fn note(recipients: &[String]) -> Value {
    json!({
        "recipients": recipients,
        "type": "video.liked",
        "title": "Bo liked your video",
        "body": "Sunset over Lisbon, seen from the river",
        "actor": {"id": "bo", "name": "Bo"},
        "data": {"video": {"id": 42}},
    })
}

type Item = HashMap<String, AttributeValue>;

/// A table with a given number of rows, half of them in the inbox of `ana`, read long ago; and the functions before it.
struct Meter {
    ground: Ground,
    proxy: Proxy,
    functions: BTreeMap<&'static str, Function>,
    ana: String,
    /// The two newest rows of the inbox that the table was filled with.
    newest: [String; 2],
    found: Vec<(&'static str, String, f64, f64)>,
}

impl Meter {
    async fn new(rows: usize) -> Meter {
        let ground = Ground::new().await;
        let proxy = ground.proxy(true).await;
        let names = [
            "create-notifications",
            "read-inbox",
            "manage-devices",
            "push-notifications",
        ];
        let functions = names
            .map(|name| (name, ground.function(name, Some(&proxy))))
            .into();
        let mut meter = Meter {
            ground,
            proxy,
            functions,
            ana: "ana".to_owned(),
            newest: Default::default(),
            found: Vec::new(),
        };
        meter.newest = meter.fill(rows).await;
        meter
    }

    /// Copies a real row to as many keys, all older than anything the operations make. Returns the two newest ids of `ana`.
    async fn fill(&self, rows: usize) -> [String; 2] {
        let reply = self
            .send(
                "create-notifications",
                &create(None, &note(slice::from_ref(&self.ana))),
            )
            .await;
        let (pk, sk) = stored(&reply).remove(0);
        self.send("read-inbox", &self.mark(&sk)).await;
        let client = self.ground.client();
        let get = client.get_item().table_name(self.ground.table());
        let get = get
            .key("pk", AttributeValue::S(pk.clone()))
            .key("sk", AttributeValue::S(sk.clone()));
        let row: Item = get.send().await.unwrap().item.unwrap();
        // The first characters of the row's moment, which make it days older, and the index as the rest.
        let id = |index: usize| format!("{}0{index:021}", &sk[2..6]);
        let copy = |index: usize| {
            let mut row = row.clone();
            row.insert(
                "sk".to_owned(),
                AttributeValue::S(format!("N#{}", id(index))),
            );
            if index % 2 == 1 {
                row.insert(
                    "pk".to_owned(),
                    AttributeValue::S(format!("U#fan{}", index % 997)),
                );
            }
            let put = PutRequest::builder().set_item(Some(row)).build().unwrap();
            WriteRequest::builder().put_request(put).build()
        };
        let batches = (0..rows).step_by(25).map(|first| {
            let requests = (first..rows.min(first + 25)).map(copy).collect();
            client
                .batch_write_item()
                .request_items(self.ground.table(), requests)
                .send()
        });
        let done = stream::iter(batches).buffer_unordered(4);
        done.for_each(async |answer| {
            let left = answer.unwrap().unprocessed_items;
            assert!(left.unwrap_or_default().is_empty());
        })
        .await;
        let newest = (rows - 1) / 2 * 2;
        [id(newest - 2), id(newest)]
    }

    fn mark(&self, sk: &str) -> Http {
        let id = sk.strip_prefix("N#").unwrap();
        Http::new("PUT /v1/me/notifications/{id}/read", &self.ana).path("id", id)
    }

    async fn send(&self, function: &str, request: &Http) -> Reply {
        let reply = request.send(&self.functions[function]).await.unwrap();
        assert!(reply.status < 300, "{request:?}: {reply:?}");
        reply
    }

    /// Notes the cost of what has been called since the last note, without the broadcasts: each
    /// instance reads them once in 10 seconds, whatever it is asked; they have a line of their own.
    fn note(&mut self, operation: &'static str) {
        let mut calls = self.proxy.take_calls();
        calls.retain(|call| !call.body.contains("{\"S\":\"B#2"));
        self.note_calls(operation, calls);
    }

    fn note_calls(&mut self, operation: &'static str, calls: Vec<Call>) {
        let (mut counts, mut writes, mut reads) = (BTreeMap::<String, usize>::new(), 0.0, 0.0);
        for call in calls {
            let is_read = ["GetItem", "Query", "BatchGetItem"].contains(&&*call.operation);
            *if is_read { &mut reads } else { &mut writes } += call.units;
            *counts.entry(call.operation).or_default() += 1;
        }
        let calls: Vec<String> = counts
            .into_iter()
            .map(|(name, count)| format!("{count} {name}"))
            .collect();
        self.found
            .push((operation, calls.join(", "), writes, reads));
    }

    /// One request, noted.
    async fn measure(&mut self, operation: &'static str, function: &str, request: &Http) -> Reply {
        self.proxy.take_calls();
        let reply = self.send(function, request).await;
        self.note(operation);
        reply
    }

    /// Every operation there is.
    async fn measure_all(&mut self) {
        let ana = self.ana.clone();
        let fans: Vec<String> = (0..25).map(|index| format!("fan{index:02}")).collect();
        self.creates(&fans).await;
        self.inbox(&ana).await;
        self.broadcasts().await;
        self.settings(&ana).await;
        let plain = note(&fans[..1]);
        let mut of_group = note(&fans[1..2]);
        of_group["group"] = json!("like:video:42");
        let bare = note(&fans[2..3]);
        self.push((&fans[2], false), &bare, "push to 1 device")
            .await;
        self.push((&fans[0], true), &plain, "push to 1 device, with its badge")
            .await;
        self.push((&fans[1], true), &of_group, "the same, of a group")
            .await;
    }

    async fn inbox(&mut self, ana: &str) {
        let (reader, one) = ("read-inbox", note(slice::from_ref(&self.ana)));
        let reply = self.send("create-notifications", &create(None, &one)).await;
        let mark = self.mark(&stored(&reply)[0].1);
        self.measure("mark one read", reader, &mark).await;
        let [older, newest] = &self.newest;
        let up_to = [json!({"up_to": older}), json!({"up_to": newest})];
        let read = Http::new("POST /v1/me/notifications/read", ana);
        let seen = Http::new("POST /v1/me/notifications/seen", ana);
        // The first move of a watermark counts what no watermark covers yet.
        self.send(reader, &read.clone().json(&up_to[0])).await;
        self.send(reader, &seen.clone().json(&up_to[0])).await;
        self.measure("mark all as read", reader, &read.json(&up_to[1]))
            .await;
        self.measure("mark all as seen", reader, &seen.json(&up_to[1]))
            .await;
        let page = Http::new("GET /v1/me/notifications", ana).query("limit=25");
        self.measure("page of 25, nothing unread", reader, &page)
            .await;
        let counts = Http::new("GET /v1/me/notifications/counts", ana);
        self.measure("counts, nothing unread", reader, &counts)
            .await;
        let batch = json!({"notifications": vec![one; 99]});
        self.send("create-notifications", &create(None, &batch))
            .await;
        self.measure("page of 25, 99 unread", reader, &page).await;
        self.measure("counts, 99 unread", reader, &counts).await;
    }

    async fn broadcasts(&mut self) {
        let client = client(&self.proxy.dynamodb);
        let store = Store::new(client, self.ground.table().to_owned());
        let broadcasts = Broadcasts::new(store, 90 * 86_400);
        let now = jiff::Timestamp::now();
        for after in [0, 10] {
            self.proxy.take_calls();
            let now = now + Duration::from_secs(after);
            assert!(broadcasts.current(now).await.unwrap().is_empty());
        }
        let calls = self.proxy.take_calls();
        self.note_calls("what everyone gets, every 10 s", calls);
    }

    async fn creates(&mut self, fans: &[String]) {
        let creator = "create-notifications";
        let one = note(&fans[..1]);
        self.measure("create, 1 recipient", creator, &create(None, &one))
            .await;
        self.measure("create, 25 recipients", creator, &create(None, &note(fans)))
            .await;
        let key = "key-1";
        self.measure(
            "create with a key, 1 recipient",
            creator,
            &create(Some(key), &one),
        )
        .await;
        self.measure("its repeat", creator, &create(Some(key), &one))
            .await;
        let mut named = one.clone();
        named["dedupe_key"] = json!("like:42:bo");
        let reply = self
            .measure("create with a dedupe key", creator, &create(None, &named))
            .await;
        self.measure("its duplicate", creator, &create(None, &named))
            .await;
        let retract = Http::new("DELETE /v1/notifications/{id}", "likes")
            .path("id", &stored(&reply)[0].1[2..]);
        self.measure(
            "retract it",
            creator,
            &retract.query(&format!("recipient={}", fans[0])),
        )
        .await;
        let (key, all) = ("key-2", note(fans));
        self.measure(
            "create with a key, 25 recipients",
            creator,
            &create(Some(key), &all),
        )
        .await;
        self.measure(
            "its repeat, 25 recipients",
            creator,
            &create(Some(key), &all),
        )
        .await;
    }

    async fn settings(&mut self, user: &str) {
        let device = json!({"platform": "fcm", "token": unique("token")});
        let ask = |method: &str, user: &str| {
            Http::new(&format!("{method} /v1/me/devices/{{device_id}}"), user)
                .path("device_id", "phone")
                .json(&device)
        };
        let devices = "manage-devices";
        let put = ask("PUT", user);
        self.measure("register a device", devices, &put).await;
        self.measure("register it unchanged", devices, &put).await;
        let other = "zoe";
        self.measure("move it to another user", devices, &ask("PUT", other))
            .await;
        self.measure("remove it", devices, &ask("DELETE", other))
            .await;
        let preferences = json!({"types": {"video.liked": {"inbox": true, "push": false}}});
        let preferences = Http::new("PUT /v1/me/preferences", user).json(&preferences);
        self.measure("set preferences", "manage-devices", &preferences)
            .await;
        let mute = Http::new("PUT /v1/me/mutes/{kind}/{id}", user)
            .path("kind", "actor")
            .path("id", "zoe")
            .json(&json!({}));
        self.measure("mute somebody", "manage-devices", &mute).await;
    }

    /// The push of one notification to one device, which may show a badge.
    async fn push(&mut self, (user, badge): (&str, bool), note: &Value, operation: &'static str) {
        let device = json!({"platform": "fcm", "token": unique("token"), "badge": badge});
        let put = Http::new("PUT /v1/me/devices/{device_id}", user).path("device_id", "phone");
        self.send("manage-devices", &put.json(&device)).await;
        let reply = self.send("create-notifications", &create(None, note)).await;
        let (pk, sk) = stored(&reply).remove(0);
        let record = json!({
            "eventName": "INSERT",
            "dynamodb": {"Keys": {"pk": {"S": pk}, "sk": {"S": sk}}, "SequenceNumber": "1"},
        });
        let event = json!({"Records": [record]}).to_string().into_bytes();
        self.proxy.take_calls();
        let answer = self.functions["push-notifications"]
            .invoke(event)
            .await
            .unwrap();
        assert_eq!(answer, br#"{"batchItemFailures":[]}"#);
        assert_eq!(self.ground.row(&pk, &sk).await.unwrap()["po"]["s"], "sent");
        self.note(operation);
    }
}

fn table<'c>(rows: impl Iterator<Item = (&'c str, &'c str, f64, f64)>) -> String {
    let mut table =
        "| operation | calls to AWS | write units | read units |\n|---|---|---|---|\n".to_owned();
    for (operation, calls, writes, reads) in rows {
        writeln!(table, "| {operation} | {calls} | {writes} | {reads} |").unwrap();
    }
    table
}

#[tokio::test(flavor = "multi_thread")]
async fn every_operation_costs_what_the_readme_says_however_much_is_stored() {
    let mut small = Meter::new(1_000).await;
    let mut large = Meter::new(if full() { 1_000_000 } else { 5_000 }).await;
    futures_util::join!(small.measure_all(), large.measure_all());
    let rows =
        |meter: &Meter| {
            let rows = meter.found.iter();
            table(rows.map(|(operation, calls, writes, reads)| {
                (*operation, calls.as_str(), *writes, *reads)
            }))
        };
    let measured = rows(&small);
    assert_eq!(
        measured,
        rows(&large),
        "the cost depends on how much is stored"
    );
    let expected = table(EXPECTED.iter().copied());
    assert_eq!(
        expected, measured,
        "expected\n{expected}\nmeasured\n{measured}"
    );
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let printed = readme
        .split_once("<!-- capacity -->\n")
        .and_then(|(_, rest)| rest.split_once("<!-- /capacity -->"));
    let printed = printed
        .expect("the README has the table between its two comments")
        .0;
    assert_eq!(printed, measured, "the README's table must be\n{measured}");
}
