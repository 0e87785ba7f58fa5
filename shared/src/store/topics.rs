//! The members of topics. A member has two rows, one under the topic and one under the user, and there is never one without
//! the other: they go in and out in one transaction.

use aws_sdk_dynamodb::types::{AttributeValue, Delete, TransactWriteItem, Update};
use futures_util::stream::{self, StreamExt, TryStreamExt};
use jiff::Timestamp;

use super::keys::{self, Key};
use super::{Store, failure, item_key, n, s, transaction_failure};
use crate::clock::pause;
use crate::error::{Error, Result};
use crate::id::{TopicId, UserId};

/// The partitions of a topic's members.
pub const MEMBER_SHARDS: u32 = keys::MEMBER_SHARDS;

/// Users who join in one transaction: two rows each, of DynamoDB's 100.
const JOINING: usize = 50;
/// Transactions on their way at the same time.
const IN_FLIGHT: usize = 8;
/// How often a transaction is thought again that met another one.
const ROUNDS: u32 = 5;

/// A member of a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Who.
    pub user: UserId,
    /// Since when.
    pub joined_at: Timestamp,
}

/// Some members of one partition, in the order of their keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Members {
    /// Who they are.
    pub members: Vec<Member>,
    /// Whether more may follow.
    pub more: bool,
}

impl Store {
    /// Makes users members of a topic, 50 to a transaction; who is one already stays one since then. Doing it twice is doing
    /// it once, and a part of it may be done when it fails.
    pub async fn join_topic(
        &self,
        topic: &TopicId,
        users: &[UserId],
        now: Timestamp,
    ) -> Result<()> {
        let joins = users.chunks(JOINING).map(|users| {
            let writes = users.iter().flat_map(|user| {
                let keys = membership(topic, user);
                keys.map(|key| self.join_write(&key, now))
            });
            self.change_members(writes.collect())
        });
        let joined = stream::iter(joins).buffer_unordered(IN_FLIGHT);
        joined.try_collect().await
    }

    /// Ends a membership; one that is none stays none.
    pub async fn leave_topic(&self, topic: &TopicId, user: &UserId) -> Result<()> {
        let writes = membership(topic, user).map(|key| self.leave_write(&key));
        self.change_members(writes.to_vec()).await
    }

    /// A member of a topic, if the user is one.
    pub async fn member(&self, topic: &TopicId, user: &UserId) -> Result<Option<Member>> {
        let key = Key::Member(topic.clone(), user.clone());
        let found = self.get(&key, "the topic").await?;
        Ok(found.and_then(|item| member_in(&item)))
    }

    /// Up to `limit` members of one of the [`MEMBER_SHARDS`] partitions, after one and up to another, read consistently.
    pub async fn members(
        &self,
        topic: &TopicId,
        shard: u32,
        (after, up_to): (Option<&UserId>, Option<&UserId>),
        limit: usize,
    ) -> Result<Members> {
        let (from, to) = keys::members_between(after, up_to);
        let query = self.client.query().table_name(&self.table);
        let query = query
            .key_condition_expression("pk = :pk AND sk BETWEEN :from AND :to")
            .expression_attribute_values(":pk", s(keys::members(topic, shard)))
            .expression_attribute_values(":from", s(from))
            .expression_attribute_values(":to", s(to))
            .consistent_read(true)
            .limit(i32::try_from(limit).unwrap_or(i32::MAX));
        let answer = query.send().await;
        let answer = answer.map_err(|error| failure("the topic", error))?;
        let items = answer.items.unwrap_or_default();
        Ok(Members {
            members: items.iter().filter_map(member_in).collect(),
            more: answer.last_evaluated_key.is_some(),
        })
    }

    fn join_write(&self, key: &Key, now: Timestamp) -> TransactWriteItem {
        let update = Update::builder()
            .table_name(&self.table)
            .set_key(Some(item_key(key)))
            .update_expression("SET j = if_not_exists(j, :now)")
            .expression_attribute_values(":now", n(now.as_millisecond()))
            .build()
            .expect("an update has its table, key and expression");
        TransactWriteItem::builder().update(update).build()
    }

    fn leave_write(&self, key: &Key) -> TransactWriteItem {
        let delete = Delete::builder()
            .table_name(&self.table)
            .set_key(Some(item_key(key)))
            .build()
            .expect("a delete has its table and key");
        TransactWriteItem::builder().delete(delete).build()
    }

    /// Writes without conditions, all or none: what stands against them is another transaction.
    async fn change_members(&self, writes: Vec<TransactWriteItem>) -> Result<()> {
        for round in 0..ROUNDS {
            if round > 0 {
                pause(round).await;
            }
            let transaction = self.client.transact_write_items();
            let transaction = transaction.set_transact_items(Some(writes.clone()));
            let sent = transaction.send().await;
            match sent.map_err(|error| transaction_failure("the topic", error)) {
                Ok(_) => return Ok(()),
                Err(Error::Conflict(_)) => {}
                Err(other) => return Err(other),
            }
        }
        Err(Error::Conflict("the members change too often"))
    }
}

fn membership(topic: &TopicId, user: &UserId) -> [Key; 2] {
    [
        Key::Member(topic.clone(), user.clone()),
        Key::Membership(user.clone(), topic.clone()),
    ]
}

fn member_in(item: &super::Item) -> Option<Member> {
    let joined: Option<&AttributeValue> = item.get("j");
    let joined = joined.and_then(|at| at.as_n().ok()?.parse().ok());
    Some(Member {
        user: keys::member_in(item.get("sk")?.as_s().ok()?)?,
        joined_at: Timestamp::from_millisecond(joined.unwrap_or_default()).unwrap_or_default(),
    })
}
