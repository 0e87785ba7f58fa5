//! A function that does nothing: what Lambda's runtime takes itself.

use lambda_http::{Body, Error, Request, Response, run, service_fn};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    run(service_fn(async |_: Request| {
        let answer = Response::builder().status(201);
        let answer = answer.header("content-type", "application/json");
        Ok::<_, Error>(answer.body(Body::from("{\"data\": []}"))?)
    }))
    .await
}
