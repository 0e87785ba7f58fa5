//! What fits on a phone: payloads cut to the platforms' limit, and lives no longer than the
//! notification's.

use serde_json::{Value, json};

use crate::create::note;
use crate::pushes::{device, send};
use crate::stack::{root, shared, unique};

/// A notification whose every text is as long as it may be.
fn long(user: &str, character: &str) -> Value {
    json!({
        "recipients": [user],
        "type": "video.liked",
        "title": character.repeat(200 / character.chars().count()),
        "body": character.repeat(1_000 / character.chars().count()),
        "link": format!("app://{}", "x".repeat(990)),
        "image": format!("https://{}", "x".repeat(990)),
    })
}

#[tokio::test]
async fn f24_a_payload_is_cut_to_4_kb_at_the_end_of_a_character() {
    let stack = shared();
    let user = unique("ana");
    let (android, iphone) = (unique("android"), unique("iphone"));
    device(stack, &user, "android", "fcm", &android).await;
    device(stack, &user, "iphone", "apns", &iphone).await;
    // Bytes, Cyrillic, an emoji, a family of four joined into one, a letter with accents, a
    // character that JSON escapes.
    let characters = ["a", "щ", "🌅", "👩‍👩‍👧‍👦", "e\u{301}\u{302}", "\u{1}"];
    for (index, character) in characters.iter().enumerate() {
        let outcome = send(stack, &long(&user, character)).await;
        assert_eq!(outcome["s"], "sent", "{character:?}");
        let android = &stack.pushes(&android).await[index]["message"];
        let iphone = &stack.pushes(&iphone).await[index]["message"];
        for payload in [android, iphone] {
            let size = payload.to_string().len();
            assert!(
                (2_000..=4_096).contains(&size),
                "{size} bytes of {character:?}"
            );
        }
        let alert = &iphone["aps"]["alert"];
        let shown = &android["fcmV1Message"]["message"]["notification"];
        for text in [
            &alert["title"],
            &alert["body"],
            &shown["title"],
            &shown["body"],
        ] {
            let text = text.as_str().unwrap().trim_end_matches('…');
            assert!(
                text.replace(character, "").is_empty(),
                "a broken {character:?} in {text:?}"
            );
        }
        assert!(alert["title"].as_str().unwrap().len() > 1);
    }
}

#[tokio::test]
async fn a_push_does_not_outlive_its_notification() {
    let stack = shared();
    let (user, token) = (unique("ana"), unique("token"));
    device(stack, &user, "phone", "fcm", &token).await;
    let mut short = note(&user);
    short["expires_in"] = json!(60);
    assert_eq!(send(stack, &short).await["s"], "sent");
    let push = stack.pushes(&token).await.pop().unwrap();
    let ttl = push["attributes"]["AWS.SNS.MOBILE.FCM.TTL"]
        .as_str()
        .unwrap();
    assert!(ttl.parse::<u32>().unwrap() <= 60, "{ttl}");
}

/// What goes over the wire for each platform and option, whole: `tests/golden/pushes.json`. `<id>` stands for the
/// notification's id, and `<ttl>` for what is left of its life, a second more or less.
#[tokio::test]
async fn a_phone_gets_what_the_golden_table_says() {
    let stack = shared();
    let text = std::fs::read_to_string(root().join("tests/golden/pushes.json")).unwrap();
    let cases: Vec<Value> = serde_json::from_str(&text).unwrap();
    assert!(cases.len() > 10);
    let mut found = Vec::new();
    for case in &cases {
        let user = unique("golden");
        let mut tokens = Vec::new();
        for platform in ["fcm", "apns", "apns_sandbox"] {
            let token = unique(platform);
            let mut body =
                json!({"platform": platform, "token": token, "badge": case["badge"] == true});
            body["locale"] = case["locale"].clone();
            let path = format!("/v1/me/devices/{platform}");
            stack.user(&user).put(&path, &body).await.expect(201);
            tokens.push(token);
        }
        let mut sent = case["notification"].clone();
        sent["recipients"] = json!([user]);
        sent["type"] = json!("video.liked");
        assert_eq!(send(stack, &sent).await["s"], "sent", "{case}");
        let mut pushes = Vec::new();
        for token in &tokens {
            let life = case["notification"]["push"]["ttl"]
                .as_u64()
                .unwrap_or(86_400);
            pushes.push(masked(&stack.pushes(token).await.remove(0), life));
        }
        // The sandbox differs by the name of one attribute.
        let sandbox = pushes.pop().unwrap().to_string();
        let apns = pushes[1].to_string();
        assert_eq!(sandbox.replace("APNS_SANDBOX.TTL", "APNS.TTL"), apns);
        let mut filled = case.clone();
        filled["fcm"] = pushes.remove(0);
        filled["apns"] = pushes.remove(0);
        found.push(filled);
    }
    let lines = found.iter().map(|case| format!("  {case}"));
    let lines = format!("[\n{}\n]\n", lines.collect::<Vec<_>>().join(",\n"));
    assert_eq!(found, cases, "found\n{lines}");
}

/// A push as the golden table has it; it may live for `life` seconds.
fn masked(push: &Value, life: u64) -> Value {
    let whole = json!({"message": push["message"], "attributes": push["attributes"]});
    let data = push["message"].pointer("/fcmV1Message/message/data/id");
    let id = data.unwrap_or(&push["message"]["id"]).as_str().unwrap();
    let attributes = push["attributes"].as_object().unwrap();
    let (_, ttl) = attributes
        .iter()
        .find(|(name, _)| name.rsplit('.').next() == Some("TTL"))
        .unwrap();
    let text = whole.to_string().replace(id, "<id>");
    let ttl = ttl.as_str().unwrap();
    assert!(
        (life - 60..=life).contains(&ttl.parse().unwrap()),
        "{ttl} of {life}"
    );
    let text = text.replace(&format!("\"{ttl}\""), "\"<ttl>\"");
    serde_json::from_str(&text.replace(&format!("\"{ttl}s\""), "\"<ttl>s\"")).unwrap()
}
