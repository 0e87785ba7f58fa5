//! How fast and how wide one instance of the function publishes: the account's quota is shared by
//! all of them, and none knows of the others.
//!
//! Each has its share of the stack's rate. Where that is too much (more instances run than were
//! reckoned with, or somebody else uses the quota), SNS throttles, and the speed is halved until
//! it fits; then it grows back slowly. A new instance begins with few publishes at a time, because
//! each of them opens a connection.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;

use crate::clock::Clock;

/// Publishes on their way at the same time: at first, and after as many successes twice that,
/// until [`MAX_IN_FLIGHT`].
const FIRST_IN_FLIGHT: usize = 4;
/// The most publishes on their way at the same time.
pub const MAX_IN_FLIGHT: usize = 16;
/// Throttles within this time are one throttle: they answer publishes of the same moment.
const CUT_PAUSE: Duration = Duration::from_millis(250);
/// What a second makes of a speed that was cut: a tenth of the share grows back in 48 seconds.
const GROWTH: f64 = 1.05;
/// What may be published at once after a rest, as the time it would have taken.
const BURST: Duration = Duration::from_millis(100);

/// So many endpoints in a row must fail before SNS is taken for down: one that always fails is none.
const BROKEN: usize = 8;
/// For this long SNS is then left alone; what is to be pushed is parked at once.
const BREAK: Duration = Duration::from_secs(30);

/// The pace of one instance. It outlives its invocations, and so does what it has learnt.
pub struct Pace {
    slots: Semaphore,
    /// Whose turn it is to wait for the next turn: nobody reserves one ahead of a throttle.
    gate: tokio::sync::Mutex<()>,
    state: Mutex<State>,
}

struct State {
    /// Publishes a second: the share, and what throttles have left of it.
    share: f64,
    speed: f64,
    /// When the next publish may begin.
    next: Option<Instant>,
    grown_at: Option<Instant>,
    cut_at: Option<Instant>,
    /// Publishes that may be on their way, and the successes since that was raised.
    width: usize,
    successes: usize,
    /// The endpoints that failed since the last success, and until when SNS is left alone.
    failing: HashSet<String>,
    broken_until: Option<Instant>,
}

impl Pace {
    /// A pace of `rate` publishes a second for the whole stack, shared by as many `instances`.
    pub fn new(rate: u32, instances: u32) -> Pace {
        let share = f64::from(rate.max(1)) / f64::from(instances.max(1));
        let state = State {
            share,
            speed: share,
            next: None,
            grown_at: None,
            cut_at: None,
            width: FIRST_IN_FLIGHT,
            successes: 0,
            failing: HashSet::new(),
            broken_until: None,
        };
        Pace {
            slots: Semaphore::new(FIRST_IN_FLIGHT),
            gate: tokio::sync::Mutex::default(),
            state: Mutex::new(state),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until one more publish may be on its way.
    pub async fn slot(&self) -> Option<SemaphorePermit<'_>> {
        self.slots.acquire().await.ok()
    }

    /// Waits for the next turn to publish; not if it comes after `latest`, as the clock shows then.
    pub async fn turn(&self, clock: &Clock, latest: impl Fn() -> Duration) -> bool {
        let _gate = self.gate.lock().await;
        let wait = self.reserve(clock.instant(), latest());
        if let Some(wait) = wait.filter(|wait| !wait.is_zero()) {
            tokio::time::sleep(wait).await;
        }
        wait.is_some()
    }

    /// Takes the next turn, and says how long it is until then; nothing is taken if it comes after
    /// `latest`.
    fn reserve(&self, now: Instant, latest: Duration) -> Option<Duration> {
        let mut state = self.state();
        let rested = state.grown_at.map_or(Duration::ZERO, |at| now - at);
        state.grown_at = Some(now);
        let grown = state.speed * GROWTH.powf(rested.as_secs_f64());
        state.speed = grown.min(state.share);
        let earliest = now.checked_sub(BURST).unwrap_or(now);
        let turn = state.next.map_or(earliest, |next| next.max(earliest));
        let wait = turn.saturating_duration_since(now);
        if wait > latest {
            return None;
        }
        state.next = Some(turn + Duration::from_secs_f64(1.0 / state.speed));
        Some(wait)
    }

    /// SNS took a publish: one more connection stands.
    pub fn succeeded(&self) {
        let mut state = self.state();
        state.failing.clear();
        state.broken_until = None;
        state.successes += 1;
        if state.width < MAX_IN_FLIGHT && state.successes >= state.width {
            self.slots.add_permits(state.width);
            state.width *= 2;
            state.successes = 0;
        }
    }

    /// SNS failed, or could not be reached. When the break is over, the next failure begins another.
    pub fn failed(&self, endpoint: &str, now: Instant) {
        let mut state = self.state();
        if state.failing.len() < BROKEN {
            state.failing.insert(endpoint.to_owned());
        }
        if state.failing.len() >= BROKEN && state.broken_until.is_none_or(|until| until <= now) {
            tracing::warn!("SNS is taken for down, and left alone for 30 s");
            state.broken_until = Some(now + BREAK);
        }
    }

    /// Whether SNS is left alone.
    pub fn is_broken(&self, now: Instant) -> bool {
        self.state().broken_until.is_some_and(|until| now < until)
    }

    /// SNS throttled a publish.
    pub fn throttled(&self, now: Instant) {
        let mut state = self.state();
        if state.cut_at.is_some_and(|at| now - at < CUT_PAUSE) {
            return;
        }
        state.cut_at = Some(now);
        // Never so slow that it takes minutes to learn that the trouble is over.
        state.speed = (state.speed / 2.0).max(state.share.min(1.0));
        // The turns that are taken stay taken.
        let earliest = now + Duration::from_secs_f64(1.0 / state.speed);
        state.next = Some(state.next.map_or(earliest, |next| next.max(earliest)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_hours(24);

    #[test]
    fn a_share_is_kept_and_a_turn_that_comes_too_late_is_not_taken() {
        let pace = Pace::new(300, 4);
        let start = Instant::now();
        let mut begun = 0;
        for ms in 0..10_000 {
            while pace
                .reserve(start + Duration::from_millis(ms), Duration::ZERO)
                .is_some()
            {
                begun += 1;
            }
        }
        assert!((750..=760).contains(&begun), "{begun}");
        let waits = || pace.reserve(start + Duration::from_secs(10), DAY).unwrap();
        let waits: Vec<Duration> = (0..75).map(|_| waits()).collect();
        let last = waits[74];
        assert!(last > Duration::from_millis(950) && last < Duration::from_millis(1_050));
        // Not taken, and so the next one waits no longer.
        let late = pace.reserve(start + Duration::from_secs(10), Duration::from_millis(900));
        assert_eq!(late, None);
    }

    #[test]
    fn a_throttle_halves_the_speed_once_and_it_grows_back() {
        let pace = Pace::new(400, 4);
        let start = Instant::now();
        assert!(pace.reserve(start, DAY).is_some());
        for _ in 0..16 {
            pace.throttled(start);
        }
        assert!((pace.state().speed - 50.0).abs() < 0.001);
        for round in 1..20 {
            pace.throttled(start + CUT_PAUSE * round);
        }
        assert!((pace.state().speed - 1.0).abs() < 0.001);
        pace.reserve(start + Duration::from_mins(2), DAY).unwrap();
        assert!((pace.state().speed - 100.0).abs() < 0.001);
    }

    #[test]
    fn connections_are_opened_in_steps() {
        let pace = Pace::new(300, 4);
        let widths = (0..40).map(|_| {
            pace.succeeded();
            pace.slots.available_permits()
        });
        let widths: Vec<usize> = widths.collect();
        assert_eq!(widths[..3], [4; 3]);
        assert_eq!(widths[3..11], [8; 8]);
        assert_eq!(widths[11..], [16; 29]);
    }
}
