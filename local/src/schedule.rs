//! Schedules: a function is invoked each time its period has passed by the stack's clock.
//!
//! Nothing is made up for: what a stack that was off or a laptop that slept has missed is one run at most, and a clock that
//! is moved past a period is one run at once. Runs may overlap, as on AWS.

use crate::asynchronous::AsyncFunction;
use crate::clock::milliseconds;
use crate::ids;
use crate::output::say;
use crate::state::State;
use crate::template::{ACCOUNT, REGION, ScheduleSource, Scheduler};
use serde_json::json;
use tokio::task::JoinHandle;

/// Starts the schedule: its first run is a period from now. It runs until the handle is aborted.
pub fn spawn(source: ScheduleSource, function: AsyncFunction, state: State) -> JoinHandle<()> {
    tokio::spawn(run(source, state, move |event| {
        let function = function.clone();
        async move { function.accept(event).await }
    }))
}

async fn run<I, F>(source: ScheduleSource, state: State, accept: I)
where
    I: Fn(Vec<u8>) -> F,
    F: Future<Output = crate::error::Result<()>>,
{
    let every = milliseconds(source.every).max(1);
    let mut next = state.now() + every;
    loop {
        state.clock().wait_until(next).await;
        let due = latest(next, every, state.now());
        if let Err(error) = accept(event(&source, due)).await {
            say(format_args!("{}: {error}", source.id));
        }
        next = due + every;
    }
}

/// The last of the moments `next`, `next + every`… that is not after `now`.
fn latest(next: i64, every: i64, now: i64) -> i64 {
    next + (now - next).max(0) / every * every
}

/// The event of the run that was due then, in milliseconds since 1970.
fn event(source: &ScheduleSource, due: i64) -> Vec<u8> {
    if let Some(input) = &source.input {
        return input.clone().into_bytes();
    }
    let (service, detail) = match source.scheduler {
        Scheduler::Rule => ("aws.events", json!({})),
        Scheduler::Scheduler => ("aws.scheduler", json!("{}")),
    };
    let time = jiff::Timestamp::from_second(due.div_euclid(1000)).unwrap_or_default();
    let event = json!({
        "version": "0",
        "id": ids::uuid(),
        "detail-type": "Scheduled Event",
        "source": service,
        "account": ACCOUNT,
        "time": time.to_string(),
        "region": REGION,
        "resources": [source.arn],
        "detail": detail,
    });
    event.to_string().into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;
    use std::time::Duration;
    use tokio::sync::mpsc;

    fn source(scheduler: Scheduler) -> ScheduleSource {
        ScheduleSource {
            function: "Work".to_owned(),
            id: "WorkMinute".to_owned(),
            arn: "arn:aws:events:us-east-1:000000000000:rule/WorkMinute".to_owned(),
            scheduler,
            every: Duration::from_mins(1),
            input: None,
        }
    }

    #[test]
    fn what_was_missed_is_one_run_and_the_next_keeps_the_beat() {
        for (next, now, due) in [
            (100, 100, 100),
            (100, 159, 100),
            (100, 160, 160),
            (100, 1_000, 940 + 60),
        ] {
            assert_eq!(latest(next, 60, now), due, "{now}");
        }
    }

    #[test]
    fn the_event_is_as_the_service_makes_it() {
        let read = |source: &ScheduleSource| -> Value {
            serde_json::from_slice(&event(source, 1_790_000_000_999)).unwrap()
        };
        let mut rule = read(&source(Scheduler::Rule));
        assert_eq!(rule["id"].as_str().unwrap().len(), 36);
        rule["id"] = json!("");
        assert_eq!(
            rule,
            json!({
                "version": "0", "id": "", "detail-type": "Scheduled Event", "source": "aws.events",
                "account": "000000000000", "time": "2026-09-21T14:13:20Z", "region": "us-east-1",
                "resources": ["arn:aws:events:us-east-1:000000000000:rule/WorkMinute"], "detail": {}})
        );
        let scheduler = read(&source(Scheduler::Scheduler));
        assert_eq!(
            (&scheduler["source"], &scheduler["detail"]),
            (&json!("aws.scheduler"), &json!("{}"))
        );
        let mut own = source(Scheduler::Rule);
        own.input = Some(r#"{"mine":1}"#.to_owned());
        assert_eq!(read(&own), json!({"mine": 1}));
    }

    #[tokio::test]
    async fn a_move_of_the_clock_runs_once_what_it_passed() {
        let dir = tempfile::tempdir().unwrap();
        let state = State::open(dir.path()).unwrap();
        let (sender, mut runs) = mpsc::unbounded_channel();
        let mut hourly = source(Scheduler::Rule);
        hourly.every = Duration::from_hours(1);
        let mut tasks = tokio::task::JoinSet::new();
        for (name, source) in [("minute", source(Scheduler::Rule)), ("hour", hourly)] {
            let sender = sender.clone();
            let accept = move |_| {
                sender.send(name).unwrap();
                std::future::ready(Ok(()))
            };
            tasks.spawn(run(source, state.clone(), accept));
        }
        tokio::task::yield_now().await;
        state.forward(600_000).await.unwrap();
        assert_eq!(runs.recv().await, Some("minute"));
        state.forward(3_000_000).await.unwrap();
        let mut both = [runs.recv().await.unwrap(), runs.recv().await.unwrap()];
        both.sort_unstable();
        assert_eq!(both, ["hour", "minute"]);
        tokio::task::yield_now().await;
        assert!(runs.try_recv().is_err());
    }
}
