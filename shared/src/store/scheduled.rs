//! Notifications to topics whose job has not begun: they wait as schedules do, under the id that the job will have.

use jiff::Timestamp;

use super::keys::Key;
use super::{Cancelled, Store};
use crate::error::{Error, Result};
use crate::id::NotificationId;
use crate::notification::Recipient;

impl Store {
    /// Whether a job waits for its time: `Some(false)` if it was cancelled before that came, `None` if there is none that
    /// waits.
    pub async fn is_waiting(&self, id: NotificationId) -> Result<Option<bool>> {
        let Some((_, item)) = self.schedule_row(id).await? else {
            return Ok(None);
        };
        let has = |name: &str| item.contains_key(name);
        let of_topic = item.get("r").and_then(|pk| Key::topic(pk.as_s().ok()?));
        Ok(match of_topic {
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
        let topic = item.get("r").and_then(|pk| Key::topic(pk.as_s().ok()?));
        let recipient = Recipient::Topic(topic.ok_or(Error::NotFound)?);
        match self.cancel(&recipient, id, now).await? {
            Cancelled::Yes => Ok(()),
            Cancelled::Taken => Err(Error::Conflict("the job is beginning")),
            Cancelled::Unknown => Err(Error::NotFound),
        }
    }
}
