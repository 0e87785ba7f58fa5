//! Notifications that are stored later: a task for each recipient, whose id names the schedule.
//!
//! The minute of a schedule follows from its id, and so from a moment that its request keeps. A task is
//! put within [`USABLE`] of that moment, and is due 2 minutes after it at the soonest; so whoever runs
//! the tasks of a minute finds all of them. What remains of a task tells a repeat that it was there.

use std::time::Duration;

use futures_util::stream::{self, StreamExt, TryStreamExt};
use jiff::Timestamp;

use super::moments::Moments;
use super::slot::Slot;
use super::work::{Work, late};
use super::{Status, fan_out, row};
use crate::clock::Clock;
use crate::error::Result;
use crate::id::NotificationId;
use crate::metrics;
use crate::notification::{Draft, Notification, Recipient};
use crate::store::{PUTS_IN_FLIGHT, Store};
use crate::task::{Later, due};

/// For this long after its moment a schedule is put.
const USABLE: Duration = Duration::from_secs(30);
/// How often a request is thought again that somebody else works on.
const ROUNDS: u32 = 5;

/// The schedule's id under a moment.
fn schedule_id(slot: &Slot, send_at: Timestamp, at: Timestamp) -> NotificationId {
    NotificationId::new(due(send_at, at), slot.tail)
}

/// What a slot ends with whose task is there.
fn scheduled(slot: &Slot) -> Status {
    match slot.recipient {
        Recipient::Topic(_) => Status::FanOut,
        Recipient::User(_) | Recipient::Everyone => Status::Scheduled,
    }
}

impl Work<'_> {
    /// Puts the tasks of what is to be stored later; of a repeat, those that were never put.
    pub async fn schedule(&mut self, replayed: bool) -> Result<()> {
        for round in 0..ROUNDS {
            let moments = self.moments.all();
            if replayed || round > 0 {
                self.find_schedules(&moments).await?;
            }
            let open = |slot: &Slot| slot.receipt.is_none() && slot.draft.send_at.is_some();
            if !self.slots.iter().any(open) {
                return Ok(());
            }
            if let Some(at) = moments.last().filter(|at| self.clock.since(**at) <= USABLE) {
                return self.put_schedules(*at).await;
            }
            let Moments::Guarded(key, guard) = &mut self.moments else {
                return Err(late());
            };
            let now = self.clock.now();
            *guard = self.store.extend(key, guard, now, false).await?;
        }
        Err(late())
    }

    async fn find_schedules(&mut self, moments: &[Timestamp]) -> Result<()> {
        let ids = |slot: &Slot| -> Vec<NotificationId> {
            let send_at = slot.draft.send_at.filter(|_| slot.receipt.is_none());
            let ids = send_at.map(|send_at| moments.iter().map(move |at| (send_at, *at)));
            let ids = ids.into_iter().flatten();
            ids.map(|(send_at, at)| schedule_id(slot, send_at, at))
                .collect()
        };
        let wanted: Vec<NotificationId> = self.slots.iter().flat_map(ids).collect();
        let found = self.store.schedules(&wanted).await?;
        for slot in &mut self.slots {
            if let Some(id) = ids(slot).into_iter().find(|id| found.contains(id)) {
                slot.end(id, scheduled(slot));
            }
        }
        Ok(())
    }

    async fn put_schedules(&mut self, at: Timestamp) -> Result<()> {
        let (store, clock, retention) = (self.store, self.clock, self.retention);
        let open = self.slots.iter_mut().filter_map(|slot| {
            let send_at = slot.draft.send_at.filter(|_| slot.receipt.is_none())?;
            Some((slot, send_at))
        });
        let put = async |(slot, send_at): (&mut Slot<'_>, Timestamp)| {
            let id = schedule_id(slot, send_at, at);
            let later = Later::of_schedule(&row(slot, id, retention)).accepted(at);
            store.put_later(&later, clock.now()).await?;
            slot.end(id, scheduled(slot));
            Ok(())
        };
        stream::iter(open)
            .map(put)
            .buffer_unordered(PUTS_IN_FLIGHT)
            .try_collect()
            .await
    }
}

/// Stores a scheduled notification whose time has come, and begins the job that tells or pushes a topic's members, under the newest of the moments that its task
/// remembers; one that was stored under an earlier moment stays the only one.
pub async fn send_scheduled(
    store: &Store,
    clock: Clock,
    scheduled: &Notification,
    moments: &[Timestamp],
) -> Result<()> {
    metrics::trace(scheduled.content.traceparent);
    if let Recipient::Topic(_) = scheduled.recipient {
        let note = Notification {
            schedule_id: Some(scheduled.id),
            ..scheduled.clone()
        };
        return fan_out::start(store, note, None, clock.now()).await;
    }
    let life = scheduled.expires_at - scheduled.id.at().as_second();
    let draft = Draft {
        content: scheduled.content.clone(),
        recipients: vec![scheduled.recipient.clone()],
        without: None,
        expires_in: Some(u32::try_from(life).unwrap_or(u32::MAX)),
        dedupe_key: scheduled.dedupe_key.clone(),
        send_at: None,
    };
    let slot = Slot {
        draft: &draft,
        recipient: &scheduled.recipient,
        tail: scheduled.id.tail(),
        schedule_id: Some(scheduled.id),
        carries: None,
        tried: false,
        receipt: None,
    };
    let mut work = Work {
        store,
        clock,
        retention: 0,
        slots: vec![slot],
        moments: Moments::Recorded(moments.to_vec()),
    };
    if moments.len() > 1 {
        work.look_up().await?;
    }
    work.complete(false).await?;
    work.carry().await
}
