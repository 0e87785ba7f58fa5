//! What a month of a load costs on AWS: the measured counts, times the list prices.

mod counts;
mod prices;
mod savings;
#[cfg(test)]
mod tests;

use clap::Args;
use local::Result;

use savings::Saving;

/// One month's load.
#[derive(Debug, Clone, Args)]
pub struct Load {
    /// Notifications a month, one for each recipient; k and M stand for thousand and million
    #[arg(long, value_name = "NUMBER", value_parser = number)]
    pub notifications: f64,
    /// Devices of a user
    #[arg(long, value_name = "NUMBER", default_value = "1", value_parser = number)]
    pub devices: f64,
    /// Pages of the inbox that are read for each notification
    #[arg(long, value_name = "NUMBER", default_value = "1", value_parser = number)]
    pub reads: f64,
    /// Counts that are asked for each notification
    #[arg(long, value_name = "NUMBER", default_value = "0", value_parser = number)]
    pub counts: f64,
    /// Requests that mark something as read, for each notification
    #[arg(long, value_name = "NUMBER", default_value = "0.3", value_parser = number)]
    pub marks: f64,
    /// Notifications of one request, 1 to 25
    #[arg(long, value_name = "NUMBER", default_value = "1", value_parser = clap::value_parser!(u8).range(1..=25))]
    pub batch: u8,
    /// Requests have an Idempotency-Key
    #[arg(long)]
    pub keyed: bool,
    /// Days that notifications are kept
    #[arg(long, value_name = "DAYS", default_value = "90", value_parser = number)]
    pub days: f64,
    /// Bytes of a row, with the outcome of its push
    #[arg(long, value_name = "BYTES", default_value = "350", value_parser = number)]
    pub bytes: f64,
}

/// A number that may end in `k` or `M`.
fn number(text: &str) -> std::result::Result<f64, String> {
    let (digits, times) = match text.strip_suffix(['k', 'K']) {
        Some(digits) => (digits, 1e3),
        None => text
            .strip_suffix('M')
            .map_or((text, 1.0), |digits| (digits, 1e6)),
    };
    let is_plain = digits
        .bytes()
        .all(|byte| byte.is_ascii_digit() || byte == b'.');
    let number = digits.parse::<f64>().ok().filter(|_| is_plain);
    let number = number.map(|number| number * times);
    number
        .filter(|number| *number <= 1e12)
        .ok_or_else(|| "must be a number up to 1,000,000M, such as 1.3, 500k or 30M".to_owned())
}

/// Seconds of a month of 30 days.
const MONTH: f64 = 30.0 * 86_400.0;
/// What DynamoDB adds to the size of each row, in bytes.
const ROW_OVERHEAD: f64 = 100.0;
/// Bytes in the GB of the price lists.
const GB: f64 = 1_073_741_824.0;
/// What an invocation takes, in seconds: assumed, most of it waiting for the table or SNS.
const SHORT_SECONDS: f64 = 0.010;
const PUSH_SECONDS: f64 = 0.060;
/// Memory of the functions, in GB: `template.yaml`.
const SHORT_MEMORY: f64 = 0.125;
const PUSH_MEMORY: f64 = 0.25;
/// Notifications that one invocation pushes: assumed.
const PUSH_BATCH: f64 = 20.0;
/// Bytes of log for each invocation: what a request that stores one writes, by `docs/OPERATIONS.md`; assumed for the others.
const LOG_BYTES: f64 = 160.0;
/// Read units of the minute's sweeps in a month, once something waits: `docs/OPERATIONS.md`.
const SWEEP_READS: f64 = 5.5e6;
/// Invocations of the minute's sweep.
const SWEEPS: f64 = 30.0 * 24.0 * 60.0;

/// A line of the bill.
#[derive(Debug, Clone)]
struct Line {
    service: &'static str,
    what: &'static str,
    amount: f64,
    dollars: f64,
}

/// What a load uses in a month.
#[derive(Debug, Clone)]
struct Usage {
    requests: f64,
    invocations: f64,
    gb_seconds: f64,
    writes: f64,
    reads: f64,
    stored: f64,
    pushes: f64,
}

/// Write units and read units of an operation.
fn units(operation: &str) -> Result<(f64, f64)> {
    let found = counts::EXPECTED.iter().find(|row| row.0 == operation);
    let (_, _, writes, reads) = found.ok_or_else(|| {
        local::Error::new(format!("nothing is known of the operation '{operation}'"))
    })?;
    Ok((*writes, *reads))
}

impl Usage {
    fn of(load: &Load) -> Result<Usage> {
        let n = load.notifications;
        let batch = f64::from(load.batch);
        let (create, _) = units("create, 1 recipient")?;
        let (keyed, _) = units("create with a key, 1 recipient")?;
        let guard = if load.keyed {
            (keyed - create) / batch
        } else {
            0.0
        };
        let push = units("push to 1 device, with its badge")?;
        let page = units("page of 25, nothing unread")?;
        let count = units("counts, nothing unread")?;
        let mark = units("mark one read")?;
        let requests = n * (1.0 / batch + load.reads + load.counts + load.marks);
        let pushing = n / PUSH_BATCH;
        Ok(Usage {
            requests,
            invocations: requests + pushing + SWEEPS,
            gb_seconds: (requests + SWEEPS) * SHORT_SECONDS * SHORT_MEMORY
                + pushing * PUSH_SECONDS * PUSH_MEMORY,
            writes: n * (create + guard + push.0 + load.marks * mark.0),
            reads: n * (push.1 + load.reads * page.1 + load.counts * count.1 + load.marks * mark.1)
                + SWEEP_READS,
            stored: n * load.days / 30.0 * (load.bytes + ROW_OVERHEAD) / GB,
            pushes: n * load.devices,
        })
    }

    fn lines(&self) -> Vec<Line> {
        let line = |service, what, amount, price: f64| Line {
            service,
            what,
            amount,
            dollars: amount * price,
        };
        let million = |price: f64| price / 1e6;
        let logs = self.invocations * LOG_BYTES / GB;
        vec![
            line(
                "API Gateway",
                "requests",
                self.requests,
                million(prices::HTTP_API),
            ),
            line(
                "Lambda",
                "invocations",
                self.invocations,
                million(prices::INVOCATIONS),
            ),
            line("Lambda", "GB-seconds", self.gb_seconds, prices::GB_SECOND),
            line(
                "DynamoDB",
                "write units",
                self.writes,
                million(prices::WRITES),
            ),
            line("DynamoDB", "read units", self.reads, million(prices::READS)),
            line("DynamoDB", "GB stored", self.stored, prices::STORAGE),
            line("DynamoDB", "GB of recovery", self.stored, prices::RECOVERY),
            line("SNS", "pushes", self.pushes, million(prices::PUSHES)),
            line("CloudWatch", "GB of logs", logs, prices::LOGS),
        ]
    }
}

fn total(lines: &[Line]) -> f64 {
    lines.iter().map(|line| line.dollars).sum()
}

/// The bill of a load, and what would save most.
pub fn report(load: &Load) -> Result<String> {
    let lines = Usage::of(load)?.lines();
    let all = total(&lines);
    let mut text = vec![head(load)];
    for line in &lines {
        let (amount, dollars) = (grouped(line.amount), line.dollars);
        let (service, what) = (line.service, line.what);
        text.push(format!(
            "{service:<12}{what:<16}{amount:>16}{dollars:>12.2}"
        ));
    }
    text.push(format!("{:<44}{all:>12.2}", "together"));
    if load.notifications > 0.0 {
        let each = all / load.notifications * 1e6;
        text.push(format!("{:<44}{each:>12.2}", "for a million notifications"));
    }
    text.push(String::new());
    let savings = savings::all(load)?.into_iter();
    let saved = savings.filter(|saving| saving.dollars >= 0.01);
    text.extend(saved.enumerate().map(|(index, Saving { what, dollars })| {
        let which = if index == 0 {
            "The next saving"
        } else {
            "Then"
        };
        format!("{which}: {what}: {dollars:.2} less.")
    }));
    text.push(format!(
        "\nAssumed: {} ms for a request, {PUSH_BATCH} notifications and {} ms for an invocation that pushes, {LOG_BYTES} bytes of log for each.",
        SHORT_SECONDS * 1e3,
        PUSH_SECONDS * 1e3,
    ));
    text.push(
        "Not in it: data transfer, the polling of empty queues, and what SNS logs. Stream reads, the schedule and\nrows that expire cost nothing.\n"
            .to_owned(),
    );
    Ok(text.join("\n"))
}

/// What the bill is of.
fn head(load: &Load) -> String {
    let key = if load.keyed { " with a key" } else { "" };
    format!(
        "A month of {} notifications for users with {} device(s): {} to a request{key}; {} page(s), {} count(s) and {} mark(s)\nfor each; kept for {} days as rows of {} bytes. List prices of us-east-1, {}, in dollars, without free tiers.\n",
        grouped(load.notifications),
        load.devices,
        load.batch,
        load.reads,
        load.counts,
        load.marks,
        load.days,
        load.bytes,
        prices::READ,
    )
}

/// A number with commas; small ones to two places.
fn grouped(number: f64) -> String {
    if number < 1_000.0 {
        let text = format!("{number:.2}");
        return text.trim_end_matches('0').trim_end_matches('.').to_owned();
    }
    let digits = format!("{number:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
