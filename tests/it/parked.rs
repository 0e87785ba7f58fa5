//! Parked pushes: what SNS does not take now comes later, whatever the sweeps do meanwhile.

use futures_util::future::join_all;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::ground::{RowKey, stored};
use crate::proxy::{Fault, Rule};
use crate::stack::unique;
use crate::tasks::{Field, NOTHING_LEFT, batch, minute, pushes};
use crate::telemetry::lines;

#[tokio::test(flavor = "multi_thread")]
async fn i4_a_push_that_is_refused_for_now_is_parked_and_comes_later() {
    let field = Field::new().await;
    let phone = field.phone("error-throttled-4-task").await;
    let row = field.send_and_push(&phone.user, json!({})).await;
    assert_eq!(field.outcome(&row).await.0, "", "it is pending");
    let tasks = field.later().await;
    assert_eq!(tasks.len(), 1);
    // Brought again, it is parked again, and still pushed once.
    assert_eq!(field.push(&row).await, NOTHING_LEFT);
    field.pass(60).await;
    assert_eq!(pushes(&phone.token).await.len(), 1);
    field.pass(600).await;
    assert_eq!(field.outcome(&row).await.0, "sent");
    assert_eq!(pushes(&phone.token).await.len(), 1);
    assert_eq!(field.later().await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn f37_a_push_that_can_be_neither_sent_nor_parked_comes_again_and_holds_up_no_other() {
    let field = Field::new().await;
    let (bad, good) = (
        field.phone("error-internal-task").await,
        field.phone("task").await,
    );
    let proxy = field.ground.proxy(false).await;
    let stack = unique("stack");
    let variables = [("STACK_NAME", &*stack)];
    let ground = &field.ground;
    let pusher = ground.function_with("push-notifications", Some(&proxy), 0, &variables);
    let early_row = stored(&field.send(&good.user, json!({})).await).remove(0);
    let bad_row = stored(&field.send(&bad.user, json!({})).await).remove(0);
    let good_row = stored(&field.send(&good.user, json!({})).await).remove(0);
    proxy.script(vec![
        Rule::on("PutItem", 1..=9, Fault::Status(500, "InternalServerError")).containing("Q#"),
    ]);
    let rows = [&early_row, &bad_row, &good_row];
    let answer = pusher.invoke(batch(rows)).await.unwrap();
    assert_eq!(answer, br#"{"batchItemFailures":[{"itemIdentifier":"2"}]}"#);
    assert_eq!(field.outcome(&good_row).await.0, "sent");
    assert_eq!(field.later().await, []);
    proxy.script(Vec::new());
    // Lambda brings everything again from that one on.
    let again = batch([&bad_row, &good_row]);
    assert_eq!(pusher.invoke(again).await.unwrap(), NOTHING_LEFT);
    assert_eq!(field.later().await.len(), 1, "the table takes it now");
    assert_eq!(pushes(&good.token).await.len(), 2);
    let lines = lines(&stack, 2).await.into_iter();
    let counted: Vec<Value> = lines.map(|mut line| line["stored"].take()).collect();
    assert_eq!(counted, [1, 2], "each is counted once");
}

#[tokio::test(flavor = "multi_thread")]
async fn f20_an_outage_of_sns_parks_everything_and_nothing_is_lost_or_late() {
    let field = Field::new().await;
    let (phone, brief) = (field.phone("task").await, field.phone("task").await);
    let down = field.ground.proxy(false).await;
    let every = |fault| vec![Rule::on("Publish", 1..=usize::MAX, fault)];
    down.script(every(Fault::Status(503, "ServiceUnavailable")));
    let pusher = field.ground.function("push-notifications", Some(&down));
    let row = stored(&field.send(&phone.user, json!({})).await).remove(0);
    let ttl = json!({"push": {"ttl": 1_800}});
    let brief_row = stored(&field.send(&brief.user, ttl).await).remove(0);
    let rows = [&row, &brief_row];
    assert_eq!(pusher.invoke(batch(rows)).await.unwrap(), NOTHING_LEFT);
    assert_eq!(field.later().await.len(), 2);
    field.pass_with(3_600, Some(&down)).await;
    assert_eq!(pushes(&phone.token).await.len(), 0);
    field.pass(8 * 3_600).await;
    assert_eq!(field.outcome(&row).await.0, "sent");
    assert_eq!(pushes(&phone.token).await.len(), 1);
    assert_eq!(field.outcome(&brief_row).await.0, "expired");
    assert_eq!(pushes(&brief.token).await.len(), 0);
    assert_eq!(field.later().await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_that_never_succeeds_is_dead_and_on_the_list() {
    let field = Field::new().await;
    let phone = field.phone("error-internal-task").await;
    let long = json!({"push": {"ttl": 604_800}});
    let row = field.send_and_push(&phone.user, long).await;
    field.pass(26 * 3_600).await;
    assert_eq!(
        field.outcome(&row).await,
        ("dead".to_owned(), "gave_up".to_owned())
    );
    assert_eq!(field.later().await, []);
    let dead = field.rows("D#").await;
    assert_eq!(dead.len(), 1);
    let entry = field.ground.row(&dead[0].0, &dead[0].1).await.unwrap();
    assert_eq!(
        (entry["rpk"].as_str(), entry["rsk"].as_str()),
        (Some(&*row.0), Some(&*row.1))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn f38_f39_sweeps_that_overlap_come_late_or_are_missed_push_once() {
    let field = Field::new().await;
    let phone = field.phone("error-throttled-3-task").await;
    let row = field.send_and_push(&phone.user, json!({})).await;
    let due = field.first_minute().await.unwrap() * 60 - Timestamp::now().as_second();
    field
        .set_cursor(field.first_minute().await.unwrap() - 1)
        .await;
    // Minutes later, several at once, each with every step brought twice.
    let runners = [
        field.runner(7_200),
        field.runner(7_230),
        field.runner(7_290),
    ];
    // One of them may find the table too busy, and then leaves the rest to the next.
    join_all(
        runners
            .iter()
            .map(async |runner| runner.invoke(minute()).await.is_ok()),
    )
    .await;
    let steps: Vec<RowKey> = field.rows("J#sweep").await;
    let brought = runners.iter().flat_map(|runner| {
        let steps = steps.iter().chain(&steps);
        steps.map(move |step| async move { runner.invoke(batch([step])).await.unwrap() })
    });
    for answer in join_all(brought).await {
        assert_eq!(answer, NOTHING_LEFT);
    }
    field.pass(due + 900).await;
    assert_eq!(field.outcome(&row).await.0, "sent");
    assert_eq!(pushes(&phone.token).await.len(), 1);
    assert_eq!(field.later().await, []);
}
