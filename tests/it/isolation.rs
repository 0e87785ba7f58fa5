//! Whose rows a caller reaches: their own, whatever a path, a query, a body or a cursor says.

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};

use crate::caller::{Caller, send};
use crate::create::{inbox, note};
use crate::dedupe::create;
use crate::events::template;
use crate::pushes;
use crate::stack::{Stack, shared, unique};
use crate::table;

/// A method, a path, and a body.
type Request = (&'static str, &'static str, Option<Value>);

/// Everything that users may ask for, with a body that the route takes. `{id}` stands for one of
/// ana's notifications, `{device_id}` for her device, `{kind}/{id}` for something she muted.
fn requests(id: &str) -> Vec<Request> {
    let device = json!({"platform": "fcm", "token": unique("token")});
    let nothing = || Some(json!({}));
    vec![
        ("GET", "/v1/me/notifications", None),
        ("GET", "/v1/me/notifications/counts", None),
        ("GET", "/v1/me/notifications/{id}", None),
        ("PUT", "/v1/me/notifications/{id}/read", nothing()),
        ("DELETE", "/v1/me/notifications/{id}/read", None),
        ("PUT", "/v1/me/notifications/{id}/archived", nothing()),
        ("DELETE", "/v1/me/notifications/{id}/archived", None),
        (
            "POST",
            "/v1/me/notifications/read",
            Some(json!({"up_to": id})),
        ),
        (
            "POST",
            "/v1/me/notifications/seen",
            Some(json!({"up_to": id})),
        ),
        ("GET", "/v1/me/devices", None),
        ("PUT", "/v1/me/devices/{device_id}", Some(device)),
        ("POST", "/v1/me/devices/{device_id}/test", nothing()),
        ("DELETE", "/v1/me/devices/{device_id}", None),
        ("GET", "/v1/me/preferences", None),
        (
            "PUT",
            "/v1/me/preferences",
            Some(json!({"default": {"inbox": false, "push": false}})),
        ),
        ("PUT", "/v1/me/mutes/{kind}/{id}", nothing()),
        ("DELETE", "/v1/me/mutes/{kind}/{id}", None),
    ]
}

fn every_route_is_tried(requests: &[Request]) {
    let mut routes: Vec<String> = requests
        .iter()
        .map(|(method, path, _)| format!("{method} {path}"))
        .collect();
    let api = template().api.unwrap();
    let of_users = api
        .routes
        .iter()
        .filter(|route| route.path.starts_with("/v1/me/"));
    let mut known: Vec<String> = of_users
        .map(|route| format!("{} {}", route.method, route.path))
        .collect();
    routes.sort();
    known.sort();
    assert_eq!(routes, known, "a route is not tried");
}

/// All that ana's API and rows say of her.
async fn state(stack: &Stack, user: &str, id: &str) -> Vec<Value> {
    let ana = stack.user(user);
    let mut state = vec![json!(inbox(stack, user).await)];
    for path in [
        "notifications/counts?consistent=true",
        "devices",
        "preferences",
    ] {
        state.push(ana.get(&format!("/v1/me/{path}")).await.expect(200));
    }
    state.extend(rows(stack, user, id).await);
    state
}

/// All that the table has of her.
async fn rows(stack: &Stack, user: &str, id: &str) -> Vec<Value> {
    let sks = [&format!("N#{id}"), "A#user", "A#marks"];
    let rows = join_all(sks.map(|sk| table::get(stack, user, sk))).await;
    let rows = rows.into_iter().flatten();
    rows.map(|row| serde_dynamo::from_item(row).unwrap())
        .collect()
}

#[tokio::test]
async fn f57_i10_nobody_sees_or_changes_what_is_anothers() {
    let stack = shared();
    let (ana, bo, token) = (unique("ana"), unique("bo"), unique("token"));
    let mut secret = note(&ana);
    secret["title"] = json!("canary-title");
    secret["group"] = json!("canary-group");
    let (_, id, _) = create(stack, &secret).await;
    pushes::ended(stack, &ana, &id).await;
    pushes::device(stack, &ana, "canary-phone", "fcm", &token).await;
    stack
        .user(&ana)
        .put("/v1/me/mutes/actor/canary-actor", &json!({}))
        .await
        .expect(200);
    let before = state(stack, &ana, &id).await;

    let requests = requests(&id);
    every_route_is_tried(&requests);
    let caller = stack.user(&bo);
    let foreign = [
        String::new(),
        format!("?user={ana}&recipient={ana}&sub={ana}"),
    ];
    for (method, path, body) in &requests {
        for query in &foreign {
            let path = path
                .replace("{kind}/{id}", "actor/canary-actor")
                .replace("{id}", &id)
                .replace("{device_id}", "canary-phone");
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            let request = caller.request(method.clone(), &format!("{path}{query}"));
            // Nothing but the token says who is calling.
            let request = request
                .header("x-user", &ana)
                .header("x-amzn-oidc-identity", &ana);
            let answer = send(match body {
                Some(body) => request.json(body),
                None => request,
            })
            .await;
            let at = format!("{method} {path}{query}: {answer:?}");
            let names_hers = path.contains(&id);
            match answer.status {
                404 => assert!(names_hers && query.is_empty(), "{at}"),
                400 => assert!(!query.is_empty(), "{at}"),
                200 | 201 | 204 => assert!(!names_hers, "{at}"),
                _ => panic!("{at}"),
            }
            // A mute and a device are bo's own, of the same name.
            let own = path.contains("canary-")
                || path.ends_with("/devices")
                || path.ends_with("/preferences");
            assert!(own || !answer.body.to_string().contains("canary"), "{at}");
            assert!(!answer.body.to_string().contains(&token), "{at}");
        }
        assert!(
            before.ends_with(&rows(stack, &ana, &id).await),
            "{method} {path}"
        );
    }
    assert_eq!(state(stack, &ana, &id).await, before);
}

async fn no_body_names_a_user(caller: &Caller, own: &str, ana: &str) {
    for name in ["user", "user_id", "recipient", "sub", "recipients"] {
        for path in [
            "notifications/read",
            "notifications/seen",
            "preferences",
            "mutes/actor/x",
            "devices/d",
        ] {
            let path = format!("/v1/me/{path}");
            let mut body = match path.as_str() {
                "/v1/me/devices/d" => json!({"platform": "fcm", "token": "t"}),
                path if path.contains("notifications") => json!({"up_to": own}),
                _ => json!({}),
            };
            body[name] = json!(ana);
            let answer = if path.contains("notifications") {
                caller.post(&path, &body).await
            } else {
                caller.put(&path, &body).await
            };
            assert_eq!(answer.status, 422, "{path} {body}");
            assert_eq!(
                answer.violations(),
                [(format!("/{name}"), "unknown_field".to_owned())]
            );
        }
    }
}

#[tokio::test]
async fn f57_an_id_in_a_body_or_a_cursor_reaches_nobody_else() {
    let stack = shared();
    let (ana, bo) = (unique("ana"), unique("bo"));
    let mut grouped = note(&ana);
    grouped["group"] = json!("g");
    let (_, id, _) = create(stack, &grouped).await;
    create(stack, &grouped).await;
    pushes::ended(stack, &ana, &id).await;
    let before = state(stack, &ana, &id).await;
    let (owner, caller) = (stack.user(&ana), stack.user(&bo));
    let (_, own, _) = create(stack, &note(&bo)).await;
    no_body_names_a_user(&caller, &own, &ana).await;
    // A group's name is everybody's, its notifications are not.
    caller
        .post("/v1/me/notifications/read", &json!({"group": "g"}))
        .await
        .expect(200);
    caller
        .post("/v1/me/notifications/read", &json!({"up_to": id}))
        .await
        .expect(200);
    for filter in ["", "&grouped=true", "&status=all", "&group=g"] {
        let page = owner
            .get(&format!("/v1/me/notifications?limit=1{filter}"))
            .await
            .expect(200);
        let Some(cursor) = page["page"]["next"].as_str() else {
            assert!(filter.contains("grouped"));
            continue;
        };
        let path = format!("/v1/me/notifications?limit=1{filter}&cursor={cursor}");
        let answer = caller.get(&path).await;
        assert_eq!(
            (answer.status, &answer.body["code"]),
            (400, &json!("invalid_cursor"))
        );
    }
    assert_eq!(state(stack, &ana, &id).await, before);
}
