//! One notification to one device: attempts, and what they come to.

use std::time::Duration;

use super::deliver::{Job, Run};
use super::payload;
use crate::clock::pause;
use crate::device::Device;
use crate::devices::{Removal, remove_dead};
use crate::id::DeviceId;
use crate::outcome::{DeviceOutcome, State};
use crate::push_options::Options;
use crate::sns::Answer;

/// How often one message is offered to one device in one invocation.
const ATTEMPTS: u32 = 3;
/// A publish is begun only if this much of the invocation is left: an attempt's time-out, and the
/// time to record its outcome.
pub const NEEDED: Duration = Duration::from_secs(8);

/// How one device ended in this invocation, with the number of attempts that SNS may have taken
/// unknown to us.
pub enum Ended {
    /// It is over.
    Done(DeviceOutcome, u32),
    /// It is still to be served: why.
    Open(String, u32),
}

impl Run<'_> {
    /// Offers the notification to a device until SNS takes it, or never will, or time is short.
    pub(super) async fn push_to(
        &self,
        job: &Job<'_>,
        options: &Options,
        id: &DeviceId,
        device: &Device,
    ) -> Ended {
        let badge = match self.badge(job, options, device).await {
            Ok(badge) => badge,
            Err(why) => return Ended::Open(why, 0),
        };
        let notification = &job.notification;
        let (mut why, mut ambiguous, mut revived) = (String::new(), 0, false);
        for attempt in 0..ATTEMPTS {
            if attempt > 0 {
                pause(attempt + 1).await;
            }
            let slot = self.slots.acquire().await;
            if self.is_late() {
                return Ended::Open("the invocation's time is short".to_owned(), ambiguous);
            }
            let ttl = self.ttl_left(notification, options);
            if ttl == 0 {
                return done(State::Dead, "expired", ambiguous);
            }
            let message = payload::message(notification, options, device.platform, ttl, badge);
            let answer = self.pusher.sns.publish(&device.endpoint, &message).await;
            drop(slot);
            match answer {
                Answer::Sent(message_id) => {
                    let sent = DeviceOutcome {
                        state: State::Sent,
                        message_id: Some(message_id),
                        reason: None,
                    };
                    return Ended::Done(sent, ambiguous);
                }
                Answer::Gone(reason) => {
                    // The app may have registered again meanwhile; once is believed.
                    if revived || !self.is_revived(job, id, device).await {
                        return done(State::Dead, reason, ambiguous);
                    }
                    revived = true;
                }
                Answer::Refused(reason) => return done(State::Dead, &reason, ambiguous),
                Answer::Blocked(reason) => return Ended::Open(reason, ambiguous),
                Answer::Busy(reason) => why = reason,
                Answer::Unclear(reason) => {
                    ambiguous += 1;
                    if options.once {
                        return done(State::Unknown, &reason, ambiguous);
                    }
                    why = reason;
                }
            }
        }
        Ended::Open(why, ambiguous)
    }

    /// Removes a dead device, unless it turns out to be alive and this user's.
    async fn is_revived(&self, job: &Job<'_>, id: &DeviceId, device: &Device) -> bool {
        let (store, sns) = (&self.pusher.store, &self.pusher.sns);
        let now = self.clock.now();
        match remove_dead(store, sns, job.user, id, &device.endpoint, now).await {
            Ok(removal) => removal == Removal::Revived,
            Err(error) => {
                tracing::warn!(error = %error.chain(), "a dead device is not removed");
                false
            }
        }
    }
}

fn done(state: State, reason: &str, ambiguous: u32) -> Ended {
    let outcome = DeviceOutcome {
        state,
        message_id: None,
        reason: Some(reason.to_owned()),
    };
    Ended::Done(outcome, ambiguous)
}
