//! Notifications for everyone: written once, merged into each inbox when it is read.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

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
/// When a month has been over for this long, nothing more is stored in it, and every read shows all of
/// it: a row is put within seconds of its moment.
const OVER: SignedDuration = SignedDuration::from_hours(1);

/// The broadcasts as one instance of a function knows them.
pub struct Broadcasts {
    store: Store,
    /// How long notifications are kept, in seconds.
    retention: u32,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    read: Option<(Timestamp, Arc<[Notification]>)>,
    /// Months that are over, and hold nothing that may be shown: they are not read again.
    empty: BTreeSet<String>,
}

impl Broadcasts {
    /// Broadcasts of the last `retention` seconds.
    pub fn new(store: Store, retention: u32) -> Broadcasts {
        Broadcasts {
            store,
            retention,
            known: Mutex::default(),
        }
    }

    /// The live ones, newest first; at most 10 seconds old.
    pub async fn current(&self, now: Timestamp) -> Result<Arc<[Notification]>> {
        let mut known = self.known.lock().await;
        if let Some((at, read)) = &known.read
            && now.duration_since(*at).unsigned_abs() < KEPT
        {
            return Ok(Arc::clone(read));
        }
        let open = broadcast_month(now.checked_sub(OVER).unwrap_or_default());
        let mut all = Vec::new();
        // One after another: at once, each would open a connection of its own, which takes more than the call.
        for month in self.months(now) {
            if known.empty.contains(&month) {
                continue;
            }
            let found = self.store.broadcasts(&month, MAX_BROADCASTS, now).await?;
            if found.is_empty() && month < open {
                known.empty.insert(month);
            }
            all.extend(found);
        }
        all.sort_by_key(|broadcast| std::cmp::Reverse(broadcast.id));
        all.truncate(MAX_BROADCASTS);
        let all: Arc<[Notification]> = all.into();
        known.read = Some((now, Arc::clone(&all)));
        Ok(all)
    }

    /// The months of the retention, oldest first.
    fn months(&self, now: Timestamp) -> Vec<String> {
        let oldest = SignedDuration::from_secs(i64::from(self.retention));
        let oldest = now.checked_sub(oldest).unwrap_or_default();
        let mut months = vec![broadcast_month(oldest)];
        let mut at = oldest;
        while at < now {
            at = at.checked_add(STEP).unwrap_or(now).min(now);
            months.push(broadcast_month(at));
        }
        months.dedup();
        months
    }
}
