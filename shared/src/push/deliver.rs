//! Delivering a batch: read, plan, publish to every device, record what became of it.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use futures_util::try_join;
use jiff::Timestamp;
use tokio::sync::{OnceCell, Semaphore};

use super::attempt::{Ended, NEEDED};
use crate::broadcast::Broadcasts;
use crate::clock::Clock;
use crate::device::Device;
use crate::error::Result;
use crate::id::{DeviceId, NotificationId, UserId};
use crate::inbox::Inbox;
use crate::notification::Notification;
use crate::outcome::{Outcome, State};
use crate::push_options::{Options, Push};
use crate::sns::Sns;
use crate::store::{About, Store, User};

/// Publishes on their way at the same time in one invocation.
const IN_FLIGHT: usize = 16;

/// Pushes stored notifications.
pub struct Pusher {
    pub(super) store: Store,
    pub(super) sns: Sns,
    broadcasts: Broadcasts,
}

/// Why a target is not done.
#[derive(Debug, Clone)]
pub enum Undone {
    /// It must be tried again.
    Later(String),
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
    pub slots: Semaphore,
    broadcasts: Arc<[Notification]>,
    badges: HashMap<&'r UserId, OnceCell<usize>>,
}

/// One notification, with its user's marks applied, and what is kept of the user.
pub(super) struct Job<'r> {
    pub user: &'r UserId,
    pub notification: Notification,
    about: Option<&'r About>,
}

/// How a push goes, and to which devices.
type Planned<'n> = (&'n Options, Vec<(&'n DeviceId, &'n Device)>);

impl Pusher {
    /// A pusher for a table and an SNS.
    pub fn new(store: Store, sns: Sns, broadcasts: Broadcasts) -> Pusher {
        Pusher {
            store,
            sns,
            broadcasts,
        }
    }

    /// The table it reads.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Pushes what these rows ask for, no two of them the same, within `budget` of the invocation's
    /// time. Returns, for each target in order, whether it is done.
    pub async fn deliver(
        &self,
        targets: &[Target],
        clock: Clock,
        budget: Duration,
    ) -> Result<Vec<Result<(), Undone>>> {
        let users: HashSet<UserId> = targets.iter().map(|(user, _)| user.clone()).collect();
        let (mut rows, abouts, broadcasts) = try_join!(
            self.store.notifications(targets),
            self.store.abouts(users),
            self.broadcasts.current(clock.now()),
        )?;
        let badges = targets.iter().map(|(user, _)| (user, OnceCell::new()));
        let run = Run {
            pusher: self,
            clock,
            budget,
            slots: Semaphore::new(IN_FLIGHT),
            broadcasts,
            badges: badges.collect(),
        };
        let jobs = targets.iter().map(|target| {
            // Gone: retracted, erased or expired.
            let Some(row) = rows.remove(target) else {
                return Ok(None);
            };
            let unreadable = |error: &crate::error::Error| Undone::Unreadable(error.chain());
            let row = row.map_err(|error| unreadable(&error))?;
            let about = abouts.get(&target.0).map(Result::as_ref);
            let about = about.transpose().map_err(unreadable)?;
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
        let done = jobs.iter().map(|job| async {
            match job {
                Ok(None) => Ok(()),
                Ok(Some(job)) => run.push(job).await.map_err(Undone::Later),
                Err(undone) => Err(undone.clone()),
            }
        });
        Ok(join_all(done).await)
    }
}

impl Run<'_> {
    async fn push(&self, job: &Job<'_>) -> Result<(), String> {
        let mut outcome = job.notification.outcome.clone();
        if outcome.is_final() {
            return Ok(());
        }
        let (options, devices) = match self.plan(job) {
            Ok(planned) => planned,
            Err((state, reason)) => {
                outcome.end(state, reason);
                return self.record(job, outcome).await.map(drop);
            }
        };
        if self.is_late() {
            return Err("the invocation's time is short".to_owned());
        }
        if options.once {
            // Rather none than two: from here on nobody else sends it. The mark is like no other,
            // so that a lost answer to it is not taken for somebody else's.
            let nonce = NotificationId::draw(self.clock.now());
            let mut mark = Outcome::default();
            mark.end(State::Unknown, &format!("in_flight {nonce}"));
            if !self.record(job, mark).await? {
                return Ok(());
            }
        }
        let open = devices.into_iter();
        let open = open.filter(|(id, _)| !outcome.devices.contains_key(*id));
        let sent =
            join_all(open.map(|(id, device)| async move {
                (id, self.push_to(job, options, id, device).await)
            }));
        let mut open = Vec::new();
        for (id, ended) in sent.await {
            match ended {
                Ended::Done(device, ambiguous) => {
                    outcome.ambiguous += ambiguous;
                    outcome.devices.insert(id.clone(), device);
                }
                Ended::Open(reason, ambiguous) => {
                    outcome.ambiguous += ambiguous;
                    open.push(reason);
                }
            }
        }
        if options.once {
            return self.settle(job, outcome, open).await;
        }
        match open.pop() {
            None => {
                outcome.conclude();
                self.record(job, outcome).await.map(drop)
            }
            Some(reason) => {
                self.record(job, outcome).await?;
                Err(reason)
            }
        }
    }

    /// Whether too little of the invocation is left to begin a publish.
    pub fn is_late(&self) -> bool {
        self.clock.elapsed() + NEEDED > self.budget
    }

    /// Which devices get it; or how it ends without any.
    fn plan<'n>(&'n self, job: &'n Job) -> Result<Planned<'n>, (State, &'static str)> {
        let notification = &job.notification;
        let skipped = |reason| Err((State::Skipped, reason));
        let options = match &notification.content.push {
            Push::Off => return skipped("push_off"),
            Push::On(options) => options,
        };
        if notification.read_at.is_some() {
            return skipped("read");
        }
        if notification.archived_at.is_some() {
            return skipped("archived");
        }
        if self.ttl_left(notification, options) == 0 {
            return Err((State::Expired, ""));
        }
        let user = job.about.map(|about| &about.user);
        let now = self.clock.now();
        if let Some(reason) = user.and_then(|user| unwanted(user, notification, now)) {
            return skipped(reason);
        }
        let all: Vec<_> = user.into_iter().flat_map(User::devices).collect();
        if all.is_empty() {
            return Err((State::NoDevice, ""));
        }
        let origin = notification.content.origin_device.as_ref();
        let devices = all.into_iter().filter(|(id, _)| Some(*id) != origin);
        let devices: Vec<_> = devices.collect();
        if devices.is_empty() {
            return skipped("origin_device");
        }
        Ok((options, devices))
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
    ) -> Result<Option<usize>, String> {
        let wanted = device.badge && !options.silent;
        let Some(badge) = self.badges.get(job.user).filter(|_| wanted) else {
            return Ok(None);
        };
        let count = badge.get_or_try_init(|| async {
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
            counts
                .map(|counts| counts.unread)
                .map_err(|error| error.chain())
        });
        count.await.map(|count| Some(*count))
    }

    async fn record(&self, job: &Job<'_>, mut outcome: Outcome) -> Result<bool, String> {
        outcome.at = self.clock.now().as_millisecond();
        let id = job.notification.id;
        let recorded = self
            .pusher
            .store
            .record_outcome(job.user, id, &outcome)
            .await;
        recorded.map_err(|error| error.chain())
    }

    /// Records what became of a push that is sent at most once. What certainly was not sent to any
    /// device is open again.
    async fn settle(
        &self,
        job: &Job<'_>,
        mut outcome: Outcome,
        mut open: Vec<String>,
    ) -> Result<(), String> {
        let (store, id) = (&self.pusher.store, job.notification.id);
        if outcome.devices.is_empty() && outcome.ambiguous == 0 {
            let unmarked = store.settle_outcome(job.user, id, None).await;
            unmarked.map_err(|error| error.chain())?;
            return open.pop().map_or(Ok(()), Err);
        }
        outcome.conclude();
        if let (Some(reason), Some(State::Sent)) = (open.pop(), outcome.state) {
            outcome.end(State::Partial, &reason);
        }
        outcome.at = self.clock.now().as_millisecond();
        let settled = store.settle_outcome(job.user, id, Some(&outcome)).await;
        settled.map_err(|error| error.chain())
    }
}

/// Why a user does not want a push; `None` if it is wanted.
fn unwanted(user: &User, notification: &Notification, now: Timestamp) -> Option<&'static str> {
    let content = &notification.content;
    let actor = content.actor.as_ref().map(|actor| &actor.id);
    if user.mutes().is_muted(actor, content.group.as_deref(), now) {
        return Some("muted");
    }
    (!user.preferences().pushes(&content.kind)).then_some("preferences")
}
