//! What the table knows of one notification, whatever became of it.

use jiff::Timestamp;

use super::Store;
use super::keys::Key;
use super::row::{self, Item, TOMBSTONE, TRACEPARENT};
use super::task_row::accepted_in;
use crate::error::Result;
use crate::id::{NotificationId, UserId};
use crate::notification::Notification;
use crate::traceparent::TraceParent;

/// What was found under an id.
#[derive(Debug, Clone, PartialEq)]
pub enum Traced {
    /// A notification, its marks as the row has them.
    Live(Box<Notification>),
    /// It was taken back.
    Retracted(Option<Timestamp>),
    /// A schedule that waits, and its producer's trace.
    Scheduled(Option<TraceParent>),
    /// A schedule that is being stored, and its producer's trace.
    BeingStored(Option<TraceParent>),
    /// A schedule that was stored.
    WasStored(Option<Timestamp>),
    /// A schedule that was cancelled.
    Cancelled(Option<Timestamp>),
}

fn moment(item: &Item, name: &str) -> Option<Timestamp> {
    let millis = item.get(name)?.as_n().ok()?.parse().ok()?;
    Timestamp::from_millisecond(millis).ok()
}

/// The trace of the notification in a schedule's row.
fn traceparent(item: &Item) -> Option<TraceParent> {
    let kept = item.get("n")?.as_m().ok()?.get(TRACEPARENT)?;
    TraceParent::from_bytes(kept.as_b().ok()?.as_ref())
}

impl Store {
    /// What is known of a notification for everyone that this user was to be pushed, with the user's marks.
    async fn trace_carried(&self, user: &UserId, id: NotificationId) -> Result<Option<Traced>> {
        if let Some(carried) = self.carried(user, id).await? {
            let marks = self.about(user, true).await?.marks;
            return Ok(Some(Traced::Live(Box::new(marks.apply(carried)))));
        }
        let everyones = self.get(&Key::Broadcast(id), "the notification").await?;
        let taken_back = everyones.filter(row::is_tombstone);
        Ok(taken_back.map(|item| Traced::Retracted(moment(&item, TOMBSTONE))))
    }

    /// What is known of a user's notification, or of a schedule; `None` if there is nothing.
    pub async fn trace(&self, user: &UserId, id: NotificationId) -> Result<Option<Traced>> {
        let key = Key::Notification(user.clone(), id);
        let owner = self.user(user).await?;
        let item = self.get(&key, "the notification").await?;
        if let Some(item) = item.filter(|_| !owner.erases(id.at())) {
            if row::is_tombstone(&item) {
                return Ok(Some(Traced::Retracted(moment(&item, TOMBSTONE))));
            }
            if row::is_carrier(&item) {
                return self.trace_carried(user, id).await;
            }
            return Ok(Some(Traced::Live(Box::new(row::from_item(item)?))));
        }
        let item = self.schedule_row(id).await?.map(|(_, item)| item);
        let theirs = |item: &Item| item.get("r").and_then(|r| r.as_s().ok()) == Some(&key.pk());
        // One without a moment was put before there were erases.
        let erased = |item: &Item| owner.erases(accepted_in(item).unwrap_or_default());
        let Some(item) = item.filter(|item| theirs(item) && !erased(item)) else {
            return Ok(None);
        };
        let ended = moment(&item, "z");
        Ok(Some(match (item.contains_key("c"), ended) {
            (true, at) => Traced::Cancelled(at),
            (false, Some(at)) => Traced::WasStored(Some(at)),
            (false, None) if item.contains_key("lu") => Traced::BeingStored(traceparent(&item)),
            (false, None) => Traced::Scheduled(traceparent(&item)),
        }))
    }
}
