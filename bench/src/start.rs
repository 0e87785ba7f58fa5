//! What a program takes before it is asked anything: start, package, memory.

use std::process::Command;

use crate::Outcome;
use crate::lines::{CREATE, PUSH, called, until};
use crate::peers::{NODE, PYTHON, TUTORIAL};
use crate::programs::Programs;
use crate::runtime::{How, Work};
use crate::share::{OneProcessor, Share, lasts};
use crate::table::{Row, float, instructions, median, megabytes, time};

/// Starts of each program.
const STARTS: usize = 15;

/// Until the first answer: over TLS, which ours speaks, and in the clear beside the others.
pub fn cold(programs: &Programs) -> Outcome<Vec<Row>> {
    const MOST: f64 = 4.5e6;
    let nothing = until(programs, &programs.creating("peer-nothing")?, 1)?;
    let bare = until(programs, &programs.creating("peer-put")?, 1)?;
    let mut rows = Vec::new();
    for work in [programs.creating(CREATE)?, programs.reading()?] {
        let plain = until(programs, &work, 1)?;
        let what = format!("{}: exec to the end of the first request", work.name);
        rows.push(Row {
            line: "P1",
            what: format!("{what}, without TLS"),
            peer: format!(
                "bare PutItem: {} (does nothing: {})",
                instructions(bare),
                instructions(nothing)
            ),
            ours: instructions(plain),
            ratio: Some(plain / bare),
            target: String::new(),
            is_met: None,
        });
        let work = Work {
            is_secure: true,
            ..work
        };
        let secure = until(programs, &work, 1)?;
        rows.push(Row {
            line: "P1",
            what: format!("{what}, with TLS"),
            peer: format!("without TLS: {}", instructions(plain)),
            ours: instructions(secure),
            ratio: Some(secure / plain),
            target: format!("≤ {}", instructions(MOST)),
            is_met: Some(secure <= MOST),
        });
        let peers = programs.peers.doing("put", &work);
        let tutorial = peers.iter().find(|peer| peer.name == TUTORIAL);
        if let Some(tutorial) = tutorial.filter(|_| work.name == CREATE) {
            let theirs = until(programs, tutorial, 1)?;
            rows.push(Row {
                line: "P1",
                what: format!("{CREATE}: the same, with TLS"),
                peer: format!("{TUTORIAL}: {}", instructions(theirs)),
                ours: instructions(secure),
                ratio: Some(secure / theirs),
                target: String::new(),
                is_met: None,
            });
        }
    }
    Ok(rows)
}

/// Until a program asks for its first event.
pub fn times(programs: &Programs) -> Outcome<Vec<Row>> {
    let mut works = vec![
        programs.creating("peer-nothing")?,
        programs.creating(CREATE)?,
        programs.reading()?,
        programs.pushing(PUSH)?,
    ];
    let ours = works.len();
    works.extend(programs.peers.doing("put", &works[1]));
    let _alone = OneProcessor::take();
    let mut turns = vec![Vec::new(); works.len()];
    for _ in 0..STARTS {
        for (work, times) in works.iter().zip(&mut turns) {
            let run = programs.run(work, 0, How::Plain)?;
            times.push(float(run.marks[0].cpu));
        }
    }
    let times: Vec<f64> = turns.into_iter().map(median).collect();
    let nothing = times[0];
    let rows = works.iter().zip(&times).take(ours).skip(1);
    let rows = rows.map(|(work, ours)| Row {
        line: "P2",
        what: format!("{}: processor time until it asks for an event", work.name),
        peer: format!("does nothing: {}", time(nothing)),
        ours: time(*ours),
        ratio: Some(ours / nothing),
        target: "≤ 2×".to_owned(),
        is_met: Some(*ours <= 2.0 * nothing),
    });
    let others = works.iter().zip(&times).skip(ours).map(|(work, theirs)| {
        let parts = [(PYTHON, 35.0), (NODE, 20.0)];
        let part = parts.iter().find(|(name, _)| *name == work.name);
        Row {
            line: "P2",
            what: format!("{CREATE}: the same"),
            peer: format!("{}: {}", work.name, time(*theirs)),
            ours: time(times[1]),
            ratio: Some(times[1] / theirs),
            target: part.map_or_else(String::new, |(_, part)| format!("≤ 1/{part}")),
            is_met: part.map(|(_, part)| times[1] <= theirs / part),
        }
    });
    Ok(rows.chain(others).collect())
}

/// The first request, over TLS, with the processor share of 128 MB from then on: the programs in turn.
pub fn first(programs: &Programs) -> Outcome<Vec<Row>> {
    const MOST: f64 = 2e6;
    const TURNS: usize = 7;
    // Without control groups it is known how long it would take, and nothing by the clock.
    let how = match Share::make().and_then(|share| share.remove()) {
        Ok(()) => How::Shared,
        Err(_) => How::Plain,
    };
    let secure = |work| Work {
        is_secure: true,
        ..work
    };
    let create = secure(programs.creating(CREATE)?);
    let mut works = vec![create.clone(), secure(programs.reading()?)];
    let ours = works.len();
    works.push(secure(programs.creating("peer-nothing")?));
    works.extend(programs.peers.doing("put", &create));
    let mut turns = vec![(Vec::new(), Vec::new()); works.len()];
    for _ in 0..TURNS {
        for (work, (shares, clocks)) in works.iter().zip(&mut turns) {
            let run = programs.run(work, 1, how)?;
            let used = float(run.marks[1].cpu - run.marks[0].cpu);
            shares.push(lasts(used));
            clocks.extend(run.first.map(|first| first.as_secs_f64() * 1e9));
        }
    }
    let figures = turns.into_iter();
    let figures: Vec<_> = figures.map(|(s, c)| (median(s), median(c))).collect();
    let text = |(share, clock)| match how {
        How::Shared => format!("{} ({} by the clock)", time(share), time(clock)),
        _ => time(share),
    };
    let row = |place: usize, peer: usize| {
        let (figure, work) = (figures[place], &works[peer]);
        let ratio = figure.0 / figures[peer].0;
        let (target, is_met) = match work.name {
            TUTORIAL => ("≤ 1/100".to_owned(), Some(ratio <= 0.01)),
            _ if peer == ours => (format!("≤ {}", time(MOST)), Some(figure.0 <= MOST)),
            _ => (String::new(), None),
        };
        Row {
            line: "P3",
            what: format!("{}: first request of 128 MB, with TLS", works[place].name),
            peer: format!("{}: {}", called(work.name), text(figures[peer])),
            ours: text(figure),
            ratio: Some(ratio),
            target,
            is_met,
        }
    };
    let rows = (0..ours).map(|place| row(place, ours));
    Ok(rows
        .chain((ours + 1..works.len()).map(|peer| row(0, peer)))
        .collect())
}

/// The size of a program, and of its package.
fn sizes(programs: &Programs, name: &str) -> Outcome<(u64, u64)> {
    let file = programs.file(name);
    // A zip has the same compression, and a hundred bytes more.
    let packed = Command::new("gzip").arg("-6c").arg(&file).output()?.stdout;
    Ok((
        std::fs::metadata(&file)?.len(),
        u64::try_from(packed.len())?,
    ))
}

/// The programs as they are deployed.
pub fn packages(programs: &Programs) -> Outcome<Vec<Row>> {
    let nothing = sizes(programs, "peer-nothing")?;
    let rows = programs.functions.iter().map(|name| {
        let ours = sizes(programs, name)?;
        let text = |(whole, packed)| format!("{}, zip {}", megabytes(whole), megabytes(packed));
        Ok(Row {
            line: "P11",
            what: name.clone(),
            peer: format!("does nothing: {}", text(nothing)),
            ours: text(ours),
            ratio: Some(float(ours.0) / float(nothing.0)),
            target: "≤ 5.5 MB, zip ≤ 2.5 MB".to_owned(),
            is_met: Some(ours.0 <= 5_500_000 && ours.1 <= 2_500_000),
        })
    });
    rows.collect()
}

/// Resident memory, and whether it grows.
pub fn memory(programs: &Programs) -> Outcome<Vec<Row>> {
    const EARLY: usize = 1_000;
    const LATE: usize = 10_000;
    let nothing = programs.run(&programs.creating("peer-nothing")?, EARLY, How::Plain)?;
    let nothing = nothing.marks[EARLY].memory;
    let megabytes = |kilobytes: u64| megabytes(kilobytes * 1_024);
    let works = [
        (programs.creating(CREATE)?, LATE),
        (programs.reading()?, LATE),
        (programs.pushing(PUSH)?, EARLY),
    ];
    let rows = works.map(|(work, most)| {
        let marks = programs.run(&work, most, How::Plain)?.marks;
        let (early, late) = (marks[EARLY].memory, marks[most].memory);
        let growth = 100.0 * (float(late) / float(early) - 1.0);
        let grown = (most > EARLY).then(|| format!(", {growth:+.1} % to {most}"));
        let target = "≤ 10 MB, growth ≤ 1 %".to_owned();
        Ok(Row {
            line: "P12",
            what: format!("{}: resident after {EARLY} invocations", work.name),
            peer: format!("does nothing: {}", megabytes(nothing)),
            ours: format!("{}{}", megabytes(early), grown.unwrap_or_default()),
            ratio: Some(float(early) / float(nothing)),
            target,
            is_met: Some(early * 1_024 <= 10_000_000 && growth <= 1.0),
        })
    });
    rows.into_iter().collect()
}
