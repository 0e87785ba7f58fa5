//! Request guards: what an `Idempotency-Key` was first used for, and when.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::put_item::builders::PutItemFluentBuilder;
use aws_sdk_dynamodb::operation::put_item::{PutItemError, PutItemOutput};
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure};

use super::keys::Key;
use super::row::Item;
use super::{Store, decode, failure, item_key, n, s};
use crate::error::{Error, Result};

/// How long a key is remembered, in milliseconds: 24 h. The table drops rows later than that, so
/// the age is checked here.
pub(super) const LIFE: i64 = 86_400_000;

/// A request that was accepted under a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Guard {
    /// When rows of the request were accepted, in milliseconds; each may have ids of its own.
    #[serde(rename = "at")]
    accepted: Vec<i64>,
    /// A hash of the request's body.
    #[serde(rename = "h")]
    pub body_hash: String,
    /// Tells the request that wrote the guard from all others.
    #[serde(rename = "n")]
    nonce: String,
}

/// What claiming a key found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// The key was free, and is ours.
    New(Guard),
    /// The key was used within 24 h.
    Known(Guard),
}

/// A guard of a request, as its row has it now.
#[derive(Debug, Clone)]
pub struct Held {
    /// The row.
    pub key: Key,
    /// What it says.
    pub guard: Guard,
    /// Whether it was there before this request.
    pub replayed: bool,
}

impl Guard {
    /// The guard of a request that is accepted now.
    pub(super) fn accepted_at(now: Timestamp, body_hash: &str, nonce: &str) -> Guard {
        Guard {
            accepted: vec![now.as_millisecond()],
            body_hash: body_hash.to_owned(),
            nonce: nonce.to_owned(),
        }
    }

    /// A put of the guard; if its condition fails, the answer has the row that is there.
    pub(super) fn put(&self, put: PutItemFluentBuilder) -> PutItemFluentBuilder {
        let accepted = self.accepted.iter().map(n).collect();
        put.item("at", AttributeValue::L(accepted))
            .item("h", s(&self.body_hash))
            .item("n", s(&self.nonce))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
    }

    /// What the put of this guard found.
    pub(super) fn claimed(
        self,
        put: Result<PutItemOutput, SdkError<PutItemError>>,
    ) -> Result<Claim> {
        let Err(error) = put else {
            return Ok(Claim::New(self));
        };
        let found = match error.as_service_error() {
            Some(PutItemError::ConditionalCheckFailedException(failed)) => failed.item.clone(),
            _ => None,
        };
        let found = guard_in(found).ok_or_else(|| failure("the table", error))??;
        if found.nonce == self.nonce {
            return Ok(Claim::New(found));
        }
        Ok(Claim::Known(found))
    }

    /// The moments at which rows of the request were accepted, oldest first.
    pub fn accepted(&self) -> Vec<Timestamp> {
        let moments = self.accepted.iter();
        moments
            .filter_map(|ms| Timestamp::from_millisecond(*ms).ok())
            .collect()
    }
}

impl Store {
    /// Claims `key` for a request with this body, unless it was used in the last 24 h. `nonce`
    /// tells this request from a twin: our own lost reply must not look like somebody else's.
    pub async fn claim(
        &self,
        key: &Key,
        now: Timestamp,
        body_hash: &str,
        nonce: &str,
    ) -> Result<Claim> {
        let at = now.as_millisecond();
        let guard = Guard::accepted_at(now, body_hash, nonce);
        let put = self.client.put_item().table_name(&self.table);
        let put = guard
            .put(put.set_item(Some(item_key(key))))
            .item("f", n(at))
            .item("expires_at", n((at + LIFE) / 1_000 + 1))
            .condition_expression("attribute_not_exists(pk) OR f <= :stale")
            .expression_attribute_values(":stale", n(at - LIFE));
        guard.claimed(put.send().await)
    }

    /// Says that a repeat is about to put rows under the guard's newest moment, or returns the guard
    /// as somebody else has changed it meanwhile.
    pub async fn join(&self, key: &Key, guard: &Guard) -> Result<Guard> {
        self.change(key, guard, "SET j = :joined", None, [(":joined", n(1))])
            .await
    }

    /// Adds a moment to a guard, or returns the guard as somebody else has changed it meanwhile.
    /// While the old moment may be in use, only `alone` may pass it: its writer, if nobody joined.
    pub async fn extend(
        &self,
        key: &Key,
        guard: &Guard,
        now: Timestamp,
        alone: bool,
    ) -> Result<Guard> {
        let at = AttributeValue::L(vec![n(now.as_millisecond())]);
        let alone = alone.then_some("attribute_not_exists(j)");
        let expression = "SET #at = list_append(#at, :at) REMOVE j";
        self.change(key, guard, expression, alone, [(":at", at)])
            .await
    }

    async fn change(
        &self,
        key: &Key,
        guard: &Guard,
        expression: &str,
        condition: Option<&str>,
        [(name, value)]: [(&str, AttributeValue); 1],
    ) -> Result<Guard> {
        let unchanged = ["n = :nonce AND size(#at) = :count"]
            .into_iter()
            .chain(condition);
        let update = self.client.update_item().table_name(&self.table);
        let update = update
            .set_key(Some(item_key(key)))
            .update_expression(expression)
            .condition_expression(unchanged.collect::<Vec<_>>().join(" AND "))
            .expression_attribute_names("#at", "at")
            .expression_attribute_values(name, value)
            .expression_attribute_values(":nonce", s(&guard.nonce))
            .expression_attribute_values(":count", n(guard.accepted.len()))
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let found = match update.send().await {
            Ok(answer) => answer.attributes,
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(failed)) => {
                    failed.item.clone()
                }
                _ => return Err(failure("the table", error)),
            },
        };
        match guard_in(found).transpose()? {
            Some(found) if found.nonce == guard.nonce => Ok(found),
            _ => Err(Error::Conflict(
                "the Idempotency-Key was taken over meanwhile",
            )),
        }
    }
}

fn guard_in(item: Option<Item>) -> Option<Result<Guard>> {
    item.map(|item| decode(item, "a request guard could not be read"))
}
