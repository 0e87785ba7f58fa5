//! The inbox: pages, cursors, single notifications, what was read, and whose they are.

use std::collections::BTreeSet;
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;
use serde_json::{Value, json};
use shared::clock::Clock;
use shared::create::create_drawn;
use shared::filter::Filter;
use shared::id::{NotificationId, UserId};
use shared::inbox::{Inbox, PageRequest};
use shared::notification::parse;
use shared::store::Store;

use crate::chance::Chance;
use crate::create::{inbox, note};
use crate::ground::Ground;
use crate::stack::{Stack, shared, unique};

async fn send(stack: &Stack, user: &str, title: &str) -> String {
    let mut note = note(user);
    note["title"] = json!(title);
    let body = stack
        .producer()
        .post("/v1/notifications", &note)
        .await
        .expect(201);
    body["data"][0]["id"].as_str().unwrap().to_owned()
}

/// All pages of an inbox, from the newest.
async fn pages(stack: &Stack, user: &str, limit: usize) -> Vec<Vec<Value>> {
    let mut pages = Vec::new();
    let mut cursor = String::new();
    loop {
        let path = format!("/v1/me/notifications?limit={limit}&consistent=true{cursor}");
        let page = stack.user(user).get(&path).await.expect(200);
        pages.push(page["data"].as_array().unwrap().clone());
        assert_eq!(page["page"]["has_more"], !page["page"]["next"].is_null());
        let Some(next) = page["page"]["next"].as_str() else {
            return pages;
        };
        cursor = format!("&cursor={next}");
    }
}

#[tokio::test]
async fn pages_of_any_size_hold_every_row_once_newest_first() {
    let stack = shared();
    let user = unique("ana");
    let mut sent = Vec::new();
    for index in 0..12 {
        sent.push(send(stack, &user, &format!("n{index}")).await);
    }
    sent.sort();
    sent.reverse();
    for limit in [1, 2, 5, 11, 12, 13, 100] {
        let pages = pages(stack, &user, limit).await;
        assert_eq!(pages.len(), 12usize.div_ceil(limit), "limit {limit}");
        let ids: Vec<&str> = pages
            .iter()
            .flatten()
            .map(|n| n["id"].as_str().unwrap())
            .collect();
        assert_eq!(ids, sent, "limit {limit}");
    }
}

#[tokio::test]
async fn f41_what_arrives_while_paging_moves_nothing() {
    let stack = shared();
    let user = unique("ana");
    for index in 0..6 {
        send(stack, &user, &format!("n{index}")).await;
    }
    let before = inbox(stack, &user).await;
    let first = stack
        .user(&user)
        .get("/v1/me/notifications?limit=3")
        .await
        .expect(200);
    send(stack, &user, "late").await;
    let next = first["page"]["next"].as_str().unwrap();
    let path = format!("/v1/me/notifications?limit=3&cursor={next}");
    let second = stack.user(&user).get(&path).await.expect(200);
    let both = [&first["data"], &second["data"]].map(|data| data.as_array().unwrap().clone());
    assert_eq!(both.concat(), before);
}

#[cfg(feature = "proof")]
#[tokio::test(flavor = "multi_thread")]
async fn f41_pages_of_1_to_100_miss_and_repeat_nothing_whatever_arrives_between_them() {
    let ground = Ground::new().await;
    let client = ground.client().clone();
    let store = Store::new(client, ground.table().to_owned());
    let (user, mut chance) = (UserId::parse("ana").unwrap(), Chance::new(41));
    let mut violations = Vec::new();
    let draft = parse(note("ana"), "", Timestamp::now(), &mut violations).unwrap();
    // By a clock of its own, which goes on by less than a second each time.
    let mut now = Timestamp::now() - Duration::from_mins(1);
    let mut present = BTreeSet::new();
    let mut arrive = async |count: usize, present: &mut BTreeSet<NotificationId>| {
        now += Duration::from_millis(1 + chance.next() % 300);
        let drafts = vec![draft.clone(); count];
        let made = create_drawn(&store, Clock::starting(now), &drafts, 3_600).await;
        let receipts = made.unwrap().receipts.concat();
        present.extend(receipts.iter().map(|receipt| receipt.id));
        (now, chance.below(6))
    };
    arrive(20, &mut present).await;
    for limit in 1..=100 {
        let (expected, mut found) = (present.clone(), Vec::new());
        let newest = expected.last().copied().unwrap();
        let (mut before, mut pages) = (None, 0);
        loop {
            let (now, turn) = arrive(0, &mut present).await;
            if pages == turn {
                arrive(1 + turn % 2, &mut present).await;
            }
            let inbox = Inbox {
                store: &store,
                user: &user,
                now,
                consistent: true,
                broadcasts: &[],
            };
            let filter = Filter::default();
            let request = PageRequest {
                filter: &filter,
                before,
                limit,
                grouped: false,
            };
            let page = inbox.page(request).await.unwrap();
            let ids = page.entries.iter().map(|entry| id_of(&json!(entry)));
            found.extend(ids);
            pages += 1;
            before = page.next;
            if before.is_none() {
                break;
            }
        }
        // What arrived before the first page was read may stand above.
        found.retain(|id| *id <= newest);
        let expected: Vec<_> = expected.into_iter().rev().collect();
        assert_eq!(found, expected, "pages of {limit}");
    }
}

fn id_of(shown: &Value) -> NotificationId {
    NotificationId::parse(shown["id"].as_str().unwrap()).unwrap()
}

#[tokio::test]
async fn f42_a_cursor_that_is_not_ours_is_malformed() {
    let stack = shared();
    let (ana, bo) = (unique("ana"), unique("bo"));
    for user in [&ana, &bo] {
        send(stack, user, "one").await;
        send(stack, user, "two").await;
    }
    let page = stack
        .user(&ana)
        .get("/v1/me/notifications?limit=1")
        .await
        .expect(200);
    let cursor = page["page"]["next"].as_str().unwrap();
    let flipped = format!("{}{}", &cursor[..5], cursor[5..].to_lowercase());
    for bad in [
        "x",
        "%00",
        "AAAA",
        &cursor[1..],
        &flipped,
        &"A".repeat(5_000),
    ] {
        let path = format!("/v1/me/notifications?cursor={bad}");
        let answer = stack.user(&ana).get(&path).await;
        assert_eq!(
            (answer.status, &answer.body["code"]),
            (400, &json!("invalid_cursor")),
            "{bad}"
        );
    }
    let foreign = format!("/v1/me/notifications?cursor={cursor}");
    assert_eq!(stack.user(&bo).get(&foreign).await.status, 400);
}

#[tokio::test]
async fn a_query_has_known_names_and_values() {
    let user = unique("ana");
    for query in [
        "limit=0",
        "limit=101",
        "limit=+5",
        "limit=x",
        "limit=1&limit=1",
        "consistent=1",
        "user=bo",
        "limit=",
    ] {
        let path = format!("/v1/me/notifications?{query}");
        let answer = shared().user(&user).get(&path).await;
        assert_eq!(
            (answer.status, answer.violations().len()),
            (400, 1),
            "{query}"
        );
    }
}

#[tokio::test]
async fn f44_read_marks_are_idempotent_and_foreign_or_missing_ids_are_not_found() {
    let stack = shared();
    let (ana, bo) = (unique("ana"), unique("bo"));
    let id = send(stack, &ana, "one").await;
    let path = format!("/v1/me/notifications/{id}/read");
    let ana = stack.user(&ana);
    let read = ana.put(&path, &json!({})).await.expect(200);
    assert_eq!(ana.put(&path, &json!({})).await.expect(200), read);
    let unread = ana.delete(&path).await.expect(200);
    assert_eq!(unread["read_at"], Value::Null);
    assert_eq!(ana.delete(&path).await.expect(200), unread);
    assert_eq!(
        ana.get(&format!("/v1/me/notifications/{id}"))
            .await
            .expect(200),
        unread
    );

    let missing = "01KAB0000000000000000000AA";
    for id in [id.as_str(), missing, "x", "%23", &id.to_lowercase()] {
        let path = format!("/v1/me/notifications/{id}");
        let bo = stack.user(&bo);
        let answers = [
            bo.get(&path).await,
            bo.put(&format!("{path}/read"), &json!({})).await,
            bo.delete(&format!("{path}/read")).await,
        ];
        for answer in answers {
            let mut body = answer.expect(404);
            assert!(body["request_id"].take().is_string());
            let expected = json!({
                "type": "about:blank", "title": "Not Found", "status": 404, "detail": "not found",
                "code": "not_found", "request_id": null,
            });
            assert_eq!(body, expected, "{id}");
        }
    }
    assert!(inbox(stack, &bo).await.is_empty());
    let query = stack.dynamodb_client().query().table_name(stack.table());
    let query = query
        .key_condition_expression("pk = :pk")
        .expression_attribute_values(":pk", AttributeValue::S(format!("U#{bo}")));
    assert_eq!(query.send().await.unwrap().count, 0, "a mark made a row");
    assert_eq!(
        ana.get(&format!("/v1/me/notifications/{}", &id))
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn f43_what_has_expired_is_gone_before_the_table_drops_it() {
    let stack = shared();
    let user = unique("ana");
    let (gone, kept) = (
        send(stack, &user, "gone").await,
        send(stack, &user, "kept").await,
    );
    let update = stack
        .dynamodb_client()
        .update_item()
        .table_name(stack.table());
    let update = update
        .key(
            "pk",
            aws_sdk_dynamodb::types::AttributeValue::S(format!("U#{user}")),
        )
        .key(
            "sk",
            aws_sdk_dynamodb::types::AttributeValue::S(format!("N#{gone}")),
        )
        .update_expression("SET expires_at = :past")
        .expression_attribute_values(
            ":past",
            aws_sdk_dynamodb::types::AttributeValue::N("1790000000".to_owned()),
        );
    update.send().await.unwrap();
    let ana = stack.user(&user);
    let page = ana
        .get("/v1/me/notifications?consistent=true")
        .await
        .expect(200);
    assert_eq!(page["data"].as_array().unwrap().len(), 1);
    assert_eq!(page["data"][0]["id"], kept);
    assert_eq!(page["meta"]["unread_count"], 1);
    ana.get(&format!("/v1/me/notifications/{gone}"))
        .await
        .expect(404);
    ana.put(&format!("/v1/me/notifications/{gone}/read"), &json!({}))
        .await
        .expect(404);
}

#[tokio::test]
async fn a_count_is_exact_up_to_99_and_says_when_there_is_more() {
    let stack = shared();
    let user = unique("ana");
    let counts = async || {
        let page = stack
            .user(&user)
            .get("/v1/me/notifications?limit=1&consistent=true")
            .await;
        page.expect(200)["meta"].clone()
    };
    let send = async |count: usize| {
        let batch = json!({"notifications": vec![note(&user); count]});
        stack
            .producer()
            .post("/v1/notifications/batch", &batch)
            .await
            .expect(207);
    };
    send(99).await;
    assert_eq!(
        counts().await,
        json!({"unread_count": 99, "unseen_count": 99, "capped": false, "gap": false})
    );
    send(1).await;
    assert_eq!(
        counts().await,
        json!({"unread_count": 99, "unseen_count": 99, "capped": true, "gap": false})
    );
}
