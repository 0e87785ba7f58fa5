//! Pushes of what everyone gets: to the members of a topic, each once, under the id that all inboxes show.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::{Value, json};
use shared::id::{NotificationId, UserId};
use shared::store::keys::member_shard;
use shared::task::{Name, Place};

use crate::fan_out::job;
use crate::ground::{Http, RowKey, create, stored};
use crate::stack::unique;
use crate::tasks::{Field, NOTHING_LEFT, Phone, batch, pushes};
use crate::topics::users;

const PAGE: &str = "GET /v1/me/notifications";

/// What goes to everyone, and is pushed to a topic's members.
pub fn news(topic: &str, fields: &Value) -> Value {
    let mut note = json!({
        "everyone": true, "type": "app.news", "title": "Version 2 is here", "push": {"topic": topic},
    });
    for (name, value) in fields.as_object().unwrap() {
        match note[name].as_object_mut() {
            Some(nested) => nested.extend(value.as_object().unwrap().clone()),
            None => note[name] = value.clone(),
        }
    }
    note
}

/// A request to take it back.
pub fn taking_back(id: &str) -> Http {
    let delete = Http::new("DELETE /v1/notifications/{id}", "likes").path("id", id);
    delete.query("everyone=true")
}

/// A user's row that carries the push.
pub fn carrier(user: &str, id: &str) -> RowKey {
    (format!("U#{user}"), format!("N#{id}"))
}

impl Field {
    /// Stores it; the id, which is the job's, too.
    pub async fn announce(&self, topic: &str, fields: &Value) -> String {
        let key = unique("announced");
        let request = create(Some(&key), &news(topic, fields));
        let mut reply = request.send(&self.creator).await.unwrap();
        // A busy table is asked again.
        for _ in 0..9 {
            if reply.status != 503 {
                break;
            }
            reply = request.send(&self.creator).await.unwrap();
        }
        let id = job(&reply);
        let created = json!({"everyone": true, "id": id, "status": "created"});
        assert_eq!(reply.body, json!({"job": id, "data": [created]}));
        id
    }

    /// Runs the steps of a job that reach these users, and no others.
    pub async fn reach(&self, job: &str, users: &[&str]) {
        let shard = |user: &&str| member_shard(&UserId::parse(user).unwrap());
        let shards: BTreeSet<u32> = users.iter().map(shard).collect();
        let runner = self.runner(0);
        for shard in shards {
            let step = (format!("J#{job}#{shard}"), format!("T#{:010}", 0));
            assert_eq!(runner.invoke(batch([&step])).await.unwrap(), NOTHING_LEFT);
        }
    }

    /// The same, and the pushes of what has reached them.
    pub async fn reach_and_push(&self, id: &str, users: &[&str]) {
        self.reach(id, users).await;
        let rows: Vec<RowKey> = users.iter().map(|user| carrier(user, id)).collect();
        assert_eq!(
            self.pusher.invoke(batch(&rows)).await.unwrap(),
            NOTHING_LEFT
        );
    }

    pub async fn take_back(&self, id: &str) {
        let reply = taking_back(id).send(&self.creator).await;
        assert_eq!(reply.unwrap().status, 204);
    }

    /// Removes it, as the table does when it has expired.
    async fn remove(&self, id: &str) {
        let rows = self.rows("B#").await;
        let (pk, sk) = rows.into_iter().find(|(_, sk)| sk[2..] == *id).unwrap();
        let delete = self.ground.client().delete_item();
        let delete = delete.table_name(self.ground.table());
        let delete = delete.key("pk", AttributeValue::S(pk));
        let delete = delete.key("sk", AttributeValue::S(sk));
        delete.send().await.unwrap();
    }

    pub async fn page(&self, user: &str) -> Value {
        let page = Http::new(PAGE, user).query("consistent=true");
        let reply = page.send(&self.inbox).await.unwrap();
        assert_eq!(reply.status, 200, "{reply:?}");
        reply.body
    }

    pub async fn mark(&self, route: &str, user: &str, id: &str) {
        let request = Http::new(route, user).path("id", id);
        let request = request.json(&json!({"up_to": id}));
        let reply = request.send(&self.inbox).await.unwrap();
        assert_eq!(reply.status, 200, "{reply:?}");
    }
}

#[track_caller]
pub fn shown(page: &Value) -> (Vec<&str>, u64, u64) {
    let data = page["data"].as_array().unwrap().iter();
    let count = |name: &str| page["meta"][name].as_u64().unwrap();
    (
        data.map(|one| one["id"].as_str().unwrap()).collect(),
        count("unread_count"),
        count("unseen_count"),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn f13_everyone_has_it_once_and_members_with_devices_get_one_push_under_its_id() {
    let field = Field::new().await;
    let (member, other) = (field.phone("news").await, field.phone("news").await);
    let mut fans = users(40);
    fans.push(member.user.clone());
    let topic = field.topic(&fans).await;
    let older = field.send_and_push(&member.user, json!({})).await;
    // Both instances go on for 10 seconds with what they have read now.
    assert_eq!(shown(&field.page(&member.user).await).1, 1);
    let id = field.announce(&topic, &json!({"group": "news"})).await;
    let runner = field.runner(0);
    field.run_job(&runner, &id).await;
    let progress = field.progress(&id).await;
    assert_eq!(
        (&progress["state"], &progress["written"]),
        (&json!("done"), &json!(41))
    );
    let mut rows = field.ground.rows().await;
    rows.retain(|(_, sk), _| *sk == format!("N#{id}"));
    let reached: BTreeSet<String> = rows.keys().map(|(pk, _)| pk[2..].to_owned()).collect();
    assert_eq!(reached, fans.iter().cloned().collect());
    let at = NotificationId::parse(&id).unwrap().at().as_second();
    let first = rows.values().next().unwrap();
    assert_eq!(
        first["expires_at"],
        at + 8 * 86_400,
        "a push's day, and a week"
    );
    assert_eq!(first.as_object().unwrap().len(), 5, "{first}");
    for _ in 0..2 {
        let brought = field.pusher.invoke(batch(rows.keys())).await.unwrap();
        assert_eq!(brought, NOTHING_LEFT);
        field.run_job(&runner, &id).await;
    }
    let sent = pushes(&member.token).await;
    assert_eq!((sent.len(), pushes(&other.token).await.len()), (2, 0));
    assert_eq!(sent[1]["notification"]["title"], "Version 2 is here");
    assert_eq!(sent[1]["data"]["id"], json!(id));
    // As a single one would be counted.
    let android = &sent[1]["android"]["notification"];
    assert_eq!(
        (&android["tag"], &android["notification_count"]),
        (&json!(id), &json!(2))
    );
    assert_eq!(field.outcome(&carrier("fan3", &id)).await.0, "no_device");
    everyone_has_it(&field, &member, &id, &older.1[2..]).await;
    explained(&field, &member.user, &id).await;
}

/// Once on the list, alone and in its group; by the instance that read too early, and by one that reads now.
async fn everyone_has_it(field: &Field, member: &Phone, id: &str, older: &str) {
    assert_eq!(
        shown(&field.page(&member.user).await),
        (vec![id, older], 2, 2)
    );
    let one = Http::new("GET /v1/me/notifications/{id}", &member.user).path("id", id);
    let one = one.send(&field.inbox).await.unwrap();
    assert_eq!(
        (one.status, &one.body["title"]),
        (200, &json!("Version 2 is here"))
    );
    let fresh = field.ground.function("read-inbox", None);
    for (user, expected) in [
        (&*member.user, vec![id, older]),
        ("fan7", vec![id]),
        ("nobody", vec![id]),
    ] {
        let count = expected.len() as u64;
        for query in ["consistent=true", "grouped=true", "limit=50"] {
            let page = Http::new(PAGE, user)
                .query(query)
                .send(&fresh)
                .await
                .unwrap();
            assert_eq!(
                shown(&page.body),
                (expected.clone(), count, count),
                "{user} {query}"
            );
        }
    }
    // Page by page, whatever ends one.
    let newer = stored(&field.send(&member.user, json!({})).await).remove(0);
    let mut found = Vec::new();
    let mut query = "limit=1".to_owned();
    loop {
        let page = Http::new(PAGE, &member.user)
            .query(&query)
            .send(&fresh)
            .await
            .unwrap();
        found.extend(shown(&page.body).0.into_iter().map(str::to_owned));
        let Some(next) = page.body["page"]["next"].as_str() else {
            break;
        };
        query = format!("limit=1&cursor={next}");
    }
    assert_eq!(found, [&newer.1[2..], id, older]);
}

/// What support sees of it, and what an export leaves out.
async fn explained(field: &Field, user: &str, id: &str) {
    let support = field.ground.function("administer-users", None);
    let trace = Http::new("GET /v1/users/{user}/notifications/{id}/trace", "admin");
    let trace = trace.path("user", user).path("id", id);
    let steps = trace.send(&support).await.unwrap();
    let steps = steps.body["data"].as_array().unwrap().iter();
    let names: Vec<&str> = steps.map(|step| step["step"].as_str().unwrap()).collect();
    assert_eq!(names, ["stored", "told", "published", "ended"]);
    let export = Http::new("GET /v1/users/{user}/export", "admin").path("user", user);
    let lines = export.send(&support).await.unwrap().body;
    assert!(!lines.to_string().contains(id), "{lines}");
    // It is nobody's own.
    let retract = Http::new("DELETE /v1/notifications/{id}", "likes").path("id", id);
    let retract = retract.query(&format!("recipient={user}"));
    assert_eq!(retract.send(&field.creator).await.unwrap().status, 404);
}

/// Two phones whose tasks for later are in one partition.
async fn neighbours(field: &Field) -> [Phone; 2] {
    let first = field.phone("later").await;
    let shard = |user: &str| Place::new(0, Name::User(UserId::parse(user).unwrap())).shard;
    let mut others = (0..).map(|n| format!("{}-{n}", first.user));
    let user = others
        .find(|user| shard(user) == shard(&first.user))
        .unwrap();
    let token = unique("later");
    let second = Phone { user, token };
    field.register(&second, "phone").await;
    [first, second]
}

#[tokio::test(flavor = "multi_thread")]
async fn f13_who_has_read_it_one_way_or_another_is_not_pushed_when_the_delay_is_over() {
    let field = Field::new().await;
    let [one, two] = neighbours(&field).await;
    let (reads, clears) = (field.phone("later").await, field.phone("later").await);
    let members = [&one.user, &two.user, &reads.user, &clears.user].map(String::as_str);
    let topic = field.topic(&members.map(str::to_owned)).await;
    // The instance does not know of it when it is read.
    field.page(&reads.user).await;
    let id = field
        .announce(&topic, &json!({"push": {"delay": 120}}))
        .await;
    field.reach_and_push(&id, &members).await;
    for user in members {
        let deferred = ("deferred".to_owned(), "delayed".to_owned());
        assert_eq!(field.outcome(&carrier(user, &id)).await, deferred);
    }
    field
        .mark("PUT /v1/me/notifications/{id}/read", &reads.user, &id)
        .await;
    field
        .mark("POST /v1/me/notifications/read", &clears.user, &id)
        .await;
    field.pass(3_600).await;
    for (phone, expected) in [(&one, 1), (&two, 1), (&reads, 0), (&clears, 0)] {
        assert_eq!(pushes(&phone.token).await.len(), expected, "{}", phone.user);
    }
    for phone in [&reads, &clears] {
        let skipped = ("skipped".to_owned(), "read".to_owned());
        assert_eq!(field.outcome(&carrier(&phone.user, &id)).await, skipped);
    }
    assert_eq!(field.later().await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn quiet_hours_caps_and_mutes_hold_for_it_as_for_any_other() {
    let field = Field::new().await;
    let (sleeper, capped) = (field.sleeper().await, field.phone("capped").await);
    let members = [&sleeper.user, &capped.user].map(String::as_str);
    let topic = field.topic(&members.map(str::to_owned)).await;
    let mut ids = Vec::new();
    for _ in 0..5 {
        let id = field.announce(&topic, &json!({"group": "news"})).await;
        field.reach_and_push(&id, &members).await;
        ids.push(id);
    }
    // Five of a group in an hour, whoever else gets them.
    let own = field
        .send_and_push(&capped.user, json!({"group": "news"}))
        .await;
    let over = field.announce(&topic, &json!({"group": "news"})).await;
    field.reach_and_push(&over, &[&capped.user]).await;
    let skipped = |reason: &str| ("skipped".to_owned(), reason.to_owned());
    for row in [own, carrier(&capped.user, &over)] {
        assert_eq!(field.outcome(&row).await, skipped("capped"), "{row:?}");
    }
    assert_eq!(pushes(&capped.token).await.len(), 5);
    // One of five has gone while they wait.
    field.remove(&ids[1]).await;
    assert_eq!(
        field
            .later()
            .await
            .iter()
            .filter(|(_, sk)| sk.starts_with("U#"))
            .count(),
        1
    );
    field.pass(3 * 3_600).await;
    let told = pushes(&sleeper.token).await;
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0]["notification"]["title"], "4 new notifications");
    assert_eq!(told[0]["data"]["id"], json!(ids[4]));

    let mute = Http::new("PUT /v1/me/mutes/{kind}/{id}", &capped.user);
    let mute = mute
        .path("kind", "group")
        .path("id", "calm")
        .json(&json!({}));
    assert_eq!(mute.send(&field.devices).await.unwrap().status, 200);
    let id = field.announce(&topic, &json!({"group": "calm"})).await;
    field.reach_and_push(&id, &[&capped.user]).await;
    assert_eq!(
        field.outcome(&carrier(&capped.user, &id)).await,
        skipped("muted")
    );
}
