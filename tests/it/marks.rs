//! What was read, seen and archived: single marks, groups, and the two watermarks.

use std::time::Duration;

use futures_util::future::join_all;
use reqwest::Method;
use reqwest::header::{ETAG, IF_NONE_MATCH};
use serde_json::{Value, json};

use crate::caller::Caller;
use crate::create::{inbox, note};
use crate::dedupe::create;
use crate::stack::{Stack, shared, unique};
use crate::table::{self, id_aged};

const READ: &str = "/v1/me/notifications/read";
const SEEN: &str = "/v1/me/notifications/seen";
const COUNTS: &str = "/v1/me/notifications/counts?consistent=true";

/// The unread and unseen counts.
async fn counts(caller: &Caller) -> (u64, u64) {
    let counts = caller.get(COUNTS).await.expect(200);
    assert_eq!(counts["capped"], false);
    (
        counts["unread_count"].as_u64().unwrap(),
        counts["unseen_count"].as_u64().unwrap(),
    )
}

/// Moves a watermark; the answer must be the counts as they are then.
async fn up_to(caller: &Caller, path: &str, id: &str) {
    let answer = caller.post(path, &json!({"up_to": id})).await.expect(200);
    assert_eq!(answer, caller.get(COUNTS).await.expect(200));
}

async fn create_in_group(stack: &Stack, user: &str, group: &str) -> String {
    let mut note = note(user);
    note["group"] = json!(group);
    create(stack, &note).await.1
}

/// Ids of `count` planted notifications, a minute old, oldest first.
async fn plant(stack: &Stack, user: &str, count: usize) -> Vec<String> {
    let mut ids: Vec<String> = (0..count)
        .map(|_| id_aged(Duration::from_mins(1)))
        .collect();
    ids.sort();
    table::plant(stack, user, &ids).await;
    ids
}

async fn watermark(stack: &Stack, user: &str, name: &str) -> Option<String> {
    let marks = table::get(stack, user, "A#marks").await?;
    marks.get(name)?.as_s().ok().cloned()
}

fn read_at(page: &[Value], id: &str) -> Value {
    let found = page.iter().find(|n| n["id"] == id);
    found.unwrap_or_else(|| panic!("{id} is gone"))["read_at"].clone()
}

#[tokio::test]
async fn f44_an_archived_notification_is_in_its_own_list_alone() {
    let stack = shared();
    let (user, other) = (unique("ana"), unique("bo"));
    let (ana, bo) = (stack.user(&user), stack.user(&other));
    let (_, id, _) = create(stack, &note(&user)).await;
    let (_, kept, _) = create(stack, &note(&user)).await;
    let path = format!("/v1/me/notifications/{id}/archived");
    let archived = ana.put(&path, &json!({})).await.expect(200);
    assert!(archived["archived_at"].is_string() && archived["read_at"].is_null());
    assert_eq!(ana.put(&path, &json!({})).await.expect(200), archived);
    let shown = inbox(stack, &user).await;
    assert!(shown.len() == 1 && shown[0]["id"] == kept);
    assert_eq!(counts(&ana).await, (1, 1));
    let listed = async |status: &str| {
        let path = format!("/v1/me/notifications?consistent=true&status={status}");
        let page = ana.get(&path).await.expect(200);
        page["data"].as_array().unwrap().len()
    };
    assert_eq!(
        (
            listed("archived").await,
            listed("all").await,
            listed("unread").await
        ),
        (1, 2, 1)
    );
    let back = ana.delete(&path).await.expect(200);
    assert_eq!(back["archived_at"], Value::Null);
    assert_eq!(ana.delete(&path).await.expect(200), back);
    assert_eq!((counts(&ana).await, listed("archived").await), ((2, 2), 0));

    let missing = "01KAB0000000000000000000AA";
    for id in [&id, missing, "x", &id.to_lowercase()] {
        let path = format!("/v1/me/notifications/{id}/archived");
        for answer in [bo.put(&path, &json!({})).await, bo.delete(&path).await] {
            let mut body = answer.expect(404);
            assert!(body["request_id"].take().is_string());
            let expected = json!({
                "type": "about:blank", "title": "Not Found", "status": 404, "detail": "not found",
                "code": "not_found", "request_id": null,
            });
            assert_eq!(body, expected, "{id}");
        }
    }
    assert_eq!(
        (inbox(stack, &other).await.len(), counts(&ana).await),
        (0, (2, 2))
    );
}

#[tokio::test]
async fn f44_a_group_is_read_at_once_and_nothing_else() {
    let stack = shared();
    let (user, other) = (unique("ana"), unique("bo"));
    let ana = stack.user(&user);
    for group in ["a", "b", "a"] {
        create_in_group(stack, &user, group).await;
        create_in_group(stack, &other, group).await;
    }
    create(stack, &note(&user)).await;
    let answer = ana.post(READ, &json!({"group": "a"})).await.expect(200);
    assert_eq!(
        answer,
        json!({"unread_count": 2, "unseen_count": 2, "capped": false})
    );
    let first = inbox(stack, &user).await;
    let of_a = |n: &&Value| n["group"] == "a";
    assert!(first.iter().all(|n| n["read_at"].is_null() != of_a(&n)));
    for group in ["a", "unknown"] {
        let again = ana.post(READ, &json!({"group": group})).await.expect(200);
        assert_eq!(
            (again, inbox(stack, &user).await),
            (answer.clone(), first.clone())
        );
    }
    assert_eq!(counts(&stack.user(&other)).await, (3, 3));
}

#[tokio::test]
async fn what_to_mark_is_said_in_one_way() {
    let stack = shared();
    let ana = stack.user(&unique("ana"));
    let id = id_aged(Duration::ZERO);
    let cases = [
        (READ, json!({}), "/up_to", "required"),
        (READ, json!({"up_to": "x"}), "/up_to", "format"),
        (
            READ,
            json!({"up_to": id.to_lowercase()}),
            "/up_to",
            "format",
        ),
        (READ, json!({"up_to": 1}), "/up_to", "type"),
        (READ, json!({"group": ""}), "/group", "length"),
        (READ, json!({"group": "g".repeat(129)}), "/group", "length"),
        (
            READ,
            json!({"up_to": id, "group": "a"}),
            "/group",
            "exclusive",
        ),
        (
            READ,
            json!({"up_to": id, "user": "bo"}),
            "/user",
            "unknown_field",
        ),
        (SEEN, json!({"group": "a"}), "/group", "unknown_field"),
        (SEEN, json!([]), "", "type"),
    ];
    for (path, body, pointer, code) in cases {
        let answer = ana.post(path, &body).await;
        assert_eq!(answer.status, 422, "{body}");
        let expected = (pointer.to_owned(), code.to_owned());
        assert!(
            answer.violations().contains(&expected),
            "{body} {:#}",
            answer.body
        );
    }
    assert_eq!(
        ana.post(&format!("{READ}?x=1"), &json!({"up_to": id}))
            .await
            .status,
        400
    );
    let bare = ana.request(Method::POST, SEEN);
    assert_eq!(crate::caller::send(bare).await.status, 415);
}

#[tokio::test]
async fn f44_mark_all_is_one_write_and_what_arrives_stays_unread() {
    let stack = shared();
    let user = unique("ana");
    let ana = stack.user(&user);
    let ids = plant(stack, &user, 505).await;
    let newest = ids.last().unwrap();
    up_to(&ana, READ, newest).await;
    assert_eq!(counts(&ana).await, (0, 0));
    let page = inbox(stack, &user).await;
    assert!(page.iter().all(|n| n["read_at"].is_string()));
    for id in [&ids[0], &ids[30], newest] {
        let row = table::get(stack, &user, &format!("N#{id}")).await.unwrap();
        assert!(!row.contains_key("r"), "the row itself was marked");
    }
    assert_eq!(watermark(stack, &user, "r").await.as_ref(), Some(newest));
    assert_eq!(watermark(stack, &user, "s").await, None);
    let (_, fresh, _) = create(stack, &note(&user)).await;
    assert_eq!(counts(&ana).await, (1, 1));
    assert_eq!(read_at(&inbox(stack, &user).await, &fresh), Value::Null);
    let marks = table::get(stack, &user, "A#marks").await;
    up_to(&ana, READ, newest).await;
    assert_eq!(table::get(stack, &user, "A#marks").await, marks);
    assert_eq!(counts(&ana).await, (1, 1));
}

#[tokio::test]
async fn f44_what_was_accepted_earlier_and_stored_after_mark_all_stays_unread() {
    let stack = shared();
    let user = unique("ana");
    let ana = stack.user(&user);
    let ids = join_all((0..5).map(|_| async { create(stack, &note(&user)).await.1 })).await;
    let newest = ids.iter().max().unwrap();
    up_to(&ana, READ, newest).await;
    up_to(&ana, SEEN, newest).await;
    assert_eq!(counts(&ana).await, (0, 0));
    // An id may be 5 s old when its row comes.
    let late = [
        id_aged(Duration::from_secs(3)),
        id_aged(Duration::from_secs(4)),
    ];
    table::plant(stack, &user, &late).await;
    assert_eq!(counts(&ana).await, (2, 2));
    let page = inbox(stack, &user).await;
    for id in &late {
        assert_eq!(read_at(&page, id), Value::Null);
    }
    assert!(ids.iter().all(|id| read_at(&page, id).is_string()));
    for name in ["c", "s"] {
        let at = watermark(stack, &user, name).await.unwrap();
        assert!(at < id_aged(Duration::from_secs(5)), "{name}");
    }
}

#[tokio::test]
async fn f44_the_newest_100_are_marked_one_by_one_and_the_watermark_takes_the_rest() {
    let stack = shared();
    let user = unique("ana");
    let ana = stack.user(&user);
    let mut ids: Vec<String> = (0..130).map(|_| id_aged(Duration::from_secs(1))).collect();
    ids.sort();
    ids.reverse();
    table::plant(stack, &user, &ids).await;
    // What is newer than `up_to` is not concerned.
    up_to(&ana, READ, &ids[10]).await;
    assert_eq!(counts(&ana).await, (10, 10));
    assert_eq!(watermark(stack, &user, "r").await.as_ref(), Some(&ids[110]));
    for index in [0, 9, 10, 60, 109, 110, 129] {
        let row = table::get(stack, &user, &format!("N#{}", ids[index]))
            .await
            .unwrap();
        assert_eq!(row.contains_key("r"), (10..110).contains(&index), "{index}");
    }
}

#[tokio::test]
async fn what_is_unread_again_after_mark_all_is_covered_by_the_next() {
    let stack = shared();
    let user = unique("ana");
    let ana = stack.user(&user);
    let ids = plant(stack, &user, 3).await;
    let newest = &ids[2];
    up_to(&ana, READ, newest).await;
    let path = format!("/v1/me/notifications/{}/read", ids[1]);
    for _ in 0..2 {
        let unread = ana.delete(&path).await.expect(200);
        assert_eq!(unread["read_at"], Value::Null);
    }
    let page = inbox(stack, &user).await;
    assert_eq!(read_at(&page, &ids[1]), Value::Null);
    assert!(read_at(&page, &ids[0]).is_string() && read_at(&page, newest).is_string());
    let unread = ana
        .get("/v1/me/notifications?status=unread&consistent=true")
        .await
        .expect(200);
    assert_eq!(unread["data"].as_array().unwrap().len(), 1);
    // Counts are of what is above the watermark.
    assert_eq!(counts(&ana).await, (0, 0));
    up_to(&ana, READ, newest).await;
    assert!(read_at(&inbox(stack, &user).await, &ids[1]).is_string());
    // Read by itself, it stays so whatever the watermark says.
    let read = ana.put(&path, &json!({})).await.expect(200);
    assert_eq!(ana.put(&path, &json!({})).await.expect(200), read);
}

#[tokio::test]
async fn watermarks_never_go_back() {
    let stack = shared();
    let user = unique("ana");
    let ana = stack.user(&user);
    let ids = plant(stack, &user, 4).await;
    for path in [READ, SEEN] {
        let orders = [&ids[2], &ids[0], &ids[2], &ids[1]];
        let bodies = orders.map(|id| json!({"up_to": id}));
        let moved = join_all(bodies.iter().map(|body| ana.post(path, body))).await;
        assert!(moved.iter().all(|answer| answer.status == 200), "{moved:?}");
        up_to(&ana, path, &ids[0]).await;
    }
    assert_eq!(counts(&ana).await, (1, 1));
    for name in ["r", "s"] {
        assert_eq!(watermark(stack, &user, name).await.as_ref(), Some(&ids[2]));
    }
    // No id moves them ahead of what has arrived.
    for path in [READ, SEEN] {
        up_to(&ana, path, "7ZZZZZZZZZZZZZZZZZZZZZZZZZ").await;
    }
    assert_eq!(counts(&ana).await, (0, 0));
    create(stack, &note(&user)).await;
    assert_eq!(counts(&ana).await, (1, 1));
}

#[tokio::test]
async fn seen_is_not_read_and_read_is_seen() {
    let stack = shared();
    let user = unique("ana");
    let ana = stack.user(&user);
    let first = create(stack, &note(&user)).await.1;
    let second = create(stack, &note(&user)).await.1;
    up_to(&ana, SEEN, &second).await;
    assert_eq!(counts(&ana).await, (2, 0));
    create(stack, &note(&user)).await;
    assert_eq!(counts(&ana).await, (3, 1));
    ana.put(&format!("/v1/me/notifications/{first}/read"), &json!({}))
        .await
        .expect(200);
    assert_eq!(counts(&ana).await, (2, 1));
    let third = inbox(stack, &user).await[0]["id"].clone();
    up_to(&ana, READ, third.as_str().unwrap()).await;
    assert_eq!(counts(&ana).await, (0, 0));
}

#[tokio::test]
async fn counts_that_did_not_change_are_not_sent_again() {
    let stack = shared();
    let user = unique("ana");
    let ana = stack.user(&user);
    let ask = async |etag: &str| {
        let request = ana.request(Method::GET, COUNTS).header(IF_NONE_MATCH, etag);
        let answer = request.send().await.unwrap();
        let etag = answer.headers()[ETAG].to_str().unwrap().to_owned();
        (answer.status().as_u16(), etag, answer.text().await.unwrap())
    };
    let (status, none, body) = ask("\"x\"").await;
    assert_eq!((status, body.contains("\"unread_count\":0")), (200, true));
    for known in [none.clone(), format!("W/{none}"), format!("\"x\", {none}")] {
        assert_eq!(ask(&known).await, (304, none.clone(), String::new()));
    }
    let (_, id, _) = create(stack, &note(&user)).await;
    let (status, one, body) = ask(&none).await;
    assert_eq!((status, body.contains("\"unread_count\":1")), (200, true));
    assert_ne!(one, none);
    assert_eq!(ask(&one).await.0, 304);
    up_to(&ana, SEEN, &id).await;
    assert_eq!(ask(&one).await.0, 200);
    up_to(&ana, READ, &id).await;
    assert_eq!(ask(&none).await.0, 304);
}
