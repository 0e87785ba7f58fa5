//! Who gets a push, and how many: caps of groups, devices that were silent for long, languages.

use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::crashes::{people, registration};
use crate::create::note;
use crate::ground::{Ground, create, stored};
use crate::pushes::{device, send};
use crate::stack::{shared, unique};

fn in_group(user: &str, group: &str) -> Value {
    let mut note = note(user);
    note["group"] = json!(group);
    note
}

#[tokio::test]
async fn a_group_has_five_pushes_an_hour_and_what_is_critical_or_silent_passes() {
    let stack = shared();
    let (user, token) = (unique("ana"), unique("token"));
    device(stack, &user, "phone", "fcm", &token).await;
    for sent in 0..7 {
        let outcome = send(stack, &in_group(&user, "like:42")).await;
        let expected = if sent < 5 {
            json!("sent")
        } else {
            json!("skipped")
        };
        assert_eq!(outcome["s"], expected, "{sent}: {outcome}");
        assert_eq!(outcome["w"] == "capped", sent >= 5, "{sent}: {outcome}");
    }
    let mut critical = in_group(&user, "like:42");
    critical["push"] = json!({"priority": "critical"});
    let mut silent = in_group(&user, "like:42");
    silent["push"] = json!({"silent": true});
    for passes in [critical, silent, in_group(&user, "like:43"), note(&user)] {
        assert_eq!(send(stack, &passes).await["s"], "sent", "{passes}");
    }
    assert_eq!(stack.pushes(&token).await.len(), 9);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pushes_of_one_batch_count_for_the_cap_and_others_groups_do_not() {
    let ground = Ground::new().await;
    let devices = ground.function("manage-devices", None);
    let creator = ground.function("create-notifications", None);
    let proxy = ground.proxy(false).await;
    let function = ground.function("push-notifications", Some(&proxy));
    let users = people(2);
    for user in &users {
        registration(user, &unique("token"))
            .send(&devices)
            .await
            .unwrap();
    }
    let mut rows = Vec::new();
    for (user, group) in [(0, "a"), (1, "a"), (0, "b")] {
        for _ in 0..7 {
            let note = in_group(&users[user], group);
            let reply = create(None, &note).send(&creator).await.unwrap();
            rows.push(stored(&reply).remove(0));
        }
    }
    let records = rows.iter().enumerate().map(|(index, (pk, sk))| {
        let keys = json!({"pk": {"S": pk}, "sk": {"S": sk}});
        json!({"eventName": "INSERT", "dynamodb": {"Keys": keys, "SequenceNumber": index.to_string()}})
    });
    let event = json!({"Records": records.collect::<Vec<_>>()}).to_string();
    proxy.take_calls();
    function.invoke(event.into_bytes()).await.unwrap();
    let calls = proxy.take_calls();
    let broadcasts = |body: &str| body.contains("{\"S\":\"B#2");
    let queries = calls.iter().filter(|call| call.operation == "Query");
    // One for each user's badge, one for each group of each user.
    assert_eq!(queries.filter(|call| !broadcasts(&call.body)).count(), 5);
    for of_group in rows.chunks(7) {
        let mut sent = 0;
        for (pk, sk) in of_group {
            let outcome = ground.row(pk, sk).await.unwrap()["po"].clone();
            sent += usize::from(outcome["s"] == "sent");
            assert!(
                outcome["s"] == "sent" || outcome["w"] == "capped",
                "{outcome}"
            );
        }
        assert_eq!(sent, 5);
    }
}

/// Lets a device have been silent for some days.
async fn silence(user: &str, device: &str, days: u64) {
    let stack = shared();
    let seen = Timestamp::now() - Duration::from_hours(24 * days);
    let client = stack.dynamodb_client();
    let update = client.update_item().table_name(stack.table());
    let update = update
        .set_key(Some(crate::table::key(user, "A#user")))
        .update_expression("SET dev.#d.#s = :seen")
        .expression_attribute_names("#d", device)
        .expression_attribute_names("#s", "s")
        .expression_attribute_values(
            ":seen",
            AttributeValue::N(seen.as_millisecond().to_string()),
        );
    update.send().await.unwrap();
}

async fn devices(user: &str) -> Vec<String> {
    let body = shared().user(user).get("/v1/me/devices").await.expect(200);
    let devices = body["data"].as_array().unwrap();
    devices
        .iter()
        .map(|device| device["id"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn a_device_silent_for_60_days_gets_nothing_and_after_270_days_it_goes() {
    let stack = shared();
    let (user, phone, tablet) = (unique("ana"), unique("phone"), unique("tablet"));
    device(stack, &user, "phone", "fcm", &phone).await;
    device(stack, &user, "tablet", "apns", &tablet).await;
    silence(&user, "tablet", 59).await;
    silence(&user, "phone", 61).await;
    assert_eq!(send(stack, &note(&user)).await["s"], "sent");
    assert_eq!(
        (
            stack.pushes(&phone).await.len(),
            stack.pushes(&tablet).await.len()
        ),
        (0, 1)
    );
    silence(&user, "tablet", 61).await;
    let outcome = send(stack, &note(&user)).await;
    assert_eq!(
        (&outcome["s"], &outcome["w"]),
        (&json!("no_device"), &json!("silent"))
    );
    assert_eq!(devices(&user).await, ["phone", "tablet"]);
    // The app starts again: it is heard.
    let body = json!({"platform": "apns", "token": tablet});
    stack
        .user(&user)
        .put("/v1/me/devices/tablet", &body)
        .await
        .expect(200);
    silence(&user, "phone", 271).await;
    assert_eq!(send(stack, &note(&user)).await["s"], "sent");
    crate::caller::eventually("the phone's removal", async || {
        (devices(&user).await == ["tablet"]).then_some(())
    })
    .await;
    let endpoints = crate::caller::eventually("the endpoint's removal", async || {
        let url = format!("{}/_local/endpoints", stack.api());
        let answer: Value = reqwest::get(url).await.unwrap().json().await.unwrap();
        let tokens = answer["data"].as_array().unwrap().iter();
        let tokens: Vec<Value> = tokens.map(|endpoint| endpoint["token"].clone()).collect();
        (!tokens.contains(&json!(phone))).then_some(tokens)
    })
    .await;
    assert!(endpoints.contains(&json!(tablet)) || endpoints.len() == 1_000);
}

#[tokio::test]
async fn a_text_is_in_the_devices_language_or_its_users() {
    let stack = shared();
    let user = unique("ana");
    let tokens = ["brazil", "portugal", "china", "nobody"].map(unique);
    for (token, locale) in tokens.iter().zip(["pt-BR", "pt_PT", "zh-Hant-TW", "xx"]) {
        let body = json!({"platform": "fcm", "token": token, "locale": locale});
        let path = format!("/v1/me/devices/{token}");
        stack.user(&user).put(&path, &body).await.expect(201);
    }
    let preferences = json!({"locale": "de-AT"});
    stack
        .user(&user)
        .put("/v1/me/preferences", &preferences)
        .await
        .expect(200);
    let mut note = note(&user);
    note["body"] = json!("Sunset over Lisbon");
    note["push"] = json!({"locales": {
        "pt-BR": {"title": "Bo curtiu seu vídeo"},
        "pt": {"title": "O Bo gostou do teu vídeo", "body": "Pôr do sol em Lisboa"},
        "de": {"title": "Bo gefällt dein Video"},
    }});
    assert_eq!(send(stack, &note).await["s"], "sent");
    let expected = [
        ("Bo curtiu seu vídeo", "Sunset over Lisbon"),
        ("O Bo gostou do teu vídeo", "Pôr do sol em Lisboa"),
        ("Bo gefällt dein Video", "Sunset over Lisbon"),
        ("Bo gefällt dein Video", "Sunset over Lisbon"),
    ];
    for (token, (title, body)) in tokens.iter().zip(expected) {
        let push = stack.pushes(token).await.remove(0);
        let shown = &push["message"]["fcmV1Message"]["message"]["notification"];
        assert_eq!(
            (&shown["title"], &shown["body"]),
            (&json!(title), &json!(body))
        );
    }
}
