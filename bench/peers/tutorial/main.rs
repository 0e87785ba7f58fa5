//! The function of `put.rs` as AWS's tutorial makes one: many threads, everything by default, and its logs.

use aws_config::BehaviorVersion;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use lambda_http::tracing::{self, Instrument as _};
use lambda_http::{Body, Error, Request, RequestExt as _, Response, run, service_fn};
use serde_json::{Value, json};

fn s(value: &Value) -> AttributeValue {
    AttributeValue::S(value.as_str().unwrap_or_default().to_owned())
}

fn map(name: &str, value: AttributeValue) -> AttributeValue {
    AttributeValue::M([(name.to_owned(), value)].into())
}

async fn put(client: &Client, table: &str, request: Request) -> Result<Response<Body>, Error> {
    let body: Value = serde_json::from_slice(request.body().as_ref())?;
    let recipient = body["recipients"][0].as_str().unwrap_or_default();
    let id = "N#01KAG3N7V0C5S9W2X4Y6Z8A0B1".to_owned();
    let video = map("id", AttributeValue::N("42".to_owned()));
    let put = client
        .put_item()
        .table_name(table)
        .item("pk", AttributeValue::S(format!("U#{recipient}")))
        .item("sk", AttributeValue::S(id))
        .item("v", AttributeValue::N("1".to_owned()))
        .item("expires_at", AttributeValue::N("4000000000".to_owned()))
        .item("t", s(&body["type"]))
        .item("ti", s(&body["title"]))
        .item("b", s(&body["body"]))
        .item("a", map("i", s(&body["actor"]["id"])))
        .item("d", map("video", video))
        .condition_expression("attribute_not_exists(pk)");
    put.send().await?;
    tracing::info!(recipient, "stored");
    let data = json!({"data": [{"recipient": recipient, "status": "created"}]});
    let answer = Response::builder()
        .status(201)
        .header("content-type", "application/json")
        .body(Body::from(data.to_string()))?;
    Ok(answer)
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    tracing::init_default_subscriber();
    let config = aws_config::load_defaults(BehaviorVersion::latest()).await;
    let client = Client::new(&config);
    let table = std::env::var("TABLE_NAME")?;
    run(service_fn(async |request: Request| {
        // As the page on logging of Lambda's guide names each request in what is logged of it.
        let id = request.lambda_context().request_id;
        let span = tracing::info_span!("put", req_id = %id);
        put(&client, &table, request).instrument(span).await
    }))
    .await
}
