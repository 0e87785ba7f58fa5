//! Preferences and mutes: rules, round trips, limits, and the pushes they stop.

use std::collections::HashMap;
use std::fmt::Write as _;

use aws_sdk_dynamodb::types::AttributeValue;
use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};

use crate::caller::{Answer, Caller, send};
use crate::create::note;
use crate::pushes;
use crate::stack::{Stack, shared, unique};

const PREFERENCES: &str = "/v1/me/preferences";

fn mute_path(kind: &str, id: &str) -> String {
    let mut path = format!("/v1/me/mutes/{kind}/");
    for byte in id.bytes() {
        write!(path, "%{byte:02X}").unwrap();
    }
    path
}

async fn mute(caller: &Caller, kind: &str, id: &str) -> Answer {
    caller.put(&mute_path(kind, id), &json!({})).await
}

async fn mutes(caller: &Caller) -> Vec<Value> {
    let shown = caller.get(PREFERENCES).await.expect(200);
    shown["mutes"].as_array().unwrap().clone()
}

fn expect_violations(answer: &Answer, expected: &[(&str, &str)]) {
    let expected: Vec<_> = expected
        .iter()
        .map(|(pointer, code)| ((*pointer).to_owned(), (*code).to_owned()))
        .collect();
    assert_eq!((answer.status, answer.violations()), (422, expected));
}

/// The key of a user's row.
fn row(user: &str) -> HashMap<String, AttributeValue> {
    let text = |text: String| AttributeValue::S(text);
    HashMap::from([
        ("pk".to_owned(), text(format!("U#{user}"))),
        ("sk".to_owned(), text("A#user".to_owned())),
    ])
}

/// Gives a user mutes of the groups 0, 1, …, of which the first are over.
async fn plant(stack: &Stack, user: &str, count: usize, over: usize) {
    let until = |index: usize| {
        if index < over {
            return AttributeValue::N((index + 1).to_string());
        }
        AttributeValue::Null(true)
    };
    let mutes = (0..count).map(|index| (format!("g:{index}"), until(index)));
    let client = stack.dynamodb_client();
    let put = client.put_item().table_name(stack.table());
    put.set_item(Some(row(user)))
        .item("mut", AttributeValue::M(mutes.collect()))
        .send()
        .await
        .unwrap();
}

/// How many mutes a user's row holds, shown or not.
async fn planted(stack: &Stack, user: &str) -> usize {
    let client = stack.dynamodb_client();
    let get = client.get_item().table_name(stack.table());
    let got = get.set_key(Some(row(user))).consistent_read(true).send();
    got.await.unwrap().item.unwrap()["mut"]
        .as_m()
        .unwrap()
        .len()
}

#[tokio::test]
async fn preferences_come_back_as_they_were_put_and_are_their_users_alone() {
    let stack = shared();
    let (ana, bo) = (stack.user(&unique("ana")), stack.user(&unique("bo")));
    let unset = json!({
        "types": {}, "default": {"inbox": true, "push": true}, "locale": null, "quiet_hours": null,
        "mutes": [],
    });
    assert_eq!(ana.get(PREFERENCES).await.expect(200), unset);
    mute(&ana, "actor", "bo").await.expect(200);
    let mut wanted = json!({
        "types": {"video.liked": {"inbox": true, "push": false}, "data": {"inbox": false, "push": true}},
        "default": {"inbox": true, "push": false},
        "locale": "pt-BR",
        "quiet_hours": {"from": "22:00", "to": "07:30", "time_zone": "Europe/Madrid", "days": ["mon", "tue"]},
    });
    for _ in 0..2 {
        let answer = ana.put(PREFERENCES, &wanted).await;
        assert_eq!(answer.expect(200), wanted);
    }
    wanted["mutes"] = json!([{"kind": "actor", "id": "bo", "until": null}]);
    assert_eq!(ana.get(PREFERENCES).await.expect(200), wanted);
    assert_eq!(bo.get(PREFERENCES).await.expect(200), unset);
    // A put replaces everything but the mutes.
    ana.put(PREFERENCES, &json!({"locale": "en"}))
        .await
        .expect(200);
    let mut expected = unset;
    expected["locale"] = json!("en");
    expected["mutes"] = wanted["mutes"].clone();
    assert_eq!(ana.get(PREFERENCES).await.expect(200), expected);
}

#[tokio::test]
async fn every_broken_rule_of_preferences_is_reported_at_once_and_nothing_is_stored() {
    let stack = shared();
    let ana = stack.user(&unique("ana"));
    let before = ana.get(PREFERENCES).await.expect(200);
    let bad = json!({
        "types": {
            "Likes": {}, "": {}, "a": {"inbox": 1, "email": true}, "b": null, "c": [],
            "x".repeat(65): {},
        },
        "default": {"push": "no"},
        "locale": "pt_BR",
        "quiet_hours": {
            "from": "24:00", "time_zone": "Europe/Atlantis", "days": ["mon", "mon", "moon"], "on": 1,
        },
        "mutes": [],
        "quite_hours": {},
    });
    let answer = ana.put(PREFERENCES, &bad).await;
    let long = format!("/types/{}", "x".repeat(65));
    let expected = [
        ("/default/push", "type"),
        ("/locale", "format"),
        ("/mutes", "unknown_field"),
        ("/quiet_hours/days/1", "duplicate"),
        ("/quiet_hours/days/2", "value"),
        ("/quiet_hours/from", "format"),
        ("/quiet_hours/on", "unknown_field"),
        ("/quiet_hours/time_zone", "value"),
        ("/quiet_hours/to", "required"),
        ("/quite_hours", "unknown_field"),
        ("/types/", "length"),
        ("/types/Likes", "format"),
        ("/types/a/email", "unknown_field"),
        ("/types/a/inbox", "type"),
        ("/types/b", "type"),
        ("/types/c", "type"),
        (&long, "length"),
    ];
    expect_violations(&answer, &expected);
    let same = json!({"from": "22:00", "to": "22:00", "time_zone": "UTC", "days": []});
    let answer = ana.put(PREFERENCES, &json!({"quiet_hours": same})).await;
    let expected = [
        ("/quiet_hours/days", "length"),
        ("/quiet_hours/to", "value"),
    ];
    expect_violations(&answer, &expected);
    let types = |count: usize| {
        let types = (0..count).map(|index| (format!("t{index}"), json!({})));
        json!({"types": Value::Object(types.collect())})
    };
    let answer = ana.put(PREFERENCES, &types(101)).await;
    expect_violations(&answer, &[("/types", "length")]);
    assert_eq!(ana.get(PREFERENCES).await.expect(200), before);
    ana.put(PREFERENCES, &types(100)).await.expect(200);
}

#[tokio::test]
async fn a_mute_is_set_replaced_and_ended_whatever_its_id() {
    let stack = shared();
    let ana = stack.user(&unique("ana"));
    let long = "ü".repeat(128);
    let odd = [
        "a/b",
        "like:video:42 #1%2F?x=1",
        "[0].a",
        "\u{0}",
        "\"",
        "🦀",
        &long,
    ];
    for id in odd {
        let expected = json!({"kind": "group", "id": id, "until": null});
        assert_eq!(mute(&ana, "group", id).await.expect(200), expected);
    }
    let actor = mute_path("actor", "auth0|bo");
    // For good, without a body; then until a moment, and the same again.
    let bare = send(ana.request(Method::PUT, &actor)).await.expect(200);
    assert_eq!(
        bare,
        json!({"kind": "actor", "id": "auth0|bo", "until": null})
    );
    for _ in 0..2 {
        let body = json!({"until": "2099-12-01T01:00:00.25+01:00"});
        let answer = ana.put(&actor, &body).await.expect(200);
        assert_eq!(answer["until"], "2099-12-01T00:00:00.25Z");
    }
    let mut shown: Vec<_> = mutes(&ana).await;
    assert_eq!(shown.len(), odd.len() + 1);
    let first = json!({"kind": "actor", "id": "auth0|bo", "until": "2099-12-01T00:00:00.25Z"});
    assert_eq!(shown.remove(0), first);
    for id in odd {
        assert!(shown.iter().any(|mute| mute["id"] == id), "{id:?}");
        for _ in 0..2 {
            assert_eq!(ana.delete(&mute_path("group", id)).await.status, 204);
        }
    }
    assert_eq!(mutes(&ana).await, [first]);
    assert_eq!(
        ana.delete(&mute_path("group", "auth0|bo")).await.status,
        204
    );
    assert_eq!(mutes(&ana).await.len(), 1);
}

#[tokio::test]
async fn ending_a_mute_leaves_no_row_behind() {
    let stack = shared();
    let user = unique("ana");
    let path = mute_path("actor", "bo");
    assert_eq!(stack.user(&user).delete(&path).await.status, 204);
    let client = stack.dynamodb_client();
    let get = client.get_item().table_name(stack.table());
    let got = get.set_key(Some(row(&user))).consistent_read(true).send();
    assert_eq!(got.await.unwrap().item, None);
}

#[tokio::test]
async fn every_broken_rule_of_a_mute_is_reported_at_once() {
    let stack = shared();
    let ana = stack.user(&unique("ana"));
    let bad = json!({"until": "2020-01-01T00:00:00Z", "reason": "spam"});
    let answer = ana.put(&mute_path("actor", "a b"), &bad).await;
    let expected = [
        ("/id", "format"),
        ("/reason", "unknown_field"),
        ("/until", "range"),
    ];
    expect_violations(&answer, &expected);
    let answer = ana
        .put(&mute_path("topic", "x"), &json!({"until": 1}))
        .await;
    expect_violations(&answer, &[("/kind", "value"), ("/until", "format")]);
    let answer = mute(&ana, "group", &"x".repeat(129)).await;
    expect_violations(&answer, &[("/id", "format")]);
    let answer = ana.delete(&mute_path("topic", "x")).await;
    expect_violations(&answer, &[("/kind", "value")]);
    assert!(mutes(&ana).await.is_empty());
}

#[tokio::test]
async fn mutes_at_the_same_time_are_all_kept() {
    let stack = shared();
    let user = unique("ana");
    let ana = stack.user(&user);
    let ids: Vec<String> = (0..12).map(|index| format!("bo{index}")).collect();
    let all = join_all(ids.iter().map(|id| mute(&ana, "actor", id))).await;
    assert!(all.iter().all(|answer| answer.status == 200), "{all:?}");
    assert_eq!(mutes(&ana).await.len(), ids.len());
    // Some go while others come, a device with them.
    pushes::device(stack, &user, "phone", "fcm", &unique("token")).await;
    let (gone, new) = (mute_path("actor", "bo3"), mute_path("group", "bo3"));
    let nothing = json!({});
    let (gone, new) = tokio::join!(ana.delete(&gone), ana.put(&new, &nothing));
    assert_eq!((gone.status, new.status), (204, 200));
    let shown = mutes(&ana).await;
    let named = |kind: &str| shown.iter().any(|m| m["id"] == "bo3" && m["kind"] == kind);
    assert_eq!((named("actor"), named("group")), (false, true));
    let devices = ana.get("/v1/me/devices").await.expect(200);
    assert_eq!(devices["data"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_user_has_at_most_200_mutes_however_many_come_at_once() {
    let stack = shared();
    let user = unique("ana");
    let ana = stack.user(&user);
    plant(stack, &user, 199, 0).await;
    let new = ["a", "b", "c", "d"];
    let all = join_all(new.map(|id| mute(&ana, "actor", id))).await;
    let refused: Vec<_> = all.iter().filter(|answer| answer.status != 200).collect();
    assert_eq!(refused.len(), 3, "{all:?}");
    for answer in refused {
        expect_violations(answer, &[("", "too_many")]);
    }
    assert_eq!(mutes(&ana).await.len(), 200);
    // One that is there is changed, and one that goes makes room.
    let until = json!({"until": "2099-01-01T00:00:00Z"});
    ana.put(&mute_path("group", "7"), &until).await.expect(200);
    assert_eq!(ana.delete(&mute_path("group", "8")).await.status, 204);
    mute(&ana, "actor", "e").await.expect(200);
    assert_eq!(mutes(&ana).await.len(), 200);
}

#[tokio::test]
async fn a_mute_that_is_over_is_not_shown_and_goes_with_the_next_write() {
    let stack = shared();
    let user = unique("ana");
    let ana = stack.user(&user);
    plant(stack, &user, 200, 30).await;
    assert_eq!(mutes(&ana).await.len(), 170);
    // There is room for a new one because others go, 25 with one write.
    mute(&ana, "actor", "bo").await.expect(200);
    let held = async || (mutes(&ana).await.len(), planted(stack, &user).await);
    assert_eq!(held().await, (171, 176));
    // One that is over is renewed, and the rest go.
    mute(&ana, "group", "9").await.expect(200);
    assert_eq!(held().await, (172, 172));
    plant(stack, &user, 3, 2).await;
    // At the same time: whoever loses thinks again.
    let (first, second) = (mute_path("group", "0"), mute_path("group", "2"));
    let (first, second) = tokio::join!(ana.delete(&first), ana.delete(&second));
    assert_eq!((first.status, second.status), (204, 204));
    assert_eq!(planted(stack, &user).await, 0);
}

#[cfg(feature = "proof")]
#[tokio::test]
async fn a_push_that_is_not_wanted_is_skipped_with_the_reason() {
    let stack = shared();
    let (user, token) = (unique("ana"), unique("token"));
    let ana = stack.user(&user);
    pushes::device(stack, &user, "phone", "fcm", &token).await;
    let mut like = note(&user);
    like["actor"] = json!({"id": "bo"});
    like["group"] = json!("like:video:42");
    like["push"] = json!({"priority": "critical"});
    let outcome = async || {
        let outcome = pushes::send(stack, &like).await;
        let text = |name: &str| outcome[name].as_str().unwrap_or_default().to_owned();
        (text("s"), text("w"))
    };
    let skipped = |reason: &str| ("skipped".to_owned(), reason.to_owned());
    let sent = ("sent".to_owned(), String::new());
    for (kind, id) in [("actor", "bo"), ("group", "like:video:42")] {
        mute(&ana, kind, id).await.expect(200);
        assert_eq!(outcome().await, skipped("muted"));
        assert_eq!(ana.delete(&mute_path(kind, id)).await.status, 204);
    }
    mute(&ana, "actor", "cleo").await.expect(200);
    assert_eq!(outcome().await, sent);
    for body in [
        json!({"types": {"video.liked": {"push": false}}}),
        json!({"default": {"push": false}, "types": {"other": {"push": true}}}),
    ] {
        ana.put(PREFERENCES, &body).await.expect(200);
        assert_eq!(outcome().await, skipped("preferences"));
    }
    let only_here = json!({"default": {"push": false}, "types": {"video.liked": {"push": true}}});
    ana.put(PREFERENCES, &only_here).await.expect(200);
    assert_eq!(outcome().await, sent);
    assert_eq!(stack.pushes(&token).await.len(), 2);
}

#[tokio::test]
async fn a_mute_that_is_over_stops_no_push() {
    let stack = shared();
    let user = unique("ana");
    plant(stack, &user, 2, 1).await;
    pushes::device(stack, &user, "phone", "fcm", &unique("token")).await;
    let in_group = async |group: &str| {
        let mut note = note(&user);
        note["group"] = json!(group);
        pushes::send(stack, &note).await["s"].clone()
    };
    assert_eq!(in_group("0").await, "sent");
    assert_eq!(in_group("1").await, "skipped");
}
