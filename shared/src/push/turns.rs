//! One push at a time to each device of an instance, so that whoever waits learns what became of the push before it: a
//! dead endpoint is tried once, and one that does not answer holds up one push instead of all that are for it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::device::Device;
use crate::outcome::Reason;

/// What the push before found out, for those who wait behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// The endpoint is gone, and its device is removed.
    Gone(Reason),
    /// SNS does not serve it now.
    Closed(Reason),
}

/// Whose turn it is with one device, and what was found.
pub type Turn = Arc<tokio::sync::Mutex<Option<Found>>>;

/// An endpoint, and when its device registered: what was found of it says nothing after another registration.
type Registration = (String, i64);

/// The devices that are pushed to at the moment.
#[derive(Default)]
pub struct Turns(Mutex<HashMap<Registration, Weak<tokio::sync::Mutex<Option<Found>>>>>);

impl Turns {
    /// The turn with a device. What was found goes with the last who holds it.
    pub fn with(&self, device: &Device) -> Turn {
        let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        turns.retain(|_, turn| turn.strong_count() > 0);
        let registration = (device.endpoint.clone(), device.last_seen);
        let known = turns.get(&registration).and_then(Weak::upgrade);
        known.unwrap_or_else(|| {
            let turn = Turn::default();
            turns.insert(registration, Arc::downgrade(&turn));
            turn
        })
    }
}
