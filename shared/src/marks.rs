//! What a user has seen and read: two watermarks, and marks on single notifications.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::NotificationId;
use crate::notification::Notification;

/// The stored watermarks stay this far behind the clock: a row is put within this time after its
/// moment, so none is born behind a watermark.
pub const BEHIND: Duration = Duration::from_secs(5);

/// The most broadcasts that are marked one by one; beyond that the oldest mark goes.
pub const MAX_BROADCAST_MARKS: usize = 100;

/// The most notifications that are unread although mark-all covered them; beyond that the oldest counts
/// as read again.
pub const MAX_UNREAD_MARKS: usize = 100;

/// The marks that one watermark cannot say of a broadcast, which all users share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct BroadcastMark {
    /// When it was opened, in milliseconds since 1970.
    #[serde(rename = "r", skip_serializing_if = "Option::is_none", default)]
    pub read_at: Option<i64>,
    /// When the list was opened with it, where no watermark says so.
    #[serde(rename = "se", skip_serializing_if = "Option::is_none", default)]
    pub seen_at: Option<i64>,
    /// When it was hidden.
    #[serde(rename = "ar", skip_serializing_if = "Option::is_none", default)]
    pub archived_at: Option<i64>,
}

/// A user's marks.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Marks {
    /// The newest notification that was in a list the user opened.
    pub seen_up_to: Option<NotificationId>,
    /// The newest notification that mark-all marked as read, and when.
    pub read_up_to: Option<(NotificationId, Timestamp)>,
    /// Up to here mark-all has been: nothing at or below it counts as unread or unseen. It goes ahead
    /// of `read_up_to` over what had been read one by one, which keeps its own moments.
    pub covered_up_to: Option<NotificationId>,
    /// What was marked as unread after mark-all covered it.
    pub unread: BTreeSet<NotificationId>,
    /// Marks of single broadcasts.
    pub broadcasts: BTreeMap<NotificationId, BroadcastMark>,
}

/// Which watermark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Watermark {
    /// The list was opened.
    Seen,
    /// Everything was read.
    Read,
}

impl Marks {
    /// The notification as its user sees it: `read_at` says what the row, the watermark and the
    /// broadcast marks say together.
    #[must_use]
    pub fn apply(&self, mut notification: Notification) -> Notification {
        if let Some(mark) = self.broadcasts.get(&notification.id) {
            let moment = |ms: Option<i64>| ms.and_then(|ms| Timestamp::from_millisecond(ms).ok());
            notification.read_at = moment(mark.read_at);
            notification.seen_at = moment(mark.seen_at);
            notification.archived_at = moment(mark.archived_at);
        }
        if let Some((_, moved)) = self.read_up_to
            && notification.read_at.is_none()
            && self.reads(notification.id)
        {
            notification.read_at = Some(moved);
        }
        notification
    }

    /// Whether the notification was in a list that the user opened, or was opened itself; what
    /// mark-all covered was, whatever became of it since.
    pub fn is_seen(&self, notification: &Notification) -> bool {
        notification.read_at.is_some()
            || notification.seen_at.is_some()
            || self.covers(notification.id)
            || self
                .seen_up_to
                .is_some_and(|up_to| notification.id <= up_to)
    }

    /// Whether mark-all has been here.
    pub fn covers(&self, id: NotificationId) -> bool {
        self.covered_up_to.is_some_and(|up_to| id <= up_to)
    }

    /// Whether mark-all has marked this id as read, and nobody as unread since.
    pub fn reads(&self, id: NotificationId) -> bool {
        self.read_up_to.is_some_and(|(up_to, _)| id <= up_to) && !self.unread.contains(&id)
    }

    /// Moves a watermark up; `read_at` is when it marked something as read.
    pub fn moved(
        &mut self,
        watermark: Watermark,
        up_to: NotificationId,
        read_at: Option<Timestamp>,
    ) {
        match watermark {
            Watermark::Seen => self.seen_up_to = Some(up_to),
            Watermark::Read => {
                self.covered_up_to = Some(up_to);
                self.read_up_to = read_at.map(|at| (up_to, at)).or(self.read_up_to);
            }
        }
    }
}
