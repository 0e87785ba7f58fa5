//! A function that puts one notification with the SDK, and does nothing else: no checks, no ids of its own, no logs.

mod sdk;

use aws_sdk_dynamodb::types::AttributeValue;
use lambda_http::{Body, Error, Request, Response, run, service_fn};
use serde_json::{Value, json};

fn s(value: &Value) -> AttributeValue {
    AttributeValue::S(value.as_str().unwrap_or_default().to_owned())
}

fn map(name: &str, value: AttributeValue) -> AttributeValue {
    AttributeValue::M([(name.to_owned(), value)].into())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let client = sdk::dynamodb()?;
    let table = sdk::variable("TABLE_NAME")?;
    // The connection is opened before the first request, as in the functions.
    let key = AttributeValue::S("connect".to_owned());
    let connect = client.get_item().table_name(&table).key("pk", key);
    drop(connect.send().await);
    run(service_fn(async |request: Request| {
        let body: Value = serde_json::from_slice(request.body().as_ref())?;
        let recipient = body["recipients"][0].as_str().unwrap_or_default();
        let put = client.put_item().table_name(&table);
        let put = put
            .item("pk", AttributeValue::S(format!("U#{recipient}")))
            .item(
                "sk",
                AttributeValue::S("N#01KAG3N7V0C5S9W2X4Y6Z8A0B1".to_owned()),
            )
            .item("v", AttributeValue::N("1".to_owned()))
            .item("expires_at", AttributeValue::N("4000000000".to_owned()))
            .item("t", s(&body["type"]))
            .item("ti", s(&body["title"]))
            .item("b", s(&body["body"]))
            .item("a", map("i", s(&body["actor"]["id"])))
            .item(
                "d",
                map("video", map("id", AttributeValue::N("42".to_owned()))),
            )
            .condition_expression("attribute_not_exists(pk)");
        put.send().await?;
        let data = json!({"data": [{"recipient": recipient, "status": "created"}]});
        let answer = Response::builder().status(201);
        let answer = answer.header("content-type", "application/json");
        Ok::<_, Error>(answer.body(Body::from(data.to_string()))?)
    }))
    .await
}
