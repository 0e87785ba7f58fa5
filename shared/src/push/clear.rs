//! Taking a push off the screens that show it: a silent push with its id, for the app to act on.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;

use super::attempt::NEEDED;
use super::deliver::Pusher;
use super::turns::Found;
use crate::clock::{Clock, pause};
use crate::device::{Device, Platform};
use crate::devices::remove_dead;
use crate::id::{NotificationId, UserId};
use crate::outcome::Reason;
use crate::sns::{Answer, Message};
use crate::store::User;

/// How long it makes sense to clear a screen, in seconds: as long as most pushes live.
const TTL: u32 = 86_400;
/// How often one device is tried in one invocation.
const ATTEMPTS: u32 = 3;

impl Pusher {
    /// Takes a notification's push off the screens of its user. Doing it twice is doing it once.
    pub async fn clear(
        &self,
        user: &UserId,
        id: NotificationId,
        clock: Clock,
        budget: Duration,
    ) -> Result<(), Reason> {
        let known = self.store.user(user).await.map_err(|error| {
            tracing::warn!(error = %error.chain(), "a screen is cleared later");
            Reason::Table
        })?;
        let devices = User::devices(&known);
        let cleared = devices.map(async |(name, device)| {
            let turn = self.turns.with(device);
            let mut found = turn.lock().await;
            match *found {
                Some(Found::Gone(_)) => return Ok(()),
                Some(Found::Closed(reason)) => return Err(reason),
                None => {}
            }
            match self.clear_one(device, id, clock, budget).await {
                // A device that is gone shows nothing. It is removed at once, or the next push would try it again.
                Ok(Some(reason)) => {
                    *found = Some(Found::Gone(reason));
                    let (store, sns) = (&self.store, &self.sns);
                    let removal =
                        remove_dead(store, sns, user, name, &device.endpoint, clock.now());
                    if let Err(error) = removal.await {
                        tracing::warn!(error = %error.chain(), "a dead device is not removed");
                    }
                    Ok(())
                }
                Ok(None) => Ok(()),
                Err(reason) => Err(reason),
            }
        });
        join_all(cleared).await.into_iter().collect()
    }

    /// Clears one screen. The answer is why the device is gone, if it is.
    async fn clear_one(
        &self,
        device: &Device,
        id: NotificationId,
        clock: Clock,
        budget: Duration,
    ) -> Result<Option<Reason>, Reason> {
        let message = message(device.platform, id);
        let mut why = Reason::TimeShort;
        for attempt in 0..ATTEMPTS {
            if attempt > 0 {
                pause(attempt + 1).await;
            }
            let _slot = self.pace.slot().await;
            if clock.elapsed() + NEEDED > budget {
                return Err(Reason::TimeShort);
            }
            match self.sns.publish(&device.endpoint, &message).await {
                Answer::Sent(_) | Answer::TooLong => return Ok(None),
                Answer::Gone(reason) => return Ok(Some(reason)),
                Answer::Refused(reason) => {
                    tracing::warn!(reason = reason.word(), "a screen is not cleared");
                    return Ok(None);
                }
                Answer::Blocked(reason) | Answer::Stale(reason) => return Err(reason),
                Answer::Busy(reason) | Answer::Unclear(reason) => why = reason,
            }
        }
        Err(why)
    }
}

/// A push that shows nothing and names what is to go. It has the id of what it clears, so that it
/// replaces a push that Apple or Google have not delivered yet.
fn message(platform: Platform, id: NotificationId) -> Message {
    let id = id.to_string();
    let (key, payload, attributes) = match platform {
        Platform::Fcm => {
            let android =
                json!({"priority": "normal", "ttl": format!("{TTL}s"), "collapse_key": id});
            let message = json!({"data": {"clear": id}, "android": android});
            let payload = json!({"fcmV1Message": {"message": message}});
            let attributes = vec![("AWS.SNS.MOBILE.FCM.TTL", TTL.to_string())];
            ("GCM", payload, attributes)
        }
        Platform::Apns | Platform::ApnsSandbox => {
            let payload = json!({"aps": {"content-available": 1}, "clear": id});
            let (key, ttl) = if platform == Platform::Apns {
                ("APNS", "AWS.SNS.MOBILE.APNS.TTL")
            } else {
                ("APNS_SANDBOX", "AWS.SNS.MOBILE.APNS_SANDBOX.TTL")
            };
            let attributes = vec![
                (ttl, TTL.to_string()),
                ("AWS.SNS.MOBILE.APNS.PUSH_TYPE", "background".to_owned()),
                ("AWS.SNS.MOBILE.APNS.PRIORITY", "5".to_owned()),
                ("AWS.SNS.MOBILE.APNS.COLLAPSE_ID", id),
            ];
            (key, payload, attributes)
        }
    };
    Message {
        body: json!({"default": "clear", key: payload.to_string()}).to_string(),
        attributes,
    }
}
