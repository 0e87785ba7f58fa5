//! Screens: what was taken back, or read on another device, is taken off them.

use std::time::Duration;

use serde_json::json;

use crate::caller::eventually;
use crate::ground::{Http, RowKey, stored};
use crate::proxy::{Fault, Rule};
use crate::tasks::{Field, Phone, batch, pushes};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_taken_back_goes_from_the_screen_and_what_was_not_shown_makes_no_push() {
    let field = Field::new().await;
    let phone = field.phone("clear").await;
    let unseen = stored(&field.send(&phone.user, json!({})).await).remove(0);
    field.retract(&phone, &unseen).await;
    field.push(&unseen).await;
    field.bring_steps(&field.runner(0)).await;
    assert_eq!(pushes(&phone.token).await.len(), 0);

    let row = field.send_and_push(&phone.user, json!({})).await;
    field.retract(&phone, &row).await;
    field.bring_steps(&field.runner(0)).await;
    let pushes = pushes(&phone.token).await;
    assert_eq!(pushes.len(), 2);
    assert_eq!(pushes[1]["data"], json!({"clear": row.1[2..]}));
    assert!(pushes[1].get("notification").is_none());
}

impl Field {
    /// Pushes a notification, and does something when SNS has it and the table does not know yet.
    async fn push_and(&self, phone: &Phone, row: &RowKey, meanwhile: impl AsyncFnOnce()) {
        let proxy = self.ground.proxy(false).await;
        let pusher = self.ground.function("push-notifications", Some(&proxy));
        let late = Fault::Delay(Duration::from_millis(300));
        proxy.script(vec![Rule::on("UpdateItem", 1..=1, late)]);
        let (answer, ()) = tokio::join!(pusher.invoke(batch([row])), async {
            eventually("the push", async || {
                (pushes(&phone.token).await.len() == 1).then_some(())
            })
            .await;
            meanwhile().await;
        });
        assert_eq!(answer.unwrap(), crate::tasks::NOTHING_LEFT);
        self.bring_steps(&self.runner(0)).await;
        let shown = pushes(&phone.token).await;
        assert_eq!(shown.len(), 2);
        assert_eq!(shown[1]["data"]["clear"], row.1[2..]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn f34_a_retract_that_meets_the_push_on_its_way_clears_the_screen() {
    let field = Field::new().await;
    let phone = field.phone("clear").await;
    let row = stored(&field.send(&phone.user, json!({})).await).remove(0);
    let retract = async || field.retract(&phone, &row).await;
    field.push_and(&phone, &row, retract).await;
    let row = field.ground.row(&row.0, &row.1).await.unwrap();
    assert!(row.get("t").is_none() && row.get("po").is_none(), "{row}");
}

#[tokio::test(flavor = "multi_thread")]
async fn f34_a_read_that_meets_the_push_on_its_way_clears_the_screen() {
    let field = Field::new().await;
    let phone = field.phone("clear").await;
    let row = stored(&field.send(&phone.user, json!({})).await).remove(0);
    field
        .push_and(&phone, &row, async || field.read((&phone.user, &row)).await)
        .await;
    assert_eq!(field.outcome(&row).await.0, "sent");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_read_on_one_device_goes_from_the_others_and_one_device_costs_nothing_more() {
    let field = Field::new().await;
    let phone = field.phone("clear").await;
    let alone = field.send_and_push(&phone.user, json!({})).await;
    field.read((&phone.user, &alone)).await;
    assert_eq!(field.steps().await, []);
    let tablet = Phone {
        user: phone.user.clone(),
        token: crate::stack::unique("clear-tablet"),
    };
    field.register(&tablet, "tablet").await;
    let row = field.send_and_push(&phone.user, json!({})).await;
    for _ in 0..2 {
        field.read((&phone.user, &row)).await;
        field.bring_steps(&field.runner(0)).await;
    }
    let shown = async || (pushes(&phone.token).await, pushes(&tablet.token).await);
    let (one, other) = shown().await;
    assert_eq!((one.len(), other.len()), (3, 2));
    assert_eq!(other[1]["data"]["clear"], row.1[2..]);
    // Who has got it since is cleared when it is taken back.
    field.retract(&phone, &row).await;
    field.bring_steps(&field.runner(0)).await;
    let (one, other) = shown().await;
    assert_eq!((one.len(), other.len()), (4, 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn f34_a_screen_that_is_reached_after_the_others_were_cleared_is_cleared_too() {
    let field = Field::new().await;
    let phone = field.phone("clear").await;
    let tablet = Phone {
        user: phone.user.clone(),
        token: crate::stack::unique("error-throttled-3-clear"),
    };
    field.register(&tablet, "tablet").await;
    let row = field.send_and_push(&phone.user, json!({})).await;
    // The tablet's push is on its way again while the notification is taken back and the phone cleared.
    let proxy = field.ground.proxy(false).await;
    let pusher = field.ground.function("push-notifications", Some(&proxy));
    let slow = Fault::Delay(Duration::from_millis(600));
    proxy.script(vec![Rule::on("Publish", 1..=1, slow)]);
    let (answer, ()) = tokio::join!(pusher.invoke(batch([&row])), async {
        eventually("the push", async || {
            (!proxy.calls("Action=Publish").is_empty()).then_some(())
        })
        .await;
        field.retract(&phone, &row).await;
        field.bring_steps(&field.runner(0)).await;
    });
    assert_eq!(answer.unwrap(), crate::tasks::NOTHING_LEFT);
    field.bring_steps(&field.runner(0)).await;
    let last = |shown: Vec<serde_json::Value>| shown.last().unwrap()["data"]["clear"].clone();
    assert_eq!(last(pushes(&phone.token).await), row.1[2..]);
    let shown = pushes(&tablet.token).await;
    assert_eq!(shown.len(), 3, "cleared, pushed, and cleared again");
    assert_eq!(last(shown), row.1[2..]);
}

#[tokio::test(flavor = "multi_thread")]
async fn f34_a_push_between_the_reading_and_the_taking_back_is_cleared() {
    let field = Field::new().await;
    let phone = field.phone("between").await;
    let row = stored(&field.send(&phone.user, json!({})).await).remove(0);
    let proxy = field.ground.proxy(false).await;
    let creator = field.ground.function("create-notifications", Some(&proxy));
    let held = Fault::Delay(Duration::from_millis(500));
    proxy.script(vec![Rule::on("TransactWriteItems", 1..=1, held)]);
    let retract = Http::new("DELETE /v1/notifications/{id}", "likes").path("id", &row.1[2..]);
    let retract = retract.query(&format!("recipient={}", phone.user));
    let (reply, _) = tokio::join!(retract.send(&creator), async {
        eventually("the reading", async || {
            (!proxy.calls("TransactItems").is_empty()).then_some(())
        })
        .await;
        field.push(&row).await
    });
    assert_eq!(reply.unwrap().status, 204);
    field.bring_steps(&field.runner(0)).await;
    let sent = pushes(&phone.token).await;
    assert_eq!(sent.len(), 2);
    assert_eq!(sent[1]["data"]["clear"], row.1[2..]);
}
