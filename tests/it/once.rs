//! A dead endpoint is tried once, however many pushes are for it at the same time.

use serde_json::{Value, json};

use crate::ground::{Http, RowKey, stored};
use crate::proxy::{Fault, Proxy, Rule};
use crate::stack::unique;
use crate::tasks::{Field, NOTHING_LEFT, Phone, batch};

/// How often SNS was asked to publish, or to do something else.
fn calls(proxy: &Proxy, operation: &str) -> usize {
    let calls = proxy.calls("");
    let of_it = calls.iter().filter(|call| call.operation == operation);
    of_it.count()
}

impl Field {
    /// Some notifications for one user, not yet pushed.
    async fn several(&self, user: &str) -> Vec<RowKey> {
        let mut rows = Vec::new();
        for _ in 0..5 {
            rows.append(&mut stored(&self.send(user, json!({})).await));
        }
        rows
    }

    async fn are(&self, rows: &[RowKey], state: &str, reason: &str) {
        for row in rows {
            let outcome = self.outcome(row).await;
            assert_eq!(outcome, (state.to_owned(), reason.to_owned()));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn f22_all_pushes_of_a_batch_to_a_dead_endpoint_are_one_attempt() {
    let field = Field::new().await;
    let proxy = field.ground.proxy(false).await;
    let pusher = field.ground.function("push-notifications", Some(&proxy));
    let phone = field.phone("error-not-found-once").await;
    let rows = field.several(&phone.user).await;
    assert_eq!(pusher.invoke(batch(&rows)).await.unwrap(), NOTHING_LEFT);
    field.are(&rows, "dead", "endpoint_not_found").await;
    assert_eq!(calls(&proxy, "Publish"), 1);
    // The same device with the same token, registered again, is tried again.
    field.register(&phone, "phone").await;
    let row = stored(&field.send(&phone.user, json!({})).await).remove(0);
    assert_eq!(pusher.invoke(batch([&row])).await.unwrap(), NOTHING_LEFT);
    assert_eq!(calls(&proxy, "Publish"), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn f22_pushes_that_waited_for_a_dead_endpoint_are_one_attempt() {
    let field = Field::new().await;
    let proxy = field.ground.proxy(false).await;
    let pusher = field.ground.function("push-notifications", Some(&proxy));
    let phone = field.phone("error-endpoint-disabled-once").await;
    let rows = field.several(&phone.user).await;
    proxy.script(vec![Rule::on(
        "Publish",
        1..=usize::MAX,
        Fault::Answer("platform-application-disabled"),
    )]);
    assert_eq!(pusher.invoke(batch(&rows)).await.unwrap(), NOTHING_LEFT);
    // What is not served now is offered one push, and the others wait as that one does.
    assert_eq!(calls(&proxy, "Publish"), 1);
    let waiting = field.later().await;
    assert_eq!(waiting.len(), rows.len());
    let shards = waiting.iter().map(|(pk, _)| pk.rsplit('#').next().unwrap());
    assert_eq!(
        shards.collect::<std::collections::BTreeSet<_>>().len(),
        1,
        "one chain runs what waits for one user's devices"
    );
    let proxy = field.ground.proxy(false).await;
    field.pass_with(600, Some(&proxy)).await;
    // Those of a later minute find no device any more.
    for row in &rows {
        let (state, _) = field.outcome(row).await;
        assert!(["dead", "no_device"].contains(&&*state), "{state}");
    }
    assert_eq!(calls(&proxy, "Publish"), 1);
    assert_eq!(field.later().await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn f22_a_screen_that_cannot_be_cleared_for_a_dead_endpoint_is_the_one_attempt() {
    let field = Field::new().await;
    let proxy = field.ground.proxy(false).await;
    let phone = Phone {
        user: unique("once"),
        token: unique("late-error-not-found-once"),
    };
    field.register(&phone, "phone").await;
    let rows = field.several(&phone.user).await;
    assert_eq!(field.push(&rows[0]).await, NOTHING_LEFT);
    field.are(&rows[..1], "sent", "").await;
    let request = Http::new("DELETE /v1/notifications/{id}", "likes");
    let request = request.path("id", &rows[0].1[2..]);
    let request = request.query(&format!("recipient={}", phone.user));
    assert_eq!(request.send(&field.creator).await.unwrap().status, 204);
    let runner = field.ground.function("run-tasks", Some(&proxy));
    field.bring_steps(&runner).await;
    let pusher = field.ground.function("push-notifications", Some(&proxy));
    let rest = &rows[1..];
    assert_eq!(pusher.invoke(batch(rest)).await.unwrap(), NOTHING_LEFT);
    field.are(rest, "no_device", "").await;
    assert_eq!(
        (calls(&proxy, "Publish"), calls(&proxy, "DeleteEndpoint")),
        (1, 1)
    );
}

/// A push at most once to a user with phones that SNS treats so; it is brought, and its outcome returned.
async fn at_most_once(field: &Field, phones: &[&str]) -> (RowKey, (String, String)) {
    let user = unique("once");
    for (index, token) in phones.iter().enumerate() {
        let phone = Phone {
            user: user.clone(),
            token: unique(token),
        };
        field.register(&phone, &format!("phone-{index}")).await;
    }
    let row = field.send(&user, json!({"push": {"once": true}})).await;
    let row = stored(&row).remove(0);
    assert_eq!(field.push(&row).await, NOTHING_LEFT);
    let outcome = field.outcome(&row).await;
    (row, outcome)
}

#[tokio::test(flavor = "multi_thread")]
async fn i6_i4_a_device_that_a_push_at_most_once_left_out_has_a_reason() {
    let field = Field::new().await;
    let is = |state: &str, reason: &str| (state.to_owned(), reason.to_owned());
    // Some device has it and another may have it, so nobody is offered it again.
    let phones = ["some", "error-lost-reply-x", "error-throttled-9-x"];
    let (_, outcome) = at_most_once(&field, &phones).await;
    assert_eq!(outcome, is("partial", "throttled"));
    let (_, outcome) = at_most_once(&field, &phones[1..]).await;
    assert_eq!(outcome, is("unknown", "throttled"));
    // Nobody has it: it waits for the device that can still be reached.
    let phones = ["error-not-found-x", "error-throttled-3-x"];
    let (row, outcome) = at_most_once(&field, &phones).await;
    assert_eq!(outcome, is("", "throttled"));
    field.pass(600).await;
    assert_eq!(field.outcome(&row).await, is("partial", ""));
}

#[tokio::test(flavor = "multi_thread")]
async fn f18_i5_an_outcome_that_the_table_refuses_is_recorded_again_and_the_push_not_repeated() {
    let field = Field::new().await;
    let proxy = field.ground.proxy(false).await;
    let pusher = field.ground.function("push-notifications", Some(&proxy));
    let phone = field.phone("outcome").await;
    let row = stored(&field.send(&phone.user, json!({})).await).remove(0);
    // As often as three calls ask, each of which is tried twice.
    proxy.script(vec![
        Rule::on(
            "UpdateItem",
            1..=5,
            Fault::Status(400, "ThrottlingException"),
        )
        .containing(":outcome"),
        Rule::on("UpdateItem", 6..=6, Fault::DropAfter).containing(":outcome"),
    ]);
    assert_eq!(pusher.invoke(batch([&row])).await.unwrap(), NOTHING_LEFT);
    assert_eq!(
        field.outcome(&row).await,
        ("sent".to_owned(), String::new())
    );
    assert_eq!(calls(&proxy, "Publish"), 1);
    let stored = field.ground.row(&row.0, &row.1).await.unwrap();
    assert_eq!(stored["po"]["am"], Value::Null, "nothing was unclear");
}
