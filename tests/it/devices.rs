//! Devices: registering, moving, replacing, removing.

use serde_json::{Value, json};

use crate::caller::eventually;
use crate::create::note;
use crate::stack::{Stack, shared, unique};

fn fcm(token: &str) -> Value {
    json!({"platform": "fcm", "token": token})
}

async fn ids(stack: &Stack, user: &str) -> Vec<String> {
    let list = stack.user(user).get("/v1/me/devices").await.expect(200);
    let devices = list["data"].as_array().unwrap().clone();
    devices
        .iter()
        .map(|device| device["id"].as_str().unwrap().to_owned())
        .collect()
}

/// Sends a notification to a user, and waits until its push has ended.
async fn notify(stack: &Stack, user: &str) -> Value {
    let body = stack
        .producer()
        .post("/v1/notifications", &note(user))
        .await
        .expect(201);
    let id = body["data"][0]["id"].as_str().unwrap().to_owned();
    crate::pushes::ended(stack, user, &id).await
}

#[tokio::test]
async fn a_device_is_registered_shown_and_removed_without_its_token() {
    let stack = shared();
    let (user, token) = (unique("ana"), unique("secret-token"));
    let ana = stack.user(&user);
    let body = json!({"platform": "fcm", "token": token, "locale": "pt-BR", "badge": false});
    let created = ana.put("/v1/me/devices/phone%201%2F2", &body).await;
    assert_eq!(created.status, 422, "a device id has no white space");
    let created = ana.put("/v1/me/devices/phone%2F1", &body).await.expect(201);
    let again = ana.put("/v1/me/devices/phone%2F1", &body).await.expect(200);
    assert_eq!(created, again);
    let list = ana.get("/v1/me/devices").await.expect(200);
    assert_eq!(list["data"], json!([created]));
    assert_eq!(created["id"], "phone/1");
    assert_eq!(created["locale"], "pt-BR");
    assert_eq!(created["badge"], false);
    let text = list.to_string();
    assert!(
        !text.contains("secret-token") && !text.contains("arn:"),
        "{text}"
    );
    for _ in 0..2 {
        assert_eq!(ana.delete("/v1/me/devices/phone%2F1").await.status, 204);
    }
    assert!(ids(stack, &user).await.is_empty());
    notify(stack, &user).await;
    assert!(stack.pushes(&token).await.is_empty());
}

#[tokio::test]
async fn every_broken_rule_of_a_device_is_reported_at_once() {
    let stack = shared();
    let ana = stack.user(&unique("ana"));
    let bad = json!({"platform": "ios", "token": "", "app": "x", "badge": 1, "push": true});
    let answer = ana.put("/v1/me/devices/phone", &bad).await;
    let expected = [
        ("/app", "value"),
        ("/badge", "type"),
        ("/platform", "value"),
        ("/push", "unknown_field"),
        ("/token", "length"),
    ];
    let expected = expected.map(|(pointer, code)| (pointer.to_owned(), code.to_owned()));
    assert_eq!(
        (answer.status, answer.violations()),
        (422, expected.to_vec())
    );
    let answer = ana.put("/v1/me/devices/phone", &json!({})).await;
    let expected = [("/platform", "required"), ("/token", "required")];
    let expected = expected.map(|(pointer, code)| (pointer.to_owned(), code.to_owned()));
    assert_eq!(
        (answer.status, answer.violations()),
        (422, expected.to_vec())
    );
}

#[tokio::test]
async fn f35_a_token_that_moves_to_another_user_leaves_the_first() {
    let stack = shared();
    let (ana, bo, token) = (unique("ana"), unique("bo"), unique("token"));
    stack
        .user(&ana)
        .put("/v1/me/devices/phone", &fcm(&token))
        .await
        .expect(201);
    stack
        .user(&bo)
        .put("/v1/me/devices/phone", &fcm(&token))
        .await
        .expect(201);
    assert!(ids(stack, &ana).await.is_empty());
    assert_eq!(ids(stack, &bo).await, ["phone"]);
    assert_eq!(notify(stack, &ana).await["s"], "no_device");
    assert_eq!(notify(stack, &bo).await["s"], "sent");
    assert_eq!(stack.pushes(&token).await.len(), 1);
    // And back, as after a logout and a login.
    stack
        .user(&ana)
        .put("/v1/me/devices/phone", &fcm(&token))
        .await
        .expect(201);
    assert!(ids(stack, &bo).await.is_empty());
}

#[tokio::test]
async fn a_new_token_replaces_the_old_one_and_a_new_device_id_the_old_installation() {
    let stack = shared();
    let (user, old, new) = (unique("ana"), unique("old"), unique("new"));
    let ana = stack.user(&user);
    ana.put("/v1/me/devices/phone", &fcm(&old))
        .await
        .expect(201);
    ana.put("/v1/me/devices/phone", &fcm(&new))
        .await
        .expect(200);
    ana.put("/v1/me/devices/reinstalled", &fcm(&new))
        .await
        .expect(201);
    assert_eq!(ids(stack, &user).await, ["reinstalled"]);
    assert_eq!(notify(stack, &user).await["s"], "sent");
    assert_eq!(
        (
            stack.pushes(&old).await.len(),
            stack.pushes(&new).await.len()
        ),
        (0, 1)
    );
}

#[tokio::test]
async fn f36_the_twenty_first_device_drops_the_one_silent_for_longest() {
    let stack = shared();
    let user = unique("ana");
    let ana = stack.user(&user);
    for index in 0..21 {
        let path = format!("/v1/me/devices/d{index:02}");
        ana.put(&path, &fcm(&unique("token"))).await.expect(201);
    }
    let expected: Vec<String> = (1..21).map(|index| format!("d{index:02}")).collect();
    assert_eq!(ids(stack, &user).await, expected);
}

#[tokio::test]
async fn a_disabled_endpoint_is_enabled_by_a_token_fresh_from_the_device() {
    let stack = shared();
    let (user, token) = (unique("ana"), unique("late-error-endpoint-disabled-1-"));
    let ana = stack.user(&user);
    ana.put("/v1/me/devices/phone", &fcm(&token))
        .await
        .expect(201);
    // SNS takes the first push, and finds the endpoint disabled at the second.
    assert_eq!(notify(stack, &user).await["s"], "sent");
    let second = notify(stack, &user).await;
    assert_eq!(
        (&second["s"], &second["w"]),
        (&json!("dead"), &json!("endpoint_disabled"))
    );
    eventually("the device is removed", async || {
        ids(stack, &user).await.is_empty().then_some(())
    })
    .await;
    ana.put("/v1/me/devices/phone", &fcm(&token))
        .await
        .expect(201);
    assert_eq!(notify(stack, &user).await["s"], "sent");
    assert_eq!(stack.pushes(&token).await.len(), 2);
}

#[tokio::test]
async fn one_token_registered_twice_at_once_is_one_device() {
    let stack = shared();
    for _ in 0..5 {
        let (user, token) = (unique("ana"), unique("token"));
        let ana = stack.user(&user);
        let body = fcm(&token);
        let (one, two) = futures_util::join!(
            ana.put("/v1/me/devices/d1", &body),
            ana.put("/v1/me/devices/d2", &body)
        );
        assert!(one.status < 300 && two.status < 300, "{one:?} {two:?}");
        assert_eq!(ids(stack, &user).await.len(), 1);
        assert_eq!(notify(stack, &user).await["s"], "sent");
        assert_eq!(stack.pushes(&token).await.len(), 1);
    }
}

#[cfg(feature = "proof")]
#[tokio::test]
async fn f36_devices_that_register_at_once_do_not_pass_the_limit() {
    let stack = shared();
    let user = unique("ana");
    let ana = stack.user(&user);
    let register = |index: usize| {
        let (ana, body) = (ana.clone(), fcm(&unique("token")));
        async move {
            ana.put(&format!("/v1/me/devices/d{index:02}"), &body)
                .await
                .status
        }
    };
    let statuses = futures_util::future::join_all((0..30).map(register)).await;
    assert!(
        statuses.iter().all(|status| [201, 409].contains(status)),
        "{statuses:?}"
    );
    assert!(ids(stack, &user).await.len() <= 20);
}

#[cfg(feature = "proof")]
#[tokio::test]
async fn f35_a_logout_and_a_login_at_once_leave_a_device_that_works_or_none() {
    let stack = shared();
    for _ in 0..5 {
        let (ana, bo, token) = (unique("ana"), unique("bo"), unique("token"));
        stack
            .user(&ana)
            .put("/v1/me/devices/phone", &fcm(&token))
            .await
            .expect(201);
        let (out, body) = (stack.user(&ana), fcm(&token));
        let into = stack.user(&bo);
        let (out, into) = futures_util::join!(
            out.delete("/v1/me/devices/phone"),
            into.put("/v1/me/devices/phone", &body)
        );
        assert!([204, 409].contains(&out.status), "{out:?}");
        assert!([201, 409].contains(&into.status), "{into:?}");
        assert!(ids(stack, &ana).await.is_empty());
        if into.status == 201 {
            assert_eq!(notify(stack, &bo).await["s"], "sent");
        }
        assert!(stack.pushes(&token).await.len() <= 1);
    }
}

#[tokio::test]
async fn an_administrator_removes_a_device_without_its_users_token() {
    let stack = shared();
    let (user, token) = (unique("ana"), unique("token"));
    let ana = stack.user(&user);
    ana.put("/v1/me/devices/phone%2F1", &fcm(&token))
        .await
        .expect(201);
    let path = format!("/v1/users/{user}/devices/phone%2F1");
    for caller in [&ana, &stack.user("admin"), &stack.producer()] {
        let status = caller.delete(&path).await.status;
        assert!([401, 403].contains(&status), "{status}");
    }
    assert_eq!(ids(stack, &user).await, ["phone/1"]);
    for _ in 0..2 {
        assert_eq!(stack.admin().delete(&path).await.status, 204);
    }
    assert!(ids(stack, &user).await.is_empty());
    assert_eq!(notify(stack, &user).await["s"], "no_device");
    let nobody = stack.admin().delete("/v1/users/a%23b/devices/c%20d").await;
    assert_eq!(nobody.status, 422, "{nobody:?}");
}

#[tokio::test]
async fn a_test_push_goes_to_one_device_and_into_no_inbox() {
    let stack = shared();
    let (user, token, other) = (unique("ana"), unique("token"), unique("token"));
    let ana = stack.user(&user);
    ana.put("/v1/me/devices/phone", &fcm(&token))
        .await
        .expect(201);
    ana.put("/v1/me/devices/tablet", &fcm(&other))
        .await
        .expect(201);
    let path = "/v1/me/devices/phone/test";
    let plain = crate::caller::send(ana.request(reqwest::Method::POST, path)).await;
    let plain = plain.expect(200);
    assert_eq!(
        (&plain["outcome"], &plain["reason"]),
        (&json!("sent"), &Value::Null)
    );
    let text = json!({"title": "Hello", "body": "phone 🌅"});
    ana.post(path, &text).await.expect(200);
    let pushes = stack.pushes(&token).await;
    let message = |push: &Value| push["message"]["fcmV1Message"]["message"]["notification"].clone();
    assert_eq!(pushes[0]["message_id"], plain["message_id"]);
    assert_eq!(message(&pushes[0])["title"], "Test notification");
    assert_eq!((pushes.len(), message(&pushes[1])), (2, text));
    assert!(stack.pushes(&other).await.is_empty());
    assert!(crate::create::inbox(stack, &user).await.is_empty());
    // Whose device it is not cannot tell it from one that is not there.
    let stranger = stack.user(&unique("bo")).post(path, &json!({})).await;
    let missing = ana.post("/v1/me/devices/watch/test", &json!({})).await;
    assert_eq!((stranger.status, missing.status), (404, 404));
}

#[tokio::test]
async fn f22_a_test_push_says_what_sns_says_and_removes_what_is_dead() {
    let stack = shared();
    let user = unique("ana");
    let ana = stack.user(&user);
    let test = async || ana.post("/v1/me/devices/phone/test", &json!({})).await;
    let mut outcomes = Vec::new();
    for kind in [
        "late-error-endpoint-disabled-",
        "error-application-",
        "error-internal-",
        "error-throttled-",
    ] {
        let token = unique(kind);
        let put = ana.put("/v1/me/devices/phone", &fcm(&token)).await;
        assert!(put.status < 300, "{put:?}");
        for _ in 0..3 {
            let answer = test().await;
            let outcome = answer.body["outcome"].as_str().unwrap_or_default();
            let reason = answer.body["reason"].as_str().unwrap_or_default();
            outcomes.push(format!("{} {outcome} {reason}", answer.status));
            if answer.status == 404 {
                assert!(ids(stack, &user).await.is_empty());
            }
        }
    }
    let expected = [
        ["200 sent ", "200 dead endpoint_disabled", "404  "],
        ["200 blocked application_disabled"; 3],
        // It may have been taken: an outage, and no repeat of ours.
        ["503  "; 3],
        ["503  ", "503  ", "200 sent "],
    ];
    assert_eq!(outcomes, expected.concat());
    assert_eq!(ids(stack, &user).await, ["phone"]);
}

#[tokio::test]
async fn f22_a_platform_event_removes_a_dead_device_before_anybody_pushes_to_it() {
    let data = tempfile::tempdir().unwrap();
    let stack = Stack::start(data.path());
    let client = crate::phones::client(stack.sns());
    let topic = &crate::events::template().topics[0].arn;
    let set = client.set_platform_application_attributes();
    let set = set
        .platform_application_arn("arn:aws:sns:us-east-1:000000000000:app/GCM/local")
        .attributes("EventEndpointUpdated", topic)
        .attributes("EventDeliveryFailure", topic);
    set.send().await.unwrap();
    let token = "error-disabled-phone";
    let ana = stack.user("ana");
    ana.put("/v1/me/devices/phone", &fcm(token))
        .await
        .expect(201);
    assert_eq!(notify(&stack, "ana").await["s"], "sent");
    eventually("the device is removed", async || {
        ids(&stack, "ana").await.is_empty().then_some(())
    })
    .await;
    assert_eq!(notify(&stack, "ana").await["s"], "no_device");
    assert_eq!(stack.pushes(token).await.len(), 1);
}
