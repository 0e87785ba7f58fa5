//! The table in the domain's words. No signature outside this folder names a type of AWS.

mod carriers;
mod clearing;
mod dedupe;
mod erase;
mod events;
mod export;
mod guards;
mod inbox;
pub mod keys;
mod marks;
mod moving;
mod pushes;
mod redrive;
mod row;
mod rules;
mod scheduled;
mod settings;
mod steps;
mod task_row;
mod tasks;
mod topics;
mod trace;
mod users;
mod writes;

pub use carriers::carrying;
pub use dedupe::Holder;
pub use erase::{EraseAt, Erased};
pub use events::{LogRows, Logged};
pub use export::{Kept, KeptPage};
pub use guards::{Claim, Guard, Held};
pub use inbox::{Examined, Mark, Rows};
pub use marks::About;
pub use moving::{Cursor, Part};
pub use pushes::{Replaced, Undecodable};
pub use redrive::{Dead, DeadPage, PENDING, States, Window};
pub use rules::StoredRule;
pub use steps::{Chain, Job, JobKind, Step, StepKey, Telling};
pub use task_row::Due;
pub use tasks::{Cancelled, LEASE};
pub use topics::{MEMBER_SHARDS, Member, Members};
pub use trace::Traced;
pub use users::{Given, Owner, Registration, User};
pub use writes::{FRESH, Found, PUTS_IN_FLIGHT, Put, Written};

use std::collections::HashMap;
use std::fmt::Display;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::AttributeValue;
use futures_util::try_join;
use tokio::sync::OnceCell;
use tokio::time::Instant;

use crate::connections::{CONNECTING, IDLE};
use crate::error::{Error, Result};
use keys::Key;
use row::Item;

/// The table. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    client: Client,
    /// The same connections without retries, for what is finished in another way; made when it is needed.
    once: Arc<OnceLock<Client>>,
    table: String,
    /// Whether the sweep has a cursor.
    cursor: Arc<OnceCell<()>>,
    /// When two calls were made beside each other the last time.
    paired_at: Arc<Mutex<Option<Instant>>>,
}

impl Store {
    /// A table reached by `client`, which retries.
    pub fn new(client: Client, table: String) -> Store {
        Store {
            client,
            once: Arc::default(),
            table,
            cursor: Arc::default(),
            paired_at: Arc::default(),
        }
    }

    /// Opens the connection, so that the first request does not wait for it. The answer does not
    /// matter: a table that is away is reported by whoever needs it. It may be asked twice while a
    /// connection may take to stand.
    pub async fn connect(&self) {
        let key = item_key(&Key::Owner("connect".to_owned()));
        let get = self.client.get_item().table_name(&self.table);
        let get = get.set_key(Some(key)).send();
        tokio::time::timeout(CONNECTING, get).await.ok();
    }

    /// The client without retries.
    fn once(&self) -> &Client {
        self.once.get_or_init(|| {
            let config = self.client.config().to_builder();
            Client::from_conf(config.retry_config(RetryConfig::disabled()).build())
        })
    }

    /// What two calls answer, made at once if two connections may stand. A connection takes longer to open than the first
    /// call takes, so the calls go over the one that stands, one after the other.
    pub async fn pair<A, B>(
        &self,
        first: impl Future<Output = Result<A>>,
        second: impl Future<Output = Result<B>>,
    ) -> Result<(A, B)> {
        let now = Instant::now();
        let before = self.paired_at.lock();
        let before = before.unwrap_or_else(PoisonError::into_inner).replace(now);
        if before.is_some_and(|before| now - before < IDLE) {
            return try_join!(first, second);
        }
        Ok((first.await?, second.await?))
    }

    async fn get(&self, key: &Key, what: &'static str) -> Result<Option<Item>> {
        let get = self.client.get_item().table_name(&self.table);
        let get = get.set_key(Some(item_key(key))).consistent_read(true);
        let answer = get.send().await;
        Ok(answer.map_err(|error| failure(what, error))?.item)
    }
}

fn s(text: impl Into<String>) -> AttributeValue {
    AttributeValue::S(text.into())
}

fn n(number: impl Display) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

fn item_key(key: &Key) -> HashMap<String, AttributeValue> {
    HashMap::from([
        ("pk".to_owned(), s(key.pk())),
        ("sk".to_owned(), s(key.sk())),
    ])
}

fn decode<T: serde::de::DeserializeOwned>(item: Item, what: &'static str) -> Result<T> {
    serde_dynamo::from_item(item).map_err(|source| Error::Internal {
        what,
        source: source.into(),
    })
}

fn encode<T: serde::Serialize>(value: T, what: &'static str) -> Result<AttributeValue> {
    serde_dynamo::to_attribute_value(value).map_err(|source| Error::Internal {
        what,
        source: source.into(),
    })
}

/// A transaction says for each of its parts why it was cancelled.
fn transaction_failure(what: &'static str, error: SdkError<TransactWriteItemsError>) -> Error {
    let reasons = match error.as_service_error() {
        Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) => {
            let reasons = cancelled.cancellation_reasons().iter();
            reasons
                .filter_map(|reason| reason.code().map(str::to_owned))
                .collect()
        }
        _ => Vec::new(),
    };
    let any = |codes: &[&str]| {
        reasons
            .iter()
            .any(|reason| codes.contains(&reason.as_str()))
    };
    if any(&["ValidationError", "ItemCollectionSizeLimitExceeded"]) {
        let source = Box::new(error);
        return Error::Internal { what, source };
    }
    if any(&["ThrottlingError", "ProvisionedThroughputExceeded"]) {
        let source = Box::new(error);
        return Error::Throttled { what, source };
    }
    failure(what, error)
}

/// The one place where an answer of DynamoDB becomes one of our errors. What is not known to be
/// our fault may pass: it is an outage, never "not found".
fn failure<E>(what: &'static str, error: SdkError<E>) -> Error
where
    SdkError<E>: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    E: Send + Sync + 'static,
{
    let code = error.code().unwrap_or_default().to_owned();
    let source = Box::new(error);
    match code.as_str() {
        "ConditionalCheckFailedException"
        | "TransactionCanceledException"
        | "TransactionConflictException" => Error::Conflict("somebody else changed it meanwhile"),
        "ProvisionedThroughputExceededException"
        | "ThrottlingException"
        | "RequestLimitExceeded" => Error::Throttled { what, source },
        "ValidationException"
        | "AccessDeniedException"
        | "ResourceNotFoundException"
        | "ItemCollectionSizeLimitExceededException" => Error::Internal { what, source },
        _ => Error::Unavailable { what, source },
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use aws_sdk_dynamodb::Config;

    use super::*;
    use crate::connections::Connections;

    #[tokio::test(start_paused = true)]
    async fn two_calls_are_made_at_once_while_two_connections_may_stand() {
        let config = Config::builder().behavior_version_latest();
        let config = config.http_client(Connections::new(&[]).unwrap());
        let client = Client::from_conf(config.build());
        let store = Store::new(client, "table".to_owned());
        let call = async || {
            tokio::time::sleep(Duration::from_secs(1)).await;
            Ok(())
        };
        let mut seconds = Vec::new();
        for rest in [0, 5, 11] {
            tokio::time::advance(Duration::from_secs(rest)).await;
            let began = Instant::now();
            store.pair(call(), call()).await.unwrap();
            seconds.push(began.elapsed().as_secs());
        }
        assert_eq!(seconds, [2, 1, 2]);
    }
}
