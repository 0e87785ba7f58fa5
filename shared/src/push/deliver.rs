//! Delivering a batch: read, plan, publish to every device, record what became of it.

use std::collections::{BTreeSet, HashMap};
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::join_all;
use futures_util::stream::{self, StreamExt as _};
use futures_util::try_join;
use tokio::sync::OnceCell;

use super::attempt::{Ended, NEEDED, RECORDING};
use super::pace::{MAX_IN_FLIGHT, Pace};
use super::plan::Groups;
use super::quiet::Summary;
use super::turns::Turns;
use crate::broadcast::Broadcasts;
use crate::clock::Clock;
use crate::device::Device;
use crate::error::Result;
use crate::id::{DeviceId, NotificationId, UserId};
use crate::inbox::Inbox;
use crate::metrics;
use crate::notification::Notification;
use crate::outcome::{Outcome, Reason, State};
use crate::push_options::Options;
use crate::sns::Sns;
use crate::store::{About, Store};

/// Pushes of a batch that are under way: as many as may be published, and a quarter as many that are counted or recorded, or wait for
/// their device. All of a batch would take the memory and the connections of all.
const UNDER_WAY: usize = MAX_IN_FLIGHT + MAX_IN_FLIGHT / 4;

/// How much is pushed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Publishes a second of the whole stack.
    pub rate: u32,
    /// The instances of the function that are reckoned with: each has its share of the rate.
    pub instances: u32,
    /// Pushes of one group to one user in an hour; 0 for any number.
    pub group_cap: usize,
}

/// Pushes stored notifications.
pub struct Pusher {
    pub(super) store: Store,
    pub(super) sns: Sns,
    pub(super) limits: Limits,
    pub(super) pace: Pace,
    pub(super) turns: Turns,
    pub(super) broadcasts: Broadcasts,
    pub(super) summary: Summary,
}

/// Why a target is not done.
#[derive(Debug, Clone)]
pub enum Undone {
    /// It must be tried again.
    Later(Reason),
    /// Its row, or its user's, cannot be read, and never will.
    Unreadable(String),
}

/// A notification to push.
pub type Target = (UserId, NotificationId);

/// One invocation's share of the work.
pub(super) struct Run<'r> {
    pub pusher: &'r Pusher,
    pub clock: Clock,
    pub budget: Duration,
    /// Whether it pushes what waited for a task.
    resumes: bool,
    groups: Mutex<Groups>,
    broadcasts: Arc<[Notification]>,
    badges: HashMap<&'r UserId, OnceCell<usize>>,
}

/// One notification, with its user's marks applied, and what is kept of the user.
pub(super) struct Job<'r> {
    pub user: &'r UserId,
    pub notification: Notification,
    pub about: Option<&'r About>,
}

impl Pusher {
    /// A pusher for a table and an SNS.
    pub fn new(store: Store, sns: Sns, broadcasts: Broadcasts, limits: Limits) -> Pusher {
        Pusher {
            store,
            sns,
            pace: Pace::new(limits.rate, limits.instances),
            limits,
            turns: Turns::default(),
            broadcasts,
            summary: Summary::default(),
        }
    }

    /// With these texts for the end of quiet hours.
    #[must_use]
    pub fn with_summary(self, summary: Summary) -> Pusher {
        Pusher { summary, ..self }
    }

    /// The table it reads.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The SNS it publishes through.
    pub fn sns(&self) -> &Sns {
        &self.sns
    }

    /// Pushes what these rows ask for, no two of them the same, within `budget` of the invocation's
    /// time. Returns, for each target in order, whether it is done: pushed, ended without a push, or
    /// left to a task.
    pub async fn deliver(
        &self,
        targets: &[Target],
        clock: Clock,
        budget: Duration,
    ) -> Result<Vec<Result<(), Undone>>> {
        // On the heap: the future is large.
        Box::pin(self.deliver_as(false, targets, clock, budget)).await
    }

    /// The same for a task: what waited for it is pushed too.
    pub async fn resume(
        &self,
        targets: &[Target],
        clock: Clock,
        budget: Duration,
    ) -> Result<Vec<Result<(), Undone>>> {
        // On the heap: the future is large.
        Box::pin(self.deliver_as(true, targets, clock, budget)).await
    }

    async fn deliver_as(
        &self,
        resumes: bool,
        targets: &[Target],
        clock: Clock,
        budget: Duration,
    ) -> Result<Vec<Result<(), Undone>>> {
        let users: BTreeSet<UserId> = targets.iter().map(|(user, _)| user.clone()).collect();
        let (mut rows, abouts, broadcasts) = try_join!(
            self.store.notifications(targets),
            self.store.abouts(users),
            self.broadcasts.current(clock.now()),
        )?;
        let users = targets.iter().map(|(user, _)| user);
        let run = Run::new(self, users, broadcasts, resumes, (clock, budget));
        let jobs = targets.iter().map(|target| {
            // Gone: retracted or expired, or erased and removed.
            let Some(row) = rows.remove(target) else {
                return Ok(None);
            };
            let unreadable = |error: &crate::error::Error| Undone::Unreadable(error.chain());
            let row = row.map_err(|error| unreadable(&error))?;
            let about = abouts.get(&target.0).map(Result::as_ref);
            let about = about.transpose().map_err(unreadable)?;
            if about.is_some_and(|about| about.user.erases(target.1.at())) {
                return Ok(None);
            }
            let notification = match about {
                Some(about) => about.marks.apply(row),
                None => row,
            };
            let user = &target.0;
            Ok(Some(Job {
                user,
                notification,
                about,
            }))
        });
        let jobs: Vec<Result<Option<Job>, Undone>> = jobs.collect();
        let pushes = jobs.iter().enumerate().map(async |(place, job)| {
            let done = match job {
                Ok(None) => Ok(()),
                Ok(Some(job)) => guarded(run.push(job)).await,
                Err(undone) => Err(undone.clone()),
            };
            (place, done)
        });
        let mut done: Vec<_> = stream::iter(pushes)
            .buffer_unordered(UNDER_WAY)
            .collect()
            .await;
        done.sort_unstable_by_key(|(place, _)| *place);
        Ok(done.into_iter().map(|(_, done)| done).collect())
    }
}

/// A push whose code breaks down is over, and does not take its neighbours with it. An `async` function would have the push
/// twice: as its argument, and as what it waits for.
fn guarded(
    push: impl Future<Output = Result<(), Reason>>,
) -> impl Future<Output = Result<(), Undone>> {
    let push = AssertUnwindSafe(push).catch_unwind();
    push.map(|done| match done {
        Ok(done) => done.map_err(Undone::Later),
        Err(_) => Err(Undone::Unreadable(Reason::Panicked.word().to_owned())),
    })
}

impl<'r> Run<'r> {
    pub fn new(
        pusher: &'r Pusher,
        users: impl Iterator<Item = &'r UserId>,
        broadcasts: Arc<[Notification]>,
        resumes: bool,
        (clock, budget): (Clock, Duration),
    ) -> Run<'r> {
        Run {
            pusher,
            clock,
            budget,
            resumes,
            groups: Mutex::default(),
            broadcasts,
            badges: users.map(|user| (user, OnceCell::new())).collect(),
        }
    }
}

impl Run<'_> {
    pub(super) async fn push(&self, job: &Job<'_>) -> Result<(), Reason> {
        metrics::trace(job.notification.content.traceparent);
        let done = self.serve(job).await;
        self.forget_devices(job).await;
        done
    }

    /// Plans, publishes, records.
    async fn serve(&self, job: &Job<'_>) -> Result<(), Reason> {
        let before = &job.notification.outcome;
        if before.is_final() || (before.is_deferred() && !self.resumes) {
            return Ok(());
        }
        let (options, devices) = match self.plan(job) {
            Ok(planned) => planned,
            Err((state, reason)) => return self.end(job, state, reason).await,
        };
        if let Some(wait) = self.wait(job, options) {
            return self.defer(job, wait).await;
        }
        if self.is_late() {
            return Err(Reason::TimeShort);
        }
        if self.is_capped(job, options, before).await? {
            return self.end(job, State::Skipped, Some(Reason::Capped)).await;
        }
        if options.once {
            return self.push_once(job, options, devices).await;
        }
        let (done, open) = self.publish(job, options, devices).await;
        self.record(job, |outcome| {
            outcome.resume();
            outcome.add(&done);
            outcome.waits_for(open);
            if open.is_none() && !outcome.is_final() {
                outcome.conclude();
            }
        })
        .await?;
        self.note_refused(job, &done).await;
        open.map_or(Ok(()), Err)
    }

    /// Publishes to the devices that have not had it. Returns what became of those that are done,
    /// and why the others are not.
    pub(super) async fn publish(
        &self,
        job: &Job<'_>,
        options: &Options,
        devices: Vec<(&DeviceId, &Device)>,
    ) -> (Outcome, Option<Reason>) {
        let before = &job.notification.outcome;
        let open = devices.into_iter();
        let open = open.filter(|(id, _)| !before.devices.contains_key(*id));
        let ended =
            join_all(open.map(|(id, device)| async move {
                (id, self.push_to(job, options, id, device).await)
            }));
        let (mut done, mut open) = (Outcome::default(), None);
        for (id, ended) in ended.await {
            match ended {
                Ended::Done(device, ambiguous) => {
                    done.ambiguous += ambiguous;
                    done.devices.insert(id.clone(), device);
                }
                Ended::Open(reason, ambiguous) => {
                    done.ambiguous += ambiguous;
                    open = Some(reason);
                }
            }
        }
        (done, open)
    }

    /// The groups of the batch.
    pub(super) fn groups(&self) -> MutexGuard<'_, Groups> {
        self.groups.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is left of the invocation, without the time to record what was done.
    pub(super) fn time_left(&self) -> Duration {
        let left = self.budget.saturating_sub(self.clock.elapsed());
        left.saturating_sub(RECORDING)
    }

    /// Whether too little of the invocation is left to begin a publish.
    pub fn is_late(&self) -> bool {
        self.clock.elapsed() + NEEDED > self.budget
    }

    /// What is left of the push's life, in whole seconds: it ends with its time to live, and with
    /// the notification itself.
    pub fn ttl_left(&self, notification: &Notification, options: &Options) -> u32 {
        let age = self.clock.since(notification.id.at()).as_secs();
        let left = options
            .ttl
            .saturating_sub(u32::try_from(age).unwrap_or(u32::MAX));
        let kept = notification.expires_at - self.clock.now().as_second();
        left.min(u32::try_from(kept.max(0)).unwrap_or(u32::MAX))
    }

    /// The number on the app's icon, counted once for each user of a batch. Read consistently: the
    /// notification itself must be counted, or the number would vanish.
    pub async fn badge(
        &self,
        job: &Job<'_>,
        options: &Options,
        device: &Device,
    ) -> Result<Option<usize>, Reason> {
        let wanted = device.badge && !options.silent;
        let Some(badge) = self.badges.get(job.user).filter(|_| wanted) else {
            return Ok(None);
        };
        // On the heap: the future is large, and every push would have the room for it.
        let count = badge.get_or_try_init(|| {
            Box::pin(async {
                let inbox = Inbox {
                    store: &self.pusher.store,
                    user: job.user,
                    now: self.clock.now(),
                    consistent: true,
                    broadcasts: &self.broadcasts,
                };
                let counts = match job.about {
                    Some(about) => inbox.count(about).await,
                    None => inbox.counts().await,
                };
                counts.map(|counts| counts.unread).map_err(|error| {
                    tracing::warn!(error = %error.chain(), "a badge is not counted");
                    Reason::Table
                })
            })
        });
        count.await.map(|count| Some(*count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn f26_a_push_that_breaks_down_is_over_and_takes_nobody_with_it() {
        let broken = guarded(async { panic!("a bug") });
        let (broken, fine) = tokio::join!(broken, guarded(async { Ok(()) }));
        assert!(matches!(broken, Err(Undone::Unreadable(reason)) if reason == "panicked"));
        assert!(fine.is_ok());
    }
}
