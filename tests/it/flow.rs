//! The whole path: from an HTTP request through the table, its stream and SNS to a phone, and into
//! the history.

use serde_json::{Value, json};

use crate::caller::eventually;
use crate::stack::{shared, unique};

#[tokio::test]
async fn a_notification_goes_from_a_request_to_the_phone_and_into_the_inbox() {
    let stack = shared();
    let (user, token) = (unique("ana"), unique("token"));
    let ana = stack.user(&user);
    let device = json!({"platform": "fcm", "token": token});
    ana.put("/v1/me/devices/phone1", &device).await.expect(201);

    let sent = json!({
        "recipients": [user],
        "type": "video.liked",
        "title": "Bo liked your video",
        "body": "Sunset over Lisbon 🌅",
        "actor": {"id": "bo", "name": "Bo"},
        "group": "like:video:42",
        "link": "app://video/42",
        "data": {"video": {"id": 42, "ratio": 1.5, "tags": ["a", null, true]}},
        "occurred_at": "2026-11-20T11:00:00+01:00",
    });
    let created = stack
        .producer()
        .post("/v1/notifications", &sent)
        .await
        .expect(201);
    let id = created["data"][0]["id"].as_str().unwrap();
    assert_eq!(created["data"][0]["recipient"], user);
    assert_eq!(created["data"][0]["status"], "created");

    let push = eventually("the push", async || stack.pushes(&token).await.pop()).await;
    let message = &push["message"]["fcmV1Message"]["message"];
    assert_eq!(message["notification"]["title"], "Bo liked your video");
    assert_eq!(message["notification"]["body"], "Sunset over Lisbon 🌅");
    assert_eq!(message["android"]["notification"]["tag"], id);
    assert_eq!(message["android"]["notification"]["notification_count"], 1);
    assert_eq!(message["data"]["id"], id);
    assert_eq!(message["data"]["link"], "app://video/42");

    let page = ana
        .get("/v1/me/notifications?consistent=true")
        .await
        .expect(200);
    let shown = &page["data"][0];
    for field in ["type", "title", "body", "group", "link", "data"] {
        assert_eq!(shown[field], sent[field], "{field}");
    }
    assert_eq!(
        shown["actor"],
        json!({"id": "bo", "name": "Bo", "image": null})
    );
    assert_eq!(shown["occurred_at"], "2026-11-20T10:00:00Z");
    assert_eq!(shown["read_at"], Value::Null);
    assert_eq!(page["page"], json!({"has_more": false, "next": null}));
    assert_eq!(page["meta"]["unread_count"], 1);

    let read = ana
        .put(&format!("/v1/me/notifications/{id}/read"), &json!({}))
        .await
        .expect(200);
    assert_ne!(read["read_at"], Value::Null);
    let page = ana
        .get("/v1/me/notifications?consistent=true")
        .await
        .expect(200);
    assert_eq!(page["meta"]["unread_count"], 0);
    assert_eq!(page["data"][0], read);
}

#[tokio::test]
async fn an_iphone_gets_apples_form_with_the_id_as_collapse_id() {
    let stack = shared();
    let (user, token) = (unique("ana"), unique("a1b2"));
    let device = json!({"platform": "apns", "token": token});
    stack
        .user(&user)
        .put("/v1/me/devices/phone", &device)
        .await
        .expect(201);
    let sent = json!({
        "recipients": [user], "type": "comment.new", "title": "New comment", "group": "video:7",
        "push": {"priority": "high", "sound": "ping.caf", "category": "COMMENT"},
    });
    let created = stack
        .producer()
        .post("/v1/notifications", &sent)
        .await
        .expect(201);
    let push = eventually("the push", async || stack.pushes(&token).await.pop()).await;
    let aps = &push["message"]["aps"];
    assert_eq!(aps["alert"], json!({"title": "New comment"}));
    assert_eq!(aps["thread-id"], "video:7");
    assert_eq!(aps["badge"], 1);
    assert_eq!(aps["sound"], "ping.caf");
    assert_eq!(aps["category"], "COMMENT");
    let attributes = &push["attributes"];
    let id = &created["data"][0]["id"];
    assert_eq!(&attributes["AWS.SNS.MOBILE.APNS.COLLAPSE_ID"], id);
    assert_eq!(attributes["AWS.SNS.MOBILE.APNS.PUSH_TYPE"], "alert");
    assert_eq!(attributes["AWS.SNS.MOBILE.APNS.PRIORITY"], "10");
}
