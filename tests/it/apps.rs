//! What docs/APPS.md shows an app's developer is what a phone gets.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::caller::eventually;
use crate::pushes::{device, send};
use crate::stack::{root, shared, unique};

/// What stands for a notification's id in the document.
const ID: &str = "01KAG3N7V0C5S9W2X4Y6Z8A0B1";

/// The JSON blocks below comments, by what the comments say.
fn examples() -> BTreeMap<String, Value> {
    let text = std::fs::read_to_string(root().join("docs/APPS.md")).unwrap();
    let mut examples = BTreeMap::new();
    for part in text.split("\n<!-- ").skip(1) {
        let (name, rest) = part.split_once(" -->\n").unwrap();
        let Some(block) = rest.strip_prefix("```json\n") else {
            continue;
        };
        let block = block.split_once("\n```").unwrap().0;
        let value = serde_json::from_str(block).unwrap_or_else(|error| panic!("{name}: {error}"));
        examples.insert(name.to_owned(), value);
    }
    examples
}

/// What the app gets of a push, with the document's id, and a life that nothing has been taken from yet.
fn as_shown(push: &Value) -> Value {
    let message = &push["message"];
    let message = message.pointer("/fcmV1Message/message").unwrap_or(message);
    let fields = message.get("data").unwrap_or(message);
    let id = fields.get("id").or(fields.get("clear")).unwrap();
    let mut text = message.to_string().replace(id.as_str().unwrap(), ID);
    if let Some(life) = message["android"]["ttl"].as_str() {
        let life = life.trim_end_matches('s');
        let left: u32 = life.parse().unwrap();
        assert!((86_340..=86_400).contains(&left), "{left}");
        text = text.replace(&format!("\"{life}s\""), "\"86400s\"");
        text = text.replace(&format!("\"{life}\""), "\"86400\"");
    }
    serde_json::from_str(&text).unwrap()
}

#[tokio::test]
async fn the_payloads_in_the_apps_document_are_those_that_are_sent() {
    let stack = shared();
    let examples = examples();
    assert_eq!(examples.len(), 9, "{:?}", examples.keys());
    for (kind, push) in [
        ("", json!({})),
        (" id_only", json!({"content": "id_only"})),
        (" silent", json!({"silent": true})),
    ] {
        let user = unique("apps");
        let mut note = examples["sent"].clone();
        note["recipients"] = json!([user]);
        note["push"] = push;
        let platforms = ["fcm", "apns"].map(|platform| (platform, unique(platform)));
        for (platform, token) in &platforms {
            device(stack, &user, platform, platform, token).await;
        }
        assert_eq!(send(stack, &note).await["s"], "sent");
        let mut id = String::new();
        for (platform, token) in &platforms {
            let push = stack.pushes(token).await.remove(0);
            let name = format!("{platform}{kind}");
            assert_eq!(examples[&name], as_shown(&push), "{name}");
            if let Some(own) = push["message"]["id"].as_str() {
                own.clone_into(&mut id);
            }
        }
        if !kind.is_empty() {
            continue;
        }
        let path = format!("/v1/notifications/{id}?recipient={user}");
        stack.producer().delete(&path).await.expect(204);
        for (platform, token) in &platforms {
            let clear = eventually("the clearing push", async || {
                stack.pushes(token).await.into_iter().nth(1)
            })
            .await;
            let name = format!("{platform} clear");
            assert_eq!(examples[&name], as_shown(&clear), "{name}");
        }
    }
}
