//! Dedupe guards: which notification of a user holds a producer's natural key. And taking back.

use jiff::Timestamp;

use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::{
    AttributeValue, Delete, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem,
};

use super::erase::erased_at;
use super::keys::Key;
use super::row::{self, Item, PUSHED};
use super::{Store, failure, item_key, n, s, transaction_failure};
use crate::clock::pause;
use crate::error::{Error, Result};
use crate::id::{NotificationId, UserId};
use crate::notification::Recipient;

/// How often taking back is thought again when somebody else was faster.
const ROUNDS: u32 = 5;

/// Who holds a dedupe key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holder {
    /// The id that was offered.
    Ours,
    /// Another notification.
    Other(NotificationId),
}

fn id_in(item: &Item) -> Option<NotificationId> {
    NotificationId::parse(item.get("id")?.as_s().ok()?)
}

impl Store {
    /// Claims a dedupe key for a notification, unless another one holds it. A guard goes when its
    /// notification expires; the table drops it later, so its end is checked here.
    pub async fn hold(
        &self,
        user: &UserId,
        key: &str,
        id: NotificationId,
        expires_at: i64,
        now: Timestamp,
    ) -> Result<Holder> {
        let guard = Key::Dedupe(user.clone(), key.to_owned());
        let put = self.client.put_item().table_name(&self.table);
        let put = put
            .set_item(Some(item_key(&guard)))
            .item("id", s(id.to_string()))
            .item("expires_at", n(expires_at))
            .condition_expression("attribute_not_exists(pk) OR expires_at <= :now")
            .expression_attribute_values(":now", n(now.as_second()))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let Err(error) = put.send().await else {
            return Ok(Holder::Ours);
        };
        let found = match error.as_service_error() {
            Some(PutItemError::ConditionalCheckFailedException(failed)) => {
                failed.item.as_ref().and_then(id_in)
            }
            _ => None,
        };
        match found {
            // Our own lost reply, or an earlier attempt.
            Some(found) if found == id => Ok(Holder::Ours),
            Some(other) => Ok(Holder::Other(other)),
            None => Err(failure("the dedupe key", error)),
        }
    }

    /// Gives a key whose notification `from` is not there to another one, unless somebody else did.
    /// From then on the guard lives as long as the other one does.
    pub async fn take_over(
        &self,
        user: &UserId,
        key: &str,
        from: NotificationId,
        (to, expires_at): (NotificationId, i64),
    ) -> Result<()> {
        let guard = Key::Dedupe(user.clone(), key.to_owned());
        let update = self.client.update_item().table_name(&self.table);
        let update = update
            .set_key(Some(item_key(&guard)))
            .update_expression("SET #id = :to, expires_at = :end")
            .condition_expression("#id = :from")
            .expression_attribute_names("#id", "id")
            .expression_attribute_values(":from", s(from.to_string()))
            .expression_attribute_values(":to", s(to.to_string()))
            .expression_attribute_values(":end", n(expires_at));
        match update
            .send()
            .await
            .map_err(|error| failure("the dedupe key", error))
        {
            Ok(_) | Err(Error::Conflict(_)) => Ok(()),
            Err(other) => Err(other),
        }
    }

    /// Whether the other notification that holds a key is there. One that was taken back or erased is not,
    /// and one that never came is `None`.
    pub async fn is_held(&self, user: &UserId, other: NotificationId) -> Result<Option<bool>> {
        let key = Key::Notification(user.clone(), other);
        let sk = key.sk();
        let keys = vec![key, Key::User(user.clone())];
        let (mut held, mut erased) = (None, false);
        for item in self.get_all(keys, Some("sk, z, er")).await? {
            if item.get("sk").and_then(|found| found.as_s().ok()) == Some(&sk) {
                held = Some(!row::is_tombstone(&item));
            }
            erased |= erased_at(&item).is_some_and(|until| other.at() <= until);
        }
        Ok(if erased { Some(false) } else { held })
    }

    /// The notification that holds a dedupe key.
    pub async fn holder(&self, user: &UserId, key: &str) -> Result<Option<NotificationId>> {
        let guard = Key::Dedupe(user.clone(), key.to_owned());
        let item = self.get(&guard, "the dedupe key").await?;
        Ok(item.as_ref().and_then(id_in))
    }

    /// Takes a notification back: its row becomes an empty tombstone, and its dedupe key is free,
    /// in one transaction. Doing it twice is doing it once.
    pub async fn retract(
        &self,
        recipient: &Recipient,
        id: NotificationId,
        now: Timestamp,
    ) -> Result<()> {
        let key = Key::of(recipient, id);
        for round in 0..ROUNDS {
            if round > 0 {
                pause(round).await;
            }
            let item = self.unerased(recipient, id).await?;
            if row::is_tombstone(&item) {
                return Ok(());
            }
            if row::is_carrier(&item) {
                return Err(Error::NotFound);
            }
            let outcome = item.get("po").cloned();
            let notification = row::from_item(item)?;
            if !notification.is_live(now) {
                return Err(Error::NotFound);
            }
            let mut writes = vec![self.tombstone(&key, outcome, now)];
            if let (Recipient::User(user), true) = (recipient, notification.outcome.may_show()) {
                // Some screen shows it.
                writes.push(self.clear_put(user, id, now)?);
            }
            if let (Recipient::User(user), Some(dedupe)) = (recipient, &notification.dedupe_key)
                && self.holder(user, dedupe).await? == Some(id)
            {
                let guard = Key::Dedupe(user.clone(), dedupe.clone());
                writes.push(self.release(&guard, id));
            }
            if *recipient == Recipient::Everyone {
                writes.extend(self.begin_retracting(&notification, now).await?);
            }
            let transaction = self.client.transact_write_items();
            let sent = transaction.set_transact_items(Some(writes)).send().await;
            match sent.map_err(|error| transaction_failure("the notification", error)) {
                Ok(_) => return self.stop_carrying(&notification, now).await,
                Err(Error::Conflict(_)) => {}
                Err(other) => return Err(other),
            }
        }
        Err(Error::Conflict("the notification changes too often"))
    }

    /// The row of a notification; one that its user's erase has hidden is not found.
    async fn unerased(&self, recipient: &Recipient, id: NotificationId) -> Result<Item> {
        let key = Key::of(recipient, id);
        let Recipient::User(user) = recipient else {
            let item = self.get(&key, "the notification").await?;
            return item.ok_or(Error::NotFound);
        };
        let sk = key.sk();
        let keys = vec![key, Key::User(user.clone())];
        let items = self.get_all(keys, None).await?;
        let is_row = |item: &Item| item.get("sk").and_then(|sk| sk.as_s().ok()) == Some(&sk);
        let (rows, others): (Vec<Item>, Vec<Item>) = items.into_iter().partition(is_row);
        let ends = others.iter().filter_map(erased_at);
        if ends.max().is_some_and(|until| id.at() <= until) {
            return Err(Error::NotFound);
        }
        rows.into_iter().next().ok_or(Error::NotFound)
    }

    /// The put of what remains of a notification, in the place of a row whose outcome is still the one that was read: a push
    /// that has reached a screen since must be seen.
    pub(super) fn tombstone(
        &self,
        key: &Key,
        outcome: Option<AttributeValue>,
        now: Timestamp,
    ) -> TransactWriteItem {
        let put = Put::builder()
            .table_name(&self.table)
            .set_item(Some(item_key(key)))
            .item("v", n(1))
            .item(row::TOMBSTONE, n(now.as_millisecond()))
            .item("expires_at", n(now.as_second() + row::TOMBSTONE_LIFE))
            .condition_expression(match &outcome {
                None => format!("{PUSHED} AND attribute_not_exists(po)"),
                Some(_) => format!("{PUSHED} AND po = :seen"),
            })
            .set_expression_attribute_values(
                outcome.map(|seen| [(":seen".to_owned(), seen)].into()),
            )
            .build()
            .expect("a put has its table and item");
        TransactWriteItem::builder().put(put).build()
    }

    fn release(&self, guard: &Key, id: NotificationId) -> TransactWriteItem {
        let delete = Delete::builder()
            .table_name(&self.table)
            .set_key(Some(item_key(guard)))
            .condition_expression("#id = :id")
            .expression_attribute_names("#id", "id")
            .expression_attribute_values(":id", s(id.to_string()))
            .build()
            .expect("a delete has its table and key");
        TransactWriteItem::builder().delete(delete).build()
    }
}
