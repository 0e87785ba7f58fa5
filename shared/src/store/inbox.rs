//! A user's notifications coming out, newest first.

use jiff::Timestamp;

use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::ReturnValue;

use super::keys::{Key, NOTIFICATION_PREFIX};
use super::row::{self, Item};
use super::{Store, failure, item_key, n, s};
use crate::error::{Error, Result};
use crate::id::{NotificationId, UserId};
use crate::notification::Notification;

/// The most rows that one page or one count examines.
const MAX_EXAMINED: usize = 500;
/// The highest count that is told exactly.
const MAX_COUNT: usize = 99;

/// How many notifications of an inbox are new to its user; lower bounds if `capped`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Not opened.
    pub unread: usize,
    /// Whether there may be more.
    pub capped: bool,
}

/// A slice of an inbox.
pub struct Slice {
    /// Newest first.
    pub notifications: Vec<Notification>,
    /// The last row that was examined, if older ones may follow.
    pub next: Option<NotificationId>,
}

/// One answer of a query: rows, and whether there are more behind them.
struct Answer {
    items: Vec<Item>,
    more: bool,
}

impl Store {
    /// Up to `limit` live notifications older than `before`, newest first.
    pub async fn list(
        &self,
        user: &UserId,
        before: Option<NotificationId>,
        limit: usize,
        now: Timestamp,
        consistent: bool,
    ) -> Result<Slice> {
        let mut notifications = Vec::new();
        let (mut before, mut examined) = (before, 0);
        loop {
            // One row more than asked for tells whether anything follows.
            let wanted = (limit + 1).saturating_sub(notifications.len());
            let wanted = wanted.min(MAX_EXAMINED - examined);
            let answer = self.query(user, before, wanted, consistent).await?;
            examined += answer.items.len();
            for (id, row) in readable(answer.items) {
                let live = row.filter(|notification| notification.is_live(now));
                if notifications.len() == limit && live.is_some() {
                    return Ok(Slice {
                        next: before,
                        notifications,
                    });
                }
                before = Some(id);
                notifications.extend(live);
            }
            if !answer.more || examined >= MAX_EXAMINED {
                let next = before.filter(|_| answer.more);
                return Ok(Slice {
                    notifications,
                    next,
                });
            }
        }
    }

    /// Counts what is unread among the newest rows.
    pub async fn count(&self, user: &UserId, now: Timestamp, consistent: bool) -> Result<Counts> {
        let mut counts = Counts::default();
        let (mut before, mut examined) = (None, 0);
        loop {
            let wanted = (MAX_COUNT + 1).min(MAX_EXAMINED - examined);
            let answer = self.query(user, before, wanted, consistent).await?;
            examined += answer.items.len();
            for (id, row) in readable(answer.items) {
                before = Some(id);
                if row.is_some_and(|row| row.is_live(now) && row.is_unread()) {
                    counts.unread += 1;
                }
                if counts.unread > MAX_COUNT {
                    counts.unread = MAX_COUNT;
                    counts.capped = true;
                    return Ok(counts);
                }
            }
            if !answer.more {
                return Ok(counts);
            }
            if examined >= MAX_EXAMINED {
                counts.capped = true;
                return Ok(counts);
            }
        }
    }

    /// One notification of a user.
    pub async fn get_notification(
        &self,
        user: &UserId,
        id: NotificationId,
        now: Timestamp,
    ) -> Result<Notification> {
        let key = Key::Notification(user.clone(), id);
        let item = self.get(&key, "the inbox").await?.ok_or(Error::NotFound)?;
        let notification = row::from_item(item)?;
        if notification.is_live(now) {
            return Ok(notification);
        }
        Err(Error::NotFound)
    }

    /// Marks a notification as opened or not opened; doing it twice changes nothing.
    pub async fn mark_read(
        &self,
        user: &UserId,
        id: NotificationId,
        read: bool,
        now: Timestamp,
    ) -> Result<Notification> {
        let update = self.client.update_item().table_name(&self.table);
        let update = update
            .set_key(Some(item_key(&Key::Notification(user.clone(), id))))
            // An update without a condition would create a row that is not there.
            .condition_expression("attribute_exists(pk) AND expires_at > :second")
            .expression_attribute_values(":second", n(now.as_second()))
            .expression_attribute_names("#r", "r")
            .return_values(ReturnValue::AllNew);
        let update = if read {
            update
                .update_expression("SET #r = if_not_exists(#r, :now)")
                .expression_attribute_values(":now", n(now.as_millisecond()))
        } else {
            update.update_expression("REMOVE #r")
        };
        let answer = update
            .send()
            .await
            .map_err(|error| match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(_)) => Error::NotFound,
                _ => failure("the inbox", error),
            })?;
        row::from_item(answer.attributes.unwrap_or_default())
    }

    /// Rows of a user older than `before`, newest first. A `Limit` is always sent: without one
    /// the local engine reads the whole inbox, and DynamoDB a megabyte.
    async fn query(
        &self,
        user: &UserId,
        before: Option<NotificationId>,
        limit: usize,
        consistent: bool,
    ) -> Result<Answer> {
        let newest = before.map_or("~".to_owned(), |id| id.previous().to_string());
        let query = self.client.query().table_name(&self.table);
        let query = query
            .key_condition_expression("pk = :pk AND sk BETWEEN :oldest AND :newest")
            .expression_attribute_values(":pk", s(Key::User(user.clone()).pk()))
            .expression_attribute_values(":oldest", s(NOTIFICATION_PREFIX))
            .expression_attribute_values(":newest", s(format!("{NOTIFICATION_PREFIX}{newest}")))
            .scan_index_forward(false)
            .consistent_read(consistent)
            .limit(i32::try_from(limit).unwrap_or(i32::MAX));
        let answer = query
            .send()
            .await
            .map_err(|error| failure("the inbox", error))?;
        Ok(Answer {
            more: answer.last_evaluated_key.is_some(),
            items: answer.items.unwrap_or_default(),
        })
    }
}

/// The ids of rows, and what could be read of them. A row of a newer version is examined and left
/// out: an older function must survive a deploy.
fn readable(items: Vec<Item>) -> impl Iterator<Item = (NotificationId, Option<Notification>)> {
    items.into_iter().filter_map(|item| {
        let sk = item.get("sk")?.as_s().ok()?;
        let id = NotificationId::parse(sk.strip_prefix(NOTIFICATION_PREFIX)?)?;
        let row = row::from_item(item);
        if let Err(error) = &row {
            tracing::warn!(error = %error.chain(), "a row is left out");
        }
        Some((id, row.ok()))
    })
}
