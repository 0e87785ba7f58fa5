//! Erasing a user: hidden at once, removed by a job, and removed again two days later. What others have stays.

use std::collections::BTreeMap;

use jiff::Timestamp;
use local::function::Function;
use serde_json::{Value, json};
use shared::id::{TopicId, UserId};
use shared::store::Undecodable;

use crate::ground::{Ground, Http, Reply, RowKey, stored};
use crate::phones::{enabled, owner};
use crate::tasks::{Field, NOTHING_LEFT, Phone, pushes};

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
        (*key == pk && sk != "A#user") || *sk == pk || (names(row) && !is_record)
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
    let topic = TopicId::parse("followers:bo").unwrap();
    let member = UserId::parse(user).unwrap();
    store
        .join_topic(&topic, &[member], Timestamp::now())
        .await
        .unwrap();
    store.put_dead(Timestamp::now(), &dead).await.unwrap();
    phone
}

pub async fn ok(request: &Http, function: &Function) -> Reply {
    let reply = request.send(function).await.unwrap();
    assert!(reply.status < 300, "{request:?}: {reply:?}");
    reply
}

async fn job(field: &Field, job: &str) -> Value {
    let show = Http::new("GET /v1/jobs/{job}", "support").path("job", job);
    ok(&show, &field.creator).await.body
}

pub async fn page(field: &Field, user: &str) -> Value {
    let page = Http::new("GET /v1/me/notifications", user).query("consistent=true&status=all");
    ok(&page, &field.inbox).await.body
}

/// Nothing of the user is shown or pushed, though it is all still there.
async fn is_hidden(
    field: &Field,
    admin: &Function,
    phone: &Phone,
    (id, unpushed): (&str, &RowKey),
) {
    let shown = page(field, &phone.user).await;
    assert_eq!(
        (&shown["data"], &shown["meta"]["unread_count"]),
        (&json!([]), &json!(0))
    );
    let requests = [
        (
            Http::new("GET /v1/me/notifications/{id}", &phone.user),
            &field.inbox,
        ),
        (
            Http::new("PUT /v1/me/notifications/{id}/read", &phone.user),
            &field.inbox,
        ),
        (
            Http::new("GET /v1/users/{user}/notifications/{id}/trace", "support")
                .path("user", &phone.user),
            admin,
        ),
    ];
    let retract = Http::new("DELETE /v1/notifications/{id}", "likes");
    let retract = retract.query(&format!("recipient={}", phone.user));
    let requests = requests.into_iter().chain([(retract, &field.creator)]);
    for (request, function) in requests {
        let reply = request.path("id", id).send(function).await.unwrap();
        assert_eq!(
            (reply.status, &reply.body["code"]),
            (404, &json!("not_found")),
            "{reply:?}"
        );
    }
    let devices = ok(
        &Http::new("GET /v1/me/devices", &phone.user),
        &field.devices,
    )
    .await;
    assert_eq!(devices.body["data"], json!([]));
    // What the stream brings late is not pushed any more.
    let told = pushes(&phone.token).await.len();
    assert_eq!(field.push(unpushed).await, NOTHING_LEFT);
    assert_eq!(pushes(&phone.token).await.len(), told);
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

    is_hidden(&field, &admin, &ana, (&id, &unpushed)).await;
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
        let is_hers = row["u"] == json!(ana.user) || key.1 == format!("U#{}", ana.user);
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
    // A device, three rows, a tombstone, two guards, the marks, a membership and an entry of the dead.
    assert_eq!(done["written"], 10, "{done}");
}
