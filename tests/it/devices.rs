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
    let (user, token) = (unique("ana"), unique("error-disabled-"));
    let ana = stack.user(&user);
    ana.put("/v1/me/devices/phone", &fcm(&token))
        .await
        .expect(201);
    // SNS takes the first push, and learns afterwards that the token is dead.
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
