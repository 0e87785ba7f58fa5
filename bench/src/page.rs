//! docs/PERFORMANCE.md: what was measured stands between two comments, what people say of it around them.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::Outcome;
use crate::programs::Programs;
use crate::table::{Row, read_count};

const BEGIN: &str = "<!-- measured -->\n";
const END: &str = "<!-- /measured -->";
/// The crates whose versions matter.
const CRATES: &[&str] = &[
    "lambda_runtime",
    "lambda_http",
    "aws-sdk-dynamodb",
    "aws-sdk-sns",
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
        read_count(line[key.len()..].split(" | ").nth(1)?)
    };
    let worse = rows.iter().filter_map(|row| {
        let (said, found) = (said(row)?, read_count(&row.ours)?);
        let (line, what, ours) = (row.line, &row.what, &row.ours);
        (found > said * TOLERANCE).then(|| format!("{line}, {what}: {ours}"))
    });
    Ok(worse.collect())
}

/// Puts the table, and where it was measured, on the page.
pub fn write(programs: &Programs, table: &str) -> Outcome<()> {
    let path = programs.root.join("docs/PERFORMANCE.md");
    let page = fs::read_to_string(&path)?;
    let missing = "docs/PERFORMANCE.md has no place for the table";
    let (before, rest) = page.split_once(BEGIN).ok_or(missing)?;
    let (_, after) = rest.split_once(END).ok_or(missing)?;
    let place = place(&programs.root)?;
    let skipped = programs.skipped.join("\n- left out: ");
    fs::write(
        &path,
        format!("{before}{BEGIN}{place}\n{table}\n- left out: {skipped}\n{END}{after}"),
    )?;
    Ok(())
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
