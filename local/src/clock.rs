//! The time that functions and services see: this machine's, as far ahead of it as tests and the page have moved it.
//!
//! It only ever goes forward. Tokens and the deadlines of invocations keep to the real time.

pub(crate) mod page;

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use tokio::sync::watch;

/// The variable that tells a function how far the clock is ahead, in milliseconds; unset when it is not.
pub const VARIABLE: &str = "CLOCK_AHEAD_MS";

/// How far ahead of the real time a clock may get: 100 years.
pub const MAX_AHEAD: i64 = 100 * 365 * 86_400_000;

/// The longest single wait: a laptop that slept does not wait for what its timer missed.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// A clock; clones are the same one. Times are milliseconds since 1970.
#[derive(Debug, Clone, Default)]
pub struct Clock(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    moves: RwLock<Vec<Move>>,
    ahead: watch::Sender<i64>,
}

/// From the real moment `at` on the clock is `ahead`; both in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Move {
    pub(crate) at: i64,
    pub(crate) ahead: i64,
}

impl Clock {
    /// What the clock shows now.
    pub fn now(&self) -> i64 {
        real_now().saturating_add(self.ahead())
    }

    /// How far it is ahead of the real time, in milliseconds.
    pub fn ahead(&self) -> i64 {
        *self.0.ahead.borrow()
    }

    /// Moves the clock, and wakes everybody who waits for a time.
    pub(crate) fn push(&self, step: Move) {
        let mut moves = self.0.moves.write().unwrap_or_else(PoisonError::into_inner);
        moves.push(step);
        drop(moves);
        self.0.ahead.send_replace(step.ahead);
    }

    /// What the clock showed at a real moment.
    pub fn shown(&self, real: i64) -> i64 {
        let moves = self.0.moves.read().unwrap_or_else(PoisonError::into_inner);
        let last = moves.iter().rev().find(|step| step.at <= real);
        real.saturating_add(last.map_or(0, |step| step.ahead))
    }

    /// The first real moment at which the clock showed this time or a later one.
    pub fn real(&self, shown: i64) -> i64 {
        let moves = self.0.moves.read().unwrap_or_else(PoisonError::into_inner);
        let mut until = i64::MAX;
        for step in moves.iter().rev() {
            let real = shown.saturating_sub(step.ahead);
            if real >= step.at {
                // The clock may have jumped over it.
                return real.min(until);
            }
            until = step.at;
        }
        shown.min(until)
    }

    /// Changes with every move.
    pub fn moves(&self) -> watch::Receiver<i64> {
        self.0.ahead.subscribe()
    }

    /// Returns when the clock shows this time: because it passed, or because the clock was moved past it.
    pub async fn wait_until(&self, shown: i64) {
        let mut moves = self.moves();
        loop {
            moves.mark_unchanged();
            let left = shown.saturating_sub(self.now());
            let Some(left) = u64::try_from(left).ok().filter(|left| *left > 0) else {
                return;
            };
            let pause = LONGEST_WAIT.min(Duration::from_millis(left));
            // The clock holds the sender, so an error cannot be.
            tokio::time::timeout(pause, moves.changed()).await.ok();
        }
    }
}

/// A duration in the unit of a clock.
pub(crate) fn milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// This machine's time.
pub(crate) fn real_now() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_shown_as_far_ahead_as_the_clock_was_then() {
        let clock = Clock::default();
        assert_eq!((clock.shown(500), clock.real(500)), (500, 500));
        clock.push(Move {
            at: 1_000,
            ahead: 100,
        });
        clock.push(Move {
            at: 2_000,
            ahead: 5_000,
        });
        for (real, shown) in [
            (0, 0),
            (999, 999),
            (1_000, 1_100),
            (1_999, 2_099),
            (2_000, 7_000),
        ] {
            assert_eq!(clock.shown(real), shown, "{real}");
            assert_eq!(clock.real(shown), real, "{shown}");
        }
        // What it jumped over, it showed when it jumped.
        for (shown, real) in [
            (1_000, 1_000),
            (1_050, 1_000),
            (2_100, 2_000),
            (6_999, 2_000),
        ] {
            assert_eq!(clock.real(shown), real, "{shown}");
        }
        assert_eq!(clock.ahead(), 5_000);
    }

    #[tokio::test]
    async fn a_move_ends_the_waits_for_what_it_passed() {
        let clock = Clock::default();
        let hour = 3_600_000;
        let (soon, late) = (clock.now() + hour, clock.now() + 3 * hour);
        let (one, other) = (clock.clone(), clock.clone());
        let soon = tokio::spawn(async move { one.wait_until(soon).await });
        let late = tokio::spawn(async move { other.wait_until(late).await });
        tokio::task::yield_now().await;
        clock.push(Move {
            at: real_now(),
            ahead: 2 * hour,
        });
        soon.await.unwrap();
        assert!(!late.is_finished());
        late.abort();
        // One that is over already.
        clock.wait_until(0).await;
    }
}
