//! Event sources of the types `Schedule` and `ScheduleV2`.

use super::properties::Properties;
use super::{ACCOUNT, REGION, ScheduleSource};
use crate::error::Result;
use serde_json::Value;
use std::time::Duration;

/// Which of the two services a schedule is made in; their events differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheduler {
    /// A rule of `EventBridge`: SAM's `Schedule`.
    Rule,
    /// `EventBridge Scheduler`: SAM's `ScheduleV2`.
    Scheduler,
}

/// Reads the event `name` of the function `function`; `None` if it is disabled.
pub fn read(
    function: &str,
    name: &str,
    scheduler: Scheduler,
    mut event: Properties,
) -> Result<Option<ScheduleSource>> {
    let id = format!("{function}{name}");
    let own_name = event.text("Name")?.unwrap_or_else(|| id.clone());
    let (key, service) = match scheduler {
        Scheduler::Rule => ("Schedule", format!("events:{REGION}:{ACCOUNT}:rule")),
        Scheduler::Scheduler => (
            "ScheduleExpression",
            format!("scheduler:{REGION}:{ACCOUNT}:schedule/default"),
        ),
    };
    let enabled = if scheduler == Scheduler::Rule && event.has("Enabled") {
        event.flag("Enabled")?
    } else {
        let state = event.one_of("State", &["ENABLED", "DISABLED"])?;
        state.as_deref() != Some("DISABLED")
    };
    let expression = event.required(key)?;
    let every = rate(&expression).ok_or_else(|| {
        event.error(
            key,
            "only rate(1 minute), rate(N minutes), rate(1 hour), rate(N hours), rate(1 day) and rate(N days) are supported by \
             the local stack",
        )
    })?;
    let input = event.text("Input")?;
    if let Some(input) = &input
        && serde_json::from_str::<Value>(input).is_err()
    {
        return Err(event.error("Input", "must be JSON"));
    }
    retry_policy(&mut event)?;
    if scheduler == Scheduler::Scheduler {
        let mut window = event.inner("FlexibleTimeWindow")?;
        window.one_of("Mode", &["OFF"])?;
        window.finish()?;
        // A rate has no time zone, and nothing is denied here.
        event.ignore(&["PermissionsBoundary", "ScheduleExpressionTimezone"]);
    }
    event.ignore(&["Description", "RoleArn"]);
    event.finish()?;
    Ok(enabled.then(|| ScheduleSource {
        function: function.to_owned(),
        arn: format!("arn:aws:{service}/{own_name}"),
        scheduler,
        every,
        input,
        id,
    }))
}

/// How the service hands an event over to Lambda. Lambda always takes it here, so there is nothing to try again; what the
/// function then does with it is for its `EventInvokeConfig`.
fn retry_policy(event: &mut Properties) -> Result<()> {
    let mut policy = event.inner("RetryPolicy")?;
    policy.within("MaximumEventAgeInSeconds", 60..=86_400)?;
    policy.within("MaximumRetryAttempts", 0..=185)?;
    policy.finish()
}

/// The period of `rate(…)`; the unit is singular with 1 and plural with more, as the services insist.
fn rate(expression: &str) -> Option<Duration> {
    let inside = expression.strip_prefix("rate(")?.strip_suffix(')')?;
    let (number, unit) = inside.split_once(' ')?;
    let number = number.parse::<u32>().ok().filter(|number| *number > 0)?;
    let singular = if number == 1 {
        unit
    } else {
        unit.strip_suffix('s')?
    };
    let seconds = match singular {
        "minute" => 60,
        "hour" => 3600,
        "day" => 86_400,
        _ => return None,
    };
    Some(Duration::from_secs(u64::from(number) * seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_a_period_and_nothing_else_is() {
        for (expression, seconds) in [
            ("rate(1 minute)", Some(60)),
            ("rate(5 minutes)", Some(300)),
            ("rate(1 hour)", Some(3600)),
            ("rate(2 days)", Some(172_800)),
            ("rate(1 minutes)", None),
            ("rate(5 minute)", None),
            ("rate(0 minutes)", None),
            ("rate(-1 minutes)", None),
            ("rate(5 weeks)", None),
            ("cron(0 * * * ? *)", None),
            ("at(2026-11-20T10:00:00)", None),
            ("", None),
        ] {
            assert_eq!(
                rate(expression).map(|every| every.as_secs()),
                seconds,
                "{expression}"
            );
        }
    }
}
