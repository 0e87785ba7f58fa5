//! docs/PERFORMANCE.md, and a few figures in the README: what was measured stands between two comments, what people say of it
//! around them.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::Outcome;
use crate::lines::CREATE;
use crate::peers::NODE;
use crate::programs::Programs;
use crate::table::{Row, read_counts};

const BEGIN: &str = "<!-- measured -->\n";
const END: &str = "<!-- /measured -->";
/// The crates whose versions matter.
const CRATES: &[&str] = &[
    "lambda_runtime",
    "lambda_http",
    "aws-sdk-dynamodb",
    "aws-sdk-sns",
];

/// Which rows the README shows: the line, what was measured, beside whom, and what a newcomer calls it.
const FIGURES: &[(&str, &str, &str, &str)] = &[
    (
        "P4",
        "create, 1 recipient",
        "bare PutItem",
        "instructions of one create, with its checks, ids and log, beside the SDK's call alone",
    ),
    (
        "P2",
        "create-notifications: the same",
        NODE,
        "processor time of a start, beside a function in Node that only puts a row",
    ),
    (
        "P11",
        CREATE,
        "does nothing",
        "the function that creates, beside one that does nothing",
    ),
    (
        "P13",
        "a page of 25, function and table, 1000000 rows",
        "1000 rows",
        "processor time of a page of the inbox in a table of a million rows, beside one of a thousand",
    ),
];

/// Instructions vary by less from run to run, and sizes from compiler to compiler.
const TOLERANCE: f64 = 1.02;

/// What takes more instructions, or more bytes, than the page says.
pub fn worse(root: &Path, rows: &[Row]) -> Outcome<Vec<String>> {
    let page = fs::read_to_string(root.join("docs/PERFORMANCE.md"))?;
    let said = |row: &Row| {
        let key = format!("| {} | {} | ", row.line, row.what);
        let line = page.lines().find(|line| line.starts_with(&key))?;
        // Beside it, then ours.
        Some(read_counts(line[key.len()..].split(" | ").nth(1)?))
    };
    let worse = rows.iter().filter_map(|row| {
        let counts = said(row)?.into_iter().zip(read_counts(&row.ours));
        let mut counts = counts.map(|(said, found)| found > said * TOLERANCE);
        let (line, what, ours) = (row.line, &row.what, &row.ours);
        counts
            .any(|is_worse| is_worse)
            .then(|| format!("{line}, {what}: {ours}"))
    });
    Ok(worse.collect())
}

/// Puts a text between the two comments of a document.
fn put(root: &Path, document: &str, text: &str) -> Outcome<()> {
    let path = root.join(document);
    let page = fs::read_to_string(&path)?;
    let missing = || format!("{document} has no place for what was measured");
    let (before, rest) = page.split_once(BEGIN).ok_or_else(missing)?;
    let (_, after) = rest.split_once(END).ok_or_else(missing)?;
    Ok(fs::write(
        &path,
        format!("{before}{BEGIN}{text}{END}{after}"),
    )?)
}

/// The README's figures.
fn figures(rows: &[Row]) -> String {
    let mut text = "| what | beside it | Tidings | measured by |\n|---|---|---|---|\n".to_owned();
    for (line, what, peer, label) in FIGURES {
        let is_it =
            |row: &&Row| row.line == *line && row.what == *what && row.peer.starts_with(peer);
        for row in rows.iter().filter(is_it) {
            let (peer, ours) = (&row.peer, &row.ours);
            let command = format!("`cargo run --release -p bench -- --only {line}`");
            // Writing to a text does not fail.
            let _ = writeln!(text, "| {label} | {peer} | {ours} | {command} |");
        }
    }
    text
}

/// Puts the table, and where it was measured, on the page, and some of it into the README.
pub fn write(programs: &Programs, rows: &[Row], table: &str) -> Outcome<()> {
    let place = place(&programs.root)?;
    let skipped = programs.peers.skipped.iter();
    let skipped: Vec<String> = skipped
        .map(|why| format!("\n- left out: {why}\n"))
        .collect();
    let skipped = skipped.concat();
    let measured = format!("{place}\n{table}{skipped}");
    put(&programs.root, "docs/PERFORMANCE.md", &measured)?;
    put(&programs.root, "README.md", &figures(rows))
}

/// The date, the machine and the versions.
fn place(root: &Path) -> Outcome<String> {
    let processors = fs::read_to_string("/proc/cpuinfo")?;
    let models = processors
        .lines()
        .filter(|line| line.starts_with("model name"));
    let models: Vec<&str> = models.filter_map(|line| line.split(": ").nth(1)).collect();
    let model = models.first().copied().unwrap_or("an unknown processor");
    let lock = fs::read_to_string(root.join("Cargo.lock"))?;
    let versions = CRATES.iter().filter_map(|name| {
        let entry = lock
            .split_once(&format!("name = \"{name}\"\nversion = \""))?
            .1;
        Some(format!("{name} {}", entry.split('"').next()?))
    });
    let mut versions: Vec<String> = versions.collect();
    for program in ["rustc", "valgrind", "python3"] {
        versions.extend(says(program, &["--version"]));
    }
    versions.extend(says("node", &["--version"]).map(|version| format!("Node {version}")));
    Ok(format!(
        "{}, {} × {model}, Linux {}; {}.\n",
        says("date", &["-u", "+%F"]).unwrap_or_default(),
        models.len(),
        says("uname", &["-r"]).unwrap_or_default(),
        versions.join(", ")
    ))
}

/// What a program says of itself, if it is there.
fn says(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    Some(String::from_utf8(output.stdout).ok()?.trim().to_owned())
}
