//! The moments under which rows are put, and where they are kept.

use std::time::Duration;

use jiff::Timestamp;

use super::work::late;
use crate::error::Result;
use crate::store::keys::Key;
use crate::store::{Guard, StepKey, Store, Telling};

/// A request is not worked on beyond this before the caller is told to try again.
const PATIENCE: Duration = Duration::from_secs(7);
/// A step of a job is worked on for longer: nobody waits, and a busy table takes its rows slowly.
const PATIENCE_OF_STEP: Duration = Duration::from_secs(25);

/// The moments under which rows of a request were accepted, oldest first.
pub enum Moments<'w> {
    /// Known to this request alone.
    Drawn(Vec<Timestamp>),
    /// Kept in a guard, for repeats.
    Guarded(&'w Key, Guard),
    /// Kept with the task that carries out a schedule.
    Recorded(Vec<Timestamp>),
    /// Kept with the step of a job.
    Told(&'w StepKey, &'w mut Telling),
}

impl Moments<'_> {
    pub fn all(&self) -> Vec<Timestamp> {
        match self {
            Moments::Drawn(moments) | Moments::Recorded(moments) => moments.clone(),
            Moments::Guarded(_, guard) => guard.accepted(),
            Moments::Told(_, telling) => telling.accepted(),
        }
    }

    /// Takes a moment that nobody else knows of.
    pub async fn push(&mut self, store: &Store, now: Timestamp) -> Result<()> {
        match self {
            Moments::Drawn(moments) => moments.push(now),
            Moments::Told(key, telling) => {
                if !store.begin_telling(key, telling, now).await? {
                    // Somebody else runs the step.
                    return Err(late());
                }
                telling.moments.push(now.as_millisecond());
            }
            // A guard is extended in the table, a task when it is begun again.
            Moments::Guarded(..) | Moments::Recorded(_) => return Err(late()),
        }
        Ok(())
    }

    /// For how long rows are put before whoever asked for them is told to try again.
    pub fn patience(&self) -> Duration {
        match self {
            Moments::Told(..) => PATIENCE_OF_STEP,
            _ => PATIENCE,
        }
    }

    /// Whether ids are nobody else's, so that rows go 25 to a call.
    pub fn are_own(&self) -> bool {
        matches!(self, Moments::Drawn(_) | Moments::Told(..))
    }
}
