//! Rows that carry the push of a notification for everyone to one user. They stand among the user's notifications under the
//! id of the one they carry, ring the stream, and hold what became of the push; what is shown stands in one row for all.

use std::collections::HashMap;

use jiff::Timestamp;

use aws_sdk_dynamodb::types::{Put, ReturnValue, TransactWriteItem};

use super::keys::Key;
use super::row;
use super::steps::{JOB_LIFE, STEP_LIFE, item};
use super::tasks::passed;
use super::topics::MEMBER_SHARDS;
use super::{Job, JobKind, Mark, Step, StepKey, Store, item_key, n, transaction_failure};
use crate::clock::pause;
use crate::error::{Error, Result};
use crate::id::{NotificationId, UserId};
use crate::notification::Notification;
use crate::task::watchdog;

/// How often taking back is thought again when somebody else was faster.
const ROUNDS: u32 = 5;

/// Notifications by user and id; a row that cannot be read is an error of its own.
type Rows = HashMap<(UserId, NotificationId), Result<Notification>>;

impl Store {
    /// Gives what is carried the content of the notification for everyone, read consistently; what was taken back or has
    /// gone is left out.
    pub(super) async fn fill_carried(&self, rows: &mut Rows) -> Result<()> {
        let is_carrier =
            |row: &Result<Notification>| row.as_ref().is_ok_and(|row| row.carried_at.is_some());
        let carried = rows.iter().filter(|(_, row)| is_carrier(row));
        let keys: Vec<Key> = carried.map(|((_, id), _)| Key::Broadcast(*id)).collect();
        if keys.is_empty() {
            return Ok(());
        }
        let mut everyones = HashMap::new();
        for item in self.get_all(keys, None).await? {
            let id = row::key_of(&item).map(|(_, id)| id);
            everyones.extend(
                id.filter(|_| !row::is_tombstone(&item))
                    .map(|id| (id, item)),
            );
        }
        rows.retain(|(_, id), row| !is_carrier(row) || everyones.contains_key(id));
        for ((_, id), row) in rows {
            if let (Ok(carrier), Some(item)) = (&row, everyones.get(id))
                && carrier.carried_at.is_some()
            {
                let own = carrier.clone();
                *row = row::from_item(item.clone()).map(|one| says(own, &one));
            }
        }
        Ok(())
    }

    /// Those of these users to whom the push of a notification for everyone is carried.
    pub async fn carriers(&self, users: &[&UserId], id: NotificationId) -> Result<Vec<UserId>> {
        let keys = users
            .iter()
            .map(|user| Key::Notification((*user).clone(), id));
        let wanted = format!("pk, {}", row::CARRIED);
        let found = self.get_all(keys.collect(), Some(&wanted)).await?;
        let found = found.into_iter().filter(row::is_carrier);
        let users = found.filter_map(|item| Key::user(item.get("pk")?.as_s().ok()?));
        Ok(users.collect())
    }

    /// The notification for everyone whose push is carried to a user, with what became of the push.
    pub async fn carried(&self, user: &UserId, id: NotificationId) -> Result<Option<Notification>> {
        let (own, all) = (Key::Notification(user.clone(), id), Key::Broadcast(id));
        let carrier = self.get(&own, "the notification").await?;
        let Some(carrier) = carrier.filter(row::is_carrier) else {
            return Ok(None);
        };
        let everyones = self.get(&all, "the notification").await?;
        let Some(everyones) = everyones.filter(|item| !row::is_tombstone(item)) else {
            return Ok(None);
        };
        let everyones = row::from_item(everyones)?;
        row::from_item(carrier).map(|row| Some(says(row, &everyones)))
    }

    /// A user has read a notification for everyone, or counts it as unread again. If its push is carried to the user, it
    /// goes off the other screens that show it; one on its way finds that it is read.
    pub async fn mark_carried(
        &self,
        user: &UserId,
        id: NotificationId,
        mark: Mark,
        now: Timestamp,
    ) -> Result<()> {
        let update = self.client.update_item().table_name(&self.table);
        let update = update
            .set_key(Some(item_key(&Key::Notification(user.clone(), id))))
            .condition_expression(format!("attribute_exists({})", row::CARRIED))
            .expression_attribute_names("#r", "r")
            .return_values(ReturnValue::AllNew);
        let update = match mark {
            Mark::Read => update
                .update_expression("SET #r = if_not_exists(#r, :now)")
                .expression_attribute_values(":now", n(now.as_millisecond())),
            Mark::Unread => update.update_expression("REMOVE #r"),
            Mark::Seen | Mark::Archived | Mark::Unarchived => return Ok(()),
        };
        let Some(marked) = passed(update.send().await, "the notification")? else {
            return Ok(());
        };
        let marked = row::from_item(marked.attributes.unwrap_or_default())?;
        if mark == Mark::Unread || marked.outcome.screens() < 2 {
            return Ok(());
        }
        let step = Step::Clear {
            user: user.clone(),
            id,
        };
        self.put_step(&StepKey::clear(user, id), &step, now).await
    }

    /// What a transaction that takes a notification for everyone back puts beside, if its push went to a topic: the job that
    /// takes the push back from the members. Its watchdog is there before it.
    pub(super) async fn begin_retracting(
        &self,
        notification: &Notification,
        now: Timestamp,
    ) -> Result<Vec<TransactWriteItem>> {
        let Some(topic) = notification.content.push.topic() else {
            return Ok(Vec::new());
        };
        let job = format!("retract-{}", notification.id);
        self.put_later(&watchdog(&job, now), now).await?;
        let first = Step::Retract {
            topic: topic.clone(),
            id: notification.id,
            after: None,
        };
        let what = Job::new(
            JobKind::Retract,
            vec![first.clone(); MEMBER_SHARDS as usize],
            now,
        );
        let end = now.as_second() + JOB_LIFE;
        let mut items = vec![item(&Key::Job(job.clone()), what, end)?];
        for chain in 0..MEMBER_SHARDS {
            let key = StepKey {
                job: job.clone(),
                chain,
                step: 0,
            };
            items.push(item(&key.key(), &first, now.as_second() + STEP_LIFE)?);
        }
        let puts = items.into_iter().map(|item| {
            let put = Put::builder().table_name(&self.table);
            let put = put.set_item(Some(item)).build();
            let put = put.expect("a put has its table and item");
            TransactWriteItem::builder().put(put).build()
        });
        Ok(puts.collect())
    }

    /// Stops the job that carries a notification for everyone which was taken back. Nothing hangs on it: what is carried
    /// from now on is not pushed.
    pub(super) async fn stop_carrying(
        &self,
        notification: &Notification,
        now: Timestamp,
    ) -> Result<()> {
        if notification.content.push.topic().is_none() {
            return Ok(());
        }
        match self.cancel_job(&carrying(notification), now).await {
            Err(Error::NotFound) => Ok(()),
            done => done,
        }
    }

    /// Takes the push of a notification for everyone back from one user: off the screens that show it, and a push on its way
    /// meets what remains of its row. `false` if none was carried there.
    pub async fn retract_carried(
        &self,
        user: &UserId,
        id: NotificationId,
        now: Timestamp,
    ) -> Result<bool> {
        let key = Key::Notification(user.clone(), id);
        for round in 0..ROUNDS {
            if round > 0 {
                pause(round).await;
            }
            let found = self.get(&key, "the notification").await?;
            let Some(found) = found.filter(row::is_carrier) else {
                return Ok(false);
            };
            let outcome = found.get("po").cloned();
            let mut writes = vec![self.tombstone(&key, outcome, now)];
            if row::from_item(found)?.outcome.may_show() {
                writes.push(self.clear_put(user, id, now)?);
            }
            let transaction = self.client.transact_write_items();
            let sent = transaction.set_transact_items(Some(writes)).send().await;
            match sent.map_err(|error| transaction_failure("the notification", error)) {
                Ok(_) => return Ok(true),
                Err(Error::Conflict(_)) => {}
                Err(other) => return Err(other),
            }
        }
        Err(Error::Conflict("the push changes too often"))
    }
}

/// What is carried, saying what everyone gets.
fn says(carrier: Notification, everyones: &Notification) -> Notification {
    Notification {
        recipient: carrier.recipient,
        outcome: carrier.outcome,
        carried_at: carrier.carried_at,
        ..everyones.clone()
    }
}

/// The job that carries the push of a notification for everyone to a topic's members: under its id, or the one by which it
/// was scheduled.
pub fn carrying(notification: &Notification) -> String {
    let id = notification.schedule_id.unwrap_or(notification.id);
    id.to_string()
}
