//! What the stack and its functions say: shown on standard error, a function's lines in a quiet form and the last of them
//! kept for a report.

use serde_json::Value;
use std::collections::VecDeque;
use std::fmt::{Display, Write};
use std::sync::{Mutex, OnceLock, PoisonError};
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};

/// How many lines a report holds.
const KEPT_LINES: usize = 20;

/// Says a line on standard error, for as long as anybody reads it.
#[expect(clippy::print_stderr, reason = "the one place")]
pub fn say(line: impl Display) {
    let line = line.to_string();
    // The macro panics when nobody reads any more; a stack that works goes on. (A plain write would not,
    // but it would pass by the capture of a test's output.)
    std::panic::catch_unwind(|| eprintln!("{line}")).ok();
}

/// How many lines of all functions are kept as they are.
const LOG_LINES: usize = 5_000;

/// What the functions of this process wrote last.
static LOG: Mutex<VecDeque<(String, String)>> = Mutex::new(VecDeque::new());

/// The lines that all functions wrote last, each with its function's name: what is in their logs on AWS.
#[must_use]
pub fn log() -> Vec<(String, String)> {
    let log = LOG.lock().unwrap_or_else(PoisonError::into_inner);
    log.iter().cloned().collect()
}

/// Who is told of every line besides.
static WATCH: OnceLock<fn(&str, &str)> = OnceLock::new();

/// Has a function be told of every line that a function of this process writes from now on, after that one's name. It is told
/// where the line is read, so it must not wait.
pub fn watch_log(watch: fn(&str, &str)) {
    WATCH.get_or_init(|| watch);
}

fn keep(function: &str, line: &str) {
    if let Some(watch) = WATCH.get() {
        watch(function, line);
    }
    let mut log = LOG.lock().unwrap_or_else(PoisonError::into_inner);
    if log.len() == LOG_LINES {
        log.pop_front();
    }
    log.push_back((function.to_owned(), line.to_owned()));
}

/// The last lines one function instance wrote.
#[derive(Default)]
pub struct Tail(Mutex<VecDeque<String>>);

impl Tail {
    /// Shows and keeps every line of `source` until it ends.
    pub async fn follow(&self, function: &str, source: impl AsyncRead + Unpin) {
        let mut source = BufReader::new(source);
        let mut bytes = Vec::new();
        // A pipe that cannot be read any more has ended.
        while source
            .read_until(b'\n', &mut bytes)
            .await
            .is_ok_and(|read| read > 0)
        {
            let line = String::from_utf8_lossy(&bytes).trim_end().to_owned();
            bytes.clear();
            keep(function, &line);
            let line = quiet(&line);
            if line.is_empty() {
                continue;
            }
            say(format_args!("{function}: {line}"));
            let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if kept.len() == KEPT_LINES {
                kept.pop_front();
            }
            kept.push_back(line);
        }
    }

    /// The last lines as one text.
    pub fn text(&self) -> String {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter()
            .map(String::as_str)
            .collect::<Vec<_>>()
            .join("\n")
    }
}

/// A JSON log line as `LEVEL message key=value`, without its time; nothing of one without a message, which is for
/// machines; any other line as it is.
fn quiet(line: &str) -> String {
    let Ok(Value::Object(mut entry)) = serde_json::from_str(line) else {
        return line.to_owned();
    };
    entry.remove("timestamp");
    let level = entry.remove("level");
    if let Some(Value::Object(fields)) = entry.remove("fields") {
        entry.extend(fields);
    }
    let mut text = match level.as_ref().and_then(Value::as_str) {
        None | Some("INFO") => String::new(),
        Some(level) => format!("{level} "),
    };
    let Some(message) = entry.remove("message") else {
        return String::new();
    };
    text.push_str(message.as_str().unwrap_or(&message.to_string()));
    entry.remove("span");
    for (key, value) in entry {
        let value = value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned);
        write!(text, " {key}={value}").expect("text takes everything");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_lines_are_shortened_and_other_lines_kept() {
        let line = r#"{"timestamp":"2026","level":"WARN","fields":{"message":"no row","user.id":"ana","n":3}}"#;
        assert_eq!(quiet(line), "WARN no row n=3 user.id=ana");
        assert_eq!(quiet(r#"{"level":"INFO","message":"up"}"#), "up");
        assert_eq!(quiet(r#"{"level":"INFO","stored":1}"#), "");
        assert_eq!(quiet("thread 'main' panicked"), "thread 'main' panicked");
    }

    #[tokio::test]
    async fn the_last_lines_are_kept() {
        let tail = Tail::default();
        let lines: String = (0..30).fold(String::new(), |text, n| format!("{text}line {n}\n"));
        tail.follow("f", lines.as_bytes()).await;
        assert!(tail.text().starts_with("line 10\n") && tail.text().ends_with("line 29"));
    }
}
