//! Delivering a batch: read, plan, publish to every device, record what became of it.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use futures_util::future::join_all;
use jiff::Timestamp;
use tokio::sync::{OnceCell, Semaphore};

use super::payload;
use super::removal::remove_dead;
use crate::clock::Clock;
use crate::device::Device;
use crate::error::Result;
use crate::id::{DeviceId, NotificationId, UserId};
use crate::notification::Notification;
use crate::outcome::{DeviceOutcome, Outcome, State};
use crate::push_options::{Options, Push};
use crate::sns::{Answer, Sns};
use crate::store::{Store, User};

/// Publishes on their way at the same time in one invocation.
const IN_FLIGHT: usize = 16;
/// How often one message is offered to one device in one invocation.
const ATTEMPTS: u32 = 3;
/// A publish is begun only if this much of the invocation is left: an attempt's time-out, and the
/// time to record its outcome.
const NEEDED: Duration = Duration::from_secs(8);

/// Pushes stored notifications. Cheap to clone.
#[derive(Clone)]
pub struct Pusher {
    store: Store,
    sns: Sns,
}

/// Why a target is not done.
pub enum Undone {
    /// It must be tried again.
    Later(String),
    /// Its row cannot be read, and never will.
    Unreadable(String),
}

/// A notification to push.
pub type Target = (UserId, NotificationId);

/// How a push goes, and to which devices.
type Planned<'n> = (&'n Options, Vec<(&'n DeviceId, &'n Device)>);

/// One invocation's share of the work.
struct Run<'r> {
    pusher: &'r Pusher,
    clock: Clock,
    budget: Duration,
    users: HashMap<UserId, User>,
    badges: HashMap<&'r UserId, OnceCell<usize>>,
    slots: Semaphore,
}

/// How one device ended in this invocation; `None` if it is still to be served.
struct Ended {
    outcome: Option<DeviceOutcome>,
    ambiguous: u32,
    why: String,
}

impl Pusher {
    /// A pusher for a table and an SNS.
    pub fn new(store: Store, sns: Sns) -> Pusher {
        Pusher { store, sns }
    }

    /// The table it reads.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Pushes what these rows ask for, within `budget` of the invocation's time. Returns, for each
    /// target in order, whether it is done.
    pub async fn deliver(
        &self,
        targets: &[Target],
        clock: Clock,
        budget: Duration,
    ) -> Result<Vec<Result<(), Undone>>> {
        let users: HashSet<UserId> = targets.iter().map(|(user, _)| user.clone()).collect();
        let (rows, users) =
            futures_util::try_join!(self.store.notifications(targets), self.store.users(users))?;
        let run = Run {
            pusher: self,
            clock,
            budget,
            users,
            badges: targets
                .iter()
                .map(|(user, _)| (user, OnceCell::new()))
                .collect(),
            slots: Semaphore::new(IN_FLIGHT),
        };
        let done = targets.iter().map(|target| async {
            match rows.get(target) {
                // Gone: retracted, erased or expired.
                None => Ok(()),
                Some(Ok(notification)) => run.push(notification).await.map_err(Undone::Later),
                Some(Err(error)) => Err(Undone::Unreadable(error.chain())),
            }
        });
        Ok(join_all(done).await)
    }
}

impl Run<'_> {
    async fn push(&self, notification: &Notification) -> Result<(), String> {
        let mut outcome = notification.outcome.clone();
        if outcome.is_final() {
            return Ok(());
        }
        let (options, devices) = match self.plan(notification) {
            Ok(planned) => planned,
            Err(ended) => return self.record(notification, ended).await.map(drop),
        };
        if options.once {
            // Rather none than two: from here on nobody else sends it.
            let mark = Outcome::ended(State::Unknown, "in_flight");
            if !self.record(notification, mark).await? {
                return Ok(());
            }
        }
        let open = devices
            .into_iter()
            .filter(|(id, _)| !outcome.devices.contains_key(*id));
        let sent = join_all(open.map(|(id, device)| async move {
            (id, self.push_to(notification, options, id, device).await)
        }));
        let mut reasons = Vec::new();
        for (id, ended) in sent.await {
            outcome.ambiguous += ended.ambiguous;
            match ended.outcome {
                Some(device) => drop(outcome.devices.insert(id.clone(), device)),
                None => reasons.push(ended.why),
            }
        }
        if options.once {
            return self.settle(notification, outcome, &reasons).await;
        }
        if reasons.is_empty() {
            outcome.conclude();
        }
        self.record(notification, outcome).await?;
        reasons.pop().map_or(Ok(()), Err)
    }

    /// Which devices get it; or how it ends without any.
    fn plan<'n>(&'n self, notification: &'n Notification) -> Result<Planned<'n>, Outcome> {
        let now = self.clock.now();
        let skipped = |reason| Err(Outcome::ended(State::Skipped, reason));
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
        if !notification.is_live(now) || ttl_left(notification, options, self.clock) == 0 {
            return Err(Outcome::ended(State::Expired, ""));
        }
        let user = self.users.get(&notification.recipient);
        if let Some(reason) = user.and_then(|user| unwanted(user, notification, now)) {
            return skipped(reason);
        }
        let all: Vec<_> = user.into_iter().flat_map(User::devices).collect();
        if all.is_empty() {
            return Err(Outcome::ended(State::NoDevice, ""));
        }
        let origin = notification.content.origin_device.as_ref();
        let devices: Vec<_> = all
            .into_iter()
            .filter(|(id, _)| Some(*id) != origin)
            .collect();
        if devices.is_empty() {
            return skipped("origin_device");
        }
        Ok((options, devices))
    }

    async fn push_to(
        &self,
        notification: &Notification,
        options: &Options,
        id: &DeviceId,
        device: &Device,
    ) -> Ended {
        let badge = match self.badge(notification, options, device).await {
            Ok(badge) => badge,
            Err(why) => return open(why, 0),
        };
        let (store, sns) = (&self.pusher.store, &self.pusher.sns);
        let mut ambiguous = 0;
        let mut why = String::new();
        for attempt in 0..ATTEMPTS {
            if attempt > 0 {
                tokio::time::sleep(backoff(attempt)).await;
            }
            let slot = self.slots.acquire().await;
            if self.clock.elapsed() + NEEDED > self.budget {
                return open("the invocation's time is short".to_owned(), ambiguous);
            }
            let ttl = ttl_left(notification, options, self.clock);
            if ttl == 0 {
                return ended(State::Dead, "expired", ambiguous);
            }
            let message = payload::message(notification, options, device.platform, ttl, badge);
            let answer = sns.publish(&device.endpoint, &message).await;
            drop(slot);
            match answer {
                Answer::Sent(message_id) => {
                    let mut sent = ended(State::Sent, "", ambiguous);
                    if let Some(outcome) = &mut sent.outcome {
                        outcome.message_id = Some(message_id);
                    }
                    return sent;
                }
                Answer::Gone(reason) => {
                    let user = &notification.recipient;
                    match remove_dead(store, sns, user, id, device).await {
                        // The app has registered again meanwhile.
                        Ok(false) if attempt == 0 => continue,
                        Ok(_) => {}
                        Err(error) => {
                            tracing::warn!(error = %error.chain(), "a dead device is not removed");
                        }
                    }
                    return ended(State::Dead, reason, ambiguous);
                }
                Answer::Refused(reason) => return ended(State::Dead, &reason, ambiguous),
                Answer::Blocked(reason) => return open(reason, ambiguous),
                Answer::Busy(reason) => why = reason,
                Answer::Unclear(reason) if options.once => {
                    return ended(State::Unknown, &reason, ambiguous + 1);
                }
                Answer::Unclear(reason) => {
                    ambiguous += 1;
                    why = reason;
                }
            }
        }
        open(why, ambiguous)
    }

    /// The number on the app's icon, counted once for each user of a batch.
    async fn badge(
        &self,
        notification: &Notification,
        options: &Options,
        device: &Device,
    ) -> Result<Option<usize>, String> {
        let user = &notification.recipient;
        let Some(badge) = self
            .badges
            .get(user)
            .filter(|_| device.badge && !options.silent)
        else {
            return Ok(None);
        };
        let count = badge.get_or_try_init(|| async {
            let counts = self.pusher.store.count(user, self.clock.now(), false).await;
            counts
                .map(|counts| counts.unread)
                .map_err(|error| error.chain())
        });
        count.await.map(|count| Some(*count))
    }

    async fn record(
        &self,
        notification: &Notification,
        mut outcome: Outcome,
    ) -> Result<bool, String> {
        outcome.at = self.clock.now().as_millisecond();
        let (user, id) = (&notification.recipient, notification.id);
        let recorded = self.pusher.store.record_outcome(user, id, &outcome).await;
        recorded.map_err(|error| error.chain())
    }

    /// Records what became of a push that is sent at most once. Whatever it was, it is over.
    async fn settle(
        &self,
        notification: &Notification,
        mut outcome: Outcome,
        reasons: &[String],
    ) -> Result<(), String> {
        outcome.conclude();
        if outcome.devices.is_empty() {
            outcome.state = Some(State::Dead);
            outcome.reason = reasons.first().cloned();
        } else if !reasons.is_empty() && outcome.state == Some(State::Sent) {
            outcome.state = Some(State::Partial);
        }
        outcome.at = self.clock.now().as_millisecond();
        let (user, id) = (&notification.recipient, notification.id);
        let settled = self.pusher.store.settle_outcome(user, id, &outcome).await;
        settled.map_err(|error| error.chain())
    }
}

fn ended(state: State, reason: &str, ambiguous: u32) -> Ended {
    Ended {
        outcome: Some(DeviceOutcome {
            state,
            message_id: None,
            reason: (!reason.is_empty()).then(|| reason.to_owned()),
        }),
        ambiguous,
        why: String::new(),
    }
}

fn open(why: String, ambiguous: u32) -> Ended {
    Ended {
        outcome: None,
        ambiguous,
        why,
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

/// What is left of the push's life, in whole seconds.
fn ttl_left(notification: &Notification, options: &Options, clock: Clock) -> u32 {
    let age = clock.since(notification.id.at()).as_secs();
    options
        .ttl
        .saturating_sub(u32::try_from(age).unwrap_or(u32::MAX))
}

/// 100 ms, then 400 ms, each with up to as much again: invocations must not try in step.
fn backoff(attempt: u32) -> Duration {
    let base = 25 * 4u64.pow(attempt);
    let jitter = getrandom::u32().map_or(0, |random| u64::from(random) % base);
    Duration::from_millis(base + jitter)
}
