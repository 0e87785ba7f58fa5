//! The time inside one invocation: the wall clock is read once, at its beginning. Functions read it here only.

use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use crate::{aws, random};

/// What the wall clock shows: the real time, and as far ahead of it as the environment says.
pub fn wall() -> Timestamp {
    static AHEAD: OnceLock<SignedDuration> = OnceLock::new();
    let ahead = *AHEAD.get_or_init(aws::clock_ahead);
    ahead_of(Timestamp::now(), ahead)
}

fn ahead_of(now: Timestamp, ahead: SignedDuration) -> Timestamp {
    // A clock that far off shows the end of time, or its beginning.
    now.saturating_add(ahead).unwrap_or(now)
}

/// What is left until an invocation's `deadline`: that is in real time, wherever the wall clock is.
pub fn left(deadline: SystemTime) -> Duration {
    deadline
        .duration_since(SystemTime::now())
        .unwrap_or_default()
}

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

    /// The present moment by the clock that never goes back, which outlives the invocation.
    pub fn instant(&self) -> Instant {
        self.started + self.started.elapsed()
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
    tokio::time::sleep(Duration::from_millis(base + random::below(base))).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wall_clock_is_as_far_ahead_as_it_is_told() {
        let now = Timestamp::UNIX_EPOCH;
        let second = SignedDuration::from_secs(1);
        assert_eq!(ahead_of(now, second).as_millisecond(), 1_000);
        assert_eq!(ahead_of(now, -second).as_millisecond(), -1_000);
        assert_eq!(ahead_of(now, SignedDuration::MAX), Timestamp::MAX);
        // The environment says nothing here.
        assert!(wall().duration_since(Timestamp::now()).abs() < SignedDuration::from_mins(1));
        assert_eq!(left(SystemTime::UNIX_EPOCH), Duration::ZERO);
        assert!(left(SystemTime::now() + Duration::from_mins(2)) > Duration::from_mins(1));
    }
}
