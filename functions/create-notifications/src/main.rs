//! `/v1/notifications`: stores notifications, and takes them back.

mod batch;
mod create;
mod handler;
mod jobs;
mod retract;

use handler::Handler;
use shared::{aws, http, telemetry};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    telemetry::init();
    let handler = Handler {
        store: aws::connected_store().await?,
        retention: aws::retention()?,
    };
    http::serve(async |request| handler.handle(request).await).await
}
