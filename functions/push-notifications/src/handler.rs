//! One batch: decode each record, push what was created, report what must come again.

use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use shared::clock::Clock;
use shared::error::Result;
use shared::push::{Pusher, Target};
use shared::store::{DeadRecord, Store};
use shared::stream::{Batch, Record, Response, Undecodable, response};

/// Handles a batch before `deadline`.
pub async fn handle(pusher: &Pusher, batch: &Batch, deadline: SystemTime) -> Result<Response> {
    let clock = Clock::starting(Timestamp::now());
    let budget = deadline
        .duration_since(SystemTime::now())
        .unwrap_or_default();
    let mut targets = Vec::new();
    let mut numbers = Vec::new();
    let mut failed = Vec::new();
    for raw in &batch.records {
        match Record::decode(raw) {
            Record::Ignored => {}
            Record::Created {
                user,
                id,
                sequence_number,
            } => {
                targets.push((user, id));
                numbers.push(sequence_number);
            }
            Record::Undecodable(record) => {
                failed.extend(keep_dead(pusher.store(), clock, record).await?);
            }
        }
    }
    failed.extend(push(pusher, &targets, numbers, clock, budget).await);
    Ok(response(failed))
}

/// Pushes, and returns the sequence numbers of what is not done.
async fn push(
    pusher: &Pusher,
    targets: &[Target],
    numbers: Vec<String>,
    clock: Clock,
    budget: Duration,
) -> Vec<String> {
    let done = match pusher.deliver(targets, clock, budget).await {
        Ok(done) => done,
        Err(error) => {
            tracing::warn!(error = %error.chain(), "a batch must be tried again");
            return numbers;
        }
    };
    let mut open = Vec::new();
    for (number, done) in numbers.into_iter().zip(done) {
        if let Err(reason) = done {
            tracing::warn!(
                sequence_number = number,
                reason,
                "a push must be tried again"
            );
            open.push(number);
        }
    }
    open
}

/// Keeps what is known of a record that cannot be handled. If even that fails, it must come again:
/// by its number, or with the whole batch if it has none.
async fn keep_dead(store: &Store, clock: Clock, record: Undecodable) -> Result<Option<String>> {
    let dead = DeadRecord {
        pk: record.pk.as_deref(),
        sk: record.sk.as_deref(),
        sequence_number: record.sequence_number.as_deref(),
        reason: record.reason,
    };
    tracing::warn!(reason = record.reason, "a record cannot be handled");
    match (
        store.put_dead(clock.now(), &dead).await,
        record.sequence_number,
    ) {
        (Ok(()), _) => Ok(None),
        (Err(error), None) => Err(error),
        (Err(error), Some(number)) => {
            tracing::warn!(error = %error.chain(), "a record must be tried again");
            Ok(Some(number))
        }
    }
}
