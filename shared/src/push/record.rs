//! What became of a push, written on its row.

use super::deliver::{Job, Run};
use crate::clock::pause;
use crate::device::Device;
use crate::id::{DeviceId, NotificationId};
use crate::metrics::{self, Metric};
use crate::outcome::{Outcome, Reason, State};
use crate::push_options::Options;
use crate::store::keys::Key;
use crate::store::{Replaced, Step, StepKey, Undecodable};

/// How often an outcome is recorded again that the table refused, or that somebody else changed meanwhile.
const ROUNDS: u32 = 5;

/// Counts what an outcome has that the one before it had not.
fn tell(seen: &Outcome, outcome: &Outcome) {
    let unclear = outcome.ambiguous.saturating_sub(seen.ambiguous);
    metrics::count(Metric::Ambiguous, usize::try_from(unclear).unwrap_or(0));
    let metric = match outcome.state {
        Some(state) if outcome.state != seen.state => match state {
            State::Sent => Metric::Sent,
            State::Partial => Metric::Partial,
            State::NoDevice => Metric::NoDevice,
            State::Skipped => Metric::Skipped,
            State::Deferred => Metric::Deferred,
            State::Expired => Metric::Expired,
            State::Dead => Metric::Dead,
            State::Unknown => Metric::Unknown,
        },
        _ => return,
    };
    metrics::count(metric, 1);
}

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
        let was_read = job.notification.read_at.is_some();
        for round in 0..ROUNDS {
            if round > 0 {
                pause(round).await;
            }
            let mut outcome = seen.clone();
            change(&mut outcome);
            if outcome == seen {
                return Ok(());
            }
            let shows = outcome.may_show();
            match self.replace(job, &seen, outcome).await? {
                // It was taken back or read while it was on its way: nothing of it stays on a screen.
                Replaced::Gone if shows => return self.clear_later(job).await,
                Replaced::Read if shows && !was_read => return self.clear_later(job).await,
                Replaced::Done | Replaced::Read | Replaced::Gone => return Ok(()),
                Replaced::Other(found) => seen = found,
            }
        }
        Err(Reason::Table)
    }

    async fn replace(
        &self,
        job: &Job<'_>,
        seen: &Outcome,
        mut outcome: Outcome,
    ) -> Result<Replaced, Reason> {
        if outcome != Outcome::default() {
            outcome.at = self.clock.now().as_millisecond();
        }
        let (store, id) = (&self.pusher.store, job.notification.id);
        // What is not recorded is pushed again: the table is asked as long as there is time.
        for round in 0..ROUNDS {
            if round > 0 {
                pause(round).await;
            }
            match store.replace_outcome(job.user, id, seen, &outcome).await {
                Ok(replaced) => {
                    if let Replaced::Done | Replaced::Read = replaced {
                        tell(seen, &outcome);
                    }
                    return Ok(replaced);
                }
                Err(error) => {
                    tracing::warn!(error = %error.chain(), "an outcome is not recorded");
                }
            }
            if self.clock.elapsed() > self.budget {
                break;
            }
        }
        Err(Reason::Table)
    }

    /// Rather none than two: the row says that the push is on its way before it is, and from then
    /// on nobody else sends it. What certainly reached no device is open again.
    pub(super) async fn push_once(
        &self,
        job: &Job<'_>,
        options: &Options,
        devices: Vec<(&DeviceId, &Device)>,
    ) -> Result<(), Reason> {
        let before = &job.notification.outcome;
        // Like no other mark, so that a lost answer to it is not taken for somebody else's.
        let nonce = NotificationId::draw(self.clock.now());
        let mut mark = before.clone();
        mark.state = Some(State::Unknown);
        mark.reason = Some(format!("{} {nonce}", Reason::InFlight.word()));
        mark.at = self.clock.now().as_millisecond();
        let (store, id) = (&self.pusher.store, job.notification.id);
        let marked = store.replace_outcome(job.user, id, before, &mark).await;
        let marked = marked.map_err(|error| {
            tracing::warn!(error = %error.chain(), "a push at most once is not marked");
            Reason::Table
        })?;
        if !matches!(marked, Replaced::Done | Replaced::Read) {
            return Ok(());
        }
        let (done, open) = self.publish(job, options, devices).await;
        let mut outcome = before.clone();
        if let Some(reason) = open.filter(|_| !done.may_show()) {
            outcome.add(&done);
            outcome.waits_for(open);
            self.replace(job, &mark, outcome).await?;
            return Err(reason);
        }
        outcome.resume();
        outcome.waits_for(None);
        outcome.add(&done);
        outcome.conclude();
        // A device that was not served is not offered it again: the reason is its own.
        if open.is_some() {
            outcome.end(State::Unknown, open);
        }
        let shows = outcome.may_show();
        match self.replace(job, &mark, outcome).await? {
            Replaced::Gone | Replaced::Read if shows => self.clear_later(job).await,
            _ => Ok(()),
        }
    }

    /// Writes a push down that SNS called invalid, for the list of the dead: somebody has to look at it. The
    /// outcome is on the row, so nothing hangs on this.
    pub(super) async fn note_refused(&self, job: &Job<'_>, done: &Outcome) {
        let ours = [Reason::Refused, Reason::TooLong].map(Reason::word);
        let reasons = done
            .devices
            .values()
            .filter_map(|device| device.reason.as_deref());
        let Some(reason) = reasons.into_iter().find(|reason| ours.contains(reason)) else {
            return;
        };
        let key = Key::Notification(job.user.clone(), job.notification.id);
        let record = Undecodable {
            pk: Some(key.pk()),
            sk: Some(key.sk()),
            sequence_number: None,
            reason: reason.to_owned(),
        };
        let put = self.pusher.store.put_dead(self.clock.now(), &record);
        if let Err(error) = put.await {
            tracing::warn!(error = %error.chain(), "a refused push is not on the list");
        }
    }

    /// Asks for the screens to be cleared that have just been reached.
    async fn clear_later(&self, job: &Job<'_>) -> Result<(), Reason> {
        let (user, id, now) = (job.user.clone(), job.notification.id, self.clock.now());
        let key = StepKey::clear_again(&user, id, now);
        let step = Step::Clear { user, id };
        let put = self.pusher.store.put_step(&key, &step, now);
        put.await.map_err(|error| {
            tracing::warn!(error = %error.chain(), "a screen is not cleared");
            Reason::Table
        })
    }
}
