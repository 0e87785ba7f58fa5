//! `/v1/me/notifications`: a user's history, newest first, and what of it was read.

mod handler;
mod list;
mod marks;

use handler::Handler;
use shared::broadcast::Broadcasts;
use shared::{aws, http, telemetry};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    telemetry::init();
    let store = aws::store()?;
    let retention = aws::retention()?;
    let handler = Handler {
        broadcasts: Broadcasts::new(store.clone(), retention),
        store,
        retention,
    };
    handler.prepare().await;
    http::serve(async |request| handler.handle(request).await).await
}
