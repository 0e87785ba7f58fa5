//! What is not pushed now: until the user's quiet hours are over, or a delay has passed.

use jiff::{SignedDuration, Timestamp};

use super::deliver::{Job, Run};
use crate::outcome::{Reason, State};
use crate::push_options::{Options, Priority};
use crate::task::{Later, Task};

/// Until when a push waits, and why.
pub(super) struct Wait {
    until: Timestamp,
    reason: Reason,
}

impl Run<'_> {
    /// What a push has to wait for. Quiet hours hold back what shows something, unless it is critical.
    pub(super) fn wait(&self, job: &Job<'_>, options: &Options) -> Option<Wait> {
        let now = self.clock.now();
        let delay = SignedDuration::from_secs(i64::from(options.delay));
        let delayed = job.notification.id.at().saturating_add(delay);
        if let Some(until) = delayed
            .ok()
            .filter(|until| options.delay > 0 && *until > now)
        {
            let reason = Reason::Delayed;
            return Some(Wait { until, reason });
        }
        if options.silent || options.priority == Priority::Critical {
            return None;
        }
        let user = &job.about?.user;
        let until = user.preferences().quiet_hours.as_ref()?.end(now)?;
        let reason = Reason::QuietHours;
        Some(Wait { until, reason })
    }

    /// Leaves a push to a task. The task is put first, and one that is there already is as good: it runs
    /// two minutes from now at the soonest, when this mark has long been made.
    pub(super) async fn defer(&self, job: &Job<'_>, wait: Wait) -> Result<(), Reason> {
        let (user, id) = (job.user.clone(), job.notification.id);
        let task = match wait.reason {
            Reason::QuietHours => Task::QuietEnd(user, id),
            _ => Task::Push(user, id),
        };
        let later = Later::new(task, wait.until, self.clock.now());
        let put = self.pusher.store.put_later(&later, self.clock.now()).await;
        put.map_err(|error| {
            tracing::warn!(error = %error.chain(), "a push is not deferred");
            Reason::Table
        })?;
        self.record(job, |outcome| {
            if !outcome.is_final() {
                outcome.state = Some(State::Deferred);
                outcome.reason = Some(wait.reason.word().to_owned());
            }
        })
        .await
    }
}
