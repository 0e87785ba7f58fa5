//! What was not pushed: rows without an outcome, and the list of the dead.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;

use aws_sdk_dynamodb::types::AttributeValue;

use super::keys::{Key, NOTIFICATION_PREFIX, dead_day};
use super::row::{self, CARRIED, Item, PUSHED};
use super::tasks::passed;
use super::{Store, failure, item_key, n, s};
use crate::error::Result;
use crate::id::{NotificationId, UserId};
use crate::outcome::{Reason, State};

/// Numbers of notifications by the state of their push, or by [`PENDING`].
pub type States = BTreeMap<String, u64>;

/// The state of what has no outcome.
pub const PENDING: &str = "pending";

/// Rows that one call of a scan reads.
const SCANNED: i32 = 500;

/// A part of the table that was looked through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    /// Notifications without an outcome.
    pub targets: Vec<(UserId, NotificationId)>,
    /// How many there are in each state: every one is in exactly one of them.
    pub states: States,
    /// Where the scan goes on; `None` at the table's end.
    pub cursor: Option<(String, String)>,
}

/// Something that could not be handled, or a push that SNS will not take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dead {
    /// What names it, and when it was written down.
    pub id: NotificationId,
    /// The keys of the row it is about.
    pub row: Option<(String, String)>,
    /// Its place in the stream.
    pub sequence_number: Option<String>,
    /// Why.
    pub reason: String,
    pk: String,
}

/// A page of the dead of one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadPage {
    /// Oldest first.
    pub dead: Vec<Dead>,
    /// After which the next page begins; `None` at the end.
    pub cursor: Option<String>,
}

impl Dead {
    /// The notification it is about.
    pub fn target(&self) -> Option<(UserId, NotificationId)> {
        let (pk, sk) = self.row.as_ref()?;
        Key::notification(pk, sk)
    }

    fn from_item(item: &Item) -> Option<Dead> {
        let text = |name: &str| item.get(name)?.as_s().ok().cloned();
        Some(Dead {
            id: NotificationId::parse(&text("sk")?)?,
            row: text("rpk").zip(text("rsk")),
            sequence_number: text("seq"),
            reason: text("w")?,
            pk: text("pk")?,
        })
    }
}

/// The id of the first thing that can be accepted in a millisecond, or of the last.
fn bound(millis: i64, tail: u8) -> String {
    let at = Timestamp::from_millisecond(millis).unwrap_or_default();
    format!(
        "{NOTIFICATION_PREFIX}{}",
        NotificationId::new(at, [tail; 10])
    )
}

impl Store {
    /// Looks through a part of the table for notifications that were accepted in a window, in
    /// milliseconds since 1970, or reached their user in it: which have no outcome, and how the others ended.
    pub async fn window(
        &self,
        (from, to): (i64, i64),
        cursor: Option<(String, String)>,
    ) -> Result<Window> {
        let start = cursor
            .map(|(pk, sk)| HashMap::from([("pk".to_owned(), s(pk)), ("sk".to_owned(), s(sk))]));
        let scan = self.client.scan().table_name(&self.table);
        let scan = scan
            .filter_expression(format!(
                "sk BETWEEN :from AND :to AND attribute_exists(t) OR {CARRIED} BETWEEN :first AND :last",
            ))
            .expression_attribute_values(":first", n(from))
            .expression_attribute_values(":last", n(to))
            .expression_attribute_values(":from", s(bound(from, 0)))
            .expression_attribute_values(":to", s(bound(to, u8::MAX)))
            .projection_expression("pk, sk, po.s")
            .set_exclusive_start_key(start)
            .consistent_read(true)
            .limit(SCANNED);
        let answer = scan.send().await;
        let answer = answer.map_err(|error| failure("the table", error))?;
        let text =
            |item: &HashMap<String, AttributeValue>, name| item.get(name)?.as_s().ok().cloned();
        let keys =
            |item: &HashMap<String, AttributeValue>| Some((text(item, "pk")?, text(item, "sk")?));
        let found = answer.items.unwrap_or_default();
        let (mut targets, mut states) = (Vec::new(), States::new());
        for item in &found {
            let Some(target) = keys(item).and_then(|(pk, sk)| Key::notification(&pk, &sk)) else {
                continue;
            };
            let outcome = item.get("po").and_then(|outcome| outcome.as_m().ok());
            let ended = outcome.and_then(|outcome| text(outcome, "s"));
            if ended.is_none() {
                targets.push(target);
            }
            let state = ended.unwrap_or_else(|| PENDING.to_owned());
            *states.entry(state).or_default() += 1;
        }
        Ok(Window {
            targets,
            states,
            cursor: answer.last_evaluated_key.as_ref().and_then(keys),
        })
    }

    /// The size of the table in bytes, as the table knew it within the last six hours.
    pub async fn table_bytes(&self) -> Result<u64> {
        let describe = self.client.describe_table().table_name(&self.table);
        let answer = describe.send().await;
        let answer = answer.map_err(|error| failure("the table", error))?;
        let bytes = answer.table.and_then(|table| table.table_size_bytes);
        Ok(bytes
            .and_then(|bytes| u64::try_from(bytes).ok())
            .unwrap_or(0))
    }

    /// What died on a day, as in `2026-11-24`, in one of its partitions.
    pub async fn dead(
        &self,
        day: &str,
        shard: u8,
        after: Option<&str>,
        limit: usize,
    ) -> Result<DeadPage> {
        let query = self.client.query().table_name(&self.table);
        let query = query
            .key_condition_expression("pk = :pk AND sk > :after")
            .expression_attribute_values(":pk", s(dead_day(day, shard)))
            .expression_attribute_values(":after", s(after.unwrap_or("-")))
            .consistent_read(true)
            .limit(i32::try_from(limit).unwrap_or(i32::MAX));
        let answer = query.send().await;
        let answer = answer.map_err(|error| failure("the list of the dead", error))?;
        let last = answer.last_evaluated_key.as_ref();
        Ok(DeadPage {
            cursor: last.and_then(|key| key.get("sk")?.as_s().ok().cloned()),
            dead: answer.items().iter().filter_map(Dead::from_item).collect(),
        })
    }

    /// Takes an entry off the list.
    pub async fn remove_dead(&self, dead: &Dead) -> Result<()> {
        let delete = self.client.delete_item().table_name(&self.table);
        let delete = delete
            .key("pk", s(&dead.pk))
            .key("sk", s(dead.id.to_string()));
        passed(delete.send().await, "the list of the dead").map(drop)
    }

    /// Forgets that a push died, so that it is tried again.
    pub async fn reopen(&self, user: &UserId, id: NotificationId) -> Result<()> {
        let update = self.client.update_item().table_name(&self.table);
        let update = update
            .set_key(Some(item_key(&Key::Notification(user.clone(), id))))
            // Not what was counted of it.
            .update_expression("REMOVE po.s, po.w, po.d")
            .condition_expression(format!("{PUSHED} AND po.s = :dead"))
            .expression_attribute_values(":dead", s("dead"));
        passed(update.send().await, "the outcome").map(drop)
    }

    /// Ends a push that was tried often enough, unless it has ended.
    pub async fn end_push(
        &self,
        user: &UserId,
        id: NotificationId,
        reason: Reason,
        now: Timestamp,
    ) -> Result<()> {
        let key = Key::Notification(user.clone(), id);
        let Some(item) = self.get(&key, "the notification").await? else {
            return Ok(());
        };
        if row::is_tombstone(&item) {
            return Ok(());
        }
        let seen = row::from_item(item)?.outcome;
        let mut outcome = seen.clone();
        outcome.resume();
        if outcome.is_final() {
            return Ok(());
        }
        outcome.end(State::Dead, Some(reason));
        outcome.at = now.as_millisecond();
        let replaced = self.replace_outcome(user, id, &seen, &outcome).await;
        replaced.map(drop)
    }
}
