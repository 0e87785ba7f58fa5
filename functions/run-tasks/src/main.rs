//! Tasks: those for now from the table's stream, those for later from the minute's sweep, and what
//! Lambda gave up on.

mod erase;
mod handler;
mod later;
mod letters;
mod redrive;
mod retract;
mod steps;
mod sweep;

use lambda_runtime::{LambdaEvent, run, service_fn};
use serde_json::value::RawValue;
use shared::broadcast::Broadcasts;
use shared::push::Pusher;
use shared::{aws, metrics, telemetry};

use handler::Handler;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    telemetry::init();
    let store = aws::connected_store().await?;
    let broadcasts = Broadcasts::new(store.clone(), aws::retention()?);
    let pusher = Pusher::new(store.clone(), aws::sns()?, broadcasts, aws::push_limits()?);
    let pusher = pusher.with_summary(aws::summary()?);
    let handler = Handler {
        store,
        pusher,
        name: aws::function_name(),
    };
    run(service_fn(async |event: LambdaEvent<Box<RawValue>>| {
        // On the heap: the future is large.
        let deadline = event.context.deadline();
        let answer = Box::pin(handler.handle(&event.payload, deadline));
        let answer = metrics::observe(&event.context.request_id, answer).await;
        answer.map_err(lambda_runtime::Error::from)
    }))
    .await
}
