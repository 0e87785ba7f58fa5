//! SNS's platform events: a device that cannot be reached any more is removed, also without a push.

mod handler;

use lambda_runtime::{LambdaEvent, run, service_fn};
use serde_json::value::RawValue;
use shared::{aws, metrics, telemetry};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    telemetry::init();
    let (store, sns) = (aws::connected_store().await?, aws::sns()?);
    run(service_fn(async |event: LambdaEvent<Box<RawValue>>| {
        // On the heap: the future is large.
        let handled = Box::pin(handler::handle(&store, &sns, event.payload.get()));
        let handled = metrics::observe(&event.context.request_id, handled).await;
        handled.map_err(lambda_runtime::Error::from)
    }))
    .await
}
