//! `/v1/users`: what an administrator may do for a user.

mod devices;
mod handler;
mod pushes;
mod trace;

use handler::Handler;
use shared::{aws, http, telemetry};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    telemetry::init();
    let handler = Handler {
        store: aws::store().await?,
        sns: aws::sns()?,
    };
    http::serve(async |request| handler.handle(request).await).await
}
