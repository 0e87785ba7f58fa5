//! The list of the dead, pushed again: what is taken, what is left, and what is remembered.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;
use serde_json::json;
use shared::id::{NotificationId, UserId};
use shared::notification::Notification;
use shared::outcome::{Outcome, State};
use shared::store::Undecodable;

use crate::ground::{Http, RowKey, plain};
use crate::stack::unique;
use crate::tasks::{Field, NOTHING_LEFT, batch, pushes};

impl Field {
    /// Asks for today's dead to be pushed again; the steps are brought by the test.
    async fn redrive_today(&self) {
        let day = Timestamp::now().strftime("%Y-%m-%d").to_string();
        let function = self.ground.function("administer-users", None);
        let request = Http::new("POST /v1/pushes/redrive", "support");
        let request = request.json(&json!({"day": day}));
        assert_eq!(request.send(&function).await.unwrap().status, 202);
    }

    async fn list(&self) -> BTreeSet<RowKey> {
        self.rows("D#").await.into_iter().collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redrive_of_today_leaves_what_has_died_since_it_was_asked_for() {
    let field = Field::new().await;
    let phone = field.phone("error-invalid-parameter-dead").await;
    let first = field.send_and_push(&phone.user, json!({})).await;
    let before = field.list().await;
    field.redrive_today().await;
    // It dies like the first one, which will die again.
    field.send_and_push(&phone.user, json!({})).await;
    let since: BTreeSet<RowKey> = &field.list().await - &before;
    assert_eq!((before.len(), since.len()), (1, 1));
    field.bring_steps(&field.runner(0)).await;
    let after = field.list().await;
    assert!(before.is_disjoint(&after), "what had died was taken");
    assert!(since.is_subset(&after), "what died since is for the next");
    assert_eq!(after.len(), 2);
    assert_eq!(field.outcome(&first).await.0, "dead");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redrive_keeps_what_it_could_not_read_and_pushes_once_what_died_twice() {
    let field = Field::new().await;
    let phone = field.phone("dead").await;
    let (store, now) = (field.ground.store(), Timestamp::now());
    let user = UserId::parse(&phone.user).unwrap();
    let died = Outcome {
        state: Some(State::Dead),
        ambiguous: 3,
        ..Outcome::default()
    };
    let notification = Notification {
        outcome: died,
        ..plain(&user, NotificationId::draw(now))
    };
    store.put(&notification).await.unwrap();
    let key = (
        format!("U#{}", phone.user),
        format!("N#{}", notification.id),
    );
    let broken = (
        format!("U#{}", phone.user),
        format!("N#{}", NotificationId::draw(now)),
    );
    let put = field.ground.client().put_item();
    let put = put.table_name(field.ground.table());
    let put = put.item("pk", AttributeValue::S(broken.0.clone()));
    let put = put.item("sk", AttributeValue::S(broken.1.clone()));
    put.item("t", AttributeValue::N("1".to_owned()))
        .send()
        .await
        .unwrap();
    // More often than there are partitions, so that one of them has it twice.
    let often = std::iter::repeat_n(&key, 9);
    for (pk, sk) in often.chain([&broken]) {
        let record = Undecodable {
            pk: Some(pk.clone()),
            sk: Some(sk.clone()),
            sequence_number: None,
            reason: unique("it died"),
        };
        store.put_dead(now, &record).await.unwrap();
    }
    field.redrive_today().await;
    let runner = field.runner(0);
    for step in field.take_steps().await {
        assert_eq!(runner.invoke(batch([&step])).await.unwrap(), NOTHING_LEFT);
    }
    let left = field.list().await;
    let left: Vec<&RowKey> = left.iter().collect();
    let [(pk, sk)] = left[..] else {
        panic!("{left:?}");
    };
    let entry = field.ground.row(pk, sk).await.unwrap();
    assert_eq!(entry["rsk"], json!(broken.1));
    assert_eq!(pushes(&phone.token).await.len(), 1);
    let row = field.ground.row(&key.0, &key.1).await.unwrap();
    assert_eq!(
        (&row["po"]["s"], &row["po"]["am"]),
        (&json!("sent"), &json!(3)),
        "what may have been shown before still counts"
    );
}
