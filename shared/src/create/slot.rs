//! One recipient of one draft, on its way to a receipt.

use jiff::Timestamp;

use super::{Receipt, Status, row};
use crate::id::{NotificationId, UserId};
use crate::notification::{Draft, Notification, Recipient};
use crate::store::Found;

/// What one recipient is to get, and what became of it.
pub struct Slot<'d> {
    pub draft: &'d Draft,
    pub recipient: &'d Recipient,
    pub tail: [u8; 10],
    /// The schedule that is carried out.
    pub schedule_id: Option<NotificationId>,
    /// The notification for everyone whose push the row carries.
    pub carries: Option<&'d Notification>,
    /// Whether a batch with it was sent whose answer was lost.
    pub tried: bool,
    pub receipt: Option<Receipt>,
}

impl Slot<'_> {
    /// The id of the row that is put at a moment.
    pub fn id(&self, at: Timestamp) -> NotificationId {
        self.carries
            .map_or_else(|| NotificationId::new(at, self.tail), |of| of.id)
    }

    /// The row that is put at a moment.
    pub fn row(&self, at: Timestamp, retention: u32) -> Notification {
        Notification {
            carried_at: self.carries.map(|_| at),
            ..row(self, self.id(at), retention)
        }
    }

    /// The recipient and the key, if the draft has a dedupe key.
    pub fn dedupe(&self) -> Option<(&UserId, &str)> {
        match (self.recipient, &self.draft.dedupe_key) {
            (Recipient::User(user), Some(key)) => Some((user, key)),
            _ => None,
        }
    }

    pub fn end(&mut self, id: NotificationId, status: Status) {
        self.receipt = Some(Receipt { id, status });
    }

    /// Ends with what stands under its own id.
    pub fn end_as(&mut self, id: NotificationId, found: Found) {
        match found {
            Found::Live => self.end(id, Status::Created),
            Found::Retracted => self.end(id, Status::Retracted),
            Found::Duplicate(other) => self.end(other, Status::Duplicate),
        }
    }
}
