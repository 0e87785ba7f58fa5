//! A test push to one device: at once, once, and nowhere else to be seen.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use super::payload::{self, Sending};
use crate::contract::Fields;
use crate::device::Device;
use crate::devices::{Removal, remove_dead};
use crate::error::{Error, Result};
use crate::id::{DeviceId, NotificationId, UserId};
use crate::notification::{Content, Notification, Recipient};
use crate::outcome::{Outcome, Reason};
use crate::push_options::{Options, Priority, Push};
use crate::sns::{Answer, Sns};
use crate::store::Store;

/// How long the push services may hold a test back, in seconds.
const TTL: u32 = 300;

/// What a test says; the defaults say that it is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    title: String,
    body: String,
}

/// How a test ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Trial {
    outcome: &'static str,
    reason: Option<&'static str>,
    message_id: Option<String>,
}

impl Default for Text {
    fn default() -> Text {
        Text {
            title: "Test notification".to_owned(),
            body: "Pushes reach this device.".to_owned(),
        }
    }
}

impl Text {
    /// Reads the body of a request for a test.
    pub fn parse(body: Value) -> Result<Text> {
        let mut violations = Vec::new();
        let mut text = Text::default();
        if let Some(mut fields) = Fields::of(body, "", &mut violations) {
            text.title = fields.text("title", 200).unwrap_or(text.title);
            text.body = fields.text("body", 1_000).unwrap_or(text.body);
            fields.finish();
        }
        if violations.is_empty() {
            Ok(text)
        } else {
            Err(Error::Invalid(violations))
        }
    }
}

/// Sends a test to a device of a user, and says what SNS answers: `sent`; `dead` if it will never
/// take it, and then a device that cannot be reached any more is removed; `blocked` if nobody can
/// send through the application. What SNS does not take now, or may have taken, is an outage, and
/// not tried again here.
pub async fn try_out(
    store: &Store,
    sns: &Sns,
    (user, id): (&UserId, &DeviceId),
    text: Text,
    now: Timestamp,
) -> Result<Trial> {
    let seen = store.user(user).await?;
    let device = seen.device(id).filter(|device| !seen.is_erased(device));
    let device = device.ok_or(Error::NotFound)?;
    let message = payload::message(&Sending {
        notification: &notification(user, text, now),
        options: &options(),
        platform: device.platform,
        ttl: TTL,
        badge: None,
        limit: payload::LIMIT,
    });
    let mut answer = sns.publish(&device.endpoint, &message).await;
    if let Answer::Gone(_) = answer
        && is_revived(store, sns, (user, id), device, now).await?
    {
        answer = sns.publish(&device.endpoint, &message).await;
    }
    match answer {
        Answer::Sent(message_id) => Ok(Trial {
            outcome: "sent",
            reason: None,
            message_id: Some(message_id).filter(|id| !id.is_empty()),
        }),
        Answer::Gone(reason) | Answer::Refused(reason) => Ok(failed("dead", reason)),
        Answer::TooLong => Ok(failed("dead", Reason::TooLong)),
        Answer::Blocked(reason) => Ok(failed("blocked", reason)),
        Answer::Stale(reason) | Answer::Busy(reason) | Answer::Unclear(reason) => {
            Err(Error::Unavailable {
                what: "SNS",
                source: reason.word().into(),
            })
        }
    }
}

/// Removes a dead device, unless it turns out to be alive and this user's.
async fn is_revived(
    store: &Store,
    sns: &Sns,
    (user, id): (&UserId, &DeviceId),
    device: &Device,
    now: Timestamp,
) -> Result<bool> {
    let removal = remove_dead(store, sns, user, id, &device.endpoint, now).await?;
    Ok(removal == Removal::Revived)
}

fn failed(outcome: &'static str, reason: Reason) -> Trial {
    Trial {
        outcome,
        reason: Some(reason.word()),
        message_id: None,
    }
}

fn options() -> Options {
    Options {
        priority: Priority::High,
        ttl: TTL,
        ..Options::default()
    }
}

/// A notification that is in no inbox; its id names nothing.
fn notification(user: &UserId, text: Text, now: Timestamp) -> Notification {
    Notification {
        recipient: Recipient::User(user.clone()),
        id: NotificationId::draw(now),
        content: Content {
            kind: "tidings.test".to_owned(),
            title: Some(text.title),
            body: Some(text.body),
            actor: None,
            group: None,
            link: None,
            image: None,
            data: None,
            occurred_at: None,
            origin_device: None,
            push: Push::On(options()),
            traceparent: None,
        },
        expires_at: now.as_second() + i64::from(TTL),
        read_at: None,
        seen_at: None,
        archived_at: None,
        dedupe_key: None,
        schedule_id: None,
        outcome: Outcome::default(),
        carried_at: None,
    }
}
