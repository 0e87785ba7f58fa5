//! `/v1/users`: what an administrator may do for a user.

mod devices;
mod erase;
mod export;
mod handler;
mod pushes;
mod trace;

use handler::Handler;
use shared::broadcast::Broadcasts;
use shared::{aws, http, telemetry};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    telemetry::init();
    let store = aws::connected_store().await?;
    let retention = aws::retention()?;
    let handler = Handler {
        broadcasts: Broadcasts::new(store.clone(), retention),
        store,
        sns: aws::sns()?,
        retention,
    };
    http::serve(async |request| handler.handle(request).await).await
}
