//! A table of a test's own in an engine that is already there, made as the template says.

use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, StreamSpecification, TableStatus,
};
use serde_json::Value;
use shared::id::NotificationId;

/// Creates a table with a name that nobody has, by the body of a `CreateTable` request, and waits until it can be used.
/// It stays when the test has ended.
pub async fn create(client: &Client, body: &Value) -> String {
    let name = format!(
        "tidings-it-{}",
        NotificationId::draw(jiff::Timestamp::now())
    );
    let list = |name: &str| body[name].as_array().unwrap().clone();
    let text = |value: &Value, name: &str| value[name].as_str().unwrap().to_owned();
    let attributes = list("AttributeDefinitions").into_iter().map(|attribute| {
        AttributeDefinition::builder()
            .attribute_name(text(&attribute, "AttributeName"))
            .attribute_type(text(&attribute, "AttributeType").as_str().into())
            .build()
            .unwrap()
    });
    let keys = list("KeySchema").into_iter().map(|key| {
        KeySchemaElement::builder()
            .attribute_name(text(&key, "AttributeName"))
            .key_type(text(&key, "KeyType").as_str().into())
            .build()
            .unwrap()
    });
    let view = text(&body["StreamSpecification"], "StreamViewType");
    let stream = StreamSpecification::builder()
        .stream_enabled(true)
        .stream_view_type(view.as_str().into())
        .build();
    let create = client
        .create_table()
        .table_name(&name)
        .billing_mode(BillingMode::PayPerRequest)
        .set_attribute_definitions(Some(attributes.collect()))
        .set_key_schema(Some(keys.collect()))
        .stream_specification(stream.unwrap());
    create.send().await.unwrap();
    loop {
        let described = client.describe_table().table_name(&name).send().await;
        let table = described.unwrap().table.unwrap();
        if table.table_status == Some(TableStatus::Active) {
            return name;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
