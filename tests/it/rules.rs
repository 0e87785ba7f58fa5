//! Rules by HTTP, and what events become by them.

use jiff::{SignedDuration, Timestamp};
use local::function::Function;
use serde_json::{Value, json};
use shared::rulebook::Rulebook;
use shared::store::Store;

use crate::ground::{Ground, Http, Reply, client};
use crate::stack::{shared, unique};

/// An event of the type `liked`, in which somebody likes something of ana's.
fn liked(id: &str, data: &Value) -> Value {
    let mut event = json!({"specversion": "1.0", "id": id, "source": "/likes", "type": "liked", "subject": "post:1",
        "time": "2026-11-24T18:00:00Z", "data": {"actor": {"id": "bo", "name": "Bo"}, "owner": "ana"}});
    for (name, value) in data.as_object().unwrap() {
        event["data"][name] = value.clone();
    }
    event
}

fn rule(title: &str) -> Value {
    json!({"recipients": {"path": "data.owner"}, "title": title, "dedupe_key": "like:{{ actor.id }}",
        "schema": {"properties": {"owner": {"type": ["string", "array"]}}}, "sample": liked("s", &json!({}))})
}

async fn put(function: &Function, kind: &str, rule: &Value) -> Reply {
    let request = Http::new("PUT /v1/rules/{type}", "support");
    let request = request.path("type", kind).json(rule);
    request.send(function).await.unwrap()
}

async fn send(function: &Function, event: &Value) -> Reply {
    let request = Http::new("POST /v1/events", "likes").json(event);
    request.send(function).await.unwrap()
}

/// What became of an event's notifications: `recipient status`.
fn told(reply: &Reply) -> Vec<String> {
    let notifications = reply.body["data"]["notifications"].as_array();
    let notifications = notifications.unwrap_or_else(|| panic!("{reply:?}"));
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    notifications
        .iter()
        .map(|one| format!("{} {}", text(&one["recipient"]), text(&one["status"])))
        .collect()
}

#[tokio::test]
async fn rules_are_put_read_listed_by_pages_and_removed() {
    let ground = Ground::new().await;
    let function = ground.function("ingest-events", None);
    let get = async |kind: &str| {
        let request = Http::new("GET /v1/rules/{type}", "support").path("type", kind);
        request.send(&function).await.unwrap()
    };
    let long = "x".repeat(128);
    let kinds = ["a", "com.example/Liked it", "liked", long.as_str()];
    for kind in kinds {
        let mut rule = rule("{{ actor.name }} likes it");
        rule["notification_type"] = json!("liked");
        rule["sample"]["type"] = json!(kind);
        let first = put(&function, kind, &rule).await;
        assert_eq!(
            (first.status, &first.body["data"]["type"]),
            (201, &json!(kind)),
            "{first:?}"
        );
        assert_eq!(put(&function, kind, &rule).await.status, 200);
        let found = get(kind).await;
        assert_eq!((found.status, &found.body["data"]["rule"]), (200, &rule));
    }
    let mut listed = Vec::new();
    let mut query = "limit=3".to_owned();
    loop {
        let page = Http::new("GET /v1/rules", "support").query(&query);
        let page = page.send(&function).await.unwrap().body;
        let data = page["data"].as_array().unwrap();
        listed.extend(
            data.iter()
                .map(|rule| rule["type"].as_str().unwrap().to_owned()),
        );
        assert_eq!(page["page"]["has_more"], listed.len() < 4);
        let Some(next) = page["page"]["next"].as_str() else {
            break;
        };
        query = format!("limit=3&cursor={next}");
    }
    listed.sort();
    assert_eq!(listed, {
        let mut kinds = kinds;
        kinds.sort_unstable();
        kinds
    });
    for cursor in ["x", "AAAA", "%"] {
        let page = Http::new("GET /v1/rules", "support").query(&format!("cursor={cursor}"));
        assert_eq!(page.send(&function).await.unwrap().status, 400, "{cursor}");
    }
    for _ in 0..2 {
        let delete = Http::new("DELETE /v1/rules/{type}", "support").path("type", "a");
        assert_eq!(delete.send(&function).await.unwrap().status, 204);
    }
    assert_eq!(get("a").await.status, 404);
    for kind in ["", "a\u{7}", &"x".repeat(129)] {
        assert_eq!(get(kind).await.status, 422, "{kind:?}");
    }
    let large = put(&function, "liked", &json!({"title": "x".repeat(40_000)})).await;
    assert_eq!(large.status, 413);
}

#[tokio::test]
async fn rules_are_for_administrators_alone() {
    let (stack, kind) = (shared(), unique("rules"));
    let path = format!("/v1/rules/{kind}");
    let (producer, user) = (stack.producer(), stack.user("ana"));
    for caller in [producer, user] {
        let statuses = [
            caller.put(&path, &json!({})).await.status,
            caller.get(&path).await.status,
            caller.get("/v1/rules").await.status,
            caller.delete(&path).await.status,
            caller
                .post(&format!("{path}/preview"), &json!({}))
                .await
                .status,
        ];
        assert!(
            statuses.iter().all(|status| [401, 403].contains(status)),
            "{statuses:?}"
        );
    }
}

#[tokio::test]
async fn a_refused_event_leaves_nothing_behind_and_can_come_again_after_a_mend() {
    let ground = Ground::new().await;
    let function = ground.function("ingest-events", None);
    assert_eq!(
        put(&function, "liked", &rule("{{ data.video }}"))
            .await
            .status,
        422
    );
    assert_eq!(ground.keys().await.len(), 0);
    assert_eq!(
        put(&function, "liked", &rule("{{ actor.name }}"))
            .await
            .status,
        201
    );
    let before = ground.keys().await;
    let events = [
        (
            liked("contract", &json!({"owner": 7})),
            "/data/owner",
            "contract",
        ),
        (
            liked("recipient", &json!({"owner": "a#"})),
            "/data/owner",
            "format",
        ),
        (
            liked("template", &json!({"actor": {"id": "bo"}})),
            "/data",
            "template",
        ),
    ];
    for (event, at, code) in &events {
        let reply = send(&function, event).await;
        let error = &reply.body["errors"][0];
        assert_eq!(
            (reply.status, error["pointer"].as_str()),
            (422, Some(*at)),
            "{reply:?}"
        );
        assert_eq!(error["code"], *code);
    }
    assert_eq!(ground.keys().await, before);
    let mut mended = rule("Somebody likes it");
    mended["schema"] = Value::Null;
    assert_eq!(put(&function, "liked", &mended).await.status, 200);
    let reply = send(&function, &events[2].0).await;
    assert_eq!(
        (reply.status, told(&reply)),
        (201, vec!["ana created".to_owned()])
    );
}

#[tokio::test]
async fn an_event_tells_whom_its_rule_names_and_one_without_a_rule_nobody() {
    let ground = Ground::new().await;
    let function = ground.function("ingest-events", None);
    let nobody = send(&function, &liked("1", &json!({}))).await;
    assert_eq!((nobody.status, told(&nobody).len()), (201, 0));
    put(&function, "liked", &rule("{{ actor.name }} likes it")).await;
    let many = liked("2", &json!({"owner": ["ana", "bo", "cy", "ana"]}));
    let reply = send(&function, &many).await;
    assert_eq!(
        told(&reply),
        ["ana created", "cy created"],
        "the actor knows"
    );
    let again = send(&function, &many).await;
    assert_eq!((again.status, told(&again).len()), (200, 2));
    for (user, count) in [("ana", 1), ("bo", 0), ("cy", 1)] {
        assert_eq!(ground.inbox(user).await.len(), count, "{user}");
    }
    let preview = Http::new("POST /v1/rules/{type}/preview", "support").path("type", "liked");
    let preview = preview.json(&json!({"event": liked("3", &json!({"owner": "dee"}))}));
    let preview = preview.send(&function).await.unwrap();
    assert_eq!(
        preview.body["data"]["notifies"]["recipients"],
        json!(["dee"]),
        "{preview:?}"
    );
    assert_eq!(ground.inbox("dee").await.len(), 0);
}

#[tokio::test]
async fn what_is_taken_back_is_gone_and_a_repeat_does_not_take_what_came_later() {
    let ground = Ground::new().await;
    let function = ground.function("ingest-events", None);
    let users = json!({"owner": ["ana", "cy"]});
    put(&function, "liked", &rule("{{ actor.name }} likes it")).await;
    let mut unlike = liked("u", &users);
    unlike["type"] = json!("unliked");
    let back = json!({"retract": true, "recipients": {"path": "data.owner"}, "dedupe_key": "like:{{ actor.id }}", "sample": unlike});
    assert_eq!(put(&function, "unliked", &back).await.status, 201);
    let early = send(&function, &unlike).await;
    assert_eq!((early.status, told(&early).len()), (201, 0));

    send(&function, &liked("1", &users)).await;
    unlike["id"] = json!("u2");
    let taken = send(&function, &unlike).await;
    assert_eq!(told(&taken), ["ana retracted", "cy retracted"]);
    for row in ground.inbox("ana").await {
        let row = ground.row(&row.0, &row.1).await.unwrap();
        assert!(row.get("t").is_none(), "{row}");
    }
    let second = send(&function, &liked("2", &users)).await;
    assert_eq!(told(&second), ["ana created", "cy created"]);
    let repeat = send(&function, &unlike).await;
    assert_eq!(
        (repeat.status, told(&repeat).len()),
        (200, 0),
        "the second like stays"
    );
    let repeat = send(&function, &liked("1", &users)).await;
    assert_eq!(
        told(&repeat),
        ["ana retracted", "cy retracted"],
        "the first stays away"
    );
}

#[tokio::test]
async fn a_rule_counts_within_ten_seconds_and_at_once_where_it_was_put() {
    let ground = Ground::new().await;
    let function = ground.function("ingest-events", None);
    let store = Store::new(client(&ground.url()), ground.table().to_owned());
    let rulebook = Rulebook::new(store);
    let at = |seconds| Timestamp::UNIX_EPOCH + SignedDuration::from_secs(seconds);
    let known = async |seconds| rulebook.rule("liked", at(seconds)).await.unwrap().is_some();
    assert!(!known(0).await);
    send(&function, &liked("1", &json!({}))).await;
    put(&function, "liked", &rule("{{ actor.name }}")).await;
    let here = send(&function, &liked("2", &json!({}))).await;
    assert_eq!(told(&here), ["ana created"]);
    assert!(!known(9).await);
    assert!(known(10).await);
    let delete = Http::new("DELETE /v1/rules/{type}", "support").path("type", "liked");
    delete.send(&function).await.unwrap();
    assert!(known(19).await);
    assert!(!known(20).await);
    assert_eq!(
        told(&send(&function, &liked("3", &json!({}))).await).len(),
        0
    );
}
