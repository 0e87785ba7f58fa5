//! An event source of the type `DynamoDB`.

use super::properties::Properties;
use super::{StartingPosition, StreamSource};
use crate::error::Result;
use serde_json::Value;
use std::time::Duration;

/// Reads the event `name` of the function `function`.
pub fn read(function: &str, name: &str, mut event: Properties) -> Result<StreamSource> {
    let stream = event.required("Stream")?;
    let table = stream
        .split_once(":table/")
        .and_then(|(_, rest)| rest.split_once("/stream/"))
        .map(|(table, _)| table.to_owned())
        .ok_or_else(|| event.error("Stream", "is not the ARN of a table's stream"))?;
    let starting_position = match event.required("StartingPosition")?.as_str() {
        "TRIM_HORIZON" => StartingPosition::TrimHorizon,
        "LATEST" => StartingPosition::Latest,
        _ => return Err(event.error("StartingPosition", "must be TRIM_HORIZON or LATEST")),
    };
    let batch_size = event.within("BatchSize", 1..=10_000)?.unwrap_or(100);
    let window = event
        .within("MaximumBatchingWindowInSeconds", 0..=300)?
        .unwrap_or(0);
    let parallelization = event.within("ParallelizationFactor", 1..=10)?.unwrap_or(1);
    // -1 is for ever, and the default.
    let max_retries = event
        .within("MaximumRetryAttempts", -1..=10_000)?
        .filter(|tries| *tries >= 0);
    let max_age = match event.within("MaximumRecordAgeInSeconds", -1..=604_800)? {
        Some(0..60) => {
            return Err(event.error(
                "MaximumRecordAgeInSeconds",
                "must be -1, for ever, or 60 to 604800",
            ));
        }
        age => age.filter(|age| *age > 0),
    };
    let source = StreamSource {
        function: function.to_owned(),
        id: format!("{function}{name}"),
        table,
        batch_size: usize::try_from(batch_size).expect("is in 1..=10,000"),
        window: Duration::from_secs(window.unsigned_abs()),
        parallelization: usize::try_from(parallelization).expect("is in 1..=10"),
        starting_position,
        bisect: event.flag("BisectBatchOnFunctionError")?,
        max_retries: max_retries.map(|tries| u32::try_from(tries).expect("is in 0..=10,000")),
        max_age: max_age.map(|age| Duration::from_secs(age.unsigned_abs())),
        report_failures: report_failures(&mut event)?,
        filters: filters(&mut event)?,
        on_failure: on_failure(&mut event)?,
    };
    if let Some(enabled) = event.text("Enabled")?
        && enabled != "true"
    {
        return Err(event.error("Enabled", "only true is supported by the local stack"));
    }
    event.finish()?;
    Ok(source)
}

/// Whether the function's answer names what failed.
pub fn report_failures(event: &mut Properties) -> Result<bool> {
    match event.texts("FunctionResponseTypes")?.as_slice() {
        [] => Ok(false),
        [only] if only == "ReportBatchItemFailures" => Ok(true),
        _ => Err(event.error(
            "FunctionResponseTypes",
            "only ReportBatchItemFailures is supported by the local stack",
        )),
    }
}

fn filters(event: &mut Properties) -> Result<Vec<Value>> {
    let mut criteria = event.inner("FilterCriteria")?;
    let listed = criteria
        .take("Filters")?
        .unwrap_or_else(|| Value::Array(Vec::new()));
    criteria.finish()?;
    let wrong = || {
        event.error(
            "FilterCriteria",
            "must be a list of patterns, each JSON in text",
        )
    };
    let mut patterns = Vec::new();
    for filter in listed.as_array().ok_or_else(wrong)? {
        let pattern = filter["Pattern"].as_str().ok_or_else(wrong)?;
        patterns.push(serde_json::from_str(pattern).map_err(|_| wrong())?);
    }
    Ok(patterns)
}

/// The ARN of the queue that hears of what is given up.
pub fn on_failure(event: &mut Properties) -> Result<Option<String>> {
    let mut configuration = event.inner("DestinationConfig")?;
    let mut destination = configuration.inner("OnFailure")?;
    configuration.finish()?;
    let arn = destination.text("Destination")?;
    let kind = destination.text("Type")?;
    if kind.as_deref().is_some_and(|kind| kind != "SQS") {
        return Err(destination.error("Type", "only SQS is supported by the local stack"));
    }
    if kind.is_some() && arn.is_none() {
        return Err(destination.error("Destination", "must have a value"));
    }
    destination.finish()?;
    Ok(arn)
}
