//! Accepting notifications: from checked drafts to durable rows.

use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use jiff::Timestamp;

use crate::clock::Clock;
use crate::error::{Error, Result};
use crate::id::{NotificationId, UserId, derived_tail};
use crate::notification::{Draft, Notification};
use crate::outcome::Outcome;
use crate::store::keys::Key;
use crate::store::{Claim, FRESH, Guard, PUTS_IN_FLIGHT, Store};

/// From this age on nobody puts a row under a moment any more: who began while it was fresh has
/// ended. Only then may what is missing be put under a new one.
const SETTLED: Duration = Duration::from_millis(5_500);

/// How long a request is worked on before the caller is told to try again.
const PATIENCE: Duration = Duration::from_secs(8);

/// The key of a request that may be repeated.
pub struct RequestKey {
    /// The guard's key in the table.
    pub guard: Key,
    /// The key with its producer, from which ids are derived.
    pub seed: String,
    /// A hash of the body.
    pub body_hash: String,
    /// Tells this request from a twin that comes at the same time.
    pub nonce: String,
}

/// What was accepted: the ids, in the order of drafts and recipients.
pub struct Accepted {
    /// One list for each draft, one id for each recipient.
    pub ids: Vec<Vec<NotificationId>>,
    /// Whether an earlier request with the same key had been accepted.
    pub replayed: bool,
}

/// Stores drafts under ids drawn at random. A repeat of the request would store them again.
pub async fn create_drawn(
    store: &Store,
    clock: Clock,
    drafts: &[Draft],
    retention: u32,
) -> Result<Accepted> {
    let at = clock.now();
    let mut ids = Vec::with_capacity(drafts.len());
    let mut rows = Vec::new();
    for draft in drafts {
        let drawn: Vec<_> = draft
            .recipients
            .iter()
            .map(|_| NotificationId::draw(at))
            .collect();
        for (recipient, id) in draft.recipients.iter().zip(&drawn) {
            rows.push(row(draft, recipient, *id, retention));
        }
        ids.push(drawn);
    }
    store
        .put_drawn(&rows, clock)
        .await
        .map_err(|error| partial(error, rows.len()))?;
    Ok(Accepted {
        ids,
        replayed: false,
    })
}

/// Of several rows some may be stored, and an answer of 4xx says that nothing is.
fn partial(error: Error, rows: usize) -> Error {
    match error {
        Error::Throttled { what, source } if rows > 1 => Error::Unavailable { what, source },
        other => other,
    }
}

/// Stores drafts under ids derived from the request's key, which makes every repeat within 24 h
/// meet its own rows. A repeat completes what is missing.
pub async fn create_keyed(
    store: &Store,
    clock: Clock,
    drafts: &[Draft],
    retention: u32,
    key: &RequestKey,
) -> Result<Accepted> {
    let claim = store.claim(&key.guard, clock.now(), &key.body_hash, &key.nonce);
    let (guard, replayed) = match claim.await? {
        Claim::New(guard) => (guard, false),
        Claim::Known(guard) if guard.body_hash == key.body_hash => (guard, true),
        Claim::Known(_) => return Err(Error::KeyReused),
    };
    let mut work = Work::new(store, clock, drafts, retention, key);
    work.complete(guard, replayed).await?;
    Ok(Accepted {
        ids: work.ids(),
        replayed,
    })
}

/// A keyed request on its way: each slot is one recipient of one draft.
struct Work<'w> {
    store: &'w Store,
    clock: Clock,
    drafts: &'w [Draft],
    retention: u32,
    key: &'w RequestKey,
    slots: Vec<Slot<'w>>,
}

struct Slot<'w> {
    draft: &'w Draft,
    recipient: &'w UserId,
    tail: [u8; 10],
    stored: Option<NotificationId>,
}

impl<'w> Work<'w> {
    fn new(
        store: &'w Store,
        clock: Clock,
        drafts: &'w [Draft],
        retention: u32,
        key: &'w RequestKey,
    ) -> Work<'w> {
        let mut slots = Vec::new();
        for (position, draft) in drafts.iter().enumerate() {
            slots.extend(draft.recipients.iter().map(|recipient| Slot {
                draft,
                recipient,
                tail: derived_tail(&key.seed, position, recipient),
                stored: None,
            }));
        }
        Work {
            store,
            clock,
            drafts,
            retention,
            key,
            slots,
        }
    }

    async fn complete(&mut self, mut guard: Guard, replayed: bool) -> Result<()> {
        if replayed {
            self.look_up(&guard).await?;
        }
        while self.slots.iter().any(|slot| slot.stored.is_none()) {
            let Some(at) = guard.accepted().last().copied() else {
                return Err(late());
            };
            let age = self.clock.since(at);
            if age <= FRESH {
                self.put_missing(at).await?;
                continue;
            }
            if self.clock.elapsed() > PATIENCE {
                return Err(late());
            }
            tokio::time::sleep(SETTLED.saturating_sub(age)).await;
            self.look_up(&guard).await?;
            if self.slots.iter().any(|slot| slot.stored.is_none()) {
                guard = self
                    .store
                    .extend(&self.key.guard, &guard, self.clock.now())
                    .await?;
            }
        }
        Ok(())
    }

    /// Finds the rows that earlier requests stored. What has expired since is not stored again.
    async fn look_up(&mut self, guard: &Guard) -> Result<()> {
        let accepted = guard.accepted();
        let now = self.clock.now().as_second();
        let missing: Vec<&mut Slot> = self
            .slots
            .iter_mut()
            .filter(|s| s.stored.is_none())
            .collect();
        let candidates = missing.iter().flat_map(|slot| {
            let id = |at: &Timestamp| (slot.recipient.clone(), NotificationId::new(*at, slot.tail));
            accepted.iter().map(id)
        });
        let found = self.store.existing(candidates.collect()).await?;
        for slot in missing {
            let mut ids = accepted
                .iter()
                .map(|at| NotificationId::new(*at, slot.tail));
            let expired = |id: &NotificationId| expiry(slot.draft, id.at(), self.retention) <= now;
            slot.stored = ids
                .clone()
                .find(|id| found.contains(&(slot.recipient.clone(), *id)))
                .or(ids.next().filter(expired));
        }
        Ok(())
    }

    /// Puts what is missing under ids of the moment `at`, as long as that is fresh.
    async fn put_missing(&mut self, at: Timestamp) -> Result<()> {
        let (store, clock, retention) = (self.store, self.clock, self.retention);
        let count = self.slots.len();
        let missing = self.slots.iter_mut().filter(|slot| slot.stored.is_none());
        let mut puts = stream::iter(missing)
            .map(|slot| async move {
                if clock.since(at) > FRESH {
                    return Ok(());
                }
                let id = NotificationId::new(at, slot.tail);
                store
                    .put(&row(slot.draft, slot.recipient, id, retention))
                    .await?;
                slot.stored = Some(id);
                Ok(())
            })
            .buffer_unordered(PUTS_IN_FLIGHT);
        let mut outcome = Ok(());
        // Every put is waited for: one that is dropped on its way may still be stored later.
        while let Some(put) = puts.next().await {
            outcome = outcome.and(put);
        }
        outcome.map_err(|error| partial(error, count))
    }

    fn ids(&self) -> Vec<Vec<NotificationId>> {
        let mut slots = self.slots.iter().filter_map(|slot| slot.stored);
        let drafts = self.drafts.iter();
        drafts
            .map(|draft| slots.by_ref().take(draft.recipients.len()).collect())
            .collect()
    }
}

fn row(draft: &Draft, recipient: &UserId, id: NotificationId, retention: u32) -> Notification {
    Notification {
        recipient: recipient.clone(),
        id,
        content: draft.content.clone(),
        expires_at: expiry(draft, id.at(), retention),
        read_at: None,
        archived_at: None,
        outcome: Outcome::default(),
    }
}

fn expiry(draft: &Draft, at: Timestamp, retention: u32) -> i64 {
    at.as_second() + i64::from(draft.expires_in.unwrap_or(retention))
}

fn late() -> Error {
    Error::Unavailable {
        what: "the table",
        source: "it did not take every row in time".into(),
    }
}
