//! One batch: decode each record, push what was created, report what must come again.

use std::collections::HashSet;
use std::time::{Duration, SystemTime};

use shared::clock::{self, Clock};
use shared::error::Result;
use shared::id::{NotificationId, UserId};
use shared::metrics::{self, Metric};
use shared::outcome::Reason;
use shared::push::{Pusher, Target, Undone};
use shared::store::Store;
use shared::store::keys::Key;
use shared::stream::{Batch, Record, Response, Undecodable, response};
use shared::task::parked;

/// Handles a batch before `deadline`.
pub async fn handle(pusher: &Pusher, batch: &Batch, deadline: SystemTime) -> Result<Response> {
    let clock = Clock::starting(clock::wall());
    let budget = clock::left(deadline);
    let mut targets = Vec::new();
    let mut numbers = Vec::new();
    let mut seen = HashSet::new();
    let mut failed = Vec::new();
    let mut before_failed = None;
    let mut oldest = None;
    for raw in &batch.records {
        match Record::decode(raw) {
            Record::Ignored | Record::Step { .. } => {}
            Record::Created {
                user,
                id,
                sequence_number,
                written,
            } => {
                oldest = oldest.into_iter().chain(written).min();
                // A record that comes twice in one batch is one record.
                if seen.insert((user.clone(), id)) {
                    targets.push((user, id));
                    numbers.push(sequence_number);
                }
            }
            Record::Undecodable(record) => {
                if let Some(number) = keep_dead(pusher.store(), clock, &record).await? {
                    failed.push(number);
                    before_failed.get_or_insert(numbers.len());
                }
            }
        }
    }
    metrics::tell("records", batch.records.len());
    if let Some(oldest) = oldest {
        metrics::sample(Metric::StreamAge, clock.since(oldest).as_millis());
    }
    failed.extend(push(pusher, &targets, &numbers, clock, budget).await?);
    // Lambda brings everything again from the first that failed on, and counts it then.
    let open = numbers.iter().position(|number| failed.contains(number));
    let seen_to = open.into_iter().chain(before_failed).min();
    metrics::count(Metric::Stored, seen_to.unwrap_or(numbers.len()));
    Ok(response(failed))
}

/// Pushes, and returns the sequence numbers of what is not done.
async fn push(
    pusher: &Pusher,
    targets: &[Target],
    numbers: &[String],
    clock: Clock,
    budget: Duration,
) -> Result<Vec<String>> {
    let done = match pusher.deliver(targets, clock, budget).await {
        Ok(done) => done,
        Err(error) => {
            tracing::warn!(error = %error.chain(), "a batch must be tried again");
            return Ok(numbers.to_vec());
        }
    };
    let mut open = Vec::new();
    for (((user, id), number), done) in targets.iter().zip(numbers).zip(done) {
        match done {
            Ok(()) => {}
            // The next invocation begins where this one had to stop.
            Err(Undone::Later(Reason::TimeShort)) => open.push(number.clone()),
            Err(Undone::Later(reason)) => {
                if !park(pusher.store(), (user, *id), reason, clock).await {
                    open.push(number.clone());
                }
            }
            Err(Undone::Unreadable(reason)) => {
                let key = Key::Notification(user.clone(), *id);
                let record = Undecodable {
                    pk: Some(key.pk()),
                    sk: Some(key.sk()),
                    sequence_number: Some(number.clone()),
                    reason,
                };
                open.extend(keep_dead(pusher.store(), clock, &record).await?);
            }
        }
    }
    Ok(open)
}

/// Leaves a push to a task, so that the stream goes on. Returns whether that was possible: if even the
/// table refuses, the record must come again.
async fn park(
    store: &Store,
    (user, id): (&UserId, NotificationId),
    reason: Reason,
    clock: Clock,
) -> bool {
    let later = parked(user.clone(), id, clock.now());
    match store.put_later(&later, clock.now()).await {
        Ok(()) => {
            metrics::count(Metric::Parked, 1);
            tracing::warn!(reason = reason.word(), "a push is parked");
            true
        }
        Err(error) => {
            tracing::warn!(reason = reason.word(), error = %error.chain(), "a push is not parked");
            false
        }
    }
}

/// Keeps what is known of a record that cannot be handled, so that its neighbours go on. If even
/// that fails, it must come again: by its number, or with the whole batch if it has none.
async fn keep_dead(store: &Store, clock: Clock, record: &Undecodable) -> Result<Option<String>> {
    tracing::warn!(reason = record.reason, "a record cannot be handled");
    match (
        store.put_dead(clock.now(), record).await,
        &record.sequence_number,
    ) {
        (Ok(()), _) => Ok(None),
        (Err(error), None) => Err(error),
        (Err(error), Some(number)) => {
            tracing::warn!(error = %error.chain(), "a record must be tried again");
            Ok(Some(number.clone()))
        }
    }
}
