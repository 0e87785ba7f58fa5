//! Notifications going in.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use aws_sdk_dynamodb::types::{PutRequest, WriteRequest};
use futures_util::stream::{self, StreamExt, TryStreamExt};
use jiff::Timestamp;

use super::keys::Key;
use super::{Store, failure, item_key, n, row, s};
use crate::clock::Clock;
use crate::error::{Error, Result};
use crate::id::NotificationId;
use crate::metrics;
use crate::notification::{Notification, Recipient};

/// Rows in one `BatchWriteItem`: DynamoDB's limit.
const BATCH: usize = 25;
/// Batches on their way at the same time.
const BATCHES_IN_FLIGHT: usize = 8;
/// Single rows on their way at the same time.
pub const PUTS_IN_FLIGHT: usize = 32;
/// A put is begun while its id is at most this old. With the time it may take (the
/// client ends it within 1.5 s) it is over before the id is 4 s old, and a request is answered
/// within 3 s when the table does not answer.
pub const FRESH: Duration = Duration::from_millis(1_400);
/// A batch is begun while its ids are at most this old: what it leaves open must still be fresh.
const FRESH_FOR_BATCH: Duration = Duration::from_millis(600);

/// What a row is that exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// A notification.
    Live,
    /// What remains of one that was taken back.
    Retracted,
    /// What remembers that this other notification was the answer.
    Duplicate(NotificationId),
}

/// What became of a row of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// It is stored.
    Stored,
    /// It is not stored.
    Not,
    /// It is not stored: the table takes no more at the moment.
    Throttled,
    /// The table's answer was lost.
    Perhaps,
}

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
        let put = put.send().await;
        let put = created(put.map_err(|error| failure("the table", error)))?;
        metrics::tally(metrics::CREATED, usize::from(put == Put::Created));
        Ok(put)
    }

    /// Remembers for 24 h, in the place of a row, that a keyed request was answered with another
    /// notification; unless the row is there. So nobody stores it later. Readers skip it.
    pub async fn put_duplicate(
        &self,
        recipient: &Recipient,
        id: NotificationId,
        other: NotificationId,
        now: Timestamp,
    ) -> Result<Put> {
        let put = self.client.put_item().table_name(&self.table);
        let put = put
            .set_item(Some(item_key(&Key::of(recipient, id))))
            .item("v", n(1))
            .item(row::TOMBSTONE, n(now.as_millisecond()))
            .item(row::DUPLICATE, s(other.to_string()))
            .item("expires_at", n(now.as_second() + row::TOMBSTONE_LIFE))
            .condition_expression("attribute_not_exists(pk)");
        created(
            put.send()
                .await
                .map_err(|error| failure("the table", error)),
        )
    }

    /// Stores rows that nobody else puts under their moment `at`, 25 to a request, and says of each
    /// what became of it. If it `yields`, no batch is begun after one that the table did not take all of.
    pub async fn put_batches(
        &self,
        rows: &[Notification],
        at: Timestamp,
        clock: Clock,
        yields: bool,
    ) -> Result<Vec<Written>> {
        let busy = AtomicBool::new(false);
        let batches = stream::iter(rows.chunks(BATCH))
            .map(async |batch| {
                if yields && busy.load(Relaxed) {
                    return Ok(vec![Written::Not; batch.len()]);
                }
                let written = self.put_batch(batch, at, clock).await?;
                if written.iter().any(|one| *one != Written::Stored) {
                    busy.store(true, Relaxed);
                }
                Ok(written)
            })
            .buffered(BATCHES_IN_FLIGHT);
        let written: Vec<Vec<Written>> = batches.try_collect().await?;
        Ok(written.concat())
    }

    /// One `BatchWriteItem`, sent once: its puts have no condition, so they are not repeated.
    async fn put_batch(
        &self,
        batch: &[Notification],
        at: Timestamp,
        clock: Clock,
    ) -> Result<Vec<Written>> {
        if clock.since(at) > FRESH_FOR_BATCH {
            return Ok(vec![Written::Not; batch.len()]);
        }
        let mut requests = Vec::with_capacity(batch.len());
        for notification in batch {
            let put = PutRequest::builder()
                .set_item(Some(row::to_item(notification)?))
                .build()
                .expect("a put has its item");
            requests.push(WriteRequest::builder().put_request(put).build());
        }
        let write = self.once().batch_write_item();
        let answer = match write.request_items(&self.table, requests).send().await {
            Ok(answer) => answer,
            Err(error) => {
                let error = failure("the table", error);
                if let Error::Throttled { .. } = error {
                    return Ok(vec![Written::Throttled; batch.len()]);
                }
                tracing::info!(error = %error.chain(), "a batch is finished row by row");
                return Ok(vec![Written::Perhaps; batch.len()]);
            }
        };
        let left = answer.unprocessed_items.unwrap_or_default();
        if left.is_empty() {
            metrics::tally(metrics::CREATED, batch.len());
            return Ok(vec![Written::Stored; batch.len()]);
        }
        let text = |item: &row::Item, name: &str| item.get(name)?.as_s().ok().cloned();
        let left: HashSet<(String, String)> = left
            .into_values()
            .flatten()
            .filter_map(|request| request.put_request)
            .filter_map(|put| Some((text(&put.item, "pk")?, text(&put.item, "sk")?)))
            .collect();
        metrics::tally(metrics::CREATED, batch.len() - left.len());
        let became = |n: &Notification| {
            let key = Key::of(&n.recipient, n.id);
            if left.contains(&(key.pk(), key.sk())) {
                Written::Not
            } else {
                Written::Stored
            }
        };
        Ok(batch.iter().map(became).collect())
    }

    /// Those of these rows that exist, and what they are; read consistently.
    pub async fn existing(
        &self,
        rows: &[(Recipient, NotificationId)],
    ) -> Result<HashMap<(Recipient, NotificationId), Found>> {
        let keys = rows.iter().map(|(recipient, id)| Key::of(recipient, *id));
        let found = self.get_all(keys.collect(), Some("pk, sk, z, du")).await?;
        let named = |item: row::Item| {
            let text = |name| item.get(name).and_then(|value| value.as_s().ok());
            let other = text(row::DUPLICATE).and_then(|id| NotificationId::parse(id));
            let found = match other {
                Some(other) => Found::Duplicate(other),
                None if row::is_tombstone(&item) => Found::Retracted,
                None => Found::Live,
            };
            Some((Key::recipient(text("pk")?, text("sk")?)?, found))
        };
        Ok(found.into_iter().filter_map(named).collect())
    }
}

/// What a conditional put found.
fn created<T>(put: Result<T>) -> Result<Put> {
    match put {
        Ok(_) => Ok(Put::Created),
        Err(Error::Conflict(_)) => Ok(Put::Exists),
        Err(other) => Err(other),
    }
}
