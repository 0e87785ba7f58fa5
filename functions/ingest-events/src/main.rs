//! Events: from HTTP, from the queue and from other event sources, into the action log; the log's search; and
//! the rules by which events become notifications.

mod handler;
mod http;
mod ingest;
mod queue;
mod rules;
mod search;
mod sources;
mod topics;

use lambda_runtime::{LambdaEvent, run, service_fn};
use serde_json::value::RawValue;
use shared::rulebook::Rulebook;
use shared::{aws, metrics, telemetry};

use handler::Handler;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    telemetry::init();
    let store = aws::connected_store().await?;
    let handler = Handler {
        rulebook: Rulebook::new(store.clone()),
        store,
        retention: aws::retention()?,
        event_retention: aws::event_retention()?,
        dead_letters: aws::dead_letters()?,
    };
    run(service_fn(async |event: LambdaEvent<Box<RawValue>>| {
        let answer = handler.handle(&event.payload, &event.context.request_id);
        let answer = metrics::observe(&event.context.request_id, answer).await;
        answer.map_err(lambda_runtime::Error::from)
    }))
    .await
}
