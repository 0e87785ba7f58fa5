//! Notifications going in.

use std::collections::HashSet;
use std::time::Duration;

use aws_sdk_dynamodb::types::{PutRequest, WriteRequest};
use futures_util::stream::{self, StreamExt, TryStreamExt};

use super::keys::Key;
use super::{Store, failure, row};
use crate::clock::Clock;
use crate::error::{Error, Result};
use crate::id::{NotificationId, UserId};
use crate::notification::Notification;

/// Rows in one `BatchWriteItem`: DynamoDB's limit.
const BATCH: usize = 25;
/// Batches on their way at the same time.
const BATCHES_IN_FLIGHT: usize = 8;
/// Single rows on their way at the same time.
pub const PUTS_IN_FLIGHT: usize = 32;
/// A put is begun while its id is at most this old. With the two attempts a put may take
///, it ends before the id is 5 s old, which is where watermarks begin.
pub const FRESH: Duration = Duration::from_millis(2_500);

/// What a conditional put found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Put {
    /// The row is there now.
    Created,
    /// It was there already.
    Exists,
}

impl Store {
    /// Stores a notification unless its row exists. Repeating it is harmless.
    pub async fn put(&self, notification: &Notification) -> Result<Put> {
        let put = self.client.put_item().table_name(&self.table);
        let put = put
            .set_item(Some(row::to_item(notification)?))
            .condition_expression("attribute_not_exists(pk)");
        match put.send().await {
            Ok(_) => Ok(Put::Created),
            Err(error) => match failure("the table", error) {
                Error::Conflict(_) => Ok(Put::Exists),
                other => Err(other),
            },
        }
    }

    /// Stores notifications whose ids were drawn for this call, 25 to a request. What a batch
    /// leaves open is finished row by row: its id is ours alone, so a row that is there is ours.
    pub async fn put_drawn(&self, notifications: &[Notification], clock: Clock) -> Result<()> {
        let mut open = Vec::new();
        if let [one] = notifications {
            open.push(one);
        } else {
            let batches = stream::iter(notifications.chunks(BATCH))
                .map(|batch| self.put_batch(batch))
                .buffer_unordered(BATCHES_IN_FLIGHT);
            for left in batches.try_collect::<Vec<_>>().await? {
                open.extend(left);
            }
        }
        let puts = stream::iter(open)
            .map(|notification| self.put_fresh(notification, clock))
            .buffer_unordered(PUTS_IN_FLIGHT);
        puts.try_for_each(async |_| Ok(())).await
    }

    async fn put_fresh(&self, notification: &Notification, clock: Clock) -> Result<Put> {
        if clock.since(notification.id.at()) > FRESH {
            return Err(Error::Unavailable {
                what: "the table",
                source: "it did not take the row in time".into(),
            });
        }
        self.put(notification).await
    }

    /// One `BatchWriteItem`, sent once: its condition-free puts must not be repeated blindly.
    /// Returns what it is not known to have stored.
    async fn put_batch<'n>(&self, batch: &'n [Notification]) -> Result<Vec<&'n Notification>> {
        let mut requests = Vec::with_capacity(batch.len());
        for notification in batch {
            let put = PutRequest::builder()
                .set_item(Some(row::to_item(notification)?))
                .build()
                .expect("a put has its item");
            requests.push(WriteRequest::builder().put_request(put).build());
        }
        let write = self.once.batch_write_item();
        let answer = match write.request_items(&self.table, requests).send().await {
            Ok(answer) => answer,
            Err(error) => {
                let error = failure("the table", error);
                tracing::info!(error = %error.chain(), "a batch is finished row by row");
                return Ok(batch.iter().collect());
            }
        };
        let left = answer.unprocessed_items.unwrap_or_default();
        let left: Vec<_> = left
            .into_values()
            .flatten()
            .filter_map(|request| request.put_request)
            .filter_map(|put| put.item.get("sk").cloned())
            .collect();
        let is_left = |n: &&Notification| {
            let key = Key::Notification(n.recipient.clone(), n.id);
            left.contains(&super::s(key.sk()))
        };
        Ok(batch.iter().filter(is_left).collect())
    }

    /// Those of these rows that exist; read consistently.
    pub async fn existing(
        &self,
        rows: Vec<(UserId, NotificationId)>,
    ) -> Result<HashSet<(UserId, NotificationId)>> {
        let keys = rows
            .into_iter()
            .map(|(user, id)| Key::Notification(user, id));
        let found = self.get_all(keys.collect(), Some("pk, sk")).await?;
        let named = |item: super::row::Item| {
            let text = |name| item.get(name).and_then(|value| value.as_s().ok());
            Key::notification(text("pk")?, text("sk")?)
        };
        Ok(found.into_iter().filter_map(named).collect())
    }
}
