//! The table's stream: a notification that was stored becomes a push on every device.

mod handler;

use lambda_runtime::{LambdaEvent, run, service_fn};
use shared::broadcast::Broadcasts;
use shared::push::Pusher;
use shared::stream::Batch;
use shared::{aws, metrics, telemetry};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    telemetry::init();
    let store = aws::connected_store().await?;
    let broadcasts = Broadcasts::new(store.clone(), aws::retention()?);
    let pusher = Pusher::new(store, aws::sns()?, broadcasts, aws::push_limits()?);
    run(service_fn(async |event: LambdaEvent<Batch>| {
        // On the heap: the future is large.
        let deadline = event.context.deadline();
        let response = Box::pin(handler::handle(&pusher, &event.payload, deadline));
        let response = metrics::observe(&event.context.request_id, response).await;
        response.map_err(lambda_runtime::Error::from)
    }))
    .await
}
