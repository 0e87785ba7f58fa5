//! What pushing reads and writes: rows by the batch, outcomes, records that cannot be decoded.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::time::Duration;

use jiff::Timestamp;

use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{
    AttributeValue, KeysAndAttributes, ReturnValue, ReturnValuesOnConditionCheckFailure,
};

use super::keys::Key;
use super::marks::{About, about_in};
use super::row::{self, Item, PUSHED};
use super::{Store, encode, failure, item_key, n, s};
use crate::error::{Error, Result};
use crate::id::{NotificationId, UserId};
use crate::metrics::{self, Metric};
use crate::notification::Notification;
use crate::outcome::Outcome;

/// Keys in one `BatchGetItem`: DynamoDB's limit.
const BATCH: usize = 100;
/// How often keys that DynamoDB left open are asked for again.
const ROUNDS: u32 = 5;

/// How long a record that cannot be decoded is kept, in seconds: 30 days.
const DEAD_LIFE: i64 = 30 * 86_400;

/// What could be read of a stream record that cannot be handled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undecodable {
    /// The row's partition key.
    pub pk: Option<String>,
    /// The row's sort key.
    pub sk: Option<String>,
    /// Its place in the stream.
    pub sequence_number: Option<String>,
    /// Why it cannot be handled.
    pub reason: String,
}

/// What became of the replacement of an outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Replaced {
    /// It stands.
    Done,
    /// It stands, on a notification that is read.
    Read,
    /// There is no notification any more.
    Gone,
    /// Somebody else has written this meanwhile.
    Other(Outcome),
}

fn decode_value(value: AttributeValue) -> Result<Outcome> {
    serde_dynamo::from_attribute_value(value).map_err(|source| Error::Internal {
        what: "an outcome could not be read",
        source: source.into(),
    })
}

impl Store {
    /// All rows with these keys that exist, in no order; read consistently. What DynamoDB leaves
    /// open is asked for again, and never taken for "gone".
    pub(super) async fn get_all(
        &self,
        keys: Vec<Key>,
        projection: Option<&str>,
    ) -> Result<Vec<Item>> {
        let mut seen = HashSet::new();
        let mut distinct = keys;
        distinct.retain(|key| seen.insert(key.clone()));
        let mut found = Vec::new();
        for chunk in distinct.chunks(BATCH) {
            let mut open: Vec<_> = chunk.iter().map(item_key).collect();
            for round in 0..ROUNDS {
                if round > 0 {
                    tokio::time::sleep(Duration::from_millis(25 << round)).await;
                }
                let (items, left) = self.get_batch(open, projection).await?;
                found.extend(items);
                open = left;
                if open.is_empty() {
                    break;
                }
            }
            if !open.is_empty() {
                return Err(Error::Throttled {
                    what: "the table",
                    source: "it left keys of a batch unread".into(),
                });
            }
        }
        Ok(found)
    }

    async fn get_batch(
        &self,
        keys: Vec<Item>,
        projection: Option<&str>,
    ) -> Result<(Vec<Item>, Vec<Item>)> {
        let wanted = KeysAndAttributes::builder()
            .set_keys(Some(keys))
            .set_projection_expression(projection.map(str::to_owned))
            .consistent_read(true)
            .build()
            .expect("the keys are given");
        let get = self
            .client
            .batch_get_item()
            .request_items(&self.table, wanted);
        let answer = get
            .send()
            .await
            .map_err(|error| failure("the table", error))?;
        let found = answer.responses.unwrap_or_default().into_values().flatten();
        let left = answer.unprocessed_keys.unwrap_or_default().into_values();
        Ok((found.collect(), left.flat_map(|keys| keys.keys).collect()))
    }

    /// The notifications of a batch that exist; a row that cannot be read is an error of its own. What is carried says what
    /// the notification for everyone says, and is gone with it.
    pub async fn notifications(
        &self,
        wanted: &[(UserId, NotificationId)],
    ) -> Result<HashMap<(UserId, NotificationId), Result<Notification>>> {
        let keys = wanted.iter().cloned();
        let keys = keys.map(|(user, id)| Key::Notification(user, id)).collect();
        let named = |item: Item| {
            let text = |name| item.get(name).and_then(|value| value.as_s().ok());
            let key = Key::notification(text("pk")?, text("sk")?)?;
            // What was taken back is gone.
            (!row::is_tombstone(&item)).then(|| (key, row::from_item(item)))
        };
        let items = self.get_all(keys, None).await?;
        let mut found: HashMap<_, _> = items.into_iter().filter_map(named).collect();
        self.fill_carried(&mut found).await?;
        Ok(found)
    }

    /// What is kept of these users; who has nothing is left out, and a row that cannot be read is
    /// an error of its own.
    pub async fn abouts(&self, wanted: BTreeSet<UserId>) -> Result<HashMap<UserId, Result<About>>> {
        let keys = wanted.into_iter();
        let keys = keys.flat_map(|user| [Key::User(user.clone()), Key::Marks(user)]);
        let mut items: HashMap<UserId, Vec<Item>> = HashMap::new();
        for item in self.get_all(keys.collect(), None).await? {
            let pk = item.get("pk").and_then(|pk| pk.as_s().ok());
            if let Some(user) = pk.and_then(|pk| Key::user(pk)) {
                items.entry(user).or_default().push(item);
            }
        }
        let abouts = items.into_iter();
        Ok(abouts
            .map(|(user, items)| (user, about_in(items)))
            .collect())
    }

    /// Puts an outcome in the place of the one that was read; the default stands for none. A row
    /// that is gone stays gone.
    pub async fn replace_outcome(
        &self,
        user: &UserId,
        id: NotificationId,
        seen: &Outcome,
        outcome: &Outcome,
    ) -> Result<Replaced> {
        let written = |outcome: &Outcome| {
            let exists = *outcome != Outcome::default();
            let value = exists.then(|| encode(outcome, "an outcome could not be written"));
            value.transpose()
        };
        let (before, after) = (written(seen)?, written(outcome)?);
        let update = self.client.update_item().table_name(&self.table);
        let update = update
            .set_key(Some(item_key(&Key::Notification(user.clone(), id))))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let update = match before {
            None => update.condition_expression(format!("{PUSHED} AND attribute_not_exists(po)")),
            Some(before) => update
                .condition_expression(format!("{PUSHED} AND po = :seen"))
                .expression_attribute_values(":seen", before),
        };
        let update = match after.clone() {
            None => update.update_expression("REMOVE po"),
            Some(after) => update
                .update_expression("SET po = :outcome")
                .expression_attribute_values(":outcome", after),
        };
        let stands = |row: Option<&Item>| {
            let is_read = row.is_some_and(|row| row.contains_key("r"));
            if is_read {
                Replaced::Read
            } else {
                Replaced::Done
            }
        };
        let error = match update.return_values(ReturnValue::AllNew).send().await {
            Ok(updated) => return Ok(stands(updated.attributes())),
            Err(error) => error,
        };
        let found = match error.as_service_error() {
            Some(UpdateItemError::ConditionalCheckFailedException(failed)) => failed.item.clone(),
            _ => return Err(failure("the outcome", error)),
        };
        let is_pushed = |found: &Item| found.contains_key("t") || row::is_carrier(found);
        let Some(mut found) = found.filter(is_pushed) else {
            return Ok(Replaced::Gone);
        };
        match found.remove("po") {
            // Our own, whose answer was lost.
            other if other == after => Ok(stands(Some(&found))),
            None => Ok(Replaced::Other(Outcome::default())),
            Some(other) => decode_value(other).map(Replaced::Other),
        }
    }

    /// Keeps what is known of a record that cannot be handled, so that its neighbours go on.
    pub async fn put_dead(&self, now: Timestamp, record: &Undecodable) -> Result<()> {
        let key = Key::Dead(now, NotificationId::draw(now));
        let put = self.client.put_item().table_name(&self.table);
        let put = put
            .set_item(Some(item_key(&key)))
            .item("w", s(&record.reason))
            .item("expires_at", n(now.as_second() + DEAD_LIFE));
        let fields = [
            ("rpk", &record.pk),
            ("rsk", &record.sk),
            ("seq", &record.sequence_number),
        ];
        let put = fields
            .into_iter()
            .fold(put, |put, (name, value)| match value {
                Some(value) => put.item(name, s(value)),
                None => put,
            });
        let sent = put.send().await;
        metrics::count(Metric::ListedDead, usize::from(sent.is_ok()));
        sent.map(drop).map_err(|error| failure("the table", error))
    }
}
