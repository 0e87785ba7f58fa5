//! Groups: a page folds what belongs together, and no notification is lost or counted twice.

use std::collections::HashMap;

use serde_json::{Value, json};

use crate::caller::Caller;
use crate::create::note;
use crate::dedupe::create;
use crate::filters::ask;
use crate::stack::{Stack, shared, unique};

/// Stores a notification of a group, by an actor.
async fn send(stack: &Stack, user: &str, group: Option<&str>, actor: Option<&str>) -> String {
    let mut note = note(user);
    if let Some(group) = group {
        note["group"] = json!(group);
    }
    if let Some(actor) = actor {
        note["actor"] = json!({"id": actor, "name": actor.to_uppercase()});
    }
    create(stack, &note).await.1
}

/// All pages of an inbox.
async fn pages(caller: &Caller, pairs: &[(&str, &str)]) -> Vec<Vec<Value>> {
    let mut pages = Vec::new();
    let mut cursor = String::new();
    loop {
        let mut pairs = pairs.to_vec();
        if !cursor.is_empty() {
            pairs.push(("cursor", &cursor));
        }
        let page = ask(caller, &pairs).await.expect(200);
        pages.push(page["data"].as_array().unwrap().clone());
        assert_eq!(page["page"]["has_more"], !page["page"]["next"].is_null());
        match page["page"]["next"].as_str() {
            Some(next) => next.clone_into(&mut cursor),
            None => return pages,
        }
    }
}

/// What a page of `limit` entries must hold of these notifications, newest first; and how many of
/// them it takes up.
fn fold(notifications: &[Value], limit: usize) -> (Vec<Value>, usize) {
    let mut entries: Vec<Vec<Value>> = Vec::new();
    let mut at: HashMap<String, usize> = HashMap::new();
    let mut taken = 0;
    for notification in notifications {
        let group = notification["group"].as_str();
        match group.and_then(|group| at.get(group)) {
            Some(index) => entries[*index].push(notification.clone()),
            None if entries.len() == limit => break,
            None => {
                if let Some(group) = group {
                    at.insert(group.to_owned(), entries.len());
                }
                entries.push(vec![notification.clone()]);
            }
        }
        taken += 1;
    }
    (entries.iter().map(|entry| folded(entry)).collect(), taken)
}

fn folded(entry: &[Value]) -> Value {
    let [newest] = entry else {
        let mut actors: Vec<&Value> = Vec::new();
        for actor in entry.iter().map(|n| &n["actor"]) {
            if !actor.is_null() && !actors.contains(&actor) && actors.len() < 3 {
                actors.push(actor);
            }
        }
        return json!({
            "group": entry[0]["group"], "count": entry.len(), "actors": actors, "newest": entry[0],
            "unread": entry.iter().any(|n| n["read_at"].is_null()),
        });
    };
    newest.clone()
}

#[tokio::test]
async fn a_group_shows_its_newest_its_count_and_three_actors() {
    let stack = shared();
    let user = unique("ana");
    let ana = stack.user(&user);
    for actor in ["bo", "cleo", "dora", "bo", "eve"] {
        send(stack, &user, Some("like:42"), Some(actor)).await;
    }
    let alone = send(stack, &user, Some("like:43"), Some("bo")).await;
    let newest = send(stack, &user, Some("like:42"), None).await;
    let grouped = async || {
        let page = ask(&ana, &[("grouped", "true")]).await.expect(200);
        assert_eq!(page["data"].as_array().unwrap().len(), 2);
        assert_eq!(page["data"][1]["id"], alone);
        (
            page["data"][0].clone(),
            page["meta"]["unread_count"].clone(),
        )
    };
    let (entry, unread) = grouped().await;
    assert_eq!(
        (&entry["group"], &entry["count"], unread),
        (&json!("like:42"), &json!(6), json!(7))
    );
    assert_eq!(
        (&entry["newest"]["id"], &entry["unread"]),
        (&json!(newest), &json!(true))
    );
    let actors =
        ["eve", "bo", "dora"].map(|id| json!({"id": id, "name": id.to_uppercase(), "image": null}));
    assert_eq!(entry["actors"], json!(actors));
    ana.put(&format!("/v1/me/notifications/{newest}/read"), &json!({}))
        .await
        .expect(200);
    assert_eq!(grouped().await.0["unread"], true);
    ana.post("/v1/me/notifications/read", &json!({"group": "like:42"}))
        .await
        .expect(200);
    let (entry, unread) = grouped().await;
    assert_eq!((&entry["unread"], unread), (&json!(false), json!(1)));
    // What is archived, retracted or muted is not in the group.
    let path = format!("/v1/me/notifications/{newest}/archived");
    ana.put(&path, &json!({})).await.expect(200);
    ana.put("/v1/me/mutes/actor/bo", &json!({}))
        .await
        .expect(200);
    let page = ask(&ana, &[("grouped", "true")]).await.expect(200);
    let entry = &page["data"][0];
    assert_eq!(
        (&entry["count"], &entry["newest"]["actor"]["id"]),
        (&json!(3), &json!("eve"))
    );
    assert_eq!(page["data"].as_array().unwrap().len(), 1);
}

/// Compares every page with the fold of what is left of these notifications.
async fn walk(caller: &Caller, mut rest: &[Value], status: &str, limit: usize) {
    let (count, mut counted) = (rest.len() as u64, 0);
    let text = limit.to_string();
    let pairs = [("grouped", "true"), ("status", status), ("limit", &text)];
    for page in pages(caller, &pairs).await {
        let (expected, taken) = fold(rest, limit);
        assert_eq!(page, expected, "{status}, limit {limit}");
        let newest = |entry: &Value| entry.get("newest").unwrap_or(entry)["id"].to_string();
        assert!(page.is_sorted_by(|a, b| newest(a) > newest(b)));
        let counts = page
            .iter()
            .map(|entry| entry["count"].as_u64().unwrap_or(1));
        counted += counts.sum::<u64>();
        rest = &rest[taken..];
    }
    assert_eq!((rest.len(), counted), (0, count));
}

#[tokio::test]
async fn i8_pages_of_groups_hold_every_notification_once() {
    let stack = shared();
    let user = unique("ana");
    let ana = stack.user(&user);
    let mut seed: u64 = 42;
    let mut random = |below: usize| {
        // Knuth's MMIX generator: the upper bits are the good ones.
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(seed >> 33).unwrap() % below
    };
    let groups = [Some("a"), Some("b"), Some("c"), Some("d"), Some("e"), None];
    let mut notes = Vec::new();
    for _ in 0..36 {
        let mut note = note(&user);
        note["group"] = json!(groups[random(groups.len())]);
        let actor = ["bo", "cleo", "dora", "eve", "finn"][random(5)];
        note["actor"] = json!({"id": actor});
        notes.push(note);
    }
    let batch = json!({"notifications": notes});
    let batch = stack
        .producer()
        .post("/v1/notifications/batch", &batch)
        .await;
    let ids = batch.expect(207)["data"].clone();
    for _ in 0..8 {
        let id = ids[random(36)]["data"][0]["id"].as_str().unwrap();
        let path = format!("/v1/me/notifications/{id}/read");
        ana.put(&path, &json!({})).await.expect(200);
    }
    let all = pages(&ana, &[("limit", "100")]).await.concat();
    assert_eq!(all.len(), 36);
    let unread: Vec<Value> = all
        .iter()
        .filter(|n| n["read_at"].is_null())
        .cloned()
        .collect();
    let cases = [
        ("all", &all[..], &[1, 2, 3, 5][..]),
        ("unread", &unread, &[2, 4, 100]),
    ];
    for (status, rest, limits) in cases {
        for &limit in limits {
            walk(&ana, rest, status, limit).await;
        }
    }
}
