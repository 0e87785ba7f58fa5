//! What one request takes, and one push.

use crate::Outcome;
use crate::events::{BATCH, RECIPIENTS};
use crate::lines::{CREATE, PUSH, called, each};
use crate::peers::{NODE, PYTHON, TUTORIAL};
use crate::programs::Programs;
use crate::runtime::{How, Work};
use crate::share::OneProcessor;
use crate::table::{Row, float, instructions, median, time};

/// Requests between the two runs whose difference is one request.
const COUNTED: usize = 100;
/// Turns of which the median is taken.
const TURNS: usize = 7;
/// Requests before processor time is taken, and while it is.
const WARM_UP: usize = 50;
const TIMED: usize = 500;
/// The same in batches.
const WARM_UP_BATCHES: usize = 3;
const TIMED_BATCHES: usize = 20;

/// Processor time of one request of each program: the programs in turn, and the median of the turns.
fn timed(
    programs: &Programs,
    works: &[Work],
    (before, timed): (usize, usize),
) -> Outcome<Vec<f64>> {
    let _alone = OneProcessor::take();
    let mut turns = vec![Vec::new(); works.len()];
    for _ in 0..TURNS {
        for (work, times) in works.iter().zip(&mut turns) {
            let marks = programs.run(work, before + timed, How::Plain)?.marks;
            let used = marks[before + timed].cpu - marks[before].cpu;
            times.push(float(used) / float(u64::try_from(timed)?));
        }
    }
    Ok(turns.into_iter().map(median).collect())
}

/// Calls to AWS of one request, such as `1 PutItem`.
fn calls(programs: &Programs, work: &Work) -> Outcome<String> {
    let first = programs.run(work, 1, How::Plain)?.calls;
    let all = programs.run(work, 1 + COUNTED, How::Plain)?.calls;
    let calls = all.iter().filter_map(|(name, count)| {
        let each = (count - first.get(name).copied().unwrap_or(0)) / COUNTED;
        (each > 0).then(|| format!("{each} {name}"))
    });
    Ok(calls.collect::<Vec<_>>().join(", "))
}

/// A figure of ours beside another program's.
fn beside(
    (line, what): (&'static str, &str),
    (name, peer): (&str, f64),
    ours: f64,
    target: Option<f64>,
    text: fn(f64) -> String,
) -> Row {
    let ratio = ours / peer;
    Row {
        line,
        what: what.to_owned(),
        peer: format!("{}: {}", called(name), text(peer)),
        ours: text(ours),
        ratio: Some(ratio),
        target: target.map(|most| format!("≤ {most}×")).unwrap_or_default(),
        is_met: target.map(|most| ratio <= most),
    }
}

/// Creating one notification, and a page of the inbox.
pub fn warm(programs: &Programs) -> Outcome<Vec<Row>> {
    let mut works = vec![
        programs.creating("peer-nothing")?,
        programs.creating("peer-put")?,
        programs.creating(CREATE)?,
        programs.reading()?,
    ];
    let mut counts = Vec::new();
    for work in &works {
        counts.push(each(programs, work, COUNTED)?);
    }
    let page = calls(programs, &works[3])?;
    let page = format!("a page of 25 ({page})");
    let ours = works.len();
    works.extend(programs.peers.doing("put", &works[1]));
    let times = timed(programs, &works, (WARM_UP, TIMED))?;
    let count = |what: &str, ours: usize, peer: usize, target| {
        let peer = (works[peer].name, counts[peer]);
        beside(("P4", what), peer, counts[ours], target, instructions)
    };
    let used = |what: &str, ours: usize, peer: usize, target| {
        let peer = (works[peer].name, times[peer]);
        beside(("P4", what), peer, times[ours], target, time)
    };
    let mut rows = vec![
        count("create, 1 recipient", 2, 1, Some(1.25)),
        count("create, 1 recipient", 2, 0, None),
        used("create, processor time", 2, 1, None),
        count(&page, 3, 0, None),
        used("a page of 25, processor time", 3, 0, None),
    ];
    for (peer, work) in works.iter().enumerate().skip(ours) {
        let most = match work.name {
            PYTHON => Some(0.25),
            NODE => Some(0.125),
            TUTORIAL => Some(0.65),
            _ => None,
        };
        rows.push(used("create, processor time", 2, peer, most));
    }
    Ok(rows)
}

/// A request with several recipients.
pub fn together(programs: &Programs) -> Outcome<Vec<Row>> {
    let one = each(programs, &programs.creating(CREATE)?, COUNTED)?;
    let ways = [
        ("drawn ids", None, 80e3),
        ("ids derived from a key", Some("key"), 500e3),
    ];
    let rows = ways.map(|(way, key, most)| {
        let work = programs.creating_for(CREATE, RECIPIENTS, key)?;
        let count = each(programs, &work, COUNTED / 5)? / float(RECIPIENTS);
        Ok(Row {
            line: "P5",
            what: format!("create for {RECIPIENTS}, {way}, for each"),
            peer: format!("one by one: {}", instructions(one)),
            ours: instructions(count),
            ratio: Some(count / one),
            target: format!("≤ {}", instructions(most)),
            is_met: Some(count <= most),
        })
    });
    rows.into_iter().collect()
}

/// A batch of the stream.
pub fn push(programs: &Programs) -> Outcome<Vec<Row>> {
    let mut works = vec![programs.pushing("peer-publish")?, programs.pushing(PUSH)?];
    let mut counts = Vec::new();
    for work in &works {
        counts.push(each(programs, work, WARM_UP_BATCHES)? / float(BATCH));
    }
    works.extend(programs.peers.doing("publish", &works[0]));
    let times = timed(programs, &works, (WARM_UP_BATCHES, TIMED_BATCHES))?;
    let what = |unit: &str| format!("a push of a batch of {BATCH}, {unit}");
    let used = |peer: usize, target| {
        let ours = times[1] / float(BATCH);
        let peer = (works[peer].name, times[peer] / float(BATCH));
        beside(("P6", &what("processor time")), peer, ours, target, time)
    };
    let peer = (works[0].name, counts[0]);
    let counted = ("P6", &*what("instructions"));
    let mut rows = vec![
        used(0, Some(1.1)),
        beside(counted, peer, counts[1], None, instructions),
    ];
    rows.extend((2..works.len()).map(|peer| used(peer, Some(0.125))));
    Ok(rows)
}

/// Calls to AWS from a request to the recorded push.
pub fn outgoing(programs: &Programs) -> Outcome<Vec<Row>> {
    const RUNS: usize = 10;
    let works = [
        (programs.creating_for(CREATE, RECIPIENTS, None)?, RECIPIENTS),
        (programs.pushing(PUSH)?, BATCH),
    ];
    let mut ours = 0.0;
    for (work, notifications) in works {
        let first: usize = programs.run(&work, 1, How::Plain)?.calls.values().sum();
        let all = programs.run(&work, 1 + RUNS, How::Plain)?.calls;
        let calls = u64::try_from(all.values().sum::<usize>() - first)?;
        ours += float(calls) / float(u64::try_from(RUNS)? * notifications);
    }
    Ok(vec![Row {
        line: "P8",
        what: format!("calls to AWS a notification, {RECIPIENTS} to a request, {BATCH} to a push"),
        peer: "a plain design: 5".to_owned(),
        ours: format!("{ours:.2}"),
        ratio: Some(ours / 5.0),
        target: "≤ 2.1".to_owned(),
        is_met: Some(ours <= 2.1),
    }])
}

/// What a successful invocation writes.
pub fn logs(programs: &Programs) -> Outcome<Vec<Row>> {
    let works = [
        (programs.creating(CREATE)?, "a request", COUNTED, 1, 300.0),
        (programs.pushing(PUSH)?, "a notification", 10, BATCH, 20.0),
    ];
    let rows = works.map(|(work, of, more, each, most)| {
        let first = programs.run(&work, 1, How::Plain)?.logged;
        let all = programs.run(&work, 1 + more, How::Plain)?.logged;
        let bytes = float(all - first) / float(u64::try_from(more)? * each);
        Ok(Row {
            line: "P10",
            what: format!("{}: logged for {of}", work.name),
            peer: String::new(),
            ours: format!("{bytes:.1} B"),
            ratio: None,
            target: format!("≤ {most} B"),
            is_met: Some(bytes <= most),
        })
    });
    rows.into_iter().collect()
}
