//! `/v1/me/devices`, `/v1/me/preferences`, `/v1/me/mutes`: where a user's pushes go, and what is
//! wanted.

mod devices;
mod handler;
mod mutes;
mod preferences;

use handler::Handler;
use shared::{aws, http, telemetry};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    telemetry::init();
    let handler = Handler {
        store: aws::connected_store().await?,
        sns: aws::sns()?,
        applications: aws::applications()?,
    };
    http::serve(async |request| handler.handle(request).await).await
}
