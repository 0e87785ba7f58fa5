//! `/v1/me/notifications`: a user's history, newest first, and what of it was read.

mod handler;
mod list;

use handler::Handler;
use shared::{aws, http, telemetry};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    telemetry::init();
    let handler = Handler {
        store: aws::store().await?,
    };
    http::serve(async |request| handler.handle(request).await).await
}
