//! What becomes of a function's events nobody waits for: `EventInvokeConfig`.

use super::properties::Properties;
use super::stream::on_failure;
use crate::error::Result;
use std::time::Duration;

/// How often and for how long an event is tried, and who hears of it in the end.
#[derive(Debug, Clone)]
pub struct Asynchronous {
    /// How often a failed event is tried again, 0..=2.
    pub max_retries: u32,
    /// How old an event may get before it is tried once more.
    pub max_age: Duration,
    /// The ARN of the queue that hears of what is given up.
    pub on_failure: Option<String>,
}

impl Default for Asynchronous {
    /// As Lambda has it: twice again, for six hours.
    fn default() -> Self {
        Self {
            max_retries: 2,
            max_age: Duration::from_hours(6),
            on_failure: None,
        }
    }
}

/// Reads an `EventInvokeConfig`; absent is Lambda's own.
pub fn read(mut config: Properties) -> Result<Asynchronous> {
    let default = Asynchronous::default();
    let retries = config.within("MaximumRetryAttempts", 0..=2)?;
    let age = config.within("MaximumEventAgeInSeconds", 60..=21_600)?;
    let asynchronous = Asynchronous {
        max_retries: retries.map_or(default.max_retries, |retries| {
            u32::try_from(retries).expect("is in 0..=2")
        }),
        max_age: age.map_or(default.max_age, |age| {
            Duration::from_secs(age.unsigned_abs())
        }),
        on_failure: on_failure(&mut config)?,
    };
    config.finish()?;
    Ok(asynchronous)
}
