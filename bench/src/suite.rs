//! What is counted elsewhere: units and virtual time by the tests, how long these take, and dollars by the command line.

use std::fs;
use std::process::Stdio;
use std::time::Instant;

use crate::Outcome;
use crate::programs::{Programs, cargo};
use crate::table::Row;

/// The most write and read units of an operation in the README's table.
const UNITS: &[(&str, f64, f64)] = &[
    ("create, 1 recipient", 1.0, 0.0),
    ("create with a key, 1 recipient", 2.0, 0.0),
    ("page of 25, nothing unread", 0.0, 1.5),
    ("page of 25, 99 unread", 0.0, 7.0),
    ("mark one read", 1.0, 1.0),
    ("mark all as read", 1.0, 3.0),
    ("push to 1 device", 1.0, 3.0),
];

/// How much a test does.
#[derive(Clone, Copy)]
enum Size {
    Quick,
    Full,
}

/// Runs tests, all of which have to pass; what they print.
fn tests(programs: &Programs, size: Size, arguments: &str) -> Outcome<String> {
    let mut cargo = cargo();
    cargo.args("test --locked --workspace".split(' '));
    cargo.args(arguments.split_whitespace());
    cargo.current_dir(&programs.root).stderr(Stdio::inherit());
    if matches!(size, Size::Full) {
        cargo.env("TIDINGS_FULL", "1");
    }
    let output = cargo.output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(text);
    }
    Err(format!("the tests fail:\n{text}").into())
}

/// The same of tests in virtual time, by a part of their names.
fn simulated(programs: &Programs, size: Size, name: &str) -> Outcome<String> {
    let arguments =
        format!("--features proof --profile simulation --test it -- {name} --nocapture");
    tests(programs, size, &arguments)
}

/// A row of what a test asserts or a program says.
fn row(
    (line, what): (&'static str, String),
    ours: String,
    (target, is_met): (String, bool),
) -> Row {
    Row {
        line,
        what,
        peer: String::new(),
        ours,
        ratio: None,
        target,
        is_met: Some(is_met),
    }
}

/// Capacity units, which a test measures and compares with the README's table.
pub fn units(programs: &Programs) -> Outcome<Vec<Row>> {
    let said = tests(
        programs,
        Size::Quick,
        "--test it -- capacity::every_operation",
    )?;
    // A name that no test has is no failure of cargo's.
    between(&said, "test result: ok. 1", " passed")?;
    let readme = fs::read_to_string(programs.root.join("README.md"))?;
    let rows = UNITS.iter().map(|(operation, writes, reads)| {
        let line = readme.split_once(&format!("\n| {operation} | "));
        let cells = line.ok_or(*operation)?.1.lines().next().unwrap_or_default();
        let mut cells = cells.trim_end_matches(" |").rsplit(" | ");
        let mut cell = || cells.next().unwrap_or_default().parse::<f64>();
        let (read, written) = (cell()?, cell()?);
        let is_met = written <= *writes && read <= *reads;
        let text = |writes, reads| format!("{writes} written, {reads} read");
        let target = format!("≤ {}", text(*writes, *reads));
        let what = format!("units of the table: {operation}");
        Ok(row(("P7", what), text(written, read), (target, is_met)))
    });
    rows.collect()
}

/// Dollars for a million notifications, from these units.
pub fn dollars(programs: &Programs) -> Outcome<Vec<Row>> {
    programs.build_stack()?;
    let ways = [("one by one", "1", 5.8), ("25 to a request", "25", 4.6)];
    let rows = ways.map(|(way, batch, most)| {
        let mut cost = std::process::Command::new(programs.file("tidings"));
        cost.args("cost --marks 0 --notifications 300M --batch".split(' '));
        let said = String::from_utf8(cost.arg(batch).output()?.stdout)?;
        let found = said.split_once("for a million notifications");
        let found = found.and_then(|(_, rest)| rest.split_whitespace().next());
        let found: f64 = found.ok_or("the cost is not said")?.parse()?;
        let what = format!("a million notifications, each pushed and read once, {way}");
        let target = (format!("≤ ${most:.2}"), found <= most);
        Ok(row(("P9", what), format!("${found:.2}"), target))
    });
    rows.into_iter().collect()
}

/// The pairs of quotas that the test has.
const REGIONS: usize = 8;

/// The numbers of a text, without their units.
fn numbers(text: &str) -> Vec<f64> {
    let numbers =
        text.split(|letter: char| !letter.is_ascii_digit() && letter != '.' && letter != ',');
    let numbers = numbers.map(|number| number.replace(',', ""));
    numbers.filter_map(|number| number.parse().ok()).collect()
}

/// A fan-out to a million under the quotas of each region, in virtual time.
pub fn fan_out(programs: &Programs) -> Outcome<Vec<Row>> {
    let said = simulated(programs, Size::Full, "fan_out_pace")?;
    let lines = said
        .lines()
        .filter(|line| line.contains(" members, table "));
    let mut rows: Vec<Row> = Vec::new();
    for line in lines {
        let (what, figures) = line.split_once(": ").ok_or("no figures")?;
        let what = what.rsplit_once("...").map_or(what, |(_, what)| what);
        let found = numbers(figures);
        let [took, least, ratio, ..] = found[..] else {
            return Err(line.into());
        };
        let target = ("≤ 1.05×".to_owned(), ratio <= 1.05);
        let mut row = row(("P14", what.trim().to_owned()), format!("{took} s"), target);
        (row.peer, row.ratio) = (format!("what the quotas allow: {least} s"), Some(ratio));
        rows.push(row);
    }
    if rows.len() != REGIONS {
        return Err(format!("{} of {REGIONS} fan-outs in\n{said}", rows.len()).into());
    }
    rows.sort_by(|one, other| one.what.cmp(&other.what));
    Ok(rows)
}

/// What stands between two words of a text.
fn between<'t>(text: &'t str, before: &str, after: &str) -> Outcome<&'t str> {
    let rest = text.split_once(before).map(|(_, rest)| rest);
    let found = rest.and_then(|rest| rest.split_once(after));
    Ok(found
        .ok_or_else(|| format!("there is no {before:?} in {text}"))?
        .0)
}

/// One shard that brings a thousand records a second, in virtual time. The test asserts the target.
pub fn shard(programs: &Programs) -> Outcome<Vec<Row>> {
    let said = simulated(programs, Size::Quick, "p15_")?;
    let lags = between(&said, "a second: pushed after ", " at most")?;
    let what = "one shard with 1,000 records a second: from storing to pushing".to_owned();
    let target = ("≤ 500 ms".to_owned(), true);
    Ok(vec![row(("P15", what), format!("{lags} at most"), target)])
}

/// One inbox that 5,000 notifications come to in a second, in virtual time. The test asserts that none is lost.
pub fn inbox(programs: &Programs) -> Outcome<Vec<Row>> {
    let said = simulated(programs, Size::Quick, "p16_")?;
    let stored = between(&said, "all stored after ", ";")?;
    let pushed = between(&said, "; ", " pushed")?;
    let what = "5,000 creates in a second for one inbox: until all are stored".to_owned();
    let refused = between(&said, "in a second: ", ",")?;
    let ours = format!("{stored}, {refused}, {pushed} pushed, 0 lost");
    Ok(vec![row(("P16", what), ours, ("0 lost".to_owned(), true))])
}

/// How long the tests take once they are built.
pub fn time(programs: &Programs) -> Outcome<Vec<Row>> {
    tests(programs, Size::Quick, "--no-run")?;
    let began = Instant::now();
    tests(programs, Size::Quick, "")?;
    let took = began.elapsed().as_secs_f64();
    let what = "`cargo test --workspace`, built before".to_owned();
    let target = ("≤ 15 s".to_owned(), took <= 15.0);
    Ok(vec![row(("P19", what), format!("{took:.1} s"), target)])
}
