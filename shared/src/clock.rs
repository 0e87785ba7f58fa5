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
