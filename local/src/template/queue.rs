//! A queue's properties.

use super::properties::Properties;
use super::{ACCOUNT, QueueSpec, REGION, Redrive};
use crate::error::Result;
use std::ops::RangeInclusive;
use std::time::Duration;

/// How long SQS keeps a message unless the template says otherwise: 4 days.
const RETENTION: u64 = 345_600;
/// For how long it hides a message that was received, in seconds.
const VISIBILITY: u64 = 30;

/// Reads an `AWS::SQS::Queue`.
pub fn read(id: &str, name: &str, mut properties: Properties) -> Result<QueueSpec> {
    let mut seconds = |key: &str, range: RangeInclusive<i64>, default: u64| {
        let given = properties.within(key, range)?;
        Ok::<_, crate::error::Error>(Duration::from_secs(
            given.map_or(default, i64::unsigned_abs),
        ))
    };
    let retention = seconds("MessageRetentionPeriod", 60..=1_209_600, RETENTION)?;
    let visibility = seconds("VisibilityTimeout", 0..=43_200, VISIBILITY)?;
    let delay = seconds("DelaySeconds", 0..=900, 0)?;
    let redrive = if properties.has("RedrivePolicy") {
        let mut policy = properties.inner("RedrivePolicy")?;
        let dead_letters = policy.required("deadLetterTargetArn")?;
        let most = policy.within("maxReceiveCount", 1..=1000)?;
        let most = most.ok_or_else(|| policy.error("maxReceiveCount", "must have a value"))?;
        policy.finish()?;
        Some(Redrive {
            max_receives: most,
            dead_letters,
        })
    } else {
        None
    };
    properties.ignore(&[
        "KmsMasterKeyId",
        "QueueName",
        "RedriveAllowPolicy",
        "SqsManagedSseEnabled",
        "Tags",
    ]);
    properties.finish()?;
    Ok(QueueSpec {
        logical_id: id.to_owned(),
        name: name.to_owned(),
        arn: format!("arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"),
        retention,
        visibility,
        delay,
        redrive,
    })
}
