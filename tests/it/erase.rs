//! Erasing a user: hidden at once, removed by a job, and removed again two days later. What others have stays.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use jiff::{SignedDuration, Timestamp};
use local::function::Function;
use serde_json::{Value, json};
use shared::id::{NotificationId, UserId};
use shared::store::{Put, Undecodable};
use shared::task::{Later, Task};

use crate::create::note;
use crate::ground::{Ground, Http, Reply, RowKey, create, plain, stored};
use crate::phones::{enabled, owner};
use crate::stack::unique;
use crate::tasks::{Field, NOTHING_LEFT, Phone, ahead, pushes};

/// A user's own rows in the table, and rows elsewhere that name the user.
pub fn of_user(rows: &BTreeMap<RowKey, Value>, user: &str) -> Vec<RowKey> {
    let pk = format!("U#{user}");
    let names = |row: &Value| {
        ["u", "rpk"]
            .iter()
            .any(|name| row[*name] == json!(user) || row[*name] == json!(pk))
    };
    let theirs = rows.iter().filter(|((key, sk), row)| {
        let is_record = key.starts_with("J#") || key.starts_with("Q#");
        (*key == pk && sk != "A#user") || (names(row) && !is_record)
    });
    theirs.map(|(key, _)| key.clone()).collect()
}

/// Asks for an erase until it is accepted; returns the job.
pub async fn erase(admin: &Function, user: &str) -> String {
    let request = Http::new("DELETE /v1/users/{user}", "support").path("user", user);
    for _ in 0..5 {
        let reply = request.send(admin).await.unwrap();
        if reply.status == 202 {
            return reply.body["job"].as_str().unwrap().to_owned();
        }
        assert_eq!(reply.status, 503, "{reply:?}");
    }
    panic!("the erase is never accepted");
}

pub async fn endpoint(ground: &Ground, user: &str) -> String {
    let row = ground.row(&format!("U#{user}"), "A#user").await.unwrap();
    row["dev"]["phone"]["e"].as_str().unwrap().to_owned()
}

/// A user with everything that a user can have: a phone, notifications with and without dedupe keys, one taken back,
/// marks, settings, mutes, and a place on the list of the dead.
pub async fn resident(field: &Field, name: &str) -> Phone {
    let phone = field.phone(name).await;
    let user = &phone.user;
    for key in ["one", "two"] {
        field.send(user, json!({"dedupe_key": key})).await;
    }
    let sent = field.send_and_push(user, json!({})).await;
    let gone = stored(&field.send(user, json!({"dedupe_key": "gone"})).await).remove(0);
    let retract = Http::new("DELETE /v1/notifications/{id}", "likes").path("id", &gone.1[2..]);
    let retract = retract.query(&format!("recipient={user}"));
    assert_eq!(retract.send(&field.creator).await.unwrap().status, 204);
    let read = Http::new("POST /v1/me/notifications/read", user);
    let up_to = json!({"up_to": sent.1[2..]});
    ok(&read.json(&up_to), &field.inbox).await;
    let wanted = json!({"types": {"x": {"inbox": true, "push": false}}, "locale": "pt-BR"});
    ok(
        &Http::new("PUT /v1/me/preferences", user).json(&wanted),
        &field.devices,
    )
    .await;
    let mute = Http::new("PUT /v1/me/mutes/{kind}/{id}", user);
    let mute = mute
        .path("kind", "actor")
        .path("id", "zoe")
        .json(&json!({}));
    ok(&mute, &field.devices).await;
    let (pk, sk) = sent;
    let dead = Undecodable {
        pk: Some(pk),
        sk: Some(sk),
        sequence_number: None,
        reason: "refused".to_owned(),
    };
    let store = field.ground.store();
    store.put_dead(Timestamp::now(), &dead).await.unwrap();
    phone
}

async fn ok(request: &Http, function: &Function) -> Reply {
    let reply = request.send(function).await.unwrap();
    assert!(reply.status < 300, "{request:?}: {reply:?}");
    reply
}

async fn job(field: &Field, job: &str) -> Value {
    let show = Http::new("GET /v1/jobs/{job}", "support").path("job", job);
    ok(&show, &field.creator).await.body
}

async fn page(field: &Field, user: &str) -> Value {
    let page = Http::new("GET /v1/me/notifications", user).query("consistent=true&status=all");
    ok(&page, &field.inbox).await.body
}

#[tokio::test(flavor = "multi_thread")]
async fn i11_an_erase_hides_everything_at_once_and_removes_it_and_nothing_of_others() {
    let field = Field::new().await;
    let admin = field.ground.function("administer-users", None);
    let ana = resident(&field, "erase").await;
    let bo = resident(&field, "erase").await;
    let (hers, his) = (
        endpoint(&field.ground, &ana.user).await,
        endpoint(&field.ground, &bo.user).await,
    );
    let before = field.ground.rows().await;
    let (id, unpushed) = {
        let ids = field.ground.inbox(&ana.user).await;
        (ids[2].1[2..].to_owned(), ids[0].clone())
    };
    let erasure = erase(&admin, &ana.user).await;

    let shown = page(&field, &ana.user).await;
    assert_eq!(
        (&shown["data"], &shown["meta"]["unread_count"]),
        (&json!([]), &json!(0))
    );
    let requests = [
        (
            Http::new("GET /v1/me/notifications/{id}", &ana.user),
            &field.inbox,
        ),
        (
            Http::new("PUT /v1/me/notifications/{id}/read", &ana.user),
            &field.inbox,
        ),
        (
            Http::new("GET /v1/users/{user}/notifications/{id}/trace", "support")
                .path("user", &ana.user),
            &admin,
        ),
    ];
    for (request, function) in requests {
        let reply = request.path("id", &id).send(function).await.unwrap();
        assert_eq!(
            (reply.status, &reply.body["code"]),
            (404, &json!("not_found")),
            "{reply:?}"
        );
    }
    let devices = ok(&Http::new("GET /v1/me/devices", &ana.user), &field.devices).await;
    assert_eq!(devices.body["data"], json!([]));
    // What the stream brings late is not pushed any more.
    let told = pushes(&ana.token).await.len();
    assert_eq!(field.push(&unpushed).await, NOTHING_LEFT);
    assert_eq!(pushes(&ana.token).await.len(), told);
    assert_eq!(job(&field, &erasure).await["state"], "running");
    let stop = Http::new("DELETE /v1/jobs/{job}", "likes").path("job", &erasure);
    assert_eq!(stop.send(&field.creator).await.unwrap().status, 422);

    field.bring_steps(&field.runner(0)).await;
    let after = field.ground.rows().await;
    assert_eq!(of_user(&after, &ana.user), []);
    let rest = after[&(format!("U#{}", ana.user), "A#user".to_owned())]
        .as_object()
        .unwrap();
    assert_eq!(
        rest.keys().collect::<Vec<_>>(),
        ["er", "expires_at", "pk", "sk"]
    );
    assert_eq!(enabled(&hers).await, None);
    assert_eq!(owner(&field.ground, &hers).await["u"], "-");
    assert_eq!(enabled(&his).await, Some(true));
    // What her screen showed is cleared first.
    let last = pushes(&ana.token).await.pop().unwrap();
    assert!(last["data"]["clear"].is_string(), "{last}");
    let theirs =
        |(key, _): &(&RowKey, &Value)| !key.0.ends_with(&ana.user) && !key.0.starts_with("D#");
    for (key, row) in before.iter().filter(theirs) {
        let is_hers = row["u"] == json!(ana.user);
        assert!(is_hers || after.get(key) == Some(row), "{key:?}");
    }
    assert_eq!(
        of_user(&after, &bo.user).len(),
        of_user(&before, &bo.user).len()
    );
    let done = job(&field, &erasure).await;
    assert_eq!(
        (&done["kind"], &done["state"]),
        (&json!("erase"), &json!("done"))
    );
    // A device, three rows, a tombstone, two guards, the marks and an entry of the dead.
    assert_eq!(done["written"], 9, "{done}");
}

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
