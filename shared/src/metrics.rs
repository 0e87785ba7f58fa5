//! What one invocation did, counted where it happens and told at its end in one line of the log.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use serde_json::{Map, Value, json};
use tokio::time::Instant;

use crate::traceparent::TraceParent;
use crate::{aws, clock};

/// The most values of one metric in a line: a limit of `CloudWatch`'s embedded metric format.
const MAX_SAMPLES: usize = 100;
/// The most traces that a line names.
const MAX_TRACES: usize = 10;
/// The namespace of all metrics.
pub const NAMESPACE: &str = "Tidings";
/// The field of a line that says how many notifications the invocation stored. It is no metric: the stream brings each row of a
/// notification to the function that pushes, a batch at a time, and there they are counted for half as many bytes of log.
pub const CREATED: &str = "created";

macro_rules! metrics {
    ($($variant:ident $word:literal $meaning:literal)*) => {
        /// What is counted. The words are the metrics' names in `CloudWatch`: alarms read them, so they never change.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Metric {
            $(#[doc = $meaning] $variant,)*
        }

        impl Metric {
            /// All of them.
            pub const ALL: &'static [Metric] = &[$(Metric::$variant),*];

            /// Its name.
            pub fn word(self) -> &'static str {
                match self {
                    $(Metric::$variant => $word,)*
                }
            }

            /// What it counts, in a sentence.
            pub fn meaning(self) -> &'static str {
                match self {
                    $(Metric::$variant => $meaning,)*
                }
            }
        }
    };
}

metrics! {
    Stored "stored" "rows of notifications that the stream brought, imported ones and marks of keyed duplicates among them"
    Sent "sent" "pushes that SNS took for every device"
    Partial "partial" "pushes that SNS took for some devices, and never will for the others"
    NoDevice "no_device" "pushes to users without a device"
    Skipped "skipped" "pushes that were not wanted"
    Deferred "deferred" "pushes that wait for the end of quiet hours or for their delay"
    Expired "expired" "pushes whose time was over before SNS took them"
    Dead "dead" "pushes that SNS will never take"
    Unknown "unknown" "pushes at most once of which nobody knows whether SNS took them"
    Parked "parked" "pushes that could not be sent, and are tried again later"
    Ambiguous "ambiguous" "publishes of which SNS did not say whether it took them"
    Throttled "throttled" "publishes that SNS refused because the account's quota was used up"
    ApplicationDisabled "application_disabled" "publishes to a platform application whose credentials need renewal"
    NotAllowed "not_allowed" "publishes that SNS or KMS denied the function's role"
    ListedDead "listed_dead" "entries in the list of the dead: what was given up, refused, or cannot be read"
    GaveUp "gave_up" "tasks that were given up after their last attempt"
    EventsRefused "events_refused" "events that their contract or their rule refused"
    Unavailable "unavailable" "requests that were answered with a 503 or a 429"
    Failed "failed" "invocations that ended with an error of ours"
    ColdStart "cold_start" "invocations that were the first of their instance"
    StreamAge "stream_age_ms" "how old the oldest record of a batch was, in milliseconds"
    Latency "latency_ms" "from accepting a notification to SNS taking its push, in milliseconds"
}

/// One invocation.
#[derive(Default)]
struct Record {
    counts: BTreeMap<Metric, u64>,
    samples: BTreeMap<Metric, Vec<u64>>,
    traces: Vec<String>,
    fields: Map<String, Value>,
}

tokio::task_local! {
    static RECORD: RefCell<Record>;
}

fn change(change: impl FnOnce(&mut Record)) {
    // Outside of an invocation nobody counts.
    RECORD
        .try_with(|record| change(&mut record.borrow_mut()))
        .ok();
}

/// Adds to a count of the present invocation.
pub fn count(metric: Metric, by: usize) {
    if by > 0 {
        let by = u64::try_from(by).unwrap_or(u64::MAX);
        change(|record| *record.counts.entry(metric).or_default() += by);
    }
}

/// Adds a value; of each metric the first hundred of an invocation.
pub fn sample(metric: Metric, value: u128) {
    let value = u64::try_from(value).unwrap_or(u64::MAX);
    change(|record| {
        let samples = record.samples.entry(metric).or_default();
        if samples.len() < MAX_SAMPLES {
            samples.push(value);
        }
    });
}

/// Names the producer's trace that the invocation works for, if there is one; the first ten of them.
pub fn trace(of: Option<TraceParent>) {
    let Some(of) = of else {
        return;
    };
    change(|record| {
        let id = of.trace_id();
        if record.traces.len() < MAX_TRACES && !record.traces.contains(&id) {
            record.traces.push(id);
        }
    });
}

/// Adds a field to the line that is no metric.
pub fn tell(name: &str, value: impl Into<Value>) {
    change(|record| {
        record.fields.insert(name.to_owned(), value.into());
    });
}

/// Adds to a field of the line that is a number, and no metric: what is said of every request stays short.
pub fn tally(name: &str, by: usize) {
    if by > 0 {
        change(|record| {
            let had = record.fields.get(name).and_then(Value::as_u64);
            let by = u64::try_from(by).unwrap_or(u64::MAX);
            let sum = had.unwrap_or(0).saturating_add(by);
            record.fields.insert(name.to_owned(), sum.into());
        });
    }
}

/// Runs an invocation and writes its line: what it was, how long it took, and what it did. The first of an instance has a line
/// before its own, with the metric that counts instances: what is said of a request stays short.
pub async fn observe<T, E>(
    request_id: &str,
    run: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    static WARM: AtomicBool = AtomicBool::new(false);
    if !WARM.swap(true, Relaxed) {
        let counts = BTreeMap::from([(Metric::ColdStart, 1)]);
        let record = Record {
            counts,
            ..Record::default()
        };
        write(record, request_id);
    }
    let began = Instant::now();
    let run = async {
        let done = run.await;
        count(Metric::Failed, usize::from(done.is_err()));
        tell(
            "ms",
            u64::try_from(began.elapsed().as_millis()).unwrap_or(0),
        );
        (done, RECORD.with(RefCell::take))
    };
    let (done, record) = RECORD.scope(RefCell::default(), run).await;
    write(record, request_id);
    done
}

/// Writes a line of an invocation.
fn write(record: Record, request_id: &str) {
    let mut line = line(record, &aws::stack_name(), clock::wall().as_millisecond());
    line.insert("level".to_owned(), json!("INFO"));
    line.insert("request_id".to_owned(), json!(request_id));
    let line = format!("{}\n", Value::Object(line));
    // Whoever does not read the log has no use for an error.
    std::io::stdout().lock().write_all(line.as_bytes()).ok();
}

/// What is told of an invocation: its fields, and its metrics in `CloudWatch`'s embedded metric format as of `now`, in
/// milliseconds, with the stack's name as the only dimension.
fn line(record: Record, stack: &str, now: i64) -> Map<String, Value> {
    let counts = record.counts.into_iter();
    let counts = counts.map(|(metric, count)| (metric, json!(count)));
    let samples = record.samples.into_iter();
    let samples = samples.map(|(metric, values)| (metric, json!(values)));
    let values: Vec<(Metric, Value)> = counts.chain(samples).collect();
    let mut line = record.fields;
    if !record.traces.is_empty() {
        line.insert("traces".to_owned(), json!(record.traces));
    }
    line.insert("stack".to_owned(), json!(stack));
    if values.is_empty() {
        return line;
    }
    let names = values.iter();
    let names = names.map(|(metric, _)| json!({"Name": metric.word()}));
    let metrics = json!([{
        "Namespace": NAMESPACE, "Dimensions": [["stack"]], "Metrics": names.collect::<Vec<_>>(),
    }]);
    let told = json!({"Timestamp": now, "CloudWatchMetrics": metrics});
    line.insert("_aws".to_owned(), told);
    for (metric, value) in values {
        line.insert(metric.word().to_owned(), value);
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_invocation_is_told_in_the_embedded_metric_format() {
        count(Metric::Stored, 5);
        let run = async {
            count(Metric::Stored, 1);
            count(Metric::Stored, 24);
            count(Metric::Dead, 0);
            for value in 0..200 {
                sample(Metric::Latency, value);
            }
            tell("route", "POST /v1/notifications");
            RECORD.with(RefCell::take)
        };
        let record = RECORD.scope(RefCell::default(), run).await;
        let line = line(record, "tidings", 1_700_000_000_000);
        assert_eq!(line["stored"], 25);
        assert_eq!(line["latency_ms"].as_array().unwrap().len(), 100);
        assert_eq!(line["_aws"]["Timestamp"], 1_700_000_000_000_i64);
        let told = &line["_aws"]["CloudWatchMetrics"][0];
        assert_eq!(told["Dimensions"], json!([["stack"]]));
        let names = json!([{"Name": "stored"}, {"Name": "latency_ms"}]);
        assert_eq!(told["Metrics"], names);
    }

    #[tokio::test]
    async fn a_line_names_each_trace_once_and_ten_at_most() {
        let run = async {
            for round in 0..40_u32 {
                let id = format!("00-{:032x}-00f067aa0ba902b7-01", round / 2 + 1);
                trace(TraceParent::parse(&id));
            }
            trace(None);
            RECORD.with(RefCell::take)
        };
        let record = RECORD.scope(RefCell::default(), run).await;
        let line = line(record, "tidings", 0);
        let ids = (1..=10).map(|id| format!("{id:032x}"));
        assert_eq!(line["traces"], json!(ids.collect::<Vec<_>>()));
    }

    #[test]
    fn an_invocation_that_did_nothing_makes_no_metric() {
        let mut record = Record::default();
        record.fields.insert("status".to_owned(), json!(200));
        let told = Value::Object(line(record, "tidings", 0));
        assert_eq!(told, json!({"status": 200, "stack": "tidings"}));
    }
}
