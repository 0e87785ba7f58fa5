//! A custom resource of `CloudFormation`: the SNS platform applications, which it has no resource for,
//! from the credentials in Secrets Manager.

mod answer;
mod change;
mod credentials;
mod handler;
mod properties;
mod remove;
mod request;

use handler::Handler;
use lambda_runtime::{LambdaEvent, run, service_fn};
use serde_json::Value;
use shared::{aws, metrics, telemetry};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    telemetry::init();
    let handler = Handler {
        sns: aws::sns()?,
        secrets: aws::secrets()?,
    };
    run(service_fn(async |event: LambdaEvent<Value>| {
        // On the heap: the future is large.
        let answer = Box::pin(handler.handle(&event.payload, &event.context));
        let answer = metrics::observe(&event.context.request_id, answer).await;
        answer.map_err(lambda_runtime::Error::from)
    }))
    .await
}
