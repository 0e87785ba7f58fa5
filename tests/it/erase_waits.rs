//! What is on its way when a user is erased: tasks for later, repeats, rows that arrive late, creates at the same time. And
//! who comes back is a new user.

use futures_util::future::join_all;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use shared::id::{NotificationId, UserId};
use shared::store::Put;
use shared::task::{Later, Task};

use crate::create::note;
use crate::erase::{endpoint, erase, ok, page, resident};
use crate::ground::{Http, create, plain, stored};
use crate::phones::enabled;
use crate::stack::unique;
use crate::tasks::{Field, NOTHING_LEFT, ahead, pushes};

#[tokio::test(flavor = "multi_thread")]
async fn i11_what_waited_for_an_erased_user_is_not_pushed_to_whoever_comes_back() {
    let field = Field::new().await;
    let admin = field.ground.function("administer-users", None);
    let phone = field.phone("erase").await;
    let user = UserId::parse(&phone.user).unwrap();
    let store = field.ground.store();
    let now = Timestamp::now();
    let parked = stored(&field.send(&phone.user, json!({})).await).remove(0);
    let id = NotificationId::parse(&parked.1[2..]).unwrap();
    for task in [
        Task::Push(user.clone(), id),
        Task::QuietEnd(user.clone(), id),
    ] {
        store
            .put_later(&Later::new(task, now, now), now)
            .await
            .unwrap();
    }
    let delayed = field
        .send_and_push(&phone.user, json!({"push": {"delay": 600}}))
        .await;
    assert_eq!(field.outcome(&delayed).await.0, "deferred");
    let scheduled = json!({"send_at": ahead(900)});
    assert_eq!(
        field.send(&phone.user, scheduled.clone()).await.body["data"][0]["status"],
        "scheduled"
    );
    erase(&admin, &phone.user).await;
    // The same phone at once, before the job has run: a new life.
    field.register(&phone, "phone").await;
    field.send(&phone.user, scheduled).await;
    assert_eq!(field.later().await.len(), 7, "{:?}", field.later().await);
    for row in [&parked, &delayed] {
        field.push(row).await;
    }
    field.pass(1_800).await;
    let rows = field.ground.inbox(&phone.user).await;
    let [new] = &rows[..] else {
        panic!("the schedule of the new life alone: {rows:?}");
    };
    assert_eq!(pushes(&phone.token).await.len(), 0);
    assert_eq!(field.push(new).await, NOTHING_LEFT);
    assert_eq!(pushes(&phone.token).await.len(), 1);
    assert_eq!(
        enabled(&endpoint(&field.ground, &phone.user).await).await,
        Some(true)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn i11_who_comes_back_is_a_new_user_and_a_repeat_brings_nothing_back() {
    let field = Field::new().await;
    let admin = field.ground.function("administer-users", None);
    let phone = resident(&field, "erase").await;
    let keyed = create(Some(&unique("key")), &note(&phone.user));
    ok(&keyed, &field.creator).await;
    erase(&admin, &phone.user).await;
    // A key of the old life is free, before its guard is removed and after.
    let named = json!({"dedupe_key": "one"});
    let first = field.send(&phone.user, named.clone()).await;
    assert_eq!(first.body["data"][0]["status"], "created", "{first:?}");
    let first = stored(&first);
    let wanted = json!({"types": {}, "locale": "de"});
    ok(
        &Http::new("PUT /v1/me/preferences", &phone.user).json(&wanted),
        &field.devices,
    )
    .await;
    field.bring_steps(&field.runner(0)).await;
    let again = field.send(&phone.user, named).await;
    assert_eq!(again.body["data"][0]["status"], "duplicate", "{again:?}");
    let other = field.send(&phone.user, json!({"dedupe_key": "two"})).await;
    assert_eq!(other.body["data"][0]["status"], "created");
    let repeat = ok(&keyed, &field.creator).await;
    assert_eq!(repeat.body["data"][0]["status"], "retracted", "{repeat:?}");
    let mut expected = [first, stored(&other)].concat();
    expected.sort();
    assert_eq!(field.ground.inbox(&phone.user).await, expected);
    // Two days later nothing of the new life goes.
    field.pass(49 * 3_600).await;
    assert_eq!(field.ground.inbox(&phone.user).await, expected);
    let row = field
        .ground
        .row(&format!("U#{}", phone.user), "A#user")
        .await
        .unwrap();
    assert_eq!(
        (&row["pre"]["l"], row.get("expires_at")),
        (&json!("de"), None),
        "{row}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn i11_a_row_that_arrives_late_is_never_seen_and_goes_two_days_later() {
    let field = Field::new().await;
    let admin = field.ground.function("administer-users", None);
    let phone = field.phone("erase").await;
    let user = UserId::parse(&phone.user).unwrap();
    let before = Timestamp::now();
    erase(&admin, &phone.user).await;
    field.register(&phone, "phone").await;
    field.bring_steps(&field.runner(0)).await;
    let late = plain(
        &user,
        NotificationId::draw(before - SignedDuration::from_secs(3)),
    );
    assert_eq!(field.ground.store().put(&late).await.unwrap(), Put::Created);
    let row = (
        format!("U#{user}", user = phone.user),
        format!("N#{}", late.id),
    );
    assert_eq!(field.push(&row).await, NOTHING_LEFT);
    assert_eq!(pushes(&phone.token).await.len(), 0);
    assert_eq!(page(&field, &phone.user).await["data"], json!([]));
    field.pass(47 * 3_600).await;
    assert!(field.ground.row(&row.0, &row.1).await.is_some());
    field.pass(49 * 3_600).await;
    assert!(field.ground.row(&row.0, &row.1).await.is_none());
    assert_eq!(
        enabled(&endpoint(&field.ground, &phone.user).await).await,
        Some(true)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn i11_creates_that_race_two_erases_are_whole_or_gone() {
    let field = Field::new().await;
    let admin = field.ground.function("administer-users", None);
    let phone = field.phone("erase").await;
    let user = &phone.user;
    let creates = async || {
        let sent = (0..12).map(async |index| {
            let key = json!({"dedupe_key": format!("race-{}", index % 4)});
            field
                .send(user, if index < 8 { key } else { json!({}) })
                .await
        });
        join_all(sent).await
    };
    let (first, _, second, _) = tokio::join!(
        creates(),
        erase(&admin, user),
        creates(),
        erase(&admin, user)
    );
    field.bring_steps(&field.runner(0)).await;
    let row = field
        .ground
        .row(&format!("U#{user}"), "A#user")
        .await
        .unwrap();
    let until = row["er"].as_i64().unwrap();
    let is_old = |id: &str| NotificationId::parse(id).unwrap().at().as_millisecond() <= until;
    let left: Vec<String> = field
        .ground
        .inbox(user)
        .await
        .into_iter()
        .map(|(_, sk)| sk[2..].to_owned())
        .collect();
    assert!(left.iter().all(|id| !is_old(id)), "{left:?} {until}");
    for reply in first.into_iter().chain(second) {
        assert_eq!(reply.status / 100, 2, "{reply:?}");
        let id = reply.body["data"][0]["id"].as_str().unwrap();
        assert!(is_old(id) || left.contains(&id.to_owned()), "lost: {id}");
    }
}
