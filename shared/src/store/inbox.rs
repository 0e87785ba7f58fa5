//! A user's rows coming out, newest first, and marks going in.

use std::collections::VecDeque;

use jiff::Timestamp;

use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::ReturnValue;

use super::keys::{BROADCAST_PREFIX, Key, NOTIFICATION_PREFIX};
use super::row::{self, Item};
use super::{Step, StepKey, Store, failure, item_key, n, s};
use crate::error::{Error, Result};
use crate::id::{NotificationId, UserId};
use crate::notification::Notification;

/// The most rows that one page or one count examines.
pub const MAX_EXAMINED: usize = 500;
/// Rows asked for at a time, once more are needed than the first answer held.
const CHUNK: usize = 100;

/// A row of an inbox: its id, and the notification if it is one that can be shown, or carries the push of one for everyone.
pub type Examined = (NotificationId, Option<Notification>);

/// A change of one notification's marks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// It was opened.
    Read,
    /// It counts as not opened.
    Unread,
    /// It was in a list that was opened.
    Seen,
    /// It is hidden from the list.
    Archived,
    /// It is in the list again.
    Unarchived,
}

/// The rows of a user below a bound, newest first, read as they are needed: at most
/// [`MAX_EXAMINED`].
pub struct Rows<'s> {
    store: &'s Store,
    user: &'s UserId,
    consistent: bool,
    /// The bounds of what is still to be read; both are included.
    newest: Option<NotificationId>,
    oldest: Option<NotificationId>,
    chunk: VecDeque<Examined>,
    more: bool,
    examined: usize,
}

impl<'s> Rows<'s> {
    /// Rows older than `before`, and not older than `oldest`. Nothing is read yet.
    pub fn new(
        store: &'s Store,
        user: &'s UserId,
        before: Option<NotificationId>,
        oldest: Option<NotificationId>,
        consistent: bool,
    ) -> Rows<'s> {
        Rows {
            store,
            user,
            consistent,
            newest: before.map(NotificationId::previous),
            oldest,
            chunk: VecDeque::new(),
            more: true,
            examined: 0,
        }
    }

    /// Reads up to `count` rows ahead.
    pub async fn read_ahead(&mut self, count: usize) -> Result<()> {
        if !self.more || !self.chunk.is_empty() {
            return Ok(());
        }
        let limit = count.min(MAX_EXAMINED - self.examined);
        if limit == 0 {
            return Ok(());
        }
        let (store, user) = (self.store, self.user);
        let answer = store.query(user, self.newest, self.oldest, limit, self.consistent);
        let (items, more) = answer.await?;
        self.examined += items.len();
        self.more = more;
        self.chunk = items.into_iter().filter_map(examine).collect();
        if let Some((last, _)) = self.chunk.back() {
            self.newest = Some(last.previous());
        }
        Ok(())
    }

    /// The next row; `None` at the end, or when enough were examined.
    pub async fn next(&mut self) -> Result<Option<Examined>> {
        self.read_ahead(CHUNK).await?;
        Ok(self.chunk.pop_front())
    }

    /// Whether rows may follow that were not examined.
    pub fn is_cut(&self) -> bool {
        self.more || !self.chunk.is_empty()
    }
}

impl Store {
    /// One notification of a user, its marks as the row has them.
    pub async fn get_notification(
        &self,
        user: &UserId,
        id: NotificationId,
        now: Timestamp,
    ) -> Result<Notification> {
        let key = Key::Notification(user.clone(), id);
        let item = self.get(&key, "the inbox").await?.ok_or(Error::NotFound)?;
        if row::is_tombstone(&item) || row::is_carrier(&item) {
            return Err(Error::NotFound);
        }
        let notification = readable(item)?;
        if notification.is_live(now) {
            return Ok(notification);
        }
        Err(Error::NotFound)
    }

    /// Changes the marks of one notification; doing it twice changes nothing.
    pub async fn mark(
        &self,
        user: &UserId,
        id: NotificationId,
        mark: Mark,
        now: Timestamp,
    ) -> Result<Notification> {
        let expression = match mark {
            Mark::Read => "SET #r = if_not_exists(#r, :now)",
            Mark::Unread => "REMOVE #r",
            Mark::Seen => "SET se = if_not_exists(se, :now)",
            Mark::Archived => "SET ar = if_not_exists(ar, :now)",
            Mark::Unarchived => "REMOVE ar",
        };
        let update = self.client.update_item().table_name(&self.table);
        let mut update = update
            .set_key(Some(item_key(&Key::Notification(user.clone(), id))))
            // An update without a condition would create a row that is not there.
            .condition_expression("attribute_exists(t) AND expires_at > :second")
            .expression_attribute_values(":second", n(now.as_second()))
            .update_expression(expression)
            .return_values(ReturnValue::AllNew);
        if expression.contains("#r") {
            update = update.expression_attribute_names("#r", "r");
        }
        if expression.contains(":now") {
            update = update.expression_attribute_values(":now", n(now.as_millisecond()));
        }
        let answer = update
            .send()
            .await
            .map_err(|error| match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(_)) => Error::NotFound,
                _ => failure("the inbox", error),
            })?;
        let marked = readable(answer.attributes.unwrap_or_default())?;
        if mark == Mark::Read && marked.outcome.screens() > 1 {
            // It was opened on one of them.
            let step = Step::Clear {
                user: user.clone(),
                id,
            };
            self.put_step(&StepKey::clear(user, id), &step, now).await?;
        }
        Ok(marked)
    }

    /// Rows of a user between two ids, newest first, and whether more follow. A `Limit` is always
    /// sent: without one the local engine reads the whole inbox, and DynamoDB a megabyte.
    async fn query(
        &self,
        user: &UserId,
        newest: Option<NotificationId>,
        oldest: Option<NotificationId>,
        limit: usize,
        consistent: bool,
    ) -> Result<(Vec<Item>, bool)> {
        let bound = |id: Option<NotificationId>, open: &str| {
            let id = id.map_or(open.to_owned(), |id| id.to_string());
            format!("{NOTIFICATION_PREFIX}{id}")
        };
        let (oldest, newest) = (bound(oldest, ""), bound(newest, "~"));
        // DynamoDB refuses bounds in the wrong order; there is nothing between them.
        if oldest > newest {
            return Ok((Vec::new(), false));
        }
        let query = self.client.query().table_name(&self.table);
        let query = query
            .key_condition_expression("pk = :pk AND sk BETWEEN :oldest AND :newest")
            .expression_attribute_values(":pk", s(Key::User(user.clone()).pk()))
            .expression_attribute_values(":oldest", s(oldest))
            .expression_attribute_values(":newest", s(newest))
            .scan_index_forward(false)
            .consistent_read(consistent)
            .limit(i32::try_from(limit).unwrap_or(i32::MAX));
        let answer = query
            .send()
            .await
            .map_err(|error| failure("the inbox", error))?;
        let more = answer.last_evaluated_key.is_some();
        Ok((answer.items.unwrap_or_default(), more))
    }
}

impl Store {
    /// The newest live broadcasts of a month, newest first: up to `limit`, among the newest
    /// [`MAX_EXAMINED`] rows. What was taken back or has expired hides nothing that is older.
    pub async fn broadcasts(
        &self,
        month: &str,
        limit: usize,
        now: Timestamp,
    ) -> Result<Vec<Notification>> {
        let (mut live, mut examined, mut from) = (Vec::new(), 0, None);
        loop {
            let query = self.client.query().table_name(&self.table);
            let query = query
                .key_condition_expression("pk = :pk AND begins_with(sk, :prefix)")
                .expression_attribute_values(":pk", s(month))
                .expression_attribute_values(":prefix", s(BROADCAST_PREFIX))
                .scan_index_forward(false)
                .set_exclusive_start_key(from)
                .limit(i32::try_from(limit).unwrap_or(i32::MAX));
            let answer = query
                .send()
                .await
                .map_err(|error| failure("the broadcasts", error))?;
            let items = answer.items.unwrap_or_default();
            examined += items.len();
            let rows = items.into_iter().filter(|item| !row::is_tombstone(item));
            let rows = rows.filter_map(|item| row::from_item(item).ok());
            live.extend(rows.filter(|row| row.is_live(now)));
            from = answer.last_evaluated_key;
            if from.is_none() || live.len() >= limit || examined >= MAX_EXAMINED {
                live.truncate(limit);
                return Ok(live);
            }
        }
    }
}

/// A row of a newer version is not found.
fn readable(item: Item) -> Result<Notification> {
    row::from_item(item).map_err(|error| {
        tracing::warn!(error = %error.chain(), "a row is left out");
        Error::NotFound
    })
}

/// A row of a newer version is examined and left out: an older function must survive a deploy.
fn examine(item: Item) -> Option<Examined> {
    let sk = item.get("sk")?.as_s().ok()?;
    let id = NotificationId::parse(sk.strip_prefix(NOTIFICATION_PREFIX)?)?;
    if row::is_tombstone(&item) {
        return Some((id, None));
    }
    Some((id, readable(item).ok()))
}
