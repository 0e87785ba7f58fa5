//! A whole history moves in and out, and is interrupted on the way: by `kill -9`, by Ctrl-C, and by `kill -9` again.
//!
//! `TIDINGS_FULL=1` takes a million lines instead of two thousand, `TIDINGS_LINES` so many; with many it says how long that took.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::crashes::full;
use crate::ground::Ground;
use crate::moving::{stamp, tidings};

/// Every so many-th line is refused.
const BAD: u64 = 250;
/// The most memory that the program may have taken, in kilobytes.
const MEMORY: u64 = 100_000;

fn count() -> u64 {
    let asked = std::env::var("TIDINGS_LINES").ok();
    let asked = asked.and_then(|lines| lines.parse().ok());
    asked.unwrap_or(if full() { 1_000_000 } else { 2_000 })
}

/// Whether it is a long way.
fn is_long() -> bool {
    count() > 20_000
}

/// A line in the spelling of an export; every user has twenty.
fn line(n: u64, now: Timestamp) -> String {
    let at = |seconds: u64| {
        let ago = SignedDuration::from_secs(i64::try_from(seconds).unwrap());
        stamp(now - ago + SignedDuration::from_millis(i64::try_from(n % 1_000).unwrap()))
    };
    let mut line = format!(
        r#"{{"recipient":"user{}","created_at":"{}""#,
        n % (count() / 20),
        at(60 + n * 5)
    );
    if n.is_multiple_of(5) {
        write!(line, r#","dedupe_key":"notification:{n}""#).unwrap();
    }
    let ends = stamp(now + SignedDuration::from_hours(24 * 300));
    write!(line, r#","expires_at":"{ends}""#).unwrap();
    if n.is_multiple_of(3) {
        write!(line, r#","read_at":"{}""#, at(50)).unwrap();
    }
    if n.is_multiple_of(11) {
        write!(line, r#","archived_at":"{}""#, at(40)).unwrap();
    }
    write!(
        line,
        r#","type":"video.liked","title":"Bo liked video {n}""#
    )
    .unwrap();
    if n.is_multiple_of(2) {
        line.push_str(r#","body":"Sunset over Lisbon","actor":{"id":"bo","name":"Bo"}"#);
    }
    if n.is_multiple_of(4) {
        write!(
            line,
            r#","group":"like:{n}","data":{{"video":{{"id":{n},"length":1.5}}}}"#
        )
        .unwrap();
    }
    line.push('}');
    line
}

/// The file, and what of it is to be taken.
fn write(file: &Path, taken: &Path) -> u64 {
    let now = Timestamp::from_second(Timestamp::now().as_second()).unwrap();
    let (mut all, mut good, mut bad) = (String::new(), String::new(), 0);
    for n in 0..count() {
        if n % BAD == 7 {
            bad += 1;
            all.push_str("{\"recipient\":\"ana\"}\n");
            continue;
        }
        let line = line(n, now) + "\n";
        all.push_str(&line);
        good.push_str(&line);
    }
    std::fs::write(file, all).unwrap();
    std::fs::write(taken, good).unwrap();
    bad
}

fn start(arguments: &[&str]) -> Child {
    let mut command = tidings(arguments);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().unwrap()
}

fn finish(child: Child) -> (Option<i32>, String) {
    let output = child.wait_with_output().unwrap();
    let text = [&output.stdout[..], &output.stderr].concat();
    (output.status.code(), String::from_utf8(text).unwrap())
}

fn state(file: &Path) -> Option<Value> {
    serde_json::from_slice(&std::fs::read(file).ok()?).ok()
}

/// Waits until the state file says more than so many lines; answers how many.
async fn reached(state_file: &Path, lines: u64) -> u64 {
    let limit = Duration::from_secs(if is_long() { 3_600 } else { 30 });
    let began = Instant::now();
    loop {
        let found = state(state_file).and_then(|state| state["lines"].as_u64());
        if let Some(found) = found.filter(|found| *found > lines) {
            return found;
        }
        assert!(began.elapsed() < limit, "still at {found:?}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// The most memory that a running program has taken, in kilobytes.
fn memory(child: &Child) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    peak.unwrap()
        .trim()
        .trim_end_matches(" kB")
        .parse()
        .unwrap()
}

/// Whether two files have the same lines.
fn same_lines(one: &Path, other: &Path) -> bool {
    let sort = |file: &Path| {
        let mut sort = Command::new("sort");
        let status = sort
            .env("LC_ALL", "C")
            .arg("-o")
            .arg(file)
            .arg(file)
            .status();
        assert!(status.unwrap().success());
    };
    sort(one);
    sort(other);
    let compared = Command::new("cmp").arg(one).arg(other).status();
    compared.unwrap().success()
}

/// Imports with two interruptions; answers the most memory that it took.
async fn import(folder: &Path, place: &[&str], bad: u64) -> u64 {
    let (file, state_file) = (folder.join("old.jsonl"), folder.join("old.jsonl.state"));
    let rate = if is_long() { "1000000" } else { "4000" };
    let import = ["import", file.to_str().unwrap(), "--rate", rate];
    let import = [&import[..], place].concat();
    let began = Instant::now();
    let mut first = start(&import);
    reached(&state_file, count() / 4).await;
    let peak = memory(&first);
    first.kill().unwrap();
    first.wait().unwrap();
    // What the state says is done is in the table, whatever became of the rest.
    let done = state(&state_file).unwrap()["lines"].as_u64().unwrap();
    let rows = rows(place).await;
    let refused = (0..done).filter(|n| n % BAD == 7).count();
    assert!(
        rows + refused >= usize::try_from(done).unwrap(),
        "{rows} of {done}"
    );
    let second = start(&import);
    reached(&state_file, done).await;
    let pid = second.id().to_string();
    Command::new("kill").args(["-INT", &pid]).status().unwrap();
    let (code, said) = finish(second);
    assert_eq!(code, Some(130), "{said}");
    let (code, said) = finish(start(&import));
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains(&format!("done: {} lines", count())), "{said}");
    assert!(said.contains(&format!("{bad} refused")), "{said}");
    let listed = std::fs::read_to_string(folder.join("old.jsonl.refused")).unwrap();
    let numbers: BTreeSet<&str> = listed.lines().collect();
    assert_eq!(listed.lines().count(), numbers.len());
    assert_eq!(numbers.len() as u64, bad);
    if is_long() {
        println!("imported in {:?}, {peak} kB: {said}", began.elapsed());
    }
    peak
}

/// The notifications in the table.
async fn rows(place: &[&str]) -> usize {
    let client = crate::ground::client(place[1]);
    let mut pages = client
        .scan()
        .table_name(place[3])
        .consistent_read(true)
        .projection_expression("sk")
        .into_paginator()
        .items()
        .send();
    let mut rows = 0;
    while let Some(item) = pages.next().await {
        rows += usize::from(item.unwrap()["sk"].as_s().unwrap().starts_with("N#"));
    }
    rows
}

/// Exports with an interruption; answers the most memory that it took.
async fn export(folder: &Path, place: &[&str]) -> u64 {
    let exported = folder.join("new.jsonl");
    let rate: &[&str] = if is_long() {
        &["--rate", "1000000"]
    } else {
        &["--rate", "1600", "--segments", "8"]
    };
    let export = ["export", "--to", exported.to_str().unwrap()];
    let export = [&export[..], rate, place].concat();
    let began = Instant::now();
    let mut first = start(&export);
    reached(&folder.join("new.jsonl.state"), 0).await;
    let peak = memory(&first);
    first.kill().unwrap();
    first.wait().unwrap();
    // As if it had been killed in the middle of a line.
    let file = OpenOptions::new().append(true).open(&exported);
    file.unwrap().write_all(b"{\"recipient\":").unwrap();
    let (code, said) = finish(start(&export));
    assert_eq!(code, Some(0), "{said}");
    if is_long() {
        println!("exported in {:?}, {peak} kB: {said}", began.elapsed());
    }
    peak
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_that_is_interrupted_twice_equals_the_file_and_its_export_the_import() {
    let ground = Ground::new().await;
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let taken = folder.join("taken");
    let bad = write(&folder.join("old.jsonl"), &taken);
    let url = ground.url();
    let place = ["--endpoint", &url, "--table", ground.table()];
    let peaks = [
        import(folder, &place, bad).await,
        export(folder, &place).await,
    ];
    let same = same_lines(&taken, &folder.join("new.jsonl"));
    assert!(same, "the export is not the import");
    assert!(peaks.iter().all(|peak| *peak < MEMORY), "{peaks:?} kB");
}
