//! What fits on a phone: payloads cut to the platforms' limit, and lives no longer than the
//! notification's.

use serde_json::{Value, json};

use crate::create::note;
use crate::pushes::{device, send};
use crate::stack::{shared, unique};

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
