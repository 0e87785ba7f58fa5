//! An event source of the type `SQS`.

use super::QueueSource;
use super::properties::Properties;
use super::stream::report_failures;
use crate::error::Result;
use std::time::Duration;

/// The largest batch that is invoked without a window.
const WITHOUT_WINDOW: i64 = 10;

/// Reads the event `name` of the function `function`; `None` if it is disabled.
pub fn read(function: &str, name: &str, mut event: Properties) -> Result<Option<QueueSource>> {
    let queue = event.required("Queue")?;
    let batch_size = event.within("BatchSize", 1..=10_000)?.unwrap_or(10);
    let window = event
        .within("MaximumBatchingWindowInSeconds", 0..=300)?
        .unwrap_or(0);
    if batch_size > WITHOUT_WINDOW && window == 0 {
        return Err(event.error(
            "BatchSize",
            "above 10 needs a MaximumBatchingWindowInSeconds of at least 1",
        ));
    }
    let mut scaling = event.inner("ScalingConfig")?;
    let concurrency = scaling.within("MaximumConcurrency", 2..=1000)?;
    scaling.finish()?;
    let report_failures = report_failures(&mut event)?;
    let enabled = !event.has("Enabled") || event.flag("Enabled")?;
    event.finish()?;
    Ok(enabled.then(|| QueueSource {
        function: function.to_owned(),
        id: format!("{function}{name}"),
        queue,
        batch_size: usize::try_from(batch_size).expect("is in 1..=10,000"),
        window: Duration::from_secs(window.unsigned_abs()),
        concurrency: concurrency.map(|most| usize::try_from(most).expect("is in 2..=1000")),
        report_failures,
    }))
}
