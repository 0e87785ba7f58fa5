//! Notifications to topics, or pushed to one, whose job has not begun: they wait as schedules do, under the id that the job will have.

use jiff::Timestamp;

use super::keys::{BROADCAST_PREFIX, Key};
use super::row::Item;
use super::{Cancelled, Store};
use crate::error::{Error, Result};
use crate::id::NotificationId;
use crate::notification::Recipient;

/// To whom a schedule goes that a job carries out.
fn recipient(item: &Item) -> Option<Recipient> {
    let pk = item.get("r")?.as_s().ok()?;
    if pk.starts_with(BROADCAST_PREFIX) {
        return Some(Recipient::Everyone);
    }
    Key::topic(pk).map(Recipient::Topic)
}

impl Store {
    /// Whether a job waits for its time: `Some(false)` if it was cancelled before that came, `None` if there is none that
    /// waits.
    pub async fn is_waiting(&self, id: NotificationId) -> Result<Option<bool>> {
        let Some((_, item)) = self.schedule_row(id).await? else {
            return Ok(None);
        };
        let has = |name: &str| item.contains_key(name);
        Ok(match recipient(&item) {
            Some(_) if has("c") => Some(false),
            Some(_) if !has("z") => Some(true),
            _ => None,
        })
    }

    /// Stops a job, or keeps one that waits from beginning. Doing it twice is doing it once.
    pub async fn stop_job(&self, id: NotificationId, now: Timestamp) -> Result<()> {
        match self.cancel_job(&id.to_string(), now).await {
            Err(Error::NotFound) => {}
            stopped => return stopped,
        }
        let Some((_, item)) = self.schedule_row(id).await? else {
            return Err(Error::NotFound);
        };
        let recipient = recipient(&item).ok_or(Error::NotFound)?;
        match self.cancel(&recipient, id, now).await? {
            Cancelled::Yes => Ok(()),
            Cancelled::Taken => Err(Error::Conflict("the job is beginning")),
            Cancelled::Unknown => Err(Error::NotFound),
        }
    }
}
