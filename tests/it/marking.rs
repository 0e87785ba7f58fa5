//! Marks that are set twice, or late, or below a watermark: what changes the first time, changes once.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use shared::id::{NotificationId, UserId};
use shared::marks::Watermark;
use shared::store::Store;

use crate::caller::Caller;
use crate::create::{inbox, note};
use crate::dedupe::create;
use crate::ground::{self, Ground, Http, stored};
use crate::stack::{Stack, shared, unique};
use crate::table::{self, id_aged};

const READ: &str = "/v1/me/notifications/read";

/// All that the table has of a user's marks, and all that is shown.
async fn state(stack: &Stack, user: &str) -> (Value, Vec<Value>) {
    let marks = table::get(stack, user, "A#marks").await;
    let marks = marks.map(|marks| serde_dynamo::from_item(marks).unwrap());
    (marks.unwrap_or_default(), inbox(stack, user).await)
}

async fn up_to(caller: &Caller, id: &str) {
    caller.post(READ, &json!({"up_to": id})).await.expect(200);
}

/// Notifications of which some are settled and some are not, oldest first.
async fn old_and_new(stack: &Stack, user: &str) -> Vec<String> {
    let mut ids: Vec<String> = [90, 60, 30]
        .map(|age| id_aged(Duration::from_secs(age)))
        .into();
    table::plant(stack, user, &ids).await;
    for _ in 0..2 {
        ids.push(create(stack, &note(user)).await.1);
    }
    ids
}

#[tokio::test]
async fn i9_mark_all_twice_changes_nothing_the_second_time() {
    let stack = shared();
    for newest in [2, 4] {
        let user = unique("ana");
        let ana = stack.user(&user);
        let ids = old_and_new(stack, &user).await;
        up_to(&ana, &ids[newest]).await;
        let (_, first) = state(stack, &user).await;
        assert!(
            first
                .iter()
                .rev()
                .take(newest + 1)
                .all(|n| n["read_at"].is_string())
        );
        for _ in 0..2 {
            up_to(&ana, &ids[newest]).await;
            assert_eq!(state(stack, &user).await.1, first, "{newest}");
        }
        // What it covers is read already: no single mark moves its moment.
        for id in &ids[..=newest] {
            let path = format!("/v1/me/notifications/{id}/read");
            ana.put(&path, &json!({})).await.expect(200);
        }
        assert_eq!(state(stack, &user).await.1, first, "{newest}");
    }
}

#[tokio::test]
async fn i9_what_is_unread_again_below_the_watermark_is_covered_by_any_mark_all_above_it() {
    let stack = shared();
    let user = unique("ana");
    let ana = stack.user(&user);
    let ids = old_and_new(stack, &user).await;
    up_to(&ana, &ids[4]).await;
    let (_, first) = state(stack, &user).await;
    for id in [&ids[0], &ids[1], &ids[4]] {
        let path = format!("/v1/me/notifications/{id}/read");
        for _ in 0..2 {
            let unread = ana.delete(&path).await.expect(200);
            assert_eq!(unread["read_at"], Value::Null);
        }
    }
    let unread = async || {
        let shown = inbox(stack, &user).await.into_iter().rev();
        shown.map(|n| n["read_at"].is_null()).collect::<Vec<_>>()
    };
    assert_eq!(unread().await, [true, true, false, false, true]);
    // Older than the watermark, and still as far as it says.
    up_to(&ana, &ids[0]).await;
    assert_eq!(unread().await, [false, true, false, false, true]);
    up_to(&ana, &ids[3]).await;
    assert_eq!(unread().await, [false, false, false, false, true]);
    let before = state(stack, &user).await.1;
    up_to(&ana, &ids[3]).await;
    assert_eq!(state(stack, &user).await.1, before);
    assert_eq!(before[2], first[2], "what was not unread keeps its moment");
    up_to(&ana, &ids[4]).await;
    assert_eq!(unread().await, [false; 5]);
    let (marks, _) = state(stack, &user).await;
    assert!(marks.get("u").is_none(), "{marks}");
}

#[tokio::test]
async fn i9_a_mark_sets_what_was_unread_again_and_a_group_too() {
    let stack = shared();
    let user = unique("ana");
    let ana = stack.user(&user);
    let mut grouped = note(&user);
    grouped["group"] = json!("g");
    let id = create(stack, &grouped).await.1;
    let old = id_aged(Duration::from_mins(1));
    table::plant(stack, &user, std::slice::from_ref(&old)).await;
    up_to(&ana, &id).await;
    let path = format!("/v1/me/notifications/{old}/read");
    ana.delete(&path).await.expect(200);
    let read = ana.put(&path, &json!({})).await.expect(200);
    assert!(read["read_at"].is_string());
    assert_eq!(ana.put(&path, &json!({})).await.expect(200), read);
    ana.delete(&format!("/v1/me/notifications/{id}/read"))
        .await
        .expect(200);
    let by_group = json!({"group": "g"});
    ana.post(READ, &by_group).await.expect(200);
    let (_, first) = state(stack, &user).await;
    assert!(first.iter().all(|n| n["read_at"].is_string()), "{first:?}");
    ana.post(READ, &by_group).await.expect(200);
    assert_eq!(state(stack, &user).await.1, first);
}

#[tokio::test(flavor = "multi_thread")]
async fn i9_a_move_that_comes_late_takes_no_watermark_back() {
    let ground = Ground::new().await;
    let client = ground.client().clone();
    let store = Store::new(client, ground.table().to_owned());
    let user = UserId::parse("ana").unwrap();
    let now = Timestamp::now();
    let id = |seconds| NotificationId::new(now - Duration::from_secs(seconds), [0; 10]);
    let unread = [id(50)];
    store.change_unread(&user, &unread, &[]).await.unwrap();
    for watermark in [Watermark::Read, Watermark::Seen] {
        for up_to in [id(10), id(20), id(10)] {
            let to = (watermark, up_to, Some(now));
            store.move_watermark(&user, to, &[]).await.unwrap();
        }
    }
    let late = (Watermark::Read, id(30), Some(now));
    store.move_watermark(&user, late, &unread).await.unwrap();
    let marks = store.about(&user, true).await.unwrap().marks;
    assert_eq!(marks.covered_up_to, Some(id(10)));
    assert_eq!(marks.read_up_to.map(|(up_to, _)| up_to), Some(id(10)));
    assert_eq!(marks.seen_up_to, Some(id(10)));
    assert!(
        marks.unread.is_empty(),
        "what it covers is read all the same"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mark_is_written_once_and_what_it_goes_by_is_read_consistently() {
    let ground = Ground::new().await;
    let proxy = ground.proxy(false).await;
    let read = ground.function("read-inbox", Some(&proxy));
    let create = ground.function("create-notifications", None);
    let mut note = note("ana");
    note["group"] = json!("g");
    let batch = json!({"notifications": vec![note; 5]});
    let made = ground::create(None, &batch).send(&create).await.unwrap();
    let newest = stored(&made).into_iter().max().unwrap().1;
    for (route, body, writes) in [
        (
            "POST /v1/me/notifications/seen",
            json!({"up_to": newest[2..]}),
            [6, 1],
        ),
        (
            "POST /v1/me/notifications/read",
            json!({"group": "g"}),
            [5, 0],
        ),
        (
            "POST /v1/me/notifications/read",
            json!({"up_to": newest[2..]}),
            [1, 1],
        ),
    ] {
        for expected in writes {
            proxy.take_calls();
            let reply = Http::new(route, "ana")
                .json(&body)
                .send(&read)
                .await
                .unwrap();
            assert_eq!(reply.status, 200, "{reply:?}");
            let calls = proxy.take_calls();
            let written = calls
                .iter()
                .filter(|call| call.operation == "UpdateItem")
                .count();
            // The watermark itself follows the clock.
            assert!(written <= expected, "{route} {body}: {written}");
            let reads = calls
                .iter()
                .filter(|call| call.body.contains("U#ana") && call.operation == "Query");
            for call in reads {
                assert!(
                    call.body.contains("\"ConsistentRead\":true"),
                    "{}",
                    call.body
                );
            }
        }
    }
}
