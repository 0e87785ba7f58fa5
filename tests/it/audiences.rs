//! Large topics for tests, and what an audience may be.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::{AttributeValue, PutRequest, WriteRequest};
use futures_util::stream::{self, StreamExt};
use serde_json::{Value, json};
use shared::id::UserId;
use shared::store::keys::member_shard;

use crate::fan_out::note;
use crate::ground::create;
use crate::stack::unique;
use crate::tasks::Field;

type Item = HashMap<String, AttributeValue>;

impl Field {
    /// Puts rows as they are.
    pub async fn fill(&self, rows: impl IntoIterator<Item = Item>) {
        let puts = rows.into_iter().map(|row| {
            let put = PutRequest::builder().set_item(Some(row)).build().unwrap();
            WriteRequest::builder().put_request(put).build()
        });
        let puts: Vec<WriteRequest> = puts.collect();
        let batches = puts.chunks(25).map(|batch| {
            let write = self.ground.client().batch_write_item();
            write
                .request_items(self.ground.table(), batch.to_vec())
                .send()
        });
        let written = stream::iter(batches).buffer_unordered(4);
        written
            .for_each(async |answer| {
                let left = answer.unwrap().unprocessed_items;
                assert!(left.unwrap_or_default().is_empty());
            })
            .await;
    }

    /// A topic with these members, who have no mirrors.
    pub async fn large_topic(&self, users: &[String]) -> String {
        let topic = unique("topic");
        let text = |text: String| AttributeValue::S(text);
        let row = |user: &String| {
            let shard = member_shard(&UserId::parse(user).unwrap());
            Item::from([
                ("pk".to_owned(), text(format!("M#{topic}#{shard}"))),
                ("sk".to_owned(), text(format!("U#{user}"))),
                ("j".to_owned(), AttributeValue::N("1".to_owned())),
            ])
        };
        self.fill(users.iter().map(row)).await;
        topic
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_audience_is_one_of_three() {
    let field = Field::new().await;
    let cases = [
        (json!({"topic": "a b"}), vec!["/topic"]),
        (json!({"topic": 7}), vec!["/topic"]),
        (json!({"topic": "t", "recipients": ["ana"]}), vec!["/topic"]),
        (json!({"topic": "t", "everyone": true}), vec!["/everyone"]),
        (
            json!({"recipients": ["ana"], "everyone": true}),
            vec!["/everyone"],
        ),
        (json!({}), vec!["/recipients"]),
    ];
    for (audience, expected) in cases {
        let mut body = note("t", "live.refused");
        body["topic"] = Value::Null;
        for (name, value) in audience.as_object().unwrap() {
            body[name] = value.clone();
        }
        let reply = create(None, &body).send(&field.creator).await.unwrap();
        let errors = reply.body["errors"].as_array().unwrap();
        let found: Vec<&str> = errors
            .iter()
            .map(|e| e["pointer"].as_str().unwrap())
            .collect();
        assert_eq!((reply.status, found), (422, expected), "{audience}");
    }
    assert!(field.rows("").await.is_empty());
}
