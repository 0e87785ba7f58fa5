//! The table behind the API's back: rows that a test plants, changes, or looks at.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::types::{AttributeValue, PutRequest, WriteRequest};
use jiff::Timestamp;
use shared::id::NotificationId;

use crate::stack::Stack;

/// A row as the table holds it.
pub type Item = HashMap<String, AttributeValue>;

/// A moment that has passed, in epoch seconds.
const PAST: i64 = 1_790_000_000;
/// A moment that will not come while tests run.
pub const FUTURE: i64 = 4_000_000_000;

pub fn s(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

pub fn n(number: i64) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

/// The key of a user's row with this sort key.
pub fn key(user: &str, sk: &str) -> Item {
    [("pk", s(&format!("U#{user}"))), ("sk", s(sk))]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
}

/// An id of the moment `age` ago.
pub fn id_aged(age: Duration) -> String {
    NotificationId::draw(Timestamp::now() - age).to_string()
}

/// A user's row, if it is there.
pub async fn get(stack: &Stack, user: &str, sk: &str) -> Option<Item> {
    let client = stack.dynamodb_client();
    let get = client.get_item().table_name(stack.table());
    let get = get.set_key(Some(key(user, sk))).consistent_read(true);
    get.send().await.unwrap().item
}

/// Writes a user's row.
pub async fn put(stack: &Stack, user: &str, sk: &str, fields: &[(&str, AttributeValue)]) {
    let client = stack.dynamodb_client();
    let put = client.put_item().table_name(stack.table());
    let put = put.set_item(Some(key(user, sk)));
    let put = fields
        .iter()
        .fold(put, |put, (name, value)| put.item(*name, value.clone()));
    put.send().await.unwrap();
}

/// Takes a user's row away.
pub async fn delete(stack: &Stack, user: &str, sk: &str) {
    let client = stack.dynamodb_client();
    let delete = client.delete_item().table_name(stack.table());
    delete.set_key(Some(key(user, sk))).send().await.unwrap();
}

/// Lets a user's row expire.
pub async fn expire(stack: &Stack, user: &str, sk: &str) {
    let client = stack.dynamodb_client();
    let update = client.update_item().table_name(stack.table());
    let update = update
        .set_key(Some(key(user, sk)))
        .update_expression("SET expires_at = :past")
        .expression_attribute_values(":past", n(PAST));
    update.send().await.unwrap();
}

/// Writes notifications with these ids, as if they had been accepted at the moments in them, and
/// their pushes were over.
pub async fn plant(stack: &Stack, user: &str, ids: &[String]) {
    let client = stack.dynamodb_client();
    for chunk in ids.chunks(25) {
        let puts = chunk.iter().map(|id| {
            let mut item = key(user, &format!("N#{id}"));
            let fields = [
                ("v", n(1)),
                ("expires_at", n(FUTURE)),
                ("t", s("video.liked")),
                ("ti", s("Planted")),
                (
                    "po",
                    AttributeValue::M([("s".to_owned(), s("skipped"))].into()),
                ),
            ];
            item.extend(fields.map(|(name, value)| (name.to_owned(), value)));
            let put = PutRequest::builder().set_item(Some(item)).build().unwrap();
            WriteRequest::builder().put_request(put).build()
        });
        let write = client.batch_write_item();
        let write = write.request_items(stack.table(), puts.collect());
        let left = write.send().await.unwrap().unprocessed_items;
        assert!(left.unwrap_or_default().is_empty());
    }
}
