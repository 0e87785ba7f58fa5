//! Notifications to topics: every member is told once, exactly as if it had been told alone.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::stream::{self, StreamExt};
use local::function::Function;
use serde_json::{Value, json};
use shared::id::UserId;
use shared::store::keys::member_shard;

use crate::broadcast_pushes::news;
use crate::event_log::event;
use crate::ground::{Http, Reply, RowKey, create, stored};
use crate::ingest_queue::{failures, messages};
use crate::stack::unique;
use crate::tasks::{Field, NOTHING_LEFT, ahead, batch, pushes};
use crate::topics::{join, users};

/// A notification to a topic.
pub fn note(topic: &str, kind: &str) -> Value {
    json!({
        "topic": topic,
        "type": kind,
        "title": "Ana is live",
        "actor": {"id": "ana", "name": "Ana"},
        "data": {"stream": {"id": 7}},
    })
}

/// The job of an accepted notification.
#[track_caller]
pub fn job(reply: &Reply) -> String {
    assert_eq!(reply.status, 202, "{reply:?}");
    reply.body["job"].as_str().unwrap().to_owned()
}

/// Users of one partition of a topic's members.
pub fn of_shard(shard: u32, count: usize) -> Vec<String> {
    let all = (0..).map(|index| format!("fan{index:06}"));
    let fits = |user: &String| member_shard(&UserId::parse(user).unwrap()) == shard;
    all.filter(fits).take(count).collect()
}

impl Field {
    /// A topic with these members.
    pub async fn topic(&self, users: &[String]) -> String {
        let (function, topic) = (self.events(), unique("topic"));
        join(&function, &topic, users).await;
        topic
    }

    /// The function that takes events and knows topics.
    pub fn events(&self) -> Function {
        self.ground.function("ingest-events", None)
    }

    /// Runs a job to its end, or as far as it goes: chains beside each other, and a step that fails again.
    pub async fn run_job(&self, runner: &Function, job: &str) {
        let chains = (0..32).map(async |chain| {
            for step in 0.. {
                let key = (format!("J#{job}#{chain}"), format!("T#{step:010}"));
                if self.ground.row(&key.0, &key.1).await.is_none() {
                    return;
                }
                while runner.invoke(batch([&key])).await.unwrap() != NOTHING_LEFT {}
            }
        });
        stream::iter(chains)
            .buffer_unordered(4)
            .collect::<Vec<()>>()
            .await;
    }

    /// How far a job is.
    pub async fn progress(&self, job: &str) -> Value {
        let request = Http::new("GET /v1/jobs/{job}", "likes").path("job", job);
        let reply = request.send(&self.creator).await.unwrap();
        assert_eq!(reply.status, 200, "{reply:?}");
        reply.body
    }

    /// The rows of notifications of a type, by their keys.
    pub async fn told(&self, kind: &str) -> BTreeMap<RowKey, Value> {
        let mut rows = self.ground.rows().await;
        rows.retain(|(_, sk), row| sk.starts_with("N#") && row["t"] == kind);
        rows
    }
}

/// Whose inboxes these rows are in; nobody's twice.
#[track_caller]
pub fn owners(rows: &BTreeMap<RowKey, Value>) -> BTreeSet<String> {
    let users: BTreeSet<String> = rows.keys().map(|(pk, _)| pk[2..].to_owned()).collect();
    assert_eq!(users.len(), rows.len(), "somebody was told twice");
    users
}

#[tokio::test(flavor = "multi_thread")]
async fn f13_the_members_of_a_topic_get_rows_pushes_and_counts_as_if_told_one_by_one() {
    let field = Field::new().await;
    let phone = field.phone("fan-out").await;
    let mut fans = users(70);
    fans.push(phone.user.clone());
    let topic = field.topic(&fans).await;
    let body = note(&topic, "live.many");
    let reply = create(None, &body).send(&field.creator).await.unwrap();
    let job = job(&reply);
    assert_eq!(reply.body, json!({"job": job}));
    let running = field.progress(&job).await;
    assert_eq!(
        (&running["state"], &running["chains"], &running["kind"]),
        (
            &json!("running"),
            &json!({"open": 32, "done": 0}),
            &json!("fan_out")
        )
    );
    field.run_job(&field.runner(0), &job).await;
    let done = field.progress(&job).await;
    assert_eq!(
        (&done["state"], &done["written"], &done["chains"]),
        (&json!("done"), &json!(71), &json!({"open": 0, "done": 32}))
    );
    let rows = field.told("live.many").await;
    assert_eq!(owners(&rows), fans.iter().cloned().collect());

    // The same, told alone.
    let mut alone = body.clone();
    (alone["topic"], alone["recipients"]) = (Value::Null, json!([phone.user]));
    alone["type"] = json!("live.alone");
    let reply = create(None, &alone).send(&field.creator).await.unwrap();
    let alone = stored(&reply).remove(0);
    let mut pair = Vec::new();
    for key in rows.keys().chain([&alone]) {
        if key.0 == alone.0 {
            let mut row = field.ground.row(&key.0, &key.1).await.unwrap();
            for own in ["sk", "t", "expires_at"] {
                row.as_object_mut().unwrap().remove(own);
            }
            field.push(key).await;
            pair.push((row, field.outcome(key).await));
        }
    }
    assert_eq!(pair[0], pair[1]);
    assert_eq!(pushes(&phone.token).await.len(), 2);
    let counts = Http::new("GET /v1/me/notifications/counts", &phone.user);
    let counts = counts.send(&field.inbox).await.unwrap().body;
    assert_eq!(counts["unread_count"], 2);
    // Its watchdog finds nothing to do, and goes.
    field.pass(900).await;
    assert_eq!(field.later().await, []);
    assert_eq!(field.told("live.many").await.len(), 71);
}

#[tokio::test(flavor = "multi_thread")]
async fn f13_i2_a_repeat_of_a_request_is_the_same_job_and_tells_nobody_again() {
    let field = Field::new().await;
    let topic = field.topic(&users(12)).await;
    let (key, body) = (unique("key"), note(&topic, "live.keyed"));
    let first = create(Some(&key), &body).send(&field.creator).await;
    let id = job(&first.unwrap());
    let runner = field.runner(0);
    field.run_job(&runner, &id).await;
    for _ in 0..2 {
        let again = create(Some(&key), &body)
            .send(&field.creator)
            .await
            .unwrap();
        assert_eq!(again.headers["idempotency-replayed"], "true");
        assert_eq!(job(&again), id);
    }
    field.run_job(&runner, &id).await;
    assert_eq!(owners(&field.told("live.keyed").await).len(), 12);
    let mut other = body.clone();
    other["title"] = json!("Bo is live");
    let refused = create(Some(&key), &other).send(&field.creator).await;
    assert_eq!(refused.unwrap().status, 422);
    // Of a batch too, with a result for each.
    let batch = json!({"notifications": [
        note(&topic, "live.batch"), {"recipients": ["ana"], "type": "live.batch", "title": "x"}, {"topic": "a b"},
    ]});
    let key = unique("key");
    let sent = async || {
        create(Some(&key), &batch)
            .send(&field.creator)
            .await
            .unwrap()
    };
    let (reply, again) = (sent().await, sent().await);
    assert_eq!((reply.status, &again.body), (207, &reply.body));
    let results = &reply.body["data"];
    assert_eq!(results[0]["status"], 202, "{results}");
    assert_eq!(results[1]["data"][0]["status"], "created");
    assert_eq!(results[2]["status"], 422);
    let id = results[0]["job"].as_str().unwrap();
    field.run_job(&runner, id).await;
    assert_eq!(owners(&field.told("live.batch").await).len(), 13);
    assert_eq!(field.progress(id).await["written"], 12);
}

#[tokio::test(flavor = "multi_thread")]
async fn f13_an_event_whose_rule_addresses_a_topic_tells_its_members_but_not_who_did_it() {
    let field = Field::new().await;
    let function = field.events();
    let mut fans = users(9);
    fans.push("bo".to_owned());
    let topic = field.topic(&fans).await;
    let kind = "video.liked";
    let mut liked = event(&topic, "1");
    liked["data"]["actor"] = json!({"id": "bo", "name": "Bo"});
    let rule = json!({
        "recipients": {"topic": "{{ subject }}"},
        "title": "{{ actor.name }} liked it",
        "dedupe_key": "like:{{ id }}",
        "sample": liked,
    });
    let put = Http::new("PUT /v1/rules/{type}", "admin").path("type", kind);
    let reply = put.json(&rule).send(&function).await.unwrap();
    assert_eq!(reply.status, 201, "{reply:?}");
    let post = || Http::new("POST /v1/events", "likes").json(&liked);
    let first = post().send(&function).await.unwrap();
    let told = &first.body["data"]["notifications"][0];
    assert_eq!(told["topic"], json!(topic), "{first:?}");
    let by_queue = messages(&[liked.to_string()]);
    assert!(failures(&function, &by_queue).await.is_empty());
    let again = post().send(&function).await.unwrap();
    assert_eq!(&again.body["data"]["notifications"][0], told);
    let id = told["job"].as_str().unwrap();
    field.run_job(&field.runner(0), id).await;
    assert_eq!(field.progress(id).await["written"], 9);
    assert_eq!(
        owners(&field.told(kind).await),
        users(9).into_iter().collect()
    );
    let preview = Http::new("POST /v1/rules/{type}/preview", "admin").path("type", kind);
    let shown = preview.json(&json!({})).send(&function).await.unwrap();
    assert_eq!(
        shown.body["data"]["notifies"]["topic"],
        json!(topic),
        "{shown:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dedupe_key_holds_for_each_member_of_a_topic() {
    let field = Field::new().await;
    let fans = users(6);
    let topic = field.topic(&fans).await;
    let mut body = note(&topic, "live.dedupe");
    body["dedupe_key"] = json!("live:ana");
    let mut alone = body.clone();
    (alone["topic"], alone["recipients"]) = (Value::Null, json!(fans[..2]));
    let reply = create(None, &alone).send(&field.creator).await.unwrap();
    assert_eq!(reply.status, 201);
    let runner = field.runner(0);
    let mut written = Vec::new();
    for _ in 0..2 {
        let reply = create(None, &body).send(&field.creator).await.unwrap();
        field.run_job(&runner, &job(&reply)).await;
        written.push(field.progress(&job(&reply)).await["written"].clone());
    }
    assert_eq!(written, [4, 0]);
    assert_eq!(owners(&field.told("live.dedupe").await).len(), 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_is_cancelled_tells_no_more_members() {
    let field = Field::new().await;
    let fans = of_shard(3, 503);
    let topic = field.large_topic(&fans).await;
    let reply = create(None, &note(&topic, "live.cancelled"))
        .send(&field.creator)
        .await;
    let id = job(&reply.unwrap());
    let runner = field.runner(0);
    let first = (format!("J#{id}#3"), "T#0000000000".to_owned());
    runner.invoke(batch([&first])).await.unwrap();
    let cancel = Http::new("DELETE /v1/jobs/{job}", "likes").path("job", &id);
    for _ in 0..2 {
        assert_eq!(cancel.send(&field.creator).await.unwrap().status, 204);
    }
    field.run_job(&runner, &id).await;
    let progress = field.progress(&id).await;
    assert_eq!(
        (&progress["state"], &progress["written"]),
        (&json!("cancelled"), &json!(500))
    );
    assert_eq!(owners(&field.told("live.cancelled").await).len(), 500);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notification_to_a_topic_is_scheduled_and_cancelled_under_the_id_of_its_job() {
    let field = Field::new().await;
    let topic = field.topic(&users(5)).await;
    let mut jobs = Vec::new();
    for kind in ["live.later", "live.never"] {
        let mut body = note(&topic, kind);
        body["send_at"] = json!(ahead(600));
        let key = unique("key");
        let sent = async || {
            create(Some(&key), &body)
                .send(&field.creator)
                .await
                .unwrap()
        };
        let id = job(&sent().await);
        assert_eq!(job(&sent().await), id);
        assert_eq!(field.progress(&id).await["state"], "scheduled");
        jobs.push(id);
    }
    let cancel = Http::new("DELETE /v1/jobs/{job}", "likes").path("job", &jobs[1]);
    for _ in 0..2 {
        assert_eq!(cancel.send(&field.creator).await.unwrap().status, 204);
    }
    field.pass(1_800).await;
    assert_eq!(owners(&field.told("live.later").await).len(), 5);
    assert!(field.told("live.never").await.is_empty());
    let done = field.progress(&jobs[0]).await;
    assert_eq!(
        (&done["state"], &done["written"]),
        (&json!("done"), &json!(5))
    );
    assert_eq!(field.progress(&jobs[1]).await["state"], "cancelled");
    assert_eq!(field.later().await, []);
}

/// A job has its own row, a watchdog and the sweep's cursor; each chain a first step and its progress; each part of members
/// the moment that its step writes down. Whatever else is written is a member's.
#[tokio::test(flavor = "multi_thread")]
async fn f13_a_fan_out_writes_one_unit_a_member_and_a_few_a_step() {
    let field = Field::new().await;
    let topic = field.large_topic(&users(320)).await;
    let proxy = field.ground.proxy(true).await;
    let creator = field.ground.function("create-notifications", Some(&proxy));
    let runner = field.ground.function("run-tasks", Some(&proxy));
    let writes = || {
        let calls = proxy.take_calls().into_iter();
        let is_write = |name: &str| ["PutItem", "UpdateItem", "BatchWriteItem"].contains(&name);
        calls
            .filter(|call| is_write(&call.operation))
            .map(|call| call.units)
            .sum::<f64>()
    };
    // What everyone gets has a row beside; the members' rows say less.
    for body in [note(&topic, "live.metered"), news(&topic, &json!({}))] {
        let reply = create(None, &body).send(&creator).await;
        let id = job(&reply.unwrap());
        let begun = writes();
        // The row of the job holds the notification and 32 first steps: 3 units.
        assert!((34.0..=38.0).contains(&begun), "{begun}");
        field.run_job(&runner, &id).await;
        let told = writes();
        // Members, moments, progress; a few more moments on a busy machine.
        assert!((384.0..=400.0).contains(&told), "{told}");
    }
    assert_eq!(owners(&field.told("live.metered").await).len(), 320);
}
