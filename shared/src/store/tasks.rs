//! Tasks for later: put, found when they are due, leased, run, and then deleted. Running one twice is
//! safe, losing one is impossible.

use std::collections::HashMap;

use jiff::Timestamp;

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, Put, ReturnValue, TransactWriteItem, Update};

use super::keys::{Key, later_bucket};
use super::row::Item;
use super::task_row::{Due, due, from_item, moments_in, to_item};
use super::{Store, failure, item_key, n, s, transaction_failure};
use crate::clock::pause;
use crate::error::{Error, Result};
use crate::id::NotificationId;
use crate::notification::Recipient;
use crate::task::{Later, MAX_ATTEMPTS, Place, Task};

/// How long a lease holds, in seconds: longer than an invocation of any function.
pub const LEASE: i64 = 120;
/// How long what remains of a scheduled notification tells repeats of its request that it was stored
/// or cancelled, in seconds: longer than a request guard lives.
const REMAINS: i64 = 25 * 3_600;

/// The sweep's cursor begins this many minutes before the first task is put: clocks differ.
const BEHIND: i64 = 5;
/// Rows of a bucket that one call reads.
const PAGE: i32 = 50;

/// How often a cancellation that lost a race is thought again.
const ROUNDS: u32 = 4;

/// The attribute of a task that is all that remains of one.
const ENDED: &str = "z";

/// What became of an attempt to cancel a scheduled notification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cancelled {
    /// It will not be stored.
    Yes,
    /// It is being stored just now.
    Taken,
    /// There is none, or it was stored.
    Unknown,
}

/// Whether a scheduled notification has been put, and for whom.
fn schedule_in(item: &Item) -> Option<NotificationId> {
    NotificationId::parse(item.get("sk")?.as_s().ok()?)
}

impl Store {
    /// Puts a task for later. One that is there already stays, except that the end of quiet hours
    /// remembers the oldest of what was held back.
    ///
    /// The first task that an instance puts makes the sweep's cursor, if there is none, so that no task
    /// is ever before it; where nothing has ever waited, nothing is swept.
    pub async fn put_later(&self, later: &Later, now: Timestamp) -> Result<()> {
        let cursor = || async {
            let put = self.client.put_item().table_name(&self.table);
            let put = put
                .set_item(Some(item_key(&Key::Cursor)))
                .item("m", n(now.as_second().div_euclid(60) - BEHIND))
                .condition_expression("attribute_not_exists(pk)");
            passed(put.send().await, "the sweep's cursor").map(drop)
        };
        self.cursor.get_or_try_init(cursor).await?;
        let put = self.client.put_item().table_name(&self.table);
        let put = put.set_item(Some(to_item(later)?));
        let put = match &later.task {
            Task::QuietEnd(_, since) => put
                .condition_expression("attribute_not_exists(pk) OR #id > :since")
                .expression_attribute_names("#id", "id")
                .expression_attribute_values(":since", s(since.to_string())),
            _ => put.condition_expression("attribute_not_exists(pk)"),
        };
        match put
            .send()
            .await
            .map_err(|error| failure("the table", error))
        {
            Ok(_) | Err(Error::Conflict(_)) => Ok(()),
            Err(other) => Err(other),
        }
    }

    /// Whether a bucket has tasks that have not ended, under a lease or not. Sure only if read
    /// consistently.
    pub async fn has_tasks(&self, minute: i64, shard: u8, consistent: bool) -> Result<bool> {
        let wanted = "attribute_not_exists(#z)";
        let query = self.bucket(minute, shard).filter_expression(wanted);
        let found = page(query.consistent_read(consistent), 1).await?;
        Ok(!found.is_empty())
    }

    /// The tasks of a bucket that can be run, about `count` of them.
    pub async fn due(
        &self,
        minute: i64,
        shard: u8,
        now: Timestamp,
        count: usize,
    ) -> Result<Vec<Due>> {
        let wanted = "attribute_not_exists(#z) AND (attribute_not_exists(lu) OR lu < :now)";
        let query = self.bucket(minute, shard).filter_expression(wanted);
        let query = query.expression_attribute_values(":now", n(now.as_millisecond()));
        let found = page(query.consistent_read(true), count).await?;
        Ok(found.into_iter().filter_map(due).collect())
    }

    fn bucket(&self, minute: i64, shard: u8) -> QueryFluentBuilder {
        let query = self.client.query().table_name(&self.table);
        query
            .key_condition_expression("pk = :pk")
            .expression_attribute_names("#z", ENDED)
            .expression_attribute_values(":pk", s(later_bucket(minute, shard)))
    }

    /// Takes a task to run it, and counts the attempt; `None` if it has ended, or somebody runs it.
    /// `moment` is remembered with it: when its notification is about to be stored.
    pub async fn lease(
        &self,
        place: &Place,
        now: Timestamp,
        moment: Option<Timestamp>,
    ) -> Result<Option<Later>> {
        let until = now.as_millisecond() + LEASE * 1_000;
        let update = self.client.update_item().table_name(&self.table);
        let mut update = update
            .set_key(Some(item_key(&Key::Later(place.clone()))))
            .condition_expression(
                "attribute_exists(pk) AND attribute_not_exists(#z) AND (attribute_not_exists(lu) OR lu < :now)",
            )
            .expression_attribute_names("#at", "at")
            .expression_attribute_names("#z", ENDED)
            .expression_attribute_values(":until", n(until))
            .expression_attribute_values(":now", n(now.as_millisecond()))
            .expression_attribute_values(":one", n(1))
            .return_values(ReturnValue::AllNew);
        let mut expression = "SET lu = :until, #at = #at + :one".to_owned();
        if let Some(moment) = moment {
            expression.push_str(", ms = list_append(ms, :moment)");
            let moments = AttributeValue::L(vec![n(moment.as_millisecond())]);
            update = update.expression_attribute_values(":moment", moments);
        }
        match update.update_expression(expression).send().await {
            Ok(answer) => {
                let item = answer.attributes.unwrap_or_default();
                Ok(from_item(place.clone(), item))
            }
            Err(error) => match failure("the task", error) {
                Error::Conflict(_) => Ok(None),
                other => Err(other),
            },
        }
    }

    /// Ends a task. Of a scheduled notification something remains, which tells a repeat of its request
    /// that it was there.
    pub async fn end_task(&self, later: &Later, now: Timestamp) -> Result<()> {
        if let Task::Send(_) = later.task {
            let end = self.bury(&later.place, now, "");
            let end = end.condition_expression("attribute_exists(pk)");
            return passed(end.send().await, "the task").map(drop);
        }
        self.delete_later(&later.place).await
    }

    async fn delete_later(&self, place: &Place) -> Result<()> {
        let delete = self.client.delete_item().table_name(&self.table);
        let delete = delete.set_key(Some(item_key(&Key::Later(place.clone()))));
        passed(delete.send().await, "the task").map(drop)
    }

    /// Moves a task to where it is tried again: there first, so that it is never nowhere.
    pub async fn move_task(&self, from: &Later, to: &Later, now: Timestamp) -> Result<()> {
        if let (Task::Send(_), true) = (&from.task, to.place != from.place) {
            return self.move_schedule(from, to, now).await;
        }
        self.put_later(to, now).await?;
        if to.place == from.place {
            return Ok(());
        }
        self.end_task(from, now).await
    }

    /// Moves a scheduled notification, which would be stored twice if it were in two places: in one
    /// transaction, and not if somebody else has taken it since. What remains of it says where it went. One that
    /// is not moved is run again when its lease has passed.
    async fn move_schedule(&self, from: &Later, to: &Later, now: Timestamp) -> Result<()> {
        let put = Put::builder().table_name(&self.table);
        let put = put
            .set_item(Some(to_item(to)?))
            .condition_expression("attribute_not_exists(pk)")
            .build()
            .expect("a put has its table and item");
        let bury = self
            .bury(&from.place, now, ", mv = :minute")
            .expression_attribute_values(":minute", n(to.place.minute))
            .expression_attribute_values(":known", n(from.moments.len()));
        let bury = Update::builder()
            .table_name(&self.table)
            .set_key(bury.get_key().clone())
            .set_update_expression(bury.get_update_expression().clone())
            .condition_expression("attribute_not_exists(#z) AND size(ms) = :known")
            .set_expression_attribute_names(bury.get_expression_attribute_names().clone())
            .set_expression_attribute_values(bury.get_expression_attribute_values().clone())
            .build()
            .expect("an update has its table, key and expression");
        let sent = self
            .client
            .transact_write_items()
            .transact_items(TransactWriteItem::builder().put(put).build())
            .transact_items(TransactWriteItem::builder().update(bury).build());
        match sent.send().await {
            Ok(_) => Ok(()),
            Err(error) => match transaction_failure("the task", error) {
                Error::Conflict(_) => Ok(()),
                other => Err(other),
            },
        }
    }

    /// Moves a task of this bucket that this version cannot read, as it is, to a later minute.
    pub async fn move_unread(&self, minute: i64, shard: u8, sk: &str, to: i64) -> Result<()> {
        let key = |minute| {
            HashMap::from([
                ("pk".to_owned(), s(later_bucket(minute, shard))),
                ("sk".to_owned(), s(sk)),
            ])
        };
        let get = self.client.get_item().table_name(&self.table);
        let get = get.set_key(Some(key(minute))).consistent_read(true);
        let answer = get
            .send()
            .await
            .map_err(|error| failure("the task", error))?;
        let Some(mut item) = answer.item else {
            return Ok(());
        };
        item.extend(key(to));
        item.remove("lu");
        let put = self.client.put_item().table_name(&self.table);
        let put = put
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(pk)");
        passed(put.send().await, "the task")?;
        let delete = self.client.delete_item().table_name(&self.table);
        let delete = delete.set_key(Some(key(minute)));
        passed(delete.send().await, "the task").map(drop)
    }

    /// Which of these scheduled notifications have been put, whatever became of them since.
    pub async fn schedules(&self, ids: &[NotificationId]) -> Result<Vec<NotificationId>> {
        let keys = ids.iter().map(|id| Key::Later(Place::of_schedule(*id)));
        let found = self.get_all(keys.collect(), Some("pk, sk")).await?;
        Ok(found.iter().filter_map(schedule_in).collect())
    }

    /// What there is of a schedule: its task, wherever it is tried again, or what remains of it.
    pub(super) async fn schedule_row(&self, id: NotificationId) -> Result<Option<(Place, Item)>> {
        let mut place = Place::of_schedule(id);
        for _ in 0..=MAX_ATTEMPTS {
            let key = Key::Later(place.clone());
            let Some(item) = self.get(&key, "the schedule").await? else {
                return Ok(None);
            };
            let moved = item.get("mv").and_then(|to| to.as_n().ok()?.parse().ok());
            let Some(minute) = moved else {
                return Ok(Some((place, item)));
            };
            place.minute = minute;
        }
        Ok(None)
    }

    /// Takes a scheduled notification back, if nobody is storing it: what has a lease may be stored already. Doing it twice is doing it once.
    pub async fn cancel(
        &self,
        recipient: &Recipient,
        id: NotificationId,
        now: Timestamp,
    ) -> Result<Cancelled> {
        let pk = Key::of(recipient, id).pk();
        let theirs = |item: &Item| item.get("r").and_then(|r| r.as_s().ok()) == Some(&pk);
        for round in 0..ROUNDS {
            if round > 0 {
                pause(round).await;
            }
            let found = self.schedule_row(id).await?;
            let Some((place, item)) = found.filter(|(_, item)| theirs(item)) else {
                return Ok(Cancelled::Unknown);
            };
            if item.contains_key("c") {
                return Ok(Cancelled::Yes);
            }
            if item.contains_key(ENDED) {
                return Ok(Cancelled::Unknown);
            }
            let update = self
                .bury(&place, now, ", c = :now")
                .condition_expression(
                    "attribute_not_exists(#z) AND attribute_not_exists(lu) AND r = :pk",
                )
                .expression_attribute_values(":pk", s(&pk));
            if passed(update.send().await, "the schedule")?.is_some() {
                if let Recipient::Topic(_) = recipient {
                    // Of a run that failed it is not known whether it began the job.
                    return match self.cancel_job(&id.to_string(), now).await {
                        Ok(()) | Err(Error::NotFound) => Ok(Cancelled::Yes),
                        Err(error) => Err(error),
                    };
                }
                // Nor is it known whether it stored the row.
                for moment in moments_in(&item) {
                    let stored = NotificationId::new(moment, id.tail());
                    match self.retract(recipient, stored, now).await {
                        Ok(()) | Err(Error::NotFound) => {}
                        Err(error) => return Err(error),
                    }
                }
                return Ok(Cancelled::Yes);
            }
        }
        Ok(Cancelled::Taken)
    }

    /// Makes a scheduled notification into what remains of one; `also` is set beside.
    fn bury(&self, place: &Place, now: Timestamp, also: &str) -> UpdateItemFluentBuilder {
        let update = self.client.update_item().table_name(&self.table);
        update
            .set_key(Some(item_key(&Key::Later(place.clone()))))
            .update_expression(format!("SET #z = :now, expires_at = :end{also} REMOVE n"))
            .expression_attribute_names("#z", ENDED)
            .expression_attribute_values(":now", n(now.as_millisecond()))
            .expression_attribute_values(":end", n(now.as_second() + REMAINS))
    }

    /// Up to which minute all tasks for later have been run; `None` before the first sweep.
    pub async fn swept(&self) -> Result<Option<i64>> {
        let item = self.get(&Key::Cursor, "the sweep's cursor").await?;
        let minute = |item: Item| item.get("m")?.as_n().ok()?.parse().ok();
        Ok(item.and_then(minute))
    }

    /// Says that all tasks up to a minute have been run. A cursor that is there or beyond stays.
    pub async fn sweep_to(&self, minute: i64) -> Result<()> {
        let update = self.client.update_item().table_name(&self.table);
        let update = update
            .set_key(Some(item_key(&Key::Cursor)))
            .update_expression("SET m = :minute")
            .condition_expression("attribute_not_exists(m) OR m < :minute")
            .expression_attribute_values(":minute", n(minute));
        passed(update.send().await, "the sweep's cursor").map(drop)
    }
}

/// Rows that a query finds, until there are `count`.
async fn page(query: QueryFluentBuilder, count: usize) -> Result<Vec<Item>> {
    let mut found = Vec::new();
    let mut start = None;
    loop {
        let query = query.clone().set_exclusive_start_key(start);
        let answer = query.limit(PAGE).send().await;
        let answer = answer.map_err(|error| failure("the tasks", error))?;
        found.extend(answer.items.unwrap_or_default());
        start = answer.last_evaluated_key;
        if start.is_none() || found.len() >= count {
            return Ok(found);
        }
    }
}

/// A condition that no longer holds is no error: somebody else did it.
pub(super) fn passed<T, E>(
    sent: std::result::Result<T, SdkError<E>>,
    what: &'static str,
) -> Result<Option<T>>
where
    SdkError<E>: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    E: Send + Sync + 'static,
{
    match sent.map_err(|error| failure(what, error)) {
        Ok(answer) => Ok(Some(answer)),
        Err(Error::Conflict(_)) => Ok(None),
        Err(other) => Err(other),
    }
}
