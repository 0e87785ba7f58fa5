//! Notifications for everyone: one row, in every inbox, with each user's own marks.

use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use shared::broadcast::Broadcasts;
use shared::id::NotificationId;
use shared::store::Store;
use shared::store::keys::Key;

use crate::caller::Caller;
use crate::create::{inbox, note};
use crate::dedupe::create;
use crate::filters::{PAGE, ask};
use crate::stack::{Stack, shared, unique};
use crate::table::{self, n, s};

/// How long a notification is kept, in seconds.
pub const RETENTION: u32 = 90 * 86_400;

fn to_everyone(title: &str) -> Value {
    json!({"everyone": true, "type": "app.news", "title": title, "push": false})
}

async fn broadcast(stack: &Stack, note: &Value) -> String {
    let answer = stack
        .producer()
        .post("/v1/notifications", note)
        .await
        .expect(201);
    let [result] = &answer["data"].as_array().unwrap()[..] else {
        panic!("{answer:#}");
    };
    assert_eq!(
        (&result["everyone"], &result["status"]),
        (&json!(true), &json!("created"))
    );
    result["id"].as_str().unwrap().to_owned()
}

/// The unread and unseen counts.
async fn counts(caller: &Caller) -> (u64, u64) {
    let counts = caller
        .get(&format!("{PAGE}/counts?consistent=true"))
        .await
        .expect(200);
    let count = |name: &str| counts[name].as_u64().unwrap();
    (count("unread_count"), count("unseen_count"))
}

/// Writes broadcasts that are a minute old.
async fn plant(stack: &Stack, count: usize) -> Vec<String> {
    let mut ids = Vec::new();
    for _ in 0..count {
        let id = NotificationId::draw(Timestamp::now() - Duration::from_mins(1));
        let key = Key::Broadcast(id);
        let client = stack.dynamodb_client();
        let put = client.put_item().table_name(stack.table());
        let fields = [
            ("v", n(1)),
            ("expires_at", n(id.at().as_second() + i64::from(RETENTION))),
            ("t", s("app.news")),
            ("ti", s("Old")),
        ];
        let put = put.item("pk", s(&key.pk())).item("sk", s(&key.sk()));
        let put = fields
            .into_iter()
            .fold(put, |put, (name, value)| put.item(name, value));
        put.send().await.unwrap();
        ids.push(id.to_string());
    }
    ids.sort();
    ids
}

#[tokio::test]
async fn what_goes_to_everyone_has_no_recipients_and_no_push() {
    let with = |name: &str, value: Value| {
        let mut note = to_everyone("News");
        note[name] = value;
        note
    };
    let mut pushed = to_everyone("News");
    pushed.as_object_mut().unwrap().remove("push");
    let cases = [
        (pushed, "/push", "not_supported"),
        (
            with("push", json!({"silent": true})),
            "/push",
            "not_supported",
        ),
        (
            with("push", json!({"topic": "a b"})),
            "/push/topic",
            "format",
        ),
        (
            json!({"recipients": ["ana"], "type": "x", "title": "x", "push": {"topic": "t"}}),
            "/push/topic",
            "exclusive",
        ),
        (with("recipients", json!(["ana"])), "/everyone", "exclusive"),
        (with("recipients", json!([])), "/everyone", "exclusive"),
        (with("everyone", json!(false)), "/recipients", "required"),
        (with("everyone", json!("yes")), "/everyone", "type"),
        (with("dedupe_key", json!("k")), "/dedupe_key", "exclusive"),
        // Nobody would look for it any more.
        (
            with("expires_in", json!(RETENTION + 1)),
            "/expires_in",
            "range",
        ),
    ];
    let too_long = &cases.last().unwrap().0;
    let batch = json!({"notifications": [too_long]});
    let producer = shared().producer();
    let answer = producer
        .post("/v1/notifications/batch", &batch)
        .await
        .expect(207);
    let error = &answer["data"][0]["errors"][0];
    assert_eq!(error["pointer"], "/notifications/0/expires_in");
    for (note, pointer, code) in cases {
        let answer = shared().producer().post("/v1/notifications", &note).await;
        assert_eq!(answer.status, 422, "{note}");
        let expected = (pointer.to_owned(), code.to_owned());
        assert!(
            answer.violations().contains(&expected),
            "{note} {:#}",
            answer.body
        );
    }
}

#[tokio::test]
async fn i8_broadcasts_stand_among_a_users_own_and_each_user_marks_them_alone() {
    let data = tempfile::tempdir().unwrap();
    // In the shared one, every other test would see them.
    let stack = Stack::start(data.path());
    let (ana, bo) = (stack.user("ana"), stack.user("bo"));
    let mut ids = plant(&stack, 2).await;
    let request = unique("request");
    let mut keyed = to_everyone("Keyed");
    keyed["group"] = json!("news");
    let producer = stack.producer();
    let send = || producer.post_keyed("/v1/notifications", &request, &keyed);
    let (first, again) = (send().await, send().await);
    assert!(!first.replayed && again.replayed);
    let first = first.expect(201);
    assert_eq!(again.expect(201), first);
    let mut news = vec![first["data"][0]["id"].as_str().unwrap().to_owned()];
    for index in 1..=4 {
        for user in ["ana", "bo"] {
            let id = create(&stack, &note(user)).await.1;
            if user == "ana" {
                ids.push(id);
            }
        }
        if index < 4 {
            let mut note = to_everyone(&format!("News {index}"));
            note["group"] = json!("news");
            news.push(broadcast(&stack, &note).await);
        }
    }
    ids.extend(news.clone());
    ids.sort();
    ids.reverse();
    every_page_is_exact(&ana, &ids).await;
    assert_eq!(
        (counts(&ana).await, counts(&bo).await),
        ((10, 10), (10, 10))
    );
    assert_eq!(inbox(&stack, "nobody").await.len(), 6);
    filters_and_groups_apply(&ana, &news).await;
    single_marks_are_the_users_own(&ana, &bo, &news[0]).await;
    watermarks_cover_them(&stack, &news[3]).await;
    let stack = taken_back_it_is_gone(stack, data.path(), &news[0]).await;
    let producer = stack.producer();
    let send = producer.post_keyed("/v1/notifications", &request, &keyed);
    let again = send.await.expect(201)["data"][0].clone();
    let expected = json!({"everyone": true, "id": news[0], "status": "retracted"});
    assert_eq!(again, expected);
    what_was_read_is_known_for_10_seconds(&stack).await;
}

async fn every_page_is_exact(caller: &Caller, ids: &[String]) {
    for limit in [1, 2, 3, 7, 10, 11] {
        let limit = limit.to_string();
        let (mut found, mut next) = (Vec::new(), Some(String::new()));
        while let Some(cursor) = next {
            let pairs = [("limit", limit.as_str()), ("cursor", cursor.as_str())];
            let pairs = if cursor.is_empty() {
                &pairs[..1]
            } else {
                &pairs[..]
            };
            let page = ask(caller, pairs).await.expect(200);
            let data = page["data"].as_array().unwrap();
            found.extend(data.iter().map(|n| n["id"].as_str().unwrap().to_owned()));
            assert_eq!(page["meta"]["unread_count"], ids.len());
            next = page["page"]["next"].as_str().map(str::to_owned);
        }
        assert_eq!(found, ids, "limit {limit}");
    }
}

async fn filters_and_groups_apply(ana: &Caller, news: &[String]) {
    let count = async |pairs: &[(&str, &str)]| {
        let page = ask(ana, pairs).await.expect(200);
        page["data"].as_array().unwrap().len()
    };
    assert_eq!(count(&[("type", "app.news")]).await, 6);
    assert_eq!(count(&[("group", "news")]).await, 4);
    assert_eq!(count(&[("type", "video.liked")]).await, 4);
    let page = ask(ana, &[("grouped", "true")]).await.expect(200);
    assert_eq!(
        (&page["data"][1]["group"], &page["data"][1]["count"]),
        (&json!("news"), &json!(4))
    );
    assert_eq!(page["data"][1]["newest"]["id"], news[3]);
    assert_eq!(page["data"].as_array().unwrap().len(), 7);
    ana.put("/v1/me/mutes/group/news", &json!({}))
        .await
        .expect(200);
    assert_eq!((count(&[]).await, counts(ana).await), (6, (6, 6)));
    assert_eq!(ana.delete("/v1/me/mutes/group/news").await.status, 204);
}

async fn single_marks_are_the_users_own(ana: &Caller, bo: &Caller, id: &str) {
    let path = format!("{PAGE}/{id}");
    let fresh = bo.get(&path).await.expect(200);
    assert_eq!(
        (&fresh["id"], &fresh["read_at"]),
        (&json!(id), &Value::Null)
    );
    let read = format!("{path}/read");
    let marked = ana.put(&read, &json!({})).await.expect(200);
    assert!(marked["read_at"].is_string());
    assert_eq!(ana.put(&read, &json!({})).await.expect(200), marked);
    assert_eq!(counts(ana).await, (9, 9));
    let unread = ana.delete(&read).await.expect(200);
    assert_eq!(unread["read_at"], Value::Null);
    assert_eq!(counts(ana).await.0, 10);
    // Two marks at the same time are both kept.
    let archived = format!("{path}/archived");
    let nothing = json!({});
    for _ in 0..5 {
        let (one, two) = tokio::join!(ana.put(&read, &nothing), ana.put(&archived, &nothing));
        assert_eq!((one.status, two.status), (200, 200));
        let both = ana.get(&path).await.expect(200);
        assert!(
            both["read_at"].is_string() && both["archived_at"].is_string(),
            "{both}"
        );
        assert_eq!(counts(ana).await, (9, 9));
        assert_eq!(
            ask(ana, &[]).await.expect(200)["data"]
                .as_array()
                .unwrap()
                .len(),
            9
        );
        let (one, two) = tokio::join!(ana.delete(&read), ana.delete(&archived));
        assert_eq!((one.status, two.status), (200, 200));
        assert_eq!(counts(ana).await.0, 10);
    }
    assert_eq!(
        (bo.get(&path).await.expect(200), counts(bo).await),
        (fresh, (10, 10))
    );
}

async fn watermarks_cover_them(stack: &Stack, newest: &str) {
    let (cleo, dora) = (stack.user("cleo"), stack.user("dora"));
    create(stack, &note("cleo")).await;
    assert_eq!(counts(&cleo).await, (7, 7));
    let up_to = json!({"up_to": newest});
    cleo.post(&format!("{PAGE}/seen"), &up_to).await.expect(200);
    assert_eq!(
        counts(&cleo).await,
        (7, 1),
        "all but the newest, which is her own"
    );
    cleo.post(&format!("{PAGE}/read"), &up_to).await.expect(200);
    assert_eq!(counts(&cleo).await, (1, 1));
    let marks = table::get(stack, "cleo", "A#marks").await.unwrap();
    let single = marks.get("b").map(|marks| marks.as_m().unwrap().len());
    assert!(single <= Some(4), "the old ones need no marks of their own");
    // By group, only what is of the group.
    dora.post(&format!("{PAGE}/read"), &json!({"group": "news"}))
        .await
        .expect(200);
    assert_eq!(counts(&dora).await, (2, 2));
}

/// Retracts one that ana has marked; returns the stack, whose functions have read everything anew.
async fn taken_back_it_is_gone(stack: Stack, data: &Path, gone: &str) -> Stack {
    let path = format!("/v1/notifications/{gone}");
    let producer = stack.producer();
    for query in ["recipient=ana", "recipient=everyone"] {
        let answer = producer.delete(&format!("{path}?{query}")).await;
        answer.expect(404);
    }
    let missing = "/v1/notifications/01KAB0000000000000000000AA?everyone=true";
    producer.delete(missing).await.expect(404);
    for _ in 0..2 {
        let answer = producer.delete(&format!("{path}?everyone=true")).await;
        assert_eq!(answer.status, 204);
    }
    // A function goes on for 10 s with what it has read, but not a new one.
    stack.kill();
    let stack = Stack::start(data);
    let (ana, nobody) = (stack.user("ana"), stack.user("nobody"));
    assert_eq!((counts(&ana).await.0, counts(&nobody).await), (9, (5, 5)));
    let shown = inbox(&stack, "ana").await;
    assert!(shown.len() == 9 && shown.iter().all(|n| n["id"] != gone));
    let of_ana = format!("{PAGE}/{gone}");
    ana.get(&of_ana).await.expect(404);
    let read = format!("{of_ana}/read");
    ana.put(&read, &json!({})).await.expect(404);
    stack
}

async fn what_was_read_is_known_for_10_seconds(stack: &Stack) {
    let client = || stack.dynamodb_client();
    let store = Store::new(client(), stack.table().to_owned());
    let broadcasts = Broadcasts::new(store, RETENTION);
    let now = Timestamp::now();
    let after = async |seconds: u32| {
        let now = now + Duration::from_secs(seconds.into());
        let known = broadcasts.current(now).await.unwrap();
        known.iter().map(|b| b.id.to_string()).collect::<Vec<_>>()
    };
    let known = after(0).await;
    assert_eq!(known.len(), 5);
    let newer = broadcast(stack, &to_everyone("Newer")).await;
    assert_eq!(after(9).await, known);
    assert_eq!(after(10).await, [vec![newer], known].concat());
    assert_eq!(after(RETENTION + 10).await, Vec::<String>::new());
}
