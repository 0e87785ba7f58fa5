//! Notifications for everyone: written once, merged into each inbox when it is read.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::try_join_all;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::Mutex;

use crate::error::Result;
use crate::notification::Notification;
use crate::store::Store;
use crate::store::keys::broadcast_month;

/// The most broadcasts that an inbox shows: the newest.
const MAX_BROADCASTS: usize = 100;
/// How long a function goes on with what it read.
const KEPT: Duration = Duration::from_secs(10);
/// The longest step that never leaves out a month.
const STEP: SignedDuration = SignedDuration::from_hours(28 * 24);

/// The broadcasts as one instance of a function knows them.
pub struct Broadcasts {
    store: Store,
    /// How long notifications are kept, in seconds.
    retention: u32,
    read: Mutex<Option<(Timestamp, Arc<[Notification]>)>>,
}

impl Broadcasts {
    /// Broadcasts of the last `retention` seconds.
    pub fn new(store: Store, retention: u32) -> Broadcasts {
        Broadcasts {
            store,
            retention,
            read: Mutex::new(None),
        }
    }

    /// The live ones, newest first; at most 10 seconds old.
    pub async fn current(&self, now: Timestamp) -> Result<Arc<[Notification]>> {
        let mut read = self.read.lock().await;
        if let Some((at, known)) = read.as_ref()
            && now.duration_since(*at).unsigned_abs() < KEPT
        {
            return Ok(Arc::clone(known));
        }
        let oldest = SignedDuration::from_secs(i64::from(self.retention));
        let oldest = now.checked_sub(oldest).unwrap_or_default();
        let mut months = vec![broadcast_month(oldest)];
        let mut at = oldest;
        while at < now {
            at = at.checked_add(STEP).unwrap_or(now).min(now);
            months.push(broadcast_month(at));
        }
        months.dedup();
        let reads = months
            .iter()
            .map(|month| self.store.broadcasts(month, MAX_BROADCASTS));
        let mut all: Vec<Notification> = try_join_all(reads).await?.into_iter().flatten().collect();
        all.retain(|broadcast| broadcast.is_live(now));
        all.sort_by_key(|broadcast| std::cmp::Reverse(broadcast.id));
        all.truncate(MAX_BROADCASTS);
        let all: Arc<[Notification]> = all.into();
        *read = Some((now, Arc::clone(&all)));
        Ok(all)
    }
}
