//! Dedupe keys: one live notification for a recipient and a key, whoever asks and how often.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::create::{inbox, note};
use crate::stack::{Stack, shared, unique};
use crate::table::{self, FUTURE, id_aged, n, s};

/// A notification for one recipient with a dedupe key.
pub fn keyed(user: &str, key: &str) -> Value {
    let mut note = note(user);
    note["dedupe_key"] = json!(key);
    note
}

/// Creates it; the status of the answer, the id, and what became of it.
pub async fn create(stack: &Stack, note: &Value) -> (u16, String, String) {
    let answer = stack.producer().post("/v1/notifications", note).await;
    let text = |name: &str| answer.body["data"][0][name].as_str().map(str::to_owned);
    let (Some(id), Some(status)) = (text("id"), text("status")) else {
        panic!("{:#}", answer.body);
    };
    (answer.status, id, status)
}

async fn expect_created(stack: &Stack, note: &Value) -> String {
    let (status, id, what) = create(stack, note).await;
    assert_eq!((status, what.as_str()), (201, "created"));
    id
}

async fn expect_duplicate(stack: &Stack, note: &Value, of: &str) {
    let expected = (200, of.to_owned(), "duplicate".to_owned());
    assert_eq!(create(stack, note).await, expected);
}

#[tokio::test]
async fn a_recipient_has_one_notification_of_a_key_and_each_recipient_their_own() {
    let stack = shared();
    let (ana, bo) = (unique("ana"), unique("bo"));
    let id = expect_created(stack, &keyed(&ana, "like:42")).await;
    let mut again = keyed(&ana, "like:42");
    again["title"] = json!("Another title");
    expect_duplicate(stack, &again, &id).await;
    // Other recipients are not concerned, and other keys neither.
    again["recipients"] = json!([ana, bo]);
    let both = stack.producer().post("/v1/notifications", &again).await;
    let both = both.expect(201)["data"].clone();
    assert_eq!(
        both[0],
        json!({"recipient": ana, "id": id, "status": "duplicate"})
    );
    assert_eq!(
        (&both[1]["recipient"], &both[1]["status"]),
        (&json!(bo), &json!("created"))
    );
    let repeated = stack.producer().post("/v1/notifications", &again).await;
    let repeated = repeated.expect(200)["data"].clone();
    assert_eq!(
        (&repeated[0]["id"], &repeated[1]["id"]),
        (&both[0]["id"], &both[1]["id"])
    );
    expect_created(stack, &keyed(&ana, "like:43")).await;
    assert_eq!(
        (
            inbox(stack, &ana).await.len(),
            inbox(stack, &bo).await.len()
        ),
        (2, 1)
    );
    assert_eq!(inbox(stack, &ana).await[1]["title"], "Hello");
}

#[tokio::test]
async fn creates_with_one_key_at_the_same_time_store_one_row() {
    let stack = shared();
    let user = unique("ana");
    let note = keyed(&user, "like:42");
    let all = join_all((0..12).map(|_| create(stack, &note))).await;
    let ids: HashSet<&String> = all.iter().map(|(_, id, _)| id).collect();
    assert_eq!(ids.len(), 1, "{all:?}");
    let created = all.iter().filter(|(status, ..)| *status == 201).count();
    assert_eq!(created, 1, "{all:?}");
    assert_eq!(inbox(stack, &user).await.len(), 1);
}

#[tokio::test]
async fn a_keyed_batch_with_dedupe_keys_is_replayed_to_the_letter() {
    let stack = shared();
    let (ana, bo, request) = (unique("ana"), unique("bo"), unique("request"));
    let before = expect_created(stack, &keyed(&ana, "a")).await;
    let mut wide = keyed(&ana, "b");
    wide["recipients"] = json!([ana, bo]);
    let batch = json!({"notifications": [
        keyed(&ana, "a"), keyed(&bo, "a"), wide, keyed(&ana, "b"), note(&bo), {"title": 1},
    ]});
    let path = "/v1/notifications/batch";
    let producer = stack.producer();
    let first = producer.post_keyed(path, &request, &batch).await;
    assert!(!first.replayed);
    let first = first.expect(207);
    for _ in 0..2 {
        let again = producer.post_keyed(path, &request, &batch).await;
        assert!(again.replayed);
        assert_eq!(again.expect(207), first);
    }
    let items = first["data"].as_array().unwrap();
    let statuses: Vec<u64> = items
        .iter()
        .map(|i| i["status"].as_u64().unwrap())
        .collect();
    assert_eq!(
        (statuses[0], statuses[1], statuses[4], statuses[5]),
        (200, 201, 201, 422)
    );
    assert_eq!(items[0]["data"][0]["id"], before);
    // Of two items with one key and recipient, the second is the first one's duplicate.
    assert_eq!(items[2]["data"][0]["id"], items[3]["data"][0]["id"]);
    assert_eq!(items[2]["data"][0]["status"], "created");
    assert_eq!(items[3]["data"][0]["status"], "duplicate");
    assert_eq!(items[2]["data"][1]["status"], "created");
    assert_eq!(
        (
            inbox(stack, &ana).await.len(),
            inbox(stack, &bo).await.len()
        ),
        (2, 3)
    );
}

#[tokio::test]
async fn i2_a_repeat_says_duplicate_though_the_other_one_has_gone_since() {
    let stack = shared();
    let producer = stack.producer();
    for how in ["retract", "expire"] {
        let (user, request) = (unique("ana"), unique("request"));
        let note = keyed(&user, "like:42");
        let first = expect_created(stack, &note).await;
        let send = || producer.post_keyed("/v1/notifications", &request, &note);
        let (answer, twin) = tokio::join!(send(), send());
        let answer = answer.expect(200);
        let expected = json!([{"recipient": user, "id": first, "status": "duplicate"}]);
        assert_eq!(
            (&answer["data"], twin.expect(200)),
            (&expected, answer.clone())
        );
        if how == "retract" {
            let path = format!("/v1/notifications?recipient={user}&dedupe_key=like:42");
            assert_eq!(producer.delete(&path).await.status, 204);
        } else {
            table::expire(stack, &user, &format!("N#{first}")).await;
            table::expire(stack, &user, "K#like:42").await;
        }
        let again = send().await;
        assert!(again.replayed, "{how}");
        assert_eq!(again.expect(200), answer, "{how}");
        assert!(inbox(stack, &user).await.is_empty(), "{how}");
        // The key is free, and what holds it now is nothing to the repeat.
        let second = expect_created(stack, &note).await;
        assert_eq!(send().await.expect(200), answer, "{how}");
        let shown = inbox(stack, &user).await;
        assert_eq!((shown.len(), &shown[0]["id"]), (1, &json!(second)), "{how}");
    }
}

#[tokio::test]
async fn of_several_items_with_one_dedupe_key_the_first_is_stored() {
    let stack = shared();
    let user = unique("ana");
    let named = |title: usize| {
        let mut note = keyed(&user, &format!("k{}", title % 10));
        note["title"] = json!(title.to_string());
        note
    };
    let batch = json!({"notifications": (0..40).map(named).collect::<Vec<_>>()});
    let path = "/v1/notifications/batch";
    let items = stack.producer().post(path, &batch).await.expect(207)["data"].clone();
    for (index, item) in items.as_array().unwrap().iter().enumerate() {
        let (status, first) = if index < 10 {
            (201, "created")
        } else {
            (200, "duplicate")
        };
        assert_eq!(
            (&item["status"], &item["data"][0]["status"]),
            (&json!(status), &json!(first))
        );
        assert_eq!(item["data"][0]["id"], items[index % 10]["data"][0]["id"]);
    }
    let shown = inbox(stack, &user).await;
    let titles: HashSet<u32> = shown
        .iter()
        .map(|n| n["title"].as_str().unwrap().parse().unwrap())
        .collect();
    assert_eq!(titles, (0..10).collect());
}

#[tokio::test]
async fn a_guard_without_a_row_is_taken_over() {
    let stack = shared();
    let user = unique("ana");
    // Its writer died long ago, and it would go soon.
    let lost = id_aged(Duration::from_mins(1));
    let soon = jiff::Timestamp::now().as_second() + 60;
    for key in ["drawn", "keyed"] {
        let guard = format!("K#{key}");
        table::put(
            stack,
            &user,
            &guard,
            &[("id", s(&lost)), ("expires_at", n(soon))],
        )
        .await;
    }
    let id = expect_created(stack, &keyed(&user, "drawn")).await;
    expect_duplicate(stack, &keyed(&user, "drawn"), &id).await;
    let request = unique("request");
    let send = || {
        let note = keyed(&user, "keyed");
        let (producer, request) = (stack.producer(), request.clone());
        async move {
            producer
                .post_keyed("/v1/notifications", &request, &note)
                .await
        }
    };
    let first = send().await.expect(201);
    assert_eq!(send().await.expect(201), first);
    assert_eq!(inbox(stack, &user).await.len(), 2);
    // The guards now live as long as their notifications.
    for key in ["drawn", "keyed"] {
        let guard = table::get(stack, &user, &format!("K#{key}")).await.unwrap();
        let row = format!("N#{}", guard["id"].as_s().unwrap());
        let row = table::get(stack, &user, &row).await.unwrap();
        assert_eq!(guard["expires_at"], row["expires_at"], "{key}");
    }
}

#[tokio::test]
async fn a_row_that_may_still_come_is_waited_for() {
    let stack = shared();
    let (ana, bo) = (unique("ana"), unique("bo"));
    let coming = id_aged(Duration::from_secs(3));
    for user in [&ana, &bo] {
        table::put(
            stack,
            user,
            "K#k",
            &[("id", s(&coming)), ("expires_at", n(FUTURE))],
        )
        .await;
    }
    let began = Instant::now();
    let comes = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        table::plant(stack, &ana, std::slice::from_ref(&coming)).await;
    };
    let (of_ana, of_bo) = (keyed(&ana, "k"), keyed(&bo, "k"));
    let (of_ana, (status, id, _), ()) =
        tokio::join!(create(stack, &of_ana), create(stack, &of_bo), comes);
    assert_eq!(of_ana, (200, coming.clone(), "duplicate".to_owned()));
    assert!(status == 201 && id != coming);
    assert!(
        began.elapsed() > Duration::from_millis(800),
        "{:?}",
        began.elapsed()
    );
}

#[tokio::test]
async fn a_key_is_free_once_its_notification_has_expired() {
    let stack = shared();
    let user = unique("ana");
    let note = keyed(&user, "like:42");
    let first = expect_created(stack, &note).await;
    let guard = table::get(stack, &user, "K#like:42").await.unwrap();
    let row = table::get(stack, &user, &format!("N#{first}"))
        .await
        .unwrap();
    assert_eq!(guard["expires_at"], row["expires_at"]);
    for sk in [format!("N#{first}"), "K#like:42".to_owned()] {
        table::expire(stack, &user, &sk).await;
    }
    let second = expect_created(stack, &note).await;
    assert_ne!(second, first);
    expect_duplicate(stack, &note, &second).await;
    assert_eq!(inbox(stack, &user).await.len(), 1);
}

#[tokio::test]
async fn a_repeat_that_completes_its_request_is_no_duplicate_of_what_has_expired() {
    let stack = shared();
    let (user, request) = (unique("ana"), unique("request"));
    let old = id_aged(Duration::from_mins(1));
    table::plant(stack, &user, std::slice::from_ref(&old)).await;
    let (producer, note) = (stack.producer(), keyed(&user, "k"));
    let send = || producer.post_keyed("/v1/notifications", &request, &note);
    let first = send().await.expect(201);
    let id = first["data"][0]["id"].as_str().unwrap();
    // As if the first had ended after its request's guard alone.
    table::delete(stack, &user, &format!("N#{id}")).await;
    table::put(
        stack,
        &user,
        "K#k",
        &[("id", s(&old)), ("expires_at", n(1))],
    )
    .await;
    table::expire(stack, &user, &format!("N#{old}")).await;
    let again = send().await;
    assert!(again.replayed);
    assert_eq!(again.expect(201), first);
    assert_eq!(inbox(stack, &user).await.len(), 1);
}

#[tokio::test]
async fn f54_a_key_is_any_text_of_1_to_128_characters() {
    let stack = shared();
    let user = unique("ana");
    let long = "ü".repeat(128);
    let longer = format!("{}v", "ü".repeat(127));
    let odd = [
        " ",
        "#",
        "%23",
        "%",
        "=",
        "a/b?c&d=e",
        "\u{0}",
        "👩‍👩‍👧",
        "e\u{301}",
        "é",
        "K#k",
        "\"",
        &long,
        &longer,
    ];
    let notes: Vec<Value> = odd.iter().map(|key| keyed(&user, key)).collect();
    let batch = json!({"notifications": notes});
    let mut ids = Vec::new();
    for status in ["created", "duplicate"] {
        let producer = stack.producer();
        let answer = producer.post("/v1/notifications/batch", &batch).await;
        let items = answer.expect(207)["data"].clone();
        let results = items
            .as_array()
            .unwrap()
            .iter()
            .map(|item| &item["data"][0]);
        assert!(
            results.clone().all(|result| result["status"] == status),
            "{items:#}"
        );
        ids.push(
            results
                .map(|result| result["id"].to_string())
                .collect::<Vec<_>>(),
        );
    }
    assert_eq!(ids[0], ids[1]);
    assert_eq!(ids[0].iter().collect::<HashSet<_>>().len(), odd.len());
    for bad in [json!(""), json!("ü".repeat(129)), json!(1), json!(["a"])] {
        let mut note = note(&user);
        note["dedupe_key"] = bad;
        let answer = stack.producer().post("/v1/notifications", &note).await;
        assert_eq!(answer.status, 422);
        assert_eq!(answer.violations()[0].0, "/dedupe_key");
    }
    assert_eq!(inbox(stack, &user).await.len(), odd.len());
}
