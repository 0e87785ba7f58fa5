//! What a user has seen and read: two watermarks, and marks on single notifications.

use std::collections::BTreeMap;
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

/// The marks that one watermark cannot say of a broadcast, which all users share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct BroadcastMark {
    /// When it was opened, in milliseconds since 1970.
    #[serde(rename = "r", skip_serializing_if = "Option::is_none", default)]
    pub read_at: Option<i64>,
    /// When it was marked as not opened.
    #[serde(rename = "un", skip_serializing_if = "Option::is_none", default)]
    pub unread_at: Option<i64>,
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
    /// The newest notification that mark-all covered, and when.
    pub read_up_to: Option<(NotificationId, Timestamp)>,
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
    /// broadcast marks say together. A watermark covers what was marked as unread before it.
    #[must_use]
    pub fn apply(&self, mut notification: Notification) -> Notification {
        if let Some(mark) = self.broadcasts.get(&notification.id) {
            let moment = |ms: Option<i64>| ms.and_then(|ms| Timestamp::from_millisecond(ms).ok());
            notification.read_at = moment(mark.read_at);
            notification.unread_at = moment(mark.unread_at);
            notification.seen_at = moment(mark.seen_at);
            notification.archived_at = moment(mark.archived_at);
        }
        if let Some((up_to, moved)) = self.read_up_to
            && notification.read_at.is_none()
            && notification.id <= up_to
            && notification.unread_at.is_none_or(|at| at <= moved)
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

    /// Whether the read watermark covers this id.
    pub fn covers(&self, id: NotificationId) -> bool {
        self.read_up_to.is_some_and(|(up_to, _)| id <= up_to)
    }

    /// The newest id at or below which nothing counts as unread or unseen: mark-all covers both.
    pub fn counted_down_to(&self) -> Option<NotificationId> {
        self.read_up_to.map(|(up_to, _)| up_to)
    }
}
