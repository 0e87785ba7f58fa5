//! Whose rows a caller reaches: their own, whatever a path, a query, a body or a cursor says.

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};

use crate::caller::{Caller, send};
use crate::create::{inbox, note};
use crate::dedupe::create;
use crate::document::operations;
use crate::documented::documented;
use crate::pushes;
use crate::sample::{sample, variants};
use crate::stack::{Stack, shared, unique};
use crate::table;

/// A method, a path with its parameters, and a body.
type Request = (Method, String, Option<Value>);

/// Everything that the document lets users ask for, with each form of body that it takes; where a body names a
/// notification, it is one of ana's. `{id}` stands for it in a path, `{device_id}` for her device, `{kind}/{id}` for
/// something she muted.
fn requests(id: &str) -> Vec<Request> {
    let document = &documented().document;
    let mut requests = Vec::new();
    for (operation, value) in operations() {
        if !value["security"][0]["users"].is_array() {
            continue;
        }
        let (path, method) = operation.rsplit_once('/').unwrap();
        let path = path.replace("/paths/", "").replace("~1", "/");
        let method: Method = method.to_uppercase().parse().unwrap();
        let contents = value["requestBody"]["content"]
            .as_object()
            .into_iter()
            .flatten();
        let schemas = contents.flat_map(|(_, content)| variants(document, &content["schema"]));
        let mut bodies: Vec<Option<Value>> = schemas
            .map(|schema| Some(about(id, sample(document, &schema))))
            .collect();
        if bodies.is_empty() {
            bodies.push(None);
        }
        requests.extend(
            bodies
                .into_iter()
                .map(|body| (method.clone(), path.clone(), body)),
        );
    }
    assert!(requests.len() > 17, "{} requests", requests.len());
    requests
}

/// A body that names this notification, and a device of its own.
fn about(id: &str, mut body: Value) -> Value {
    for (name, value) in [("up_to", id), ("token", &unique("token"))] {
        if body.get(name).is_some() {
            body[name] = json!(value);
        }
    }
    body
}

/// All that ana's API and rows say of her.
pub async fn state(stack: &Stack, user: &str, id: &str) -> Vec<Value> {
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
