//! What support reads of a user: the inbox as the user sees it, and everything that is kept.

use serde_json::{Value, json};

use crate::erase::{erase, resident};
use crate::ground::{Ground, Http, Reply};
use crate::stack::{shared, unique};
use crate::tasks::Field;

/// The lines of a page.
fn lines(reply: &Reply) -> Vec<Value> {
    assert_eq!(reply.status, 200, "{reply:?}");
    assert_eq!(reply.headers["content-type"], "application/x-ndjson");
    match &reply.body {
        Value::String(text) => text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect(),
        Value::Null => Vec::new(),
        one => vec![one.clone()],
    }
}

/// All pages of an export; each has a link to the next.
async fn export(ground: &Ground, user: &str) -> Vec<Vec<Value>> {
    let admin = ground.function("administer-users", None);
    let request = Http::new("GET /v1/users/{user}/export", "support").path("user", user);
    let (mut pages, mut query) = (Vec::new(), String::new());
    loop {
        let page = if query.is_empty() {
            request.clone()
        } else {
            request.clone().query(&query)
        };
        let reply = page.send(&admin).await.unwrap();
        pages.push(lines(&reply));
        let Some(link) = reply.headers["link"].as_str() else {
            return pages;
        };
        let (target, relation) = link.split_once(">; ").unwrap();
        assert_eq!(relation, "rel=\"next\"");
        let path = format!("</v1/users/{user}/export?");
        target.strip_prefix(&path).unwrap().clone_into(&mut query);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn i11_an_export_has_everything_of_the_user_and_no_token_or_address() {
    let field = Field::new().await;
    let phone = resident(&field, "export").await;
    let many: Vec<Value> = (0..100).map(|_| crate::create::note(&phone.user)).collect();
    let batch = json!({"notifications": many});
    let reply = crate::ground::create(None, &batch)
        .send(&field.creator)
        .await;
    assert_eq!(reply.unwrap().status, 207);
    let pages = export(&field.ground, &phone.user).await;
    assert_eq!(pages.len(), 2);
    let all = pages.concat();
    let of = |record: &str| {
        all.iter()
            .filter(|line| line["record"] == record)
            .collect::<Vec<_>>()
    };
    assert_eq!(all[0]["record"], "export");
    assert_eq!(all[0]["user"], json!(phone.user));
    assert_eq!(of("export").len(), 1);
    assert_eq!(of("device")[0]["id"], "phone");
    assert_eq!(of("preferences")[0]["locale"], "pt-BR");
    assert_eq!(of("mute")[0]["id"], "zoe");
    assert!(of("marks")[0]["read_up_to"].is_string());
    assert_eq!(of("membership")[0]["topic"], "followers:bo");
    let notes = of("notification");
    assert_eq!(notes.len(), 103);
    let pushed = notes
        .iter()
        .find(|note| note["push"]["outcome"] == "sent")
        .unwrap();
    assert_eq!(pushed["push"]["devices"]["phone"]["outcome"], "sent");
    assert!(pushed["read_at"].is_string(), "mark-all covers it");
    assert!(notes.iter().any(|note| note["dedupe_key"] == "one"));
    let text = json!(all).to_string();
    let row = field
        .ground
        .row(&format!("U#{}", phone.user), "A#user")
        .await
        .unwrap();
    let device = &row["dev"]["phone"];
    for secret in [
        &phone.token,
        device["e"].as_str().unwrap(),
        device["h"].as_str().unwrap(),
        "arn:",
    ] {
        assert!(!text.contains(secret), "{secret}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn i11_an_export_of_an_erased_user_is_empty_before_the_rows_are_gone() {
    let field = Field::new().await;
    let phone = resident(&field, "export").await;
    erase(
        &field.ground.function("administer-users", None),
        &phone.user,
    )
    .await;
    let pages = export(&field.ground, &phone.user).await;
    let records: Vec<&Value> = pages[0].iter().map(|line| &line["record"]).collect();
    assert_eq!(records, ["export", "preferences", "marks"]);
    assert_eq!(pages[0][1]["locale"], json!(null));
}

#[tokio::test]
async fn support_sees_the_page_that_the_user_sees_filters_and_cursors_included() {
    let stack = shared();
    let ana = unique("support");
    for group in ["a", "b", "a"] {
        let mut note = crate::create::note(&ana);
        note["group"] = json!(group);
        stack
            .producer()
            .post("/v1/notifications", &note)
            .await
            .expect(201);
    }
    let admin = stack.admin();
    for query in [
        "",
        "?limit=2",
        "?group=a",
        "?status=unread&type=video.liked",
        "?grouped=true",
        "?status=never",
    ] {
        let consistent = if query.is_empty() {
            "?consistent=true"
        } else {
            "&consistent=true"
        };
        let own = stack
            .user(&ana)
            .get(&format!("/v1/me/notifications{query}{consistent}"))
            .await;
        let seen = admin
            .get(&format!("/v1/users/{ana}/notifications{query}{consistent}"))
            .await;
        let (mut own, mut seen) = (own.body, seen.body);
        for body in [&mut own, &mut seen] {
            body.as_object_mut().unwrap().remove("request_id");
        }
        assert_eq!(own, seen, "{query}");
        let Some(cursor) = seen["page"]["next"].as_str() else {
            continue;
        };
        let next = format!("/v1/users/{ana}/notifications{query}&cursor={cursor}");
        assert_eq!(
            admin.get(&next).await.expect(200)["data"]
                .as_array()
                .unwrap()
                .len(),
            1
        );
    }
    // Neither a user nor a producer may.
    for caller in [stack.user(&ana), stack.user("support")] {
        for path in ["notifications", "export"] {
            let answer = caller.get(&format!("/v1/users/{ana}/{path}")).await;
            assert!([401, 403].contains(&answer.status), "{answer:?}");
        }
        let answer = caller.delete(&format!("/v1/users/{ana}")).await;
        assert!([401, 403].contains(&answer.status), "{answer:?}");
    }
}
