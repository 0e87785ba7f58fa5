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
    /// Its time was over before it could be sent.
    Expired,
    /// SNS will never take it.
    Dead,
    /// It was sent at most once, and whether SNS took it is not known.
    Unknown,
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
    pub fn end(&mut self, state: State, reason: &str) {
        let served = self
            .devices
            .values()
            .any(|device| device.state == State::Sent);
        self.state = Some(if served { State::Partial } else { state });
        self.reason = (!reason.is_empty()).then(|| reason.to_owned());
    }

    /// Whether the push is over.
    pub fn is_final(&self) -> bool {
        self.state.is_some()
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
