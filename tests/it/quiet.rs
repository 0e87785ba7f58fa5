//! Pushes that wait: for the end of quiet hours, or for a delay.

use jiff::Timestamp;
use serde_json::json;

use crate::ground::Http;
use crate::tasks::{Field, Phone, pushes};

const HOUR: i64 = 3_600;

impl Field {
    /// A user with a phone, in quiet hours that began an hour ago and last another one or so.
    async fn sleeper(&self) -> Phone {
        let phone = self.phone("quiet").await;
        self.prefer(&phone.user, -1, 2).await;
        phone
    }

    /// Sets quiet hours from and to this many hours from now, by the full hour.
    async fn prefer(&self, user: &str, from: i64, to: i64) {
        let hour = Timestamp::now().as_second().div_euclid(HOUR);
        let clock = |hours: i64| format!("{:02}:00", (hour + hours).rem_euclid(24));
        let quiet = json!({"from": clock(from), "to": clock(to), "time_zone": "UTC"});
        let request = Http::new("PUT /v1/me/preferences", user);
        let request = request.json(&json!({"quiet_hours": quiet, "locale": "pt-BR"}));
        assert_eq!(request.send(&self.devices).await.unwrap().status, 200);
    }
}

fn deferred(reason: &str) -> (String, String) {
    ("deferred".to_owned(), reason.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_in_quiet_hours_is_told_of_in_one_push_at_their_end() {
    let field = Field::new().await;
    let phone = field.sleeper().await;
    let mut rows = Vec::new();
    for title in ["one", "two", "three"] {
        rows.push(
            field
                .send_and_push(&phone.user, json!({"title": title}))
                .await,
        );
    }
    let read = field
        .send_and_push(&phone.user, json!({"title": "read"}))
        .await;
    for row in &rows {
        assert_eq!(field.outcome(row).await, deferred("quiet_hours"));
        // Brought again, nothing changes.
        field.push(row).await;
    }
    assert_eq!(field.later().await.len(), 1, "one task for the user");
    let mark = Http::new("PUT /v1/me/notifications/{id}/read", &phone.user);
    let mark = mark.path("id", &read.1[2..]);
    assert_eq!(mark.send(&field.inbox).await.unwrap().status, 200);
    let critical = json!({"push": {"priority": "critical"}, "title": "now"});
    let critical = field.send_and_push(&phone.user, critical).await;
    assert_eq!(field.outcome(&critical).await.0, "sent");

    field.pass(30 * 60).await;
    assert_eq!(pushes(&phone.token).await.len(), 1, "only what is critical");
    field.pass(3 * HOUR).await;
    let pushes = pushes(&phone.token).await;
    assert_eq!(pushes.len(), 2);
    assert_eq!(pushes[1]["notification"]["title"], "3 new notifications");
    assert_eq!(pushes[1]["android"]["notification"]["tag"], rows[2].1[2..]);
    for row in &rows {
        assert_eq!(
            field.outcome(row).await,
            ("sent".to_owned(), "combined".to_owned())
        );
    }
    assert_eq!(
        field.outcome(&read).await,
        ("skipped".to_owned(), "read".to_owned())
    );
    assert_eq!(field.later().await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_came_alone_is_pushed_as_it_is_and_changed_quiet_hours_are_kept() {
    let field = Field::new().await;
    let phone = field.sleeper().await;
    let row = field
        .send_and_push(&phone.user, json!({"title": "alone"}))
        .await;
    // Longer than they were.
    field.prefer(&phone.user, -1, 5).await;
    field.pass(2 * HOUR + 600).await;
    assert_eq!(field.outcome(&row).await, deferred("quiet_hours"));
    assert_eq!(field.later().await.len(), 1);
    field.pass(6 * HOUR).await;
    let pushes = pushes(&phone.token).await;
    assert_eq!(pushes.len(), 1);
    assert_eq!(pushes[0]["notification"]["title"], "alone");
    assert_eq!(field.outcome(&row).await.0, "sent");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delayed_push_is_sent_if_it_is_still_unread_then() {
    let field = Field::new().await;
    let phone = field.phone("delay").await;
    let delay = json!({"push": {"delay": 900}});
    let (unread, read) = (
        field.send_and_push(&phone.user, delay.clone()).await,
        field.send_and_push(&phone.user, delay).await,
    );
    assert_eq!(field.outcome(&unread).await, deferred("delayed"));
    let mark = Http::new("PUT /v1/me/notifications/{id}/read", &phone.user);
    let mark = mark.path("id", &read.1[2..]);
    assert_eq!(mark.send(&field.inbox).await.unwrap().status, 200);
    field.pass(800).await;
    assert_eq!(pushes(&phone.token).await.len(), 0);
    field.pass(1_100).await;
    assert_eq!(pushes(&phone.token).await.len(), 1);
    assert_eq!(field.outcome(&unread).await.0, "sent");
    assert_eq!(
        field.outcome(&read).await,
        ("skipped".to_owned(), "read".to_owned())
    );
}
