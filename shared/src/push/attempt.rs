//! One notification to one device: attempts, and what they come to.

use std::borrow::Cow;
use std::time::Duration;

use super::deliver::{Job, Run};
use super::payload::{self, Sending};
use super::turns::Found;
use crate::clock::pause;
use crate::device::Device;
use crate::devices::{Removal, remove_dead};
use crate::id::DeviceId;
use crate::metrics::{self, Metric};
use crate::notification::Notification;
use crate::outcome::{DeviceOutcome, Reason, State};
use crate::push_options::Options;
use crate::sns::Answer;

/// How often one message is offered to one device in one invocation.
const ATTEMPTS: u32 = 3;
/// A publish is begun only if this much of the invocation is left: an attempt's time-out, and the
/// time to record its outcome.
pub const NEEDED: Duration = Duration::from_secs(8);
/// The time to record an outcome: a call to the table, and a little.
pub const RECORDING: Duration = Duration::from_secs(2);

/// How one device ended in this invocation, with the number of attempts that SNS may have taken
/// unknown to us.
pub enum Ended {
    /// It is over.
    Done(DeviceOutcome, u32),
    /// It is still to be served: why.
    Open(Reason, u32),
}

/// What one device is offered, and how it went so far.
struct Offer<'o> {
    run: &'o Run<'o>,
    job: &'o Job<'o>,
    options: &'o Options,
    id: &'o DeviceId,
    device: &'o Device,
    /// The notification in the device's language.
    shown: Cow<'o, Notification>,
    badge: Option<usize>,
    limit: usize,
    revived: bool,
    /// Why there is no such endpoint any more.
    gone: Option<Reason>,
    ambiguous: u32,
}

impl Run<'_> {
    /// Offers the notification to a device until SNS takes it, or never will, or time is short; after the pushes of this
    /// instance that are on their way to the same device.
    pub(super) async fn push_to(
        &self,
        job: &Job<'_>,
        options: &Options,
        id: &DeviceId,
        device: &Device,
    ) -> Ended {
        let turn = self.pusher.turns.with(device);
        let mut found = turn.lock().await;
        match *found {
            Some(Found::Gone(reason)) => return Ended::Done(over(State::Dead, reason), 0),
            Some(Found::Closed(reason)) => return Ended::Open(reason, 0),
            None => {}
        }
        let mut offer = Offer {
            run: self,
            job,
            options,
            id,
            device,
            shown: localized(job, options, device),
            badge: None,
            limit: payload::LIMIT,
            revived: false,
            gone: None,
            ambiguous: 0,
        };
        let ended = offer.offer().await;
        *found = match &ended {
            Ended::Open(reason, _) if lasts(*reason) => Some(Found::Closed(*reason)),
            _ => offer.gone.map(Found::Gone),
        };
        ended
    }

    /// Waits until the pace lets this publish begin; not if that is too late.
    async fn has_its_turn(&self) -> bool {
        let latest = || self.budget.saturating_sub(self.clock.elapsed() + NEEDED);
        self.pusher.pace.turn(&self.clock, latest).await
    }

    /// Removes a dead device, unless it turns out to be alive and this user's.
    async fn is_revived(&self, job: &Job<'_>, id: &DeviceId, device: &Device) -> bool {
        let (store, sns) = (&self.pusher.store, &self.pusher.sns);
        let removal = remove_dead(store, sns, job.user, id, &device.endpoint, self.clock.now());
        match tokio::time::timeout(self.time_left(), removal).await {
            Ok(Ok(removal)) => removal == Removal::Revived,
            // The invocation ends before it is known. Whoever meets the device next removes it.
            Err(_) => false,
            Ok(Err(error)) => {
                tracing::warn!(error = %error.chain(), "a dead device is not removed");
                false
            }
        }
    }
}

impl Offer<'_> {
    /// All the attempts.
    async fn offer(&mut self) -> Ended {
        let badge = self.run.badge(self.job, self.options, self.device);
        match badge.await {
            Ok(badge) => self.badge = badge,
            Err(why) => return Ended::Open(why, 0),
        }
        let mut why = Reason::TimeShort;
        for attempt in 0..ATTEMPTS {
            if attempt > 0 {
                pause(attempt + 1).await;
            }
            let judged = match self.make().await {
                Ok(answer) => self.judge(answer).await,
                Err(ended) => Err(ended),
            };
            match judged {
                Ok(reason) => why = reason,
                Err(ended) => return ended,
            }
        }
        Ended::Open(why, self.ambiguous)
    }

    /// One attempt, when its turn comes.
    async fn make(&self) -> Result<Answer, Ended> {
        let (run, notification) = (self.run, &self.job.notification);
        let _slot = run.pusher.pace.slot().await;
        if run.pusher.pace.is_broken(run.clock.instant()) {
            return Err(Ended::Open(Reason::SnsDown, self.ambiguous));
        }
        if !run.has_its_turn().await || run.is_late() {
            return Err(Ended::Open(Reason::TimeShort, self.ambiguous));
        }
        let ttl = run.ttl_left(notification, self.options);
        if ttl == 0 {
            return Err(self.over(State::Dead, Reason::Expired));
        }
        let message = payload::message(&Sending {
            notification: &self.shown,
            options: self.options,
            platform: self.device.platform,
            ttl,
            badge: self.badge,
            limit: self.limit,
        });
        let answer = run
            .pusher
            .sns
            .publish(&self.device.endpoint, &message)
            .await;
        match answer {
            Answer::Sent(_) => run.pusher.pace.succeeded(),
            Answer::Busy(Reason::Throttled) => {
                metrics::count(Metric::Throttled, 1);
                run.pusher.pace.throttled(run.clock.instant());
            }
            Answer::Blocked(Reason::ApplicationDisabled) => {
                metrics::count(Metric::ApplicationDisabled, 1);
            }
            Answer::Blocked(Reason::NotAllowed) => metrics::count(Metric::NotAllowed, 1),
            Answer::Busy(_) | Answer::Unclear(_) => {
                run.pusher
                    .pace
                    .failed(&self.device.endpoint, run.clock.instant());
            }
            _ => {}
        }
        Ok(answer)
    }

    /// What follows from an answer: the end, or a reason to try again.
    async fn judge(&mut self, answer: Answer) -> Result<Reason, Ended> {
        match answer {
            Answer::Sent(message_id) => {
                if !self.job.notification.outcome.is_deferred() {
                    let at = self.job.notification.id.at();
                    metrics::sample(Metric::Latency, self.run.clock.since(at).as_millis());
                }
                let sent = DeviceOutcome {
                    state: State::Sent,
                    message_id: Some(message_id),
                    reason: None,
                };
                Err(Ended::Done(sent, self.ambiguous))
            }
            Answer::Gone(reason) => {
                // The app may have registered again meanwhile; once is believed.
                let run = self.run;
                if self.revived || !run.is_revived(self.job, self.id, self.device).await {
                    self.gone = Some(reason);
                    return Err(self.over(State::Dead, reason));
                }
                self.revived = true;
                Ok(reason)
            }
            Answer::TooLong if self.limit > payload::SHORTER => {
                self.limit = payload::SHORTER;
                Ok(Reason::TooLong)
            }
            Answer::TooLong => Err(self.over(State::Dead, Reason::TooLong)),
            Answer::Refused(reason) => Err(self.over(State::Dead, reason)),
            Answer::Blocked(reason) | Answer::Stale(reason) => {
                Err(Ended::Open(reason, self.ambiguous))
            }
            Answer::Busy(reason) => Ok(reason),
            Answer::Unclear(reason) => {
                self.ambiguous += 1;
                if self.options.once {
                    return Err(self.over(State::Unknown, reason));
                }
                Ok(reason)
            }
        }
    }

    fn over(&self, state: State, reason: Reason) -> Ended {
        Ended::Done(over(state, reason), self.ambiguous)
    }
}

/// Whether the next push to the same device would meet the same, at the cost of a time-out or of nothing.
fn lasts(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::Timeout | Reason::ApplicationDisabled | Reason::NotAllowed | Reason::Credentials
    )
}

/// The end of a push to one device without a message id.
fn over(state: State, reason: Reason) -> DeviceOutcome {
    DeviceOutcome {
        state,
        message_id: None,
        reason: Some(reason.word().to_owned()),
    }
}

/// The notification with its texts in the device's language, or its user's.
fn localized<'n>(job: &'n Job, options: &Options, device: &Device) -> Cow<'n, Notification> {
    let notification = Cow::Borrowed(&job.notification);
    let user = job.about.map(|about| &about.user);
    let user = user.and_then(|user| user.preferences().locale.as_deref());
    let wanted = device.locale.as_deref().into_iter().chain(user);
    let Some(text) = options.text_for(wanted) else {
        return notification;
    };
    let mut notification = notification.into_owned();
    let content = &mut notification.content;
    for (own, other) in [
        (&mut content.title, &text.title),
        (&mut content.body, &text.body),
    ] {
        if other.is_some() {
            own.clone_from(other);
        }
    }
    Cow::Owned(notification)
}
