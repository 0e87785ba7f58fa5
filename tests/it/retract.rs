//! Taking back: gone for its recipient, for repeats and for phones, and nobody else's.

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::caller::{Answer, Caller, query};
use crate::create::{inbox, note};
use crate::dedupe::{create, keyed};
use crate::ground::stored;
use crate::pushes;
use crate::stack::{Stack, shared, unique};
use crate::table;
use crate::tasks::{self, Field, NOTHING_LEFT, batch};

/// Query parameters.
type Pairs<'q> = &'q [(&'q str, &'q str)];

const MISSING: &str = "01KAB0000000000000000000AA";

/// A retract with these query parameters.
async fn retract(stack: &Stack, path: &str, pairs: &[(&str, &str)]) -> Answer {
    let path = format!("{path}{}", query(pairs));
    stack.producer().delete(&path).await
}

async fn by_id(stack: &Stack, user: &str, id: &str) -> Answer {
    retract(
        stack,
        &format!("/v1/notifications/{id}"),
        &[("recipient", user)],
    )
    .await
}

async fn by_key(stack: &Stack, user: &str, key: &str) -> Answer {
    retract(
        stack,
        "/v1/notifications",
        &[("recipient", user), ("dedupe_key", key)],
    )
    .await
}

async fn counts(caller: &Caller) -> Value {
    let counts = caller.get("/v1/me/notifications/counts?consistent=true");
    counts.await.expect(200)
}

#[tokio::test]
async fn what_is_taken_back_is_gone_and_twice_is_once() {
    let stack = shared();
    let user = unique("ana");
    let ana = stack.user(&user);
    let (_, kept, _) = create(stack, &note(&user)).await;
    let (_, gone, _) = create(stack, &note(&user)).await;
    let (_, by_name, _) = create(stack, &keyed(&user, "like:42 #1")).await;
    let before = json!({"unread_count": 3, "unseen_count": 3, "capped": false});
    assert_eq!(counts(&ana).await, before);
    for _ in 0..2 {
        assert_eq!(by_id(stack, &user, &gone).await.status, 204);
        assert_eq!(by_key(stack, &user, "like:42 #1").await.status, 204);
    }
    let after = json!({"unread_count": 1, "unseen_count": 1, "capped": false});
    assert_eq!(counts(&ana).await, after);
    for id in [&gone, &by_name] {
        let path = format!("/v1/me/notifications/{id}");
        ana.get(&path).await.expect(404);
        for mark in ["read", "archived"] {
            ana.put(&format!("{path}/{mark}"), &json!({}))
                .await
                .expect(404);
            ana.delete(&format!("{path}/{mark}")).await.expect(404);
        }
        // What remains says nothing.
        let row = table::get(stack, &user, &format!("N#{id}")).await.unwrap();
        let mut names: Vec<&str> = row.keys().map(String::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["expires_at", "pk", "sk", "v", "z"]);
    }
    for status in ["all", "unread", "read", "archived"] {
        let path = format!("/v1/me/notifications?consistent=true&status={status}");
        let page = ana.get(&path).await.expect(200);
        assert!(!page.to_string().contains(&gone), "{status}");
    }
    assert_eq!(inbox(stack, &user).await[0]["id"], kept);
    assert_eq!(table::get(stack, &user, "K#like:42%20%231").await, None);
}

#[tokio::test]
async fn f57_a_retract_names_the_recipient_and_another_one_is_not_found() {
    let stack = shared();
    let (ana, bo) = (unique("ana"), unique("bo"));
    let (_, id, _) = create(stack, &keyed(&ana, "k")).await;
    by_id(stack, &bo, &id).await.expect(404);
    by_id(stack, &ana, MISSING).await.expect(404);
    by_id(stack, &ana, "x").await.expect(404);
    by_id(stack, &ana, &id.to_lowercase()).await.expect(404);
    assert_eq!(by_key(stack, &bo, "k").await.status, 204);
    assert_eq!(by_key(stack, &ana, "K").await.status, 204);
    let path = format!("/v1/notifications/{id}");
    retract(stack, &path, &[("everyone", "true")])
        .await
        .expect(404);
    // Gone already, though the table still has it.
    let (_, old, _) = create(stack, &note(&ana)).await;
    table::expire(stack, &ana, &format!("N#{old}")).await;
    by_id(stack, &ana, &old).await.expect(404);
    let bad: [(&str, Pairs, &str); 9] = [
        (&path, &[], "/recipient"),
        (&path, &[("recipient", "a b")], "/recipient"),
        (&path, &[("recipient", "")], "/recipient"),
        (&path, &[("everyone", "false")], "/everyone"),
        (
            &path,
            &[("everyone", "true"), ("recipient", &ana)],
            "/everyone",
        ),
        (
            &path,
            &[("recipient", &ana), ("dedupe_key", "k")],
            "/dedupe_key",
        ),
        ("/v1/notifications", &[("recipient", &ana)], "/dedupe_key"),
        ("/v1/notifications", &[("dedupe_key", "k")], "/recipient"),
        (
            "/v1/notifications",
            &[("everyone", "true"), ("recipient", &ana)],
            "/everyone",
        ),
    ];
    for (path, pairs, pointer) in bad {
        let answer = retract(stack, path, pairs).await;
        assert_eq!(answer.status, 400, "{pairs:?}");
        assert_eq!(answer.violations()[0].0, pointer, "{pairs:?}");
    }
    // A user is no producer.
    let as_user = stack
        .user(&ana)
        .delete(&format!("{path}?recipient={ana}"))
        .await;
    assert_eq!(as_user.status, 401);
    assert_eq!(inbox(stack, &ana).await[0]["id"], id);
    assert!(inbox(stack, &bo).await.is_empty());
}

#[tokio::test]
async fn a_repeat_of_a_request_whose_notification_was_taken_back_says_so() {
    let stack = shared();
    let (ana, bo, request) = (unique("ana"), unique("bo"), unique("request"));
    let mut both = keyed(&ana, "k");
    both["recipients"] = json!([ana, bo]);
    let producer = stack.producer();
    let send = || producer.post_keyed("/v1/notifications", &request, &both);
    let first = send().await.expect(201);
    let id = first["data"][0]["id"].as_str().unwrap();
    assert_eq!(by_id(stack, &ana, id).await.status, 204);
    let again = send().await;
    assert!(again.replayed);
    let mut expected = first.clone();
    expected["data"][0]["status"] = json!("retracted");
    assert_eq!(again.expect(201), expected);
    assert!(inbox(stack, &ana).await.is_empty());
    assert_eq!(inbox(stack, &bo).await.len(), 1);
}

#[tokio::test]
async fn a_dedupe_key_is_free_after_a_retract_and_the_old_id_has_no_hold_on_it() {
    let stack = shared();
    let user = unique("ana");
    let note = keyed(&user, "like:42");
    let (_, first, _) = create(stack, &note).await;
    assert_eq!(by_key(stack, &user, "like:42").await.status, 204);
    let (status, second, _) = create(stack, &note).await;
    assert!(status == 201 && second != first);
    // Retracting the first again, and one whose key another has meanwhile, leaves the guard alone.
    assert_eq!(by_id(stack, &user, &first).await.status, 204);
    assert_eq!(create(stack, &note).await.1, second);
    table::expire(stack, &user, "K#like:42").await;
    let (_, third, _) = create(stack, &note).await;
    assert_ne!(third, second);
    assert_eq!(by_id(stack, &user, &second).await.status, 204);
    assert_eq!(
        create(stack, &note).await,
        (200, third.clone(), "duplicate".to_owned())
    );
    let shown = inbox(stack, &user).await;
    assert_eq!((shown.len(), &shown[0]["id"]), (1, &json!(third)));
}

#[tokio::test(flavor = "multi_thread")]
async fn f34_what_is_taken_back_before_its_push_is_not_pushed_and_stays_gone() {
    let field = Field::new().await;
    let phone = field.phone("retract").await;
    let gone = stored(&field.send(&phone.user, json!({})).await).remove(0);
    let kept = stored(&field.send(&phone.user, json!({})).await).remove(0);
    field.retract(&phone, &gone).await;
    let answer = field.pusher.invoke(batch([&gone, &kept])).await.unwrap();
    assert_eq!(answer, NOTHING_LEFT);
    assert_eq!(field.outcome(&kept).await.0, "sent");
    let pushed = tasks::pushes(&phone.token).await;
    let ids: Vec<&Value> = pushed.iter().map(|push| &push["data"]["id"]).collect();
    assert_eq!(ids, [&json!(kept.1[2..])]);
    let row = field.ground.row(&gone.0, &gone.1).await.unwrap();
    assert!(row.get("po").is_none() && row.get("t").is_none(), "{row}");
}

#[tokio::test]
async fn f34_marks_and_outcomes_that_cross_a_retract_bring_nothing_back() {
    let stack = shared();
    let user = unique("ana");
    pushes::device(stack, &user, "phone", "fcm", &unique("token")).await;
    let ana = stack.user(&user);
    let gone = join_all((0..8).map(|_| async {
        let (_, id, _) = create(stack, &note(&user)).await;
        let (read, archived) = (
            format!("/v1/me/notifications/{id}/read"),
            format!("/v1/me/notifications/{id}/archived"),
        );
        let nothing = json!({});
        let (read, archived, retracted) = tokio::join!(
            ana.put(&read, &nothing),
            ana.put(&archived, &nothing),
            by_id(stack, &user, &id),
        );
        assert_eq!(retracted.status, 204);
        assert!([200, 404].contains(&read.status) && [200, 404].contains(&archived.status));
        id
    }))
    .await;
    // When a later one has been pushed, so have they, if at all.
    let kept = create(stack, &note(&user)).await.1;
    pushes::ended(stack, &user, &kept).await;
    for id in gone {
        let row = table::get(stack, &user, &format!("N#{id}")).await.unwrap();
        assert_eq!(row.len(), 5, "{row:?}");
    }
    assert_eq!(inbox(stack, &user).await.len(), 1);
    assert_eq!(counts(&ana).await["unread_count"], 1);
}
