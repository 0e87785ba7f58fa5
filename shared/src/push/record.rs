//! Recording what became of a push, beside other deliveries of the same record.

use super::deliver::{Job, Run};
use crate::clock::pause;
use crate::outcome::{Outcome, Reason, State};
use crate::store::Replaced;

/// How often an outcome that somebody else changed meanwhile is recorded again.
const ROUNDS: u32 = 5;

impl Run<'_> {
    /// Ends a push that is not sent, unless somebody else has ended it.
    pub(super) async fn end(
        &self,
        job: &Job<'_>,
        state: State,
        reason: Option<Reason>,
    ) -> Result<(), Reason> {
        self.record(job, |outcome| {
            if !outcome.is_final() {
                outcome.end(state, reason);
            }
        })
        .await
    }

    /// Changes the outcome on the row. If another delivery has changed it meanwhile, the change is
    /// made to what that has left.
    pub(super) async fn record(
        &self,
        job: &Job<'_>,
        change: impl Fn(&mut Outcome),
    ) -> Result<(), Reason> {
        let mut seen = job.notification.outcome.clone();
        for round in 0..ROUNDS {
            if round > 0 {
                pause(round).await;
            }
            let mut outcome = seen.clone();
            change(&mut outcome);
            if outcome == seen {
                return Ok(());
            }
            match self.replace(job, &seen, outcome).await? {
                Replaced::Done | Replaced::Gone => return Ok(()),
                Replaced::Other(found) => seen = found,
            }
        }
        Err(Reason::Table)
    }

    pub(super) async fn replace(
        &self,
        job: &Job<'_>,
        seen: &Outcome,
        mut outcome: Outcome,
    ) -> Result<Replaced, Reason> {
        if outcome != Outcome::default() {
            outcome.at = self.clock.now().as_millisecond();
        }
        let (store, id) = (&self.pusher.store, job.notification.id);
        let replaced = store.replace_outcome(job.user, id, seen, &outcome).await;
        replaced.map_err(|error| {
            tracing::warn!(error = %error.chain(), "an outcome is not recorded");
            Reason::Table
        })
    }
}
