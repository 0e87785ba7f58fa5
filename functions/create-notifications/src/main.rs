//! `POST /v1/notifications`, `POST /v1/notifications/batch`: stores notifications.

mod batch;
mod create;
mod handler;

use handler::Handler;
use shared::{aws, http, telemetry};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    telemetry::init();
    let handler = Handler {
        store: aws::store().await?,
        retention: aws::retention()?,
    };
    http::serve(async |request| handler.handle(request).await).await
}
