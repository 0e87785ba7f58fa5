//! The calls of a batch of pushes in a bare loop: rows and users read, each published and its outcome recorded, 16 at a time.

mod sdk;

use std::collections::HashMap;

use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes, ReturnValue};
use aws_sdk_sns::types::MessageAttributeValue;
use futures_util::{StreamExt, stream};
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use serde_json::{Value, json};

/// On their way at the same time.
const IN_FLIGHT: usize = 16;
/// A push as Tidings makes it of the row that is measured.
const MESSAGE: &str = include_str!("message.json");

type Key = HashMap<String, AttributeValue>;

struct Loop {
    dynamodb: aws_sdk_dynamodb::Client,
    sns: aws_sdk_sns::Client,
    table: String,
}

fn key(pk: &str, sk: &str) -> Key {
    let text = |text: &str| AttributeValue::S(text.to_owned());
    HashMap::from([("pk".to_owned(), text(pk)), ("sk".to_owned(), text(sk))])
}

impl Loop {
    async fn read(&self, keys: &[Key]) -> Result<usize, Error> {
        let wanted = KeysAndAttributes::builder();
        let wanted = wanted.set_keys(Some(keys.to_vec())).consistent_read(true);
        let get = self.dynamodb.batch_get_item();
        let answer = get
            .request_items(&self.table, wanted.build()?)
            .send()
            .await?;
        let found = answer.responses.unwrap_or_default();
        Ok(found.into_values().map(|rows| rows.len()).sum())
    }

    async fn push(&self, key: Key, user: &str) -> Result<(), Error> {
        let endpoint = format!("arn:aws:sns:eu-west-1:123456789012:endpoint/GCM/tidings/{user}");
        let attribute = |value: &str| {
            let attribute = MessageAttributeValue::builder().data_type("String");
            attribute.string_value(value).build()
        };
        let publish = self.sns.publish().target_arn(endpoint);
        let publish = publish
            .message_structure("json")
            .message(MESSAGE.trim_end());
        let publish = publish.message_attributes("AWS.SNS.MOBILE.FCM.TTL", attribute("86400")?);
        let answer = publish.send().await?;
        let id = AttributeValue::S(answer.message_id.unwrap_or_default());
        let text = |text: &str| AttributeValue::S(text.to_owned());
        let device = HashMap::from([("s".to_owned(), text("sent")), ("m".to_owned(), id)]);
        let devices = HashMap::from([("phone".to_owned(), AttributeValue::M(device))]);
        let at = AttributeValue::N("1795168800000".to_owned());
        let outcome = HashMap::from([
            ("s".to_owned(), text("sent")),
            ("t".to_owned(), at),
            ("d".to_owned(), AttributeValue::M(devices)),
        ]);
        let update = self.dynamodb.update_item().table_name(&self.table);
        let update = update
            .set_key(Some(key))
            .condition_expression("attribute_exists(t) AND attribute_not_exists(po)")
            .update_expression("SET po = :outcome")
            .expression_attribute_values(":outcome", AttributeValue::M(outcome))
            .return_values(ReturnValue::AllNew);
        update.send().await?;
        Ok(())
    }

    async fn batch(&self, event: &Value) -> Result<Value, Error> {
        let records = event["Records"].as_array().ok_or("no records")?;
        let text = |record: &Value, name| {
            let key = &record["dynamodb"]["Keys"][name]["S"];
            key.as_str().unwrap_or_default().to_owned()
        };
        let rows = records.iter().map(|r| (text(r, "pk"), text(r, "sk")));
        let rows: Vec<(String, String)> = rows.collect();
        let keys: Vec<Key> = rows.iter().map(|(pk, sk)| key(pk, sk)).collect();
        let users = rows
            .iter()
            .flat_map(|(pk, _)| [key(pk, "A#user"), key(pk, "A#marks")]);
        let users: Vec<Key> = users.collect();
        let mut found = self.read(&keys).await?;
        for part in users.chunks(100) {
            found += self.read(part).await?;
        }
        let pushes = keys.into_iter().zip(&rows);
        let pushes = pushes.map(|(key, (pk, _))| self.push(key, pk.trim_start_matches("U#")));
        let done: Vec<_> = stream::iter(pushes)
            .buffer_unordered(IN_FLIGHT)
            .collect()
            .await;
        let done: Result<Vec<()>, Error> = done.into_iter().collect();
        if found != 2 * done?.len() {
            return Err(format!("{found} rows").into());
        }
        Ok(json!({"batchItemFailures": []}))
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let bare = Loop {
        dynamodb: sdk::dynamodb()?,
        sns: sdk::sns()?,
        table: sdk::variable("TABLE_NAME")?,
    };
    run(service_fn(async |event: LambdaEvent<Value>| {
        bare.batch(&event.payload).await
    }))
    .await
}
