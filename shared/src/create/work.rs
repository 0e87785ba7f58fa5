//! A request on its way: each slot is one recipient of one draft, open until it has its receipt.
//!
//! Rows are put under a moment that they share, and only while it is fresh. What is still open when
//! it is not goes under a new moment, and a keyed request takes a new one only when nobody can be
//! writing under the old one any more.

use std::collections::HashSet;
use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use jiff::Timestamp;

use super::moments::Moments;
use super::slot::Slot;
use super::{Accepted, Status, expiry};
use crate::clock::Clock;
use crate::error::{Error, Result};
use crate::id::{NotificationId, UserId, millis};
use crate::notification::{Draft, Notification, Recipient};
use crate::random;
use crate::store::{FRESH, Found, Holder, PUTS_IN_FLIGHT, Put, Store, Written};

/// From this age on nobody puts a row under a moment any more: who began while it was fresh has
/// ended, with a second to spare.
pub const SETTLED: Duration = Duration::from_secs(4);
/// A moment that is kept in the table is used again for what a batch left open until it is that old.
const REUSED: Duration = Duration::from_millis(500);
/// The longest pause of a step while the table is busy.
const LONGEST_BREATH: Duration = Duration::from_secs(1);
/// How often a row is looked for that somebody else is about to put.
const GLANCE: Duration = Duration::from_millis(50);

pub struct Work<'w> {
    pub store: &'w Store,
    pub clock: Clock,
    pub retention: u32,
    pub slots: Vec<Slot<'w>>,
    pub moments: Moments<'w>,
}

impl Work<'_> {
    /// Puts what has no dedupe key and was not tried yet, 25 rows to a call. One row is put alone:
    /// that costs the same, and can be repeated.
    async fn put_batches(&mut self, at: Timestamp) -> Result<()> {
        let untried =
            |slot: &&mut Slot| slot.receipt.is_none() && !slot.tried && slot.dedupe().is_none();
        let mut untried: Vec<&mut Slot> = self.slots.iter_mut().filter(untried).collect();
        if let [one] = &mut untried[..] {
            one.tried = true;
            return Ok(());
        }
        let told = matches!(self.moments, Moments::Told(..));
        let rows: Vec<Notification> = untried
            .iter()
            .map(|slot| slot.row(at, self.retention))
            .collect();
        let written = self.store.put_batches(&rows, at, self.clock, told).await?;
        for (slot, written) in untried.into_iter().zip(written) {
            match written {
                Written::Stored => slot.end(slot.id(at), Status::Created),
                Written::Perhaps => slot.tried = true,
                // Somebody waits for a request: row by row it hears sooner that the table is busy.
                Written::Throttled => slot.tried = !told,
                Written::Not => {}
            }
        }
        Ok(())
    }

    /// Works until every slot has its receipt. `alone` says that this request wrote the guard.
    pub async fn complete(&mut self, mut alone: bool) -> Result<()> {
        let count = self.slots.len();
        while self.is_open() {
            let worked = self.step(&mut alone).await;
            worked.map_err(|error| partial(error, count))?;
        }
        Ok(())
    }

    async fn step(&mut self, alone: &mut bool) -> Result<()> {
        let Some(at) = self.moments.all().last().copied() else {
            return Err(late());
        };
        let age = self.clock.since(at);
        let drawn = self.moments.are_own();
        if age > FRESH && matches!(self.moments, Moments::Recorded(_)) {
            return Err(late());
        }
        if age <= FRESH {
            if drawn {
                self.put_batches(at).await?;
            }
            self.put_open(at, drawn).await?;
            if !drawn || !self.is_open() {
                return Ok(());
            }
        }
        let tried = self
            .slots
            .iter()
            .any(|slot| slot.receipt.is_none() && slot.tried);
        let alone_here = if drawn { !tried } else { *alone };
        let wait = SETTLED.saturating_sub(self.clock.since(at));
        let wait = if alone_here { Duration::ZERO } else { wait };
        if self.clock.elapsed() + wait > self.moments.patience() {
            return Err(late());
        }
        let Moments::Guarded(key, guard) = &mut self.moments else {
            return self.renew(at, wait, tried).await;
        };
        if *alone {
            // All of our own puts have been waited for, so if nobody joined, nobody is writing.
            let now = self.clock.now();
            *guard = self.store.extend(key, guard, now, true).await?;
            let newest = guard.accepted().last().map(|at| millis(*at));
            *alone = newest == Some(millis(now));
            return Ok(());
        }
        tokio::time::sleep(wait).await;
        self.look_up().await?;
        if self.is_open()
            && let Moments::Guarded(key, guard) = &mut self.moments
        {
            *guard = self
                .store
                .extend(key, guard, self.clock.now(), false)
                .await?;
        }
        Ok(())
    }

    /// Goes on with what is open, after a pause, under another moment if need be.
    async fn renew(&mut self, at: Timestamp, wait: Duration, tried: bool) -> Result<()> {
        // A table that leaves rows of a batch open is asked more slowly.
        let told = matches!(self.moments, Moments::Told(..));
        let pause = if told {
            breath(self.clock.elapsed())
        } else {
            GLANCE
        };
        tokio::time::sleep(wait.max(pause)).await;
        if tried {
            self.look_up().await?;
        }
        self.slots.iter_mut().for_each(|slot| slot.tried = false);
        if told && self.clock.since(at) <= REUSED {
            return Ok(());
        }
        self.moments.push(self.store, self.clock.now()).await
    }

    pub fn is_open(&self) -> bool {
        self.slots.iter().any(|slot| slot.receipt.is_none())
    }

    /// Takes part in a request that somebody else has begun: finds what is stored, and says so in
    /// the guard before anything is put under its moment.
    pub async fn join(&mut self) -> Result<()> {
        loop {
            self.look_up().await?;
            let open = self.is_open();
            let Moments::Guarded(key, guard) = &mut self.moments else {
                return Ok(());
            };
            if !open {
                return Ok(());
            }
            let joined = self.store.join(key, guard).await?;
            let is_same = joined.accepted() == guard.accepted();
            *guard = joined;
            if is_same {
                return Ok(());
            }
        }
    }

    /// Finds the rows that earlier requests with this key stored, and what was answered without one.
    /// What has expired since is not stored again.
    pub async fn look_up(&mut self) -> Result<()> {
        let moments = self.moments.all();
        let (now, retention) = (self.clock.now(), self.retention);
        let own = |slot: &Slot| {
            let mut ids: Vec<_> = moments.iter().map(|at| slot.id(*at)).collect();
            ids.dedup();
            ids
        };
        let open = self.slots.iter_mut().filter(|s| s.receipt.is_none());
        let open: Vec<&mut Slot> = open.collect();
        let rows = open.iter().flat_map(|slot| {
            let ids = own(slot).into_iter();
            ids.map(|id| (slot.recipient.clone(), id))
        });
        let found = self.store.existing(&rows.collect::<Vec<_>>()).await?;
        let mut missing = Vec::new();
        for slot in open {
            let ids = own(slot);
            let of = |id: &NotificationId| found.get(&(slot.recipient.clone(), *id)).copied();
            let first = ids.first().copied();
            let gone = first.filter(|id| expiry(slot.draft, *id, retention) <= now.as_second());
            if let Some((id, found)) = ids.iter().find_map(|id| Some((*id, of(id)?))) {
                slot.end_as(id, found);
            } else if let Some(id) = gone {
                slot.end(id, Status::Created);
            } else {
                missing.push(slot);
            }
        }
        self::take_erased(self.store, missing, &moments).await
    }

    /// Puts what is open under ids of the moment `at`, row by row, as long as that is fresh; of drawn
    /// ones, what batches are not for or have not settled.
    async fn put_open(&mut self, at: Timestamp, drawn: bool) -> Result<()> {
        let (store, clock, retention) = (self.store, self.clock, self.retention);
        let open = self.slots.iter_mut().filter(|slot| {
            slot.receipt.is_none() && (!drawn || slot.tried || slot.dedupe().is_some())
        });
        // Of several with one dedupe key the first in the request is stored, so it goes first.
        let mut keys = HashSet::new();
        let is_first = |slot: &&mut Slot| match slot.dedupe() {
            Some((user, key)) => keys.insert((user.clone(), key.to_owned())),
            None => true,
        };
        let (first, later): (Vec<_>, Vec<_>) = open.partition(is_first);
        let mut outcome = Ok(());
        for slots in [first, later] {
            let mut puts = stream::iter(slots)
                .map(|slot| put((store, clock), slot, at, retention, !drawn))
                .buffer_unordered(PUTS_IN_FLIGHT);
            // Every put is waited for: one that is dropped on its way may still be stored later.
            while let Some(put) = puts.next().await {
                outcome = outcome.and(put);
            }
        }
        outcome
    }

    pub fn accepted(self, drafts: &[Draft], replayed: bool) -> Accepted {
        let mut receipts = self.slots.into_iter().filter_map(|slot| slot.receipt);
        let of_draft = |draft: &Draft| receipts.by_ref().take(draft.recipients.len()).collect();
        Accepted {
            receipts: drafts.iter().map(of_draft).collect(),
            replayed,
        }
    }
}

/// Ends what was accepted before its recipient was erased: it is not stored again.
async fn take_erased(
    store: &Store,
    missing: Vec<&mut Slot<'_>>,
    moments: &[Timestamp],
) -> Result<()> {
    let user = |slot: &Slot| match slot.recipient {
        Recipient::User(user) => Some(user.clone()),
        Recipient::Topic(_) | Recipient::Everyone => None,
    };
    let users: Vec<UserId> = missing.iter().filter_map(|slot| user(slot)).collect();
    let Some(first) = moments.first().filter(|_| !users.is_empty()) else {
        return Ok(());
    };
    let erased = store.erasures(&users).await?;
    for slot in missing {
        let of = user(slot);
        let accepted = slot.carries.map_or(*first, |of| of.id.at());
        let taken =
            |(user, until): &(UserId, Timestamp)| of.as_ref() == Some(user) && accepted <= *until;
        if erased.iter().any(taken) {
            slot.end(slot.id(*first), Status::Retracted);
        }
    }
    Ok(())
}

/// Puts one row while its moment is fresh; leaves the slot open if it no longer is. If it is `kept`
/// that a row is a duplicate, a repeat says so, whatever became of the other one.
async fn put(
    (store, clock): (&Store, Clock),
    slot: &mut Slot<'_>,
    at: Timestamp,
    retention: u32,
    kept: bool,
) -> Result<()> {
    let id = slot.id(at);
    while clock.since(at) <= FRESH {
        let row = slot.row(at, retention);
        let Some((user, key)) = slot.dedupe() else {
            store.put(&row).await?;
            slot.end(id, Status::Created);
            return Ok(());
        };
        let holder = store
            .hold(user, key, id, row.expires_at, clock.now())
            .await?;
        let other = match holder {
            Holder::Ours => {
                let put = store.put(&row).await?;
                return end_as_put(store, slot, id, put, Found::Live).await;
            }
            Holder::Other(other) => other,
        };
        match store.is_held(user, other).await? {
            Some(true) => {
                let put = if kept {
                    let now = clock.now();
                    store.put_duplicate(slot.recipient, id, other, now).await?
                } else {
                    Put::Created
                };
                return end_as_put(store, slot, id, put, Found::Duplicate(other)).await;
            }
            // Somebody may be about to put it.
            None if clock.since(other.at()) <= SETTLED => tokio::time::sleep(GLANCE).await,
            // A row that never came, or that was taken back or erased: the key is free.
            None | Some(false) => {
                let ours = (id, row.expires_at);
                store.take_over(user, key, other, ours).await?;
            }
        }
    }
    Ok(())
}

/// Ends with what was put, or with what was there before it.
async fn end_as_put(
    store: &Store,
    slot: &mut Slot<'_>,
    id: NotificationId,
    put: Put,
    what: Found,
) -> Result<()> {
    let own = [(slot.recipient.clone(), id)];
    let found = match put {
        Put::Created => Some(what),
        Put::Exists => store.existing(&own).await?.into_values().next(),
    };
    slot.end_as(id, found.unwrap_or(what));
    Ok(())
}

/// The pause of a step that has been held up for so long: the busier the table, the rarer it is asked, and never by all at once.
fn breath(held_up: Duration) -> Duration {
    let base = (held_up / 4).clamp(GLANCE, LONGEST_BREATH);
    let half = u64::try_from(base.as_millis() / 2).unwrap_or(0);
    Duration::from_millis(half + random::below(half + 1))
}

/// Of several rows some may be stored, and an answer of 4xx says that nothing is.
fn partial(error: Error, rows: usize) -> Error {
    match error {
        Error::Throttled { what, source } if rows > 1 => Error::Unavailable { what, source },
        Error::Conflict(text) => Error::Unavailable {
            what: "the request",
            source: text.into(),
        },
        other => other,
    }
}

pub fn late() -> Error {
    Error::Unavailable {
        what: "the table",
        source: "it did not take every row in time".into(),
    }
}
