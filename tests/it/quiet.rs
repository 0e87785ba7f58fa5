//! Pushes that wait: for the end of quiet hours, or for a delay.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;
use shared::id::{NotificationId, UserId};
use shared::notification::Notification;
use shared::outcome::{Outcome, Reason, State};
use shared::task::{Later, Task};

use crate::ground::{Http, RowKey, plain};
use crate::proxy::{Fault, Rule};
use crate::stack::unique;
use crate::tasks::{Field, Phone, minute, pushes};

const HOUR: i64 = 3_600;

impl Field {
    /// A user with a phone, in quiet hours that began an hour ago and last another one or so.
    pub async fn sleeper(&self) -> Phone {
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

impl Field {
    /// The second in which the quiet hours of a sleeper end, from now.
    fn end_of_quiet() -> i64 {
        let now = Timestamp::now().as_second();
        (now.div_euclid(HOUR) + 2) * HOUR - now
    }

    pub async fn read(&self, (user, row): (&str, &RowKey)) {
        let mark = Http::new("PUT /v1/me/notifications/{id}/read", user);
        let mark = mark.path("id", &row.1[2..]);
        assert_eq!(mark.send(&self.inbox).await.unwrap().status, 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn i4_the_end_of_quiet_hours_that_sns_refuses_is_tried_again_for_one_and_for_many() {
    let field = Field::new().await;
    for count in [1, 2] {
        let phone = field.phone("error-throttled-3-quiet").await;
        field.prefer(&phone.user, -1, 2).await;
        let mut rows = Vec::new();
        for _ in 0..count {
            rows.push(field.send_and_push(&phone.user, json!({})).await);
        }
        field.pass(Field::end_of_quiet() + 30).await;
        assert_eq!(pushes(&phone.token).await.len(), 0);
        assert_eq!(field.outcome(&rows[0]).await, deferred("quiet_hours"));
        field.pass(3 * HOUR).await;
        assert_eq!(pushes(&phone.token).await.len(), 1, "{count}");
        for row in &rows {
            assert_eq!(field.outcome(row).await.0, "sent");
        }
        assert_eq!(field.later().await, []);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn i5_a_device_that_was_told_is_not_told_again_although_the_newest_was_read_since() {
    let field = Field::new().await;
    let phone = field.sleeper().await;
    let tablet = Phone {
        user: phone.user.clone(),
        token: unique("error-throttled-3-quiet"),
    };
    field.register(&tablet, "tablet").await;
    let mut rows = Vec::new();
    for title in ["one", "two", "three"] {
        let fields = json!({"title": title});
        rows.push(field.send_and_push(&phone.user, fields).await);
    }
    let end = Field::end_of_quiet();
    field.pass(end + 30).await;
    let told = async || {
        (
            pushes(&phone.token).await.len(),
            pushes(&tablet.token).await.len(),
        )
    };
    assert_eq!(told().await, (1, 0));
    field.read((&phone.user, &rows[2])).await;
    field.pass(end + HOUR).await;
    assert_eq!(told().await, (1, 1));
    let late = pushes(&tablet.token).await;
    assert_eq!(late[0]["notification"]["title"], "2 new notifications");
    for row in &rows[..2] {
        let (state, _) = field.outcome(row).await;
        assert_eq!(state, "sent");
        let row = field.ground.row(&row.0, &row.1).await.unwrap();
        assert_eq!(row["po"]["d"].as_object().unwrap().len(), 2, "{row}");
        assert_eq!(row["po"].get("am"), None, "nobody got it twice");
    }
    // What one device was told of it is.
    assert_eq!(field.outcome(&rows[2]).await.0, "partial");
    assert_eq!(field.later().await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn i5_a_push_at_most_once_that_waited_for_the_end_of_quiet_hours_is_sent_at_most_once() {
    let field = Field::new().await;
    let phone = field.phone("error-lost-reply-quiet").await;
    field.prefer(&phone.user, -1, 2).await;
    let often = field.send_and_push(&phone.user, json!({})).await;
    let once = json!({"push": {"once": true}});
    let once = field.send_and_push(&phone.user, once).await;
    assert_eq!(field.outcome(&once).await, deferred("quiet_hours"));
    field.pass(Field::end_of_quiet() + HOUR).await;
    let shown = pushes(&phone.token).await;
    let count = |row: &RowKey| {
        let tag = |push: &&serde_json::Value| push["android"]["notification"]["tag"] == row.1[2..];
        shown.iter().filter(tag).count()
    };
    assert_eq!(count(&once), 1);
    assert_eq!(field.outcome(&once).await.0, "unknown");
    assert!(count(&often) > 3, "it is tried until it is known");
}

#[tokio::test(flavor = "multi_thread")]
async fn f13_many_that_were_held_back_are_written_sixteen_at_a_time() {
    let field = Field::new().await;
    let phone = field.phone("quiet").await;
    let (store, user) = (field.ground.store(), UserId::parse(&phone.user).unwrap());
    let now = Timestamp::now();
    let held = Outcome {
        state: Some(State::Deferred),
        reason: Some(Reason::QuietHours.word().to_owned()),
        ..Outcome::default()
    };
    let ids: Vec<NotificationId> = (0..60).map(|_| NotificationId::draw(now)).collect();
    for id in &ids {
        let row = Notification {
            outcome: held.clone(),
            ..plain(&user, *id)
        };
        store.put(&row).await.unwrap();
    }
    let task = Task::QuietEnd(user, *ids.iter().min().unwrap());
    let later = Later::new(task, now, now);
    store.put_later(&later, now).await.unwrap();
    let proxy = field.ground.proxy(false).await;
    let slow = Fault::Delay(Duration::from_millis(30));
    proxy.script(vec![Rule::on("UpdateItem", 2..=61, slow)]);
    let second = later.place.minute * 60 + 5 - now.as_second();
    let runner = field
        .ground
        .function_ahead("run-tasks", Some(&proxy), second);
    runner.invoke(minute()).await.unwrap();
    field.bring_steps(&runner).await;
    assert_eq!(pushes(&phone.token).await.len(), 1);
    assert!((12..=16).contains(&proxy.most()), "{}", proxy.most());
    assert_eq!(field.later().await, []);
}
