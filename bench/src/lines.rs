//! The lines that are measured here.

use crate::Outcome;
use crate::programs::Programs;
use crate::runtime::{How, Run, Work};
use crate::table::{Row, float};
use crate::{growth, requests, stack, start, suite};

/// One line of the table, which may have several rows.
pub struct Line {
    /// Such as `P4`.
    pub name: &'static str,
    /// What it is about.
    pub what: &'static str,
    /// Measures it.
    pub measure: fn(&Programs) -> Outcome<Vec<Row>>,
}

const fn line(
    name: &'static str,
    what: &'static str,
    measure: fn(&Programs) -> Outcome<Vec<Row>>,
) -> Line {
    Line {
        name,
        what,
        measure,
    }
}

/// All of them.
pub const ALL: &[Line] = &[
    line("P1", "instructions until the first answer", start::cold),
    line("P2", "processor time of a start", start::times),
    line("P3", "the first request of 128 MB", start::first),
    line("P4", "one request", requests::warm),
    line("P5", "a request with 25 recipients", requests::together),
    line("P6", "a batch of 100 pushes", requests::push),
    line("P7", "units of the table", suite::units),
    line("P8", "calls to AWS", requests::outgoing),
    line("P9", "dollars", suite::dollars),
    line("P10", "what is logged", requests::logs),
    line("P11", "packages", start::packages),
    line("P12", "memory", start::memory),
    line("P13", "growth of the table", growth::growth),
    line("P14", "a fan-out to a million", suite::fan_out),
    line("P15", "a busy shard", suite::shard),
    line("P16", "a busy inbox", suite::inbox),
    line(
        "P17",
        "the way of a push through the local stack",
        stack::latency,
    ),
    line("P18", "the local stack end to end", stack::throughput),
    line("P19", "the tests", suite::time),
];

/// The function that creates.
pub const CREATE: &str = "create-notifications";
/// The function that pushes.
pub const PUSH: &str = "push-notifications";

/// What a program beside ours is called.
pub fn called(name: &str) -> &str {
    match name {
        "peer-nothing" => "does nothing",
        "peer-put" => "bare PutItem",
        "peer-publish" => "the same calls in a loop",
        name => name,
    }
}

/// How often a run is counted again in which a call was given up, because callgrind is slow.
const ATTEMPTS: usize = 5;

/// Instructions from exec until so many events are answered, by the same calls as without callgrind.
pub fn until(programs: &Programs, work: &Work, invocations: usize) -> Outcome<f64> {
    let calls = |run: &Run| {
        let mut calls = run.calls.clone();
        // What everyone gets is asked for by the clock.
        calls.remove("Query");
        calls
    };
    let plain = calls(&programs.run(work, invocations, How::Plain)?);
    for _ in 0..ATTEMPTS {
        // One that gave up too many of its calls answers otherwise, which is an error.
        if let Ok(run) = programs.run(work, invocations, How::Counted)
            && calls(&run) == plain
        {
            return Ok(float(run.instructions.ok_or("nothing was counted")?));
        }
    }
    Err(format!("{}: under callgrind its calls are given up", work.name).into())
}

/// Instructions of one invocation: the difference of two runs, in which the start goes out.
pub fn each(programs: &Programs, work: &Work, invocations: usize) -> Outcome<f64> {
    let first = until(programs, work, 1)?;
    let all = until(programs, work, 1 + invocations)?;
    Ok((all - first) / float(u64::try_from(invocations)?))
}
