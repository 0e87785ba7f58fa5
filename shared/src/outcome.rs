//! What became of a notification's push, as it is kept on the row.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::id::DeviceId;

/// How a push ended. A row without a state is pending.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// SNS took it for every device.
    Sent,
    /// SNS took it for some devices, and never will for the others.
    Partial,
    /// The user has no device.
    NoDevice,
    /// It was not wanted: the reason says by what.
    Skipped,
    /// It waits for a task: the reason says for what. Not an end.
    Deferred,
    /// Its time was over before it could be sent.
    Expired,
    /// SNS will never take it.
    Dead,
    /// It was sent at most once, and whether SNS took it is not known.
    Unknown,
}

macro_rules! reasons {
    ($($variant:ident $word:literal $meaning:literal)*) => {
        /// Why a push ended as it did. The words are public: they stand in the row, in traces and
        /// in `docs/OPERATIONS.md`, and never change their meaning.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Reason {
            $(#[doc = $meaning] $variant,)*
        }

        impl Reason {
            /// All of them.
            pub const ALL: &'static [Reason] = &[$(Reason::$variant),*];

            /// As it is written.
            pub fn word(self) -> &'static str {
                match self {
                    $(Reason::$variant => $word,)*
                }
            }

            /// What it says, in a sentence.
            pub fn meaning(self) -> &'static str {
                match self {
                    $(Reason::$variant => $meaning,)*
                }
            }
        }
    };
}

reasons! {
    Imported "imported" "it came from another system, and is not pushed"
    PushOff "push_off" "the request said `\"push\": false`"
    Read "read" "it was read before it could be pushed"
    Archived "archived" "it was archived before it could be pushed"
    Muted "muted" "the user has muted its actor or its group"
    Preferences "preferences" "the user wants no pushes of this type"
    OriginDevice "origin_device" "the only device is the one that the action came from"
    Capped "capped" "the group had its pushes of this hour"
    Silent "silent" "no device has registered for 60 days"
    QuietHours "quiet_hours" "it waits for the end of the user's quiet hours"
    Delayed "delayed" "it waits for the delay that the request asked for"
    Combined "combined" "it was told of with others, at the end of the user's quiet hours"
    GaveUp "gave_up" "it was tried for 14 hours or more, and SNS never took it"
    SnsDown "sns_down" "SNS failed again and again, so it was not tried: it is parked"
    Expired "expired" "its time to live ended before SNS took it"
    EndpointDisabled "endpoint_disabled" "Apple or Google refused the device's token; the device was removed"
    EndpointNotFound "endpoint_not_found" "the device's SNS endpoint was gone; the device was removed"
    TooLong "too_long" "it was too long for the platform, shortened once more too"
    Refused "refused" "SNS called the request invalid, which is a bug of ours: the log says how"
    ApplicationDisabled "application_disabled" "the SNS platform application is disabled: its credentials need renewal"
    NotAllowed "not_allowed" "SNS or KMS denied the function's role: a permission or a key is missing"
    Credentials "credentials" "the function's own credentials had expired"
    Throttled "throttled" "the account's SNS quota was used up"
    SnsError "sns_error" "SNS failed, and did not say whether it took the push"
    NoAnswer "no_answer" "the connection to SNS ended before its answer came"
    Timeout "timeout" "SNS did not answer within 5 seconds"
    Unreachable "unreachable" "no connection to SNS could be opened"
    TimeShort "time_short" "the invocation had no time left; the next one goes on"
    Table "table" "the table could not be read or written"
    Panicked "panicked" "the code broke down, which is a bug of ours"
    InFlight "in_flight" "a push at most once was on its way when the function ended"
}

/// How the push to one device ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceOutcome {
    /// [`State::Sent`], [`State::Dead`] or [`State::Unknown`].
    #[serde(rename = "s")]
    pub state: State,
    /// SNS's message id, if it took the push.
    #[serde(rename = "m", skip_serializing_if = "Option::is_none", default)]
    pub message_id: Option<String>,
    /// Why not, if it did not.
    #[serde(rename = "w", skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<String>,
}

/// The outcome of a notification so far.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Outcome {
    /// How it ended, once every device has ended.
    #[serde(rename = "s", skip_serializing_if = "Option::is_none", default)]
    pub state: Option<State>,
    /// Why, where the state alone does not say it.
    #[serde(rename = "w", skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<String>,
    /// When this was written, in milliseconds since 1970.
    #[serde(rename = "t", default)]
    pub at: i64,
    /// The devices that are done. A delivery that is repeated leaves them out.
    #[serde(rename = "d", skip_serializing_if = "BTreeMap::is_empty", default)]
    pub devices: BTreeMap<DeviceId, DeviceOutcome>,
    /// Publishes of which it is not known whether SNS took them. Each may have shown a repeat.
    #[serde(rename = "am", skip_serializing_if = "is_zero", default)]
    pub ambiguous: u32,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_zero(count: &u32) -> bool {
    *count == 0
}

impl Outcome {
    /// Ends a push for a reason that is no device's. What devices have had stays: if one was
    /// served, the end is partial.
    pub fn end(&mut self, state: State, reason: Option<Reason>) {
        let served = self
            .devices
            .values()
            .any(|device| device.state == State::Sent);
        self.state = Some(if served { State::Partial } else { state });
        // Of the devices that had nothing it says no longer by itself that the time was over.
        let late = (served && state == State::Expired).then_some(Reason::Expired);
        let reason = reason.or(late);
        self.reason = reason.map(|reason| reason.word().to_owned());
    }

    /// Whether the push is over.
    pub fn is_final(&self) -> bool {
        self.state.is_some_and(|state| state != State::Deferred)
    }

    /// Whether it waits for a task.
    pub fn is_deferred(&self) -> bool {
        self.state == Some(State::Deferred)
    }

    /// Why it is still pending, for whoever asks.
    pub fn waits_for(&mut self, reason: Option<Reason>) {
        if self.state.is_none() {
            self.reason = reason.map(|reason| reason.word().to_owned());
        }
    }

    /// What was waited for has come.
    pub fn resume(&mut self) {
        if self.is_deferred() {
            (self.state, self.reason) = (None, None);
        }
    }

    /// How many screens show the push.
    pub fn screens(&self) -> usize {
        let shown = |device: &&DeviceOutcome| device.state == State::Sent;
        self.devices.values().filter(shown).count()
    }

    /// Whether some screen may show the push.
    pub fn may_show(&self) -> bool {
        let has = |device: &DeviceOutcome| device.state != State::Dead;
        self.ambiguous > 0 || self.devices.values().any(has)
    }

    /// Adds what another delivery did. A device that both may have reached counts as ambiguous: it
    /// has got the push twice.
    pub fn add(&mut self, other: &Outcome) {
        let may_have_it = |device: &DeviceOutcome| device.state != State::Dead;
        self.ambiguous += other.ambiguous;
        for (id, device) in &other.devices {
            match self.devices.get(id) {
                Some(known) if may_have_it(known) => {
                    self.ambiguous += u32::from(may_have_it(device));
                }
                _ => drop(self.devices.insert(id.clone(), device.clone())),
            }
        }
        let served = self.devices.values().any(|d| d.state == State::Sent);
        if let Some(state) = self.state.filter(|state| served && *state != State::Sent) {
            let known = self.reason.take();
            self.end(state, None);
            self.reason = known.or(self.reason.take());
        }
    }

    /// The state that follows when every device has ended.
    pub fn conclude(&mut self) {
        let count = |state| self.devices.values().filter(|d| d.state == state).count();
        let state = match (count(State::Sent), count(State::Unknown)) {
            (sent, _) if sent == self.devices.len() => State::Sent,
            (1.., _) => State::Partial,
            (0, 1..) => State::Unknown,
            (0, 0) => State::Dead,
        };
        self.state = Some(state);
        if state == State::Dead {
            self.reason = self.devices.values().find_map(|d| d.reason.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn served() -> Outcome {
        let sent = DeviceOutcome {
            state: State::Sent,
            message_id: None,
            reason: None,
        };
        let phone = DeviceId::parse("phone").unwrap();
        Outcome {
            devices: BTreeMap::from([(phone, sent)]),
            ..Outcome::default()
        }
    }

    #[test]
    fn i4_what_was_too_late_for_one_device_and_not_for_another_says_so() {
        let expired = |outcome: &Outcome| {
            assert_eq!(outcome.state, Some(State::Partial));
            assert_eq!(outcome.reason.as_deref(), Some("expired"));
        };
        // One device was served, and time was over for what waited.
        let mut outcome = served();
        outcome.end(State::Expired, None);
        expired(&outcome);
        // Time was over for one delivery, when another one had served a device.
        let mut outcome = Outcome::default();
        outcome.end(State::Expired, None);
        outcome.add(&served());
        expired(&outcome);
    }
}
