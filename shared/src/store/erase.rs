//! Erasing a user: the moment up to which nothing is theirs any more, and the rows that go.
//!
//! The moment stands on the user's row, so whoever reads that row knows at once. What remains of the row
//! outlives the longest schedule, which finds it when it comes up; then the table drops it.

use futures_util::stream::{self, StreamExt, TryStreamExt};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use aws_sdk_dynamodb::operation::delete_item::builders::DeleteItemFluentBuilder;
use aws_sdk_dynamodb::types::AttributeValue;

use super::keys::{DEAD_SHARDS, Key, MARKS, MEMBERSHIP_PREFIX, NOTIFICATION_PREFIX, dead_day};
use super::row::Item;
use super::tasks::passed;
use super::users::nobody;
use super::{Job, JobKind, Step, Store, User, failure, item_key, n, s};
use crate::device::{Device, endpoint_id};
use crate::error::Result;
use crate::id::{DeviceId, NotificationId, TopicId, UserId};
use crate::task::{Later, Task, erase_again};

/// How long the moment of an erase is kept, in seconds: 400 days. A schedule waits for 366 at most.
const REMAINS: i64 = 400 * 86_400;
/// How long it is remembered that an endpoint was removed, in seconds.
const GONE_LIFE: i64 = 86_400;
/// Rows that one call looks at.
const PAGE: i32 = 50;
/// Rows that go at the same time.
const DELETES: usize = 8;

/// Where an erase goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EraseAt {
    /// With the devices and their endpoints.
    Devices,
    /// With the user's rows, after this sort key.
    Rows(Option<String>),
    /// With the lists of the dead, so many days before the erase.
    Dead(u32),
}

/// A part of a user's rows that went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Erased {
    /// How many.
    pub count: u64,
    /// After which sort key it goes on; `None` at the end.
    pub cursor: Option<String>,
}

impl User {
    /// Up to when everything of the user was erased.
    pub fn erased_at(&self) -> Option<Timestamp> {
        Timestamp::from_millisecond(self.erased_at?).ok()
    }

    /// Whether what was accepted at `at` is erased.
    pub fn erases(&self, at: Timestamp) -> bool {
        self.erased_at
            .is_some_and(|erased| at.as_millisecond() <= erased)
    }

    /// Whether a device is one that an erase has yet to remove.
    pub fn is_erased(&self, device: &Device) -> bool {
        self.erased_at
            .is_some_and(|erased| device.last_seen <= erased)
    }

    /// The devices that an erase has not taken.
    pub fn live_devices(&self) -> impl Iterator<Item = (&DeviceId, &Device)> {
        self.devices().filter(|(_, device)| !self.is_erased(device))
    }
}

/// The newest id that an erase up to a moment takes.
fn last(until: Timestamp) -> NotificationId {
    NotificationId::new(until, [u8::MAX; 10])
}

impl Store {
    /// Begins an erase: from here on nothing of the user that was accepted up to `at` is shown or pushed.
    /// Settings and marks, which have no moment of their own, go at once. A later erase is left as it is.
    pub async fn begin_erase(&self, user: &UserId, at: Timestamp) -> Result<()> {
        let update = self.client.update_item().table_name(&self.table);
        let update = update
            .set_key(Some(item_key(&Key::User(user.clone()))))
            .update_expression("SET er = :at, expires_at = :end REMOVE pre, mut")
            .condition_expression("attribute_not_exists(er) OR er <= :at")
            .expression_attribute_values(":at", n(at.as_millisecond()))
            .expression_attribute_values(":end", n(at.as_second() + REMAINS));
        if passed(update.send().await, "the user's row")?.is_none() {
            return Ok(());
        }
        let update = self.client.update_item().table_name(&self.table);
        let names =
            ["s", "r", "c", "rt", "u", "b"].map(|name| (format!("#{name}"), name.to_owned()));
        let update = update
            .set_key(Some(item_key(&Key::Marks(user.clone()))))
            .update_expression("REMOVE #s, #r, #c, #rt, #u, #b")
            .condition_expression("attribute_exists(pk)")
            .set_expression_attribute_names(Some(names.into()));
        passed(update.send().await, "the marks").map(drop)
    }

    /// Starts the job that removes what was accepted up to `until`. Repeating it is harmless.
    pub async fn start_erase(
        &self,
        job: &str,
        user: &UserId,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<()> {
        let first = Step::Erase {
            user: user.clone(),
            until: until.as_millisecond(),
            at: EraseAt::Devices,
        };
        let what = Job::new(JobKind::Erase, vec![first], now);
        self.start_job(job, &what, now).await
    }

    /// Puts the task that repeats an erase when nothing that was on its way can arrive any more.
    pub async fn repeat_erase(
        &self,
        user: &UserId,
        erase: NotificationId,
        now: Timestamp,
    ) -> Result<()> {
        let task = Task::Erase(user.clone(), erase);
        let later = Later::new(task, erase_again(erase), now);
        self.put_later(&later, now).await
    }

    /// Up to when everything of these users was erased; who was never erased is left out.
    pub async fn erasures(&self, users: &[UserId]) -> Result<Vec<(UserId, Timestamp)>> {
        let keys = users.iter().map(|user| Key::User(user.clone()));
        let found = self.get_all(keys.collect(), Some("pk, er")).await?;
        let read = |item: Item| {
            let user = Key::user(item.get("pk")?.as_s().ok()?)?;
            Some((user, erased_at(&item)?))
        };
        Ok(found.into_iter().filter_map(read).collect())
    }

    /// Removes a page of what a user had up to `until`, in the order of the sort keys, after `after`:
    /// notifications and what remains of them, memberships on both sides, dedupe guards, and marks that are older throughout.
    pub async fn erase_rows(
        &self,
        user: &UserId,
        until: Timestamp,
        after: Option<&str>,
    ) -> Result<Erased> {
        let pk = Key::User(user.clone()).pk();
        let start = after.map(|sk| row_key(&pk, sk));
        let bound = Key::Notification(user.clone(), last(until)).sk();
        let query = self.client.query().table_name(&self.table);
        let query = query
            .key_condition_expression("pk = :pk AND sk <= :bound")
            .expression_attribute_values(":pk", s(&pk))
            .expression_attribute_values(":bound", s(bound))
            .expression_attribute_names("#id", "id")
            .expression_attribute_names("#j", "j")
            .projection_expression("sk, #id, #j")
            .set_exclusive_start_key(start)
            .consistent_read(true)
            .limit(PAGE);
        let answer = query.send().await;
        let answer = answer.map_err(|error| failure("the user's rows", error))?;
        let found = answer.items.unwrap_or_default();
        let joined = found.iter().filter_map(|item| joined(item, until));
        let joined: Vec<TopicId> = joined.collect();
        for topic in &joined {
            self.leave_topic(topic, user).await?;
        }
        let deletes = found
            .iter()
            .filter_map(|item| self.erasing(&pk, item, until));
        Ok(Erased {
            count: sent(deletes).await? + u64::try_from(joined.len()).unwrap_or_default(),
            cursor: answer
                .last_evaluated_key
                .and_then(|key| key.get("sk")?.as_s().ok().cloned()),
        })
    }

    /// How a row of a user goes, if it does.
    fn erasing(&self, pk: &str, item: &Item, until: Timestamp) -> Option<DeleteItemFluentBuilder> {
        let sk = item.get("sk")?.as_s().ok()?;
        let delete = self.delete(row_key(pk, sk));
        if sk == MARKS {
            // Old throughout; those of single broadcasts are not told apart.
            let old = |name| format!("(attribute_not_exists({name}) OR {name} <= :last)");
            let delete = delete
                .condition_expression(format!(
                    "{} AND {} AND attribute_not_exists(#b)",
                    old("#c"),
                    old("#s")
                ))
                .expression_attribute_names("#b", "b")
                .expression_attribute_names("#c", "c")
                .expression_attribute_names("#s", "s");
            return Some(delete.expression_attribute_values(":last", s(last(until).to_string())));
        }
        if sk.starts_with("K#") {
            let id = item.get("id")?.as_s().ok()?;
            let holder = NotificationId::parse(id)?;
            return (holder <= last(until)).then(|| {
                // It may be given to another notification meanwhile.
                delete
                    .condition_expression("#id = :id")
                    .expression_attribute_names("#id", "id")
                    .expression_attribute_values(":id", s(id))
            });
        }
        sk.starts_with(NOTIFICATION_PREFIX).then_some(delete)
    }

    /// Takes what is about a user and was accepted up to `until` off a day's list of the dead.
    pub async fn erase_dead(&self, user: &UserId, until: Timestamp, day: &str) -> Result<u64> {
        let (pk, mut count) = (Key::User(user.clone()).pk(), 0);
        for shard in 0..DEAD_SHARDS {
            let mut start = None;
            loop {
                let query = self.client.query().table_name(&self.table);
                let query = query
                    .key_condition_expression("pk = :day")
                    // What is about the end of quiet hours has the user in the other key.
                    .filter_expression("rpk = :pk OR rsk = :pk")
                    .expression_attribute_values(":day", s(dead_day(day, shard)))
                    .expression_attribute_values(":pk", s(&pk))
                    .set_exclusive_start_key(start);
                let answer = query.consistent_read(true).send().await;
                let answer = answer.map_err(|error| failure("the list of the dead", error))?;
                let deletes = answer.items().iter().filter_map(|item| {
                    let text = |name: &str| item.get(name)?.as_s().ok().map(String::as_str);
                    let row = text("rpk").zip(text("rsk"));
                    let about = row.and_then(|(pk, sk)| Key::notification(pk, sk));
                    let stays = about.is_some_and(|(_, id)| id > last(until));
                    let key = row_key(text("pk")?, text("sk")?);
                    (!stays).then(|| self.delete(key))
                });
                count += sent(deletes).await?;
                start = answer.last_evaluated_key;
                if start.is_none() {
                    break;
                }
            }
        }
        Ok(count)
    }

    /// Takes a device off its user's row whose endpoint has gone, unless it has registered since.
    pub async fn erase_device(&self, user: &UserId, id: &DeviceId, device: &Device) -> Result<()> {
        let update = self.client.update_item().table_name(&self.table);
        let update = update
            .set_key(Some(item_key(&Key::User(user.clone()))))
            .update_expression("REMOVE dev.#id")
            .condition_expression("dev.#id.e = :endpoint AND dev.#id.#s = :seen")
            .expression_attribute_names("#id", id.as_str())
            .expression_attribute_names("#s", "s")
            .expression_attribute_values(":endpoint", s(&device.endpoint))
            .expression_attribute_values(":seen", n(device.last_seen));
        passed(update.send().await, "the user's row").map(drop)
    }

    /// Takes the empty map of devices off a user's row.
    pub async fn erase_device_map(&self, user: &UserId) -> Result<()> {
        let update = self.client.update_item().table_name(&self.table);
        let update = update
            .set_key(Some(item_key(&Key::User(user.clone()))))
            .update_expression("REMOVE dev")
            .condition_expression("size(dev) = :none")
            .expression_attribute_values(":none", n(0));
        passed(update.send().await, "the user's row").map(drop)
    }

    /// Says that an erased user's endpoint is gone, and whose it was no more. The row stays for a day, as
    /// after every removal. `version` is the one that the removal has left.
    pub async fn erase_owner(&self, endpoint: &str, version: u64, now: Timestamp) -> Result<()> {
        let update = self.client.update_item().table_name(&self.table);
        let update = update
            .set_key(Some(item_key(&Key::Owner(
                endpoint_id(endpoint).to_owned(),
            ))))
            .update_expression("SET gone = :true, expires_at = :end, u = :nobody, d = :nobody")
            .condition_expression("ver = :version")
            .expression_attribute_values(":true", AttributeValue::Bool(true))
            .expression_attribute_values(":end", n(now.as_second() + GONE_LIFE))
            .expression_attribute_values(":nobody", s(nobody()))
            .expression_attribute_values(":version", n(version));
        passed(update.send().await, "the endpoint's owner").map(drop)
    }

    fn delete(&self, key: Item) -> DeleteItemFluentBuilder {
        let delete = self.client.delete_item().table_name(&self.table);
        delete.set_key(Some(key))
    }
}

/// Sends deletes, and says how many rows have gone.
async fn sent(deletes: impl Iterator<Item = DeleteItemFluentBuilder>) -> Result<u64> {
    let deletes: Vec<DeleteItemFluentBuilder> = deletes.collect();
    let gone: Vec<bool> = stream::iter(deletes)
        .map(|delete| async move {
            let gone = passed(delete.send().await, "the user's rows")?;
            Ok::<bool, crate::error::Error>(gone.is_some())
        })
        .buffer_unordered(DELETES)
        .try_collect()
        .await?;
    Ok(gone.into_iter().map(u64::from).sum())
}

/// The topic of a membership that is as old.
fn joined(item: &Item, until: Timestamp) -> Option<TopicId> {
    let topic = item
        .get("sk")?
        .as_s()
        .ok()?
        .strip_prefix(MEMBERSHIP_PREFIX)?;
    let at: i64 = item.get("j")?.as_n().ok()?.parse().ok()?;
    let topic = TopicId::parse(topic)?;
    (at <= until.as_millisecond()).then_some(topic)
}

fn row_key(pk: &str, sk: &str) -> Item {
    Item::from([("pk".to_owned(), s(pk)), ("sk".to_owned(), s(sk))])
}

/// Up to when a user's row says that everything was erased.
pub(super) fn erased_at(item: &Item) -> Option<Timestamp> {
    let millis = item.get("er")?.as_n().ok()?.parse().ok()?;
    Timestamp::from_millisecond(millis).ok()
}
