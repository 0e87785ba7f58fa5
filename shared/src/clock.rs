//! The time inside one invocation: the wall clock is read once, at its beginning.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

/// The moment an invocation began, and what has passed since.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    began: Timestamp,
    started: Instant,
}

impl Clock {
    /// A clock that shows `now`, and goes on.
    pub fn starting(now: Timestamp) -> Clock {
        Clock {
            began: now,
            started: Instant::now(),
        }
    }

    /// The present moment.
    pub fn now(&self) -> Timestamp {
        self.began
            .checked_add(self.started.elapsed())
            .unwrap_or(Timestamp::MAX)
    }

    /// What has passed since the invocation began.
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// What has passed since `at`; zero if it lies ahead.
    pub fn since(&self, at: Timestamp) -> Duration {
        Duration::try_from(self.now().duration_since(at)).unwrap_or_default()
    }
}

/// Waits before an attempt after the first: about 25 ms, 100 ms, 400 ms…, each with up to as much
/// again, so that many who lost the same race do not run in step.
pub async fn pause(attempt: u32) {
    let base = 25 * 4u64.saturating_pow(attempt.saturating_sub(1));
    let jitter = getrandom::u32().map_or(0, |random| u64::from(random) % base);
    tokio::time::sleep(Duration::from_millis(base + jitter)).await;
}
