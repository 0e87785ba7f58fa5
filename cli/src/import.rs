//! `tidings import`: old notifications from a file of JSON lines into the table, without pushes.
//!
//! The file is gone through in windows. When all of a window's rows are durable, and then what was refused of it, the
//! state file says so; whatever ends the program, the next run begins at the first window of which that is not sure.

use crate::journal;
use crate::lines::{Line, Lines, fingerprint};
use crate::options::Import;
use crate::place::{self, Target, failed};
use crate::progress::Progress;
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use local::{Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::json;
use shared::error::Violation;
use shared::moving::{self, Brought, MAX_LINE};
use shared::notification::Notification;
use shared::store::{PUTS_IN_FLIGHT, Store};
use std::collections::HashSet;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// The exit code when lines were refused.
const REFUSED: u8 = 3;
/// The exit code when it was interrupted, as shells have it for Ctrl-C.
const INTERRUPTED: u8 = 130;
/// The most lines of a window.
const WINDOW: u32 = 500;
/// How often a line is tried that the table does not take: for about a minute.
const ATTEMPTS: u32 = 10;
/// The attempt after which pauses do not grow any more.
const LONGEST_PAUSE: u32 = 5;

/// What is surely done.
#[derive(Serialize, Deserialize, Default)]
struct State {
    /// SHA-256 of the file.
    sha256: String,
    /// The table it goes to.
    table: String,
    /// Where the first line begins that may not be done, and how many lines stand before it.
    offset: u64,
    lines: u64,
    stored: u64,
    there: u64,
    refused: u64,
    /// The length of the list of what was refused.
    refused_bytes: u64,
}

/// A part of the file that is done as one.
#[derive(Default)]
struct Window {
    accepted: Vec<Notification>,
    /// The list's lines.
    refused: Vec<u8>,
    refusals: u64,
    lines: u64,
}

struct Run<'i> {
    options: &'i Import,
    target: Target,
    lines: Lines,
    length: u64,
    state: State,
    state_file: PathBuf,
    refused: Refused,
    /// A line that was read and belongs to the next window.
    ahead: Option<Parsed>,
}

/// A line that was read: where the next one begins, and what it is.
type Parsed = (u64, std::result::Result<Notification, Vec<Violation>>);

/// Imports, and says by the exit code whether all lines were taken.
pub fn run(options: &Import) -> Result<ExitCode> {
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(async {
        let mut stop = Stop::listen()?;
        let mut import = Run::open(options)?;
        let mut progress = Progress::new(options.rate);
        while let Some(window) = import.window()? {
            let lines = window.lines;
            import.settle(window).await?;
            progress.show(
                Some((import.state.offset, import.length)),
                &import.summary(),
            );
            tokio::select! {
                () = progress.pace(usize::try_from(lines).unwrap_or(usize::MAX)) => {}
                () = stop.told() => {
                    progress.end();
                    local::say(format_args!("interrupted: {}; the same command goes on", import.summary()));
                    return Ok(ExitCode::from(INTERRUPTED));
                }
            }
        }
        progress.end();
        writeln!(std::io::stdout(), "done: {}", import.summary())?;
        Ok(import.verdict())
    })
}

impl Run<'_> {
    /// Begins, or goes on where a state file says.
    fn open(options: &Import) -> Result<Run<'_>> {
        let target = place::target(&options.place)?;
        let (length, sha256) = fingerprint(&options.file)?;
        let state_file = match &options.state {
            Some(file) => file.clone(),
            None => journal::beside(&options.file, ".state"),
        };
        let fresh = State {
            sha256: sha256.clone(),
            table: target.name.clone(),
            ..State::default()
        };
        let state = journal::load(&state_file)?.unwrap_or(fresh);
        let shown = state_file.display();
        if state.sha256 != sha256 {
            return Err(Error::new(format!(
                "{} is not the file any more that {shown} is about; remove {shown} to begin again, which stores nothing twice",
                options.file.display()
            )));
        }
        if state.table != target.name {
            return Err(Error::new(format!(
                "{shown} is about the table {}, not {}; --state names another file",
                state.table, target.name
            )));
        }
        Ok(Run {
            refused: Refused::open(&options.file, state.refused_bytes)?,
            lines: Lines::open(&options.file, state.offset, MAX_LINE)?,
            options,
            target,
            length,
            state,
            state_file,
            ahead: None,
        })
    }

    /// The next lines, read and checked; `None` at the end. No two of them have one dedupe key, so that the first line
    /// of a key is the one that is stored.
    fn window(&mut self) -> Result<Option<Window>> {
        let size = (self.options.rate / 4).clamp(1, WINDOW);
        let (mut window, mut keys) = (Window::default(), HashSet::new());
        while window.lines < u64::from(size) {
            let next = match self.ahead.take() {
                Some(next) => Some(next),
                None => self.read()?,
            };
            let Some((offset, line)) = next else {
                break;
            };
            if let Ok(notification) = &line
                && let Some(key) = &notification.dedupe_key
                && !keys.insert((notification.recipient.clone(), key.clone()))
            {
                self.ahead = Some((offset, line));
                break;
            }
            window.lines += 1;
            self.state.offset = offset;
            let number = self.state.lines + window.lines;
            match line {
                Ok(notification) => window.accepted.push(notification),
                Err(reasons) if reasons.is_empty() => {}
                Err(reasons) => {
                    let refusal = json!({"line": number, "errors": reasons});
                    window.refused.extend(format!("{refusal}\n").bytes());
                    window.refusals += 1;
                }
            }
        }
        Ok((window.lines > 0).then_some(window))
    }

    /// Reads a line; an empty one has no reasons to be refused.
    fn read(&mut self) -> Result<Option<Parsed>> {
        let now = shared::clock::wall();
        let keep = self.options.keep_days.saturating_mul(86_400);
        let line = match self.lines.next()? {
            None => return Ok(None),
            Some(Line::Text(text)) if text.trim_ascii().is_empty() => Err(Vec::new()),
            Some(Line::Text(text)) => moving::read(&text, now, keep).map_err(moving::reasons),
            Some(Line::TooLong) => {
                let detail = format!("is longer than {MAX_LINE} bytes");
                Err(vec![Violation::new("", "too_large", detail)])
            }
        };
        Ok(Some((self.lines.offset, line)))
    }

    /// Stores a window; when that is durable, the state file says so.
    async fn settle(&mut self, window: Window) -> Result<()> {
        let store = &self.target.store;
        let brought: Vec<Brought> = stream::iter(&window.accepted)
            .map(|notification| bring(store, notification))
            .buffer_unordered(PUTS_IN_FLIGHT)
            .try_collect()
            .await?;
        let stored = brought.iter().filter(|one| **one == Brought::Stored);
        let stored = stored.count() as u64;
        self.refused.add(&window.refused)?;
        let state = &mut self.state;
        state.lines += window.lines;
        state.stored += stored;
        state.there += brought.len() as u64 - stored;
        state.refused += window.refusals;
        state.refused_bytes = self.refused.length;
        journal::save(&self.state_file, &self.state)
    }

    fn summary(&self) -> String {
        let State {
            lines,
            stored,
            there,
            refused,
            ..
        } = &self.state;
        let text = format!("{lines} lines, {stored} stored, {there} were there, {refused} refused");
        if *refused == 0 {
            return text;
        }
        format!("{text}, listed in {}", self.refused.path.display())
    }

    fn verdict(&self) -> ExitCode {
        match self.state.refused {
            0 => ExitCode::SUCCESS,
            _ => ExitCode::from(REFUSED),
        }
    }
}

/// Stores one, with patience for a table that is throttled or away.
async fn bring(store: &Store, notification: &Notification) -> Result<Brought> {
    use shared::error::Error as E;
    let mut attempt = 0;
    loop {
        let brought = moving::bring(store, notification, shared::clock::wall()).await;
        match brought {
            Ok(brought) => return Ok(brought),
            Err(E::Throttled { .. } | E::Unavailable { .. } | E::Conflict(_))
                if attempt < ATTEMPTS =>
            {
                attempt += 1;
                shared::clock::pause(attempt.min(LONGEST_PAUSE)).await;
            }
            Err(error) => return Err(failed(&error)),
        }
    }
}

/// The list of what was refused.
struct Refused {
    path: PathBuf,
    length: u64,
}

impl Refused {
    /// The list beside `file`, as long as the state says: what was written after it comes again.
    fn open(file: &Path, length: u64) -> Result<Refused> {
        let path = journal::beside(file, ".refused");
        let there = std::fs::metadata(&path).map_or(0, |list| list.len());
        if there < length {
            let path = path.display();
            return Err(Error::new(format!(
                "{path} is shorter than it was; remove the state file to begin again"
            )));
        }
        if there > length {
            let cut = || OpenOptions::new().write(true).open(&path)?.set_len(length);
            cut().map_err(|error| journal::at(&path, &error))?;
        }
        Ok(Refused { path, length })
    }

    /// Adds lines, which are on the disk when this returns.
    fn add(&mut self, lines: &[u8]) -> Result<()> {
        if lines.is_empty() {
            return Ok(());
        }
        let write = || {
            let mut list: File = OpenOptions::new()
                .create(true)
                .append(true)
                .open(&self.path)?;
            list.write_all(lines)?;
            list.sync_all()
        };
        write().map_err(|error| journal::at(&self.path, &error))?;
        self.length += lines.len() as u64;
        Ok(())
    }
}

/// Ctrl-C and SIGTERM: the window that is on its way is finished first.
struct Stop(Signal, Signal);

impl Stop {
    fn listen() -> Result<Stop> {
        Ok(Stop(
            signal(SignalKind::interrupt())?,
            signal(SignalKind::terminate())?,
        ))
    }

    async fn told(&mut self) {
        tokio::select! {
            _ = self.0.recv() => {}
            _ = self.1.recv() => {}
        }
    }
}
