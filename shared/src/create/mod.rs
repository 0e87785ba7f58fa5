//! Accepting notifications: from checked drafts to durable rows.

mod fan_out;
mod moments;
mod schedule;
mod slot;
mod take_back;
mod work;

use crate::clock::Clock;
use crate::error::{Error, Result};
use crate::id::{NotificationId, derived_tail};
use crate::notification::{Draft, Notification, Recipient};
use crate::outcome::Outcome;
use crate::store::keys::Key;
use crate::store::{Claim, Held, Store};
use moments::Moments;
use slot::Slot;
use work::Work;

pub use fan_out::{Told, tell_members};
pub use schedule::send_scheduled;
pub use take_back::take_back;

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

/// What became of a notification for one recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Its row was stored, by this request or by the one it repeats.
    Created,
    /// A job stores it for the members of a topic, or will once its schedule is due. The id is the job's.
    FanOut,
    /// It is stored later.
    Scheduled,
    /// The recipient has a live one with the same dedupe key.
    Duplicate,
    /// It was stored by the request that this one repeats, and taken back or erased since.
    Retracted,
}

/// A notification's id, and what became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Receipt {
    /// The id; of the one that was there, for a duplicate.
    pub id: NotificationId,
    /// What became of it.
    pub status: Status,
}

/// What was accepted.
pub struct Accepted {
    /// One list for each draft, one receipt for each recipient, in their order.
    pub receipts: Vec<Vec<Receipt>>,
    /// Whether an earlier request with the same key had been accepted.
    pub replayed: bool,
}

/// Stores drafts under ids drawn at random. A repeat of the request would store them again, unless
/// they have dedupe keys.
pub async fn create_drawn(
    store: &Store,
    clock: Clock,
    drafts: &[Draft],
    retention: u32,
) -> Result<Accepted> {
    let at = clock.now();
    let slots = slots(drafts, |_, _| NotificationId::draw(at).tail());
    let mut work = Work {
        store,
        clock,
        retention,
        slots,
        moments: Moments::Drawn(vec![at]),
    };
    work.schedule(false).await?;
    work.fan_out().await?;
    work.complete(true).await?;
    work.carry().await?;
    Ok(work.accepted(drafts, false))
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
    let held = Held {
        key: key.guard.clone(),
        guard,
        replayed,
    };
    create_held(store, clock, drafts, retention, (held, &key.seed)).await
}

/// Stores drafts under ids derived from `seed`, at moments that a guard holds which is there already.
pub async fn create_held(
    store: &Store,
    clock: Clock,
    drafts: &[Draft],
    retention: u32,
    (held, seed): (Held, &str),
) -> Result<Accepted> {
    let slots = slots(drafts, |position, recipient| {
        let recipient = match recipient {
            Recipient::User(user) => user.as_str(),
            // No user id has this in it.
            Recipient::Topic(topic) => &format!("#{}", topic.as_str()),
            // No user id is empty.
            Recipient::Everyone => "",
        };
        derived_tail(seed, position, recipient)
    });
    let replayed = held.replayed;
    let mut work = Work {
        store,
        clock,
        retention,
        slots,
        moments: Moments::Guarded(&held.key, held.guard),
    };
    work.schedule(replayed).await?;
    work.fan_out().await?;
    if replayed {
        work.join().await?;
    }
    work.complete(!replayed).await?;
    work.carry().await?;
    Ok(work.accepted(drafts, replayed))
}

fn slots(drafts: &[Draft], tail: impl Fn(usize, &Recipient) -> [u8; 10]) -> Vec<Slot<'_>> {
    let mut slots = Vec::new();
    for (position, draft) in drafts.iter().enumerate() {
        slots.extend(draft.recipients.iter().map(|recipient| Slot {
            draft,
            recipient,
            tail: tail(position, recipient),
            schedule_id: None,
            carries: None,
            tried: false,
            receipt: None,
        }));
    }
    slots
}

fn row(slot: &Slot, id: NotificationId, retention: u32) -> Notification {
    Notification {
        recipient: slot.recipient.clone(),
        id,
        content: slot.draft.content.clone(),
        expires_at: expiry(slot.draft, id, retention),
        read_at: None,
        seen_at: None,
        archived_at: None,
        dedupe_key: slot.draft.dedupe_key.clone(),
        schedule_id: slot.schedule_id,
        outcome: Outcome::default(),
        carried_at: None,
    }
}

/// When a notification with this id expires, in epoch seconds.
fn expiry(draft: &Draft, id: NotificationId, retention: u32) -> i64 {
    id.at().as_second() + i64::from(draft.expires_in.unwrap_or(retention))
}
