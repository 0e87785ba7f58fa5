//! The whole table coming out, a part at a time.

use std::collections::HashMap;

use jiff::Timestamp;

use aws_sdk_dynamodb::types::AttributeValue;

use super::keys::{Key, NOTIFICATION_PREFIX};
use super::row::{self, Item};
use super::{Store, failure, n, s};
use crate::error::Result;
use crate::id::UserId;
use crate::notification::Notification;

/// Where a part ended: the keys of its last row.
pub type Cursor = (String, String);

/// A part of the table.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// The live notifications in it.
    pub notifications: Vec<Notification>,
    /// Rows of any kind that were looked at.
    pub examined: usize,
    /// Where the next part begins; `None` at the end.
    pub cursor: Option<Cursor>,
}

impl Part {
    fn of(items: Vec<Item>, examined: i32, last: Option<&Item>) -> Result<Part> {
        // A row that cannot be read ends it: what is left out without a word is lost.
        let notifications = items.into_iter().map(row::from_item);
        Ok(Part {
            notifications: notifications.collect::<Result<_>>()?,
            examined: usize::try_from(examined).unwrap_or(0),
            cursor: last.and_then(keys),
        })
    }
}

fn keys(item: &Item) -> Option<Cursor> {
    let text = |name| item.get(name)?.as_s().ok().cloned();
    Some((text("pk")?, text("sk")?))
}

fn start(cursor: Option<Cursor>) -> Option<HashMap<String, AttributeValue>> {
    cursor.map(|(pk, sk)| HashMap::from([("pk".to_owned(), s(pk)), ("sk".to_owned(), s(sk))]))
}

impl Store {
    /// Notifications of all users that are live `now`, among up to `limit` rows of one of `segments`, read
    /// consistently. A row of a newer version is an error.
    pub async fn scan(
        &self,
        (segment, segments): (i32, i32),
        cursor: Option<Cursor>,
        limit: usize,
        now: Timestamp,
    ) -> Result<Part> {
        // The only one needs no name; and the engine of a laptop is quick without.
        let parallel = segments > 1;
        let scan = self.client.scan().table_name(&self.table);
        let scan = scan
            .set_segment(parallel.then_some(segment))
            .set_total_segments(parallel.then_some(segments))
            .filter_expression("begins_with(sk, :sk) AND attribute_exists(t) AND expires_at > :now")
            .expression_attribute_values(":sk", s(NOTIFICATION_PREFIX))
            .expression_attribute_values(":now", n(now.as_second()))
            .set_exclusive_start_key(start(cursor))
            .consistent_read(true)
            .limit(i32::try_from(limit).unwrap_or(i32::MAX));
        let answer = scan.send().await;
        let answer = answer.map_err(|error| failure("the table", error))?;
        let (examined, last) = (answer.scanned_count, answer.last_evaluated_key);
        Part::of(answer.items.unwrap_or_default(), examined, last.as_ref())
    }

    /// The same of one user, oldest first.
    pub async fn all_of(
        &self,
        user: &UserId,
        cursor: Option<Cursor>,
        limit: usize,
        now: Timestamp,
    ) -> Result<Part> {
        let query = self.client.query().table_name(&self.table);
        let query = query
            .key_condition_expression("pk = :pk AND begins_with(sk, :sk)")
            .filter_expression("attribute_exists(t) AND expires_at > :now")
            .expression_attribute_values(":pk", s(Key::User(user.clone()).pk()))
            .expression_attribute_values(":sk", s(NOTIFICATION_PREFIX))
            .expression_attribute_values(":now", n(now.as_second()))
            .set_exclusive_start_key(start(cursor))
            .consistent_read(true)
            .limit(i32::try_from(limit).unwrap_or(i32::MAX));
        let answer = query.send().await;
        let answer = answer.map_err(|error| failure("the inbox", error))?;
        let (examined, last) = (answer.scanned_count, answer.last_evaluated_key);
        Part::of(answer.items.unwrap_or_default(), examined, last.as_ref())
    }
}
