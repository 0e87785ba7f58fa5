//! `tidings export`: the notifications of all users, or of one, as JSON lines.
//!
//! The table is read in rounds, a page of each segment. When a round's lines are on the disk, the state file says so; a
//! run that goes on cuts off what came after.

use crate::journal;
use crate::options::Export;
use crate::place::{self, Target, failed};
use crate::progress::Progress;
use futures_util::future::try_join_all;
use local::{Error, Result};
use serde::{Deserialize, Serialize};
use shared::clock::{pause, wall};
use shared::id::UserId;
use shared::moving;
use shared::store::{Cursor, Part};
use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::{Seek as _, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Segments of a table on AWS.
const SEGMENTS: i32 = 8;
/// The most rows of a page.
const PAGE: usize = 500;
/// How often a page is tried that the table does not give, and the attempt after which pauses do not grow any more.
const ATTEMPTS: u32 = 10;
const LONGEST_PAUSE: u32 = 5;

/// How far it is.
#[derive(Serialize, Deserialize)]
struct State {
    /// The table, and whose notifications are asked for.
    table: String,
    user: Option<String>,
    segments: Vec<Segment>,
    /// The length of the file, in bytes, and its lines.
    bytes: u64,
    lines: u64,
}

#[derive(Serialize, Deserialize, Default, Clone)]
struct Segment {
    cursor: Option<Cursor>,
    done: bool,
}

/// Where lines go.
enum Out {
    Stdout,
    File { file: File, state: PathBuf },
}

/// Exports.
pub fn run(options: &Export) -> Result<ExitCode> {
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(async {
        let target = place::target(&options.place)?;
        let user = options.user.as_deref().map(user).transpose()?;
        let (mut out, mut state) = open(options, &target)?;
        let mut progress = Progress::new(options.rate);
        let rate = usize::try_from(options.rate).unwrap_or(usize::MAX);
        let limit = (rate / state.segments.len()).clamp(1, PAGE);
        while state.segments.iter().any(|segment| !segment.done) {
            let segments = state.segments.len();
            let pages = state.segments.iter().enumerate().filter(|(_, s)| !s.done);
            let pages = pages.map(|(index, segment)| {
                let cursor = segment.cursor.clone();
                page(&target, user.as_ref(), (index, segments), cursor, limit)
            });
            let mut examined = 0;
            for (index, text, part) in try_join_all(pages).await? {
                out.write(&text)?;
                examined += part.examined;
                state.lines += text.lines().count() as u64;
                state.bytes += text.len() as u64;
                let done = part.cursor.is_none();
                state.segments[index] = Segment {
                    cursor: part.cursor,
                    done,
                };
            }
            out.settle(&state)?;
            progress.show(None, &format!("{} lines", state.lines));
            progress.pace(examined).await;
        }
        progress.end();
        out.end()?;
        local::say(format_args!("done: {} lines", state.lines));
        Ok(ExitCode::SUCCESS)
    })
}

fn user(id: &str) -> Result<UserId> {
    UserId::parse(id).ok_or_else(|| Error::new(format!("{id:?} is no user id")))
}

/// Begins, or goes on where a state file says.
fn open(options: &Export, target: &Target) -> Result<(Out, State)> {
    let usual = if target.is_local { 1 } else { SEGMENTS };
    let segments = if options.user.is_some() {
        1
    } else {
        options.segments.unwrap_or(usual)
    };
    let fresh = State {
        table: target.name.clone(),
        user: options.user.clone(),
        segments: vec![Segment::default(); usize::try_from(segments).unwrap_or(1)],
        bytes: 0,
        lines: 0,
    };
    let Some(path) = &options.to else {
        return Ok((Out::Stdout, fresh));
    };
    let state_file = journal::beside(path, ".state");
    let state: State = match journal::load(&state_file)? {
        None if path.exists() => {
            let path = path.display();
            return Err(Error::new(format!("{path} is there already")));
        }
        None => fresh,
        Some(state) => state,
    };
    if (&state.table, &state.user) != (&target.name, &options.user) {
        let state_file = state_file.display();
        return Err(Error::new(format!(
            "{state_file} is about another export; remove it and what it has written to begin again"
        )));
    }
    let file = cut(path, state.bytes).map_err(|error| journal::at(path, &error))?;
    let state_file = Out::File {
        file,
        state: state_file,
    };
    // Before the first line, so that what is written is known to be ours.
    state_file.note(&state)?;
    Ok((state_file, state))
}

/// The file, with what is sure.
fn cut(path: &Path, bytes: u64) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    let mut file = options
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)?;
    if file.metadata()?.len() < bytes {
        let text = "it is shorter than it was; remove it and its state file to begin again";
        return Err(std::io::Error::other(text));
    }
    file.set_len(bytes)?;
    file.seek(SeekFrom::End(0))?;
    Ok(file)
}

impl Out {
    fn write(&mut self, text: &str) -> Result<()> {
        match self {
            Out::Stdout => Ok(std::io::stdout().write_all(text.as_bytes())?),
            Out::File { file, .. } => Ok(file.write_all(text.as_bytes())?),
        }
    }

    /// What was written is on the disk; then the state says so.
    fn settle(&mut self, state: &State) -> Result<()> {
        if let Out::File { file, .. } = self {
            file.sync_all()?;
        }
        self.note(state)
    }

    fn note(&self, state: &State) -> Result<()> {
        match self {
            Out::Stdout => Ok(()),
            Out::File { state: file, .. } => journal::save(file, state),
        }
    }

    /// All is written: the next export to this file is a new one.
    fn end(self) -> Result<()> {
        match self {
            Out::Stdout => Ok(std::io::stdout().flush()?),
            Out::File { state, .. } => {
                std::fs::remove_file(&state).map_err(|error| journal::at(&state, &error))
            }
        }
    }
}

/// A page of a segment: its lines, with what their users' watermarks say.
async fn page(
    target: &Target,
    user: Option<&UserId>,
    (index, segments): (usize, usize),
    cursor: Option<Cursor>,
    limit: usize,
) -> Result<(usize, String, Part)> {
    let mut attempt = 0;
    loop {
        let number = |number: usize| i32::try_from(number).unwrap_or(i32::MAX);
        let part = (number(index), number(segments));
        match lines(target, user, part, cursor.clone(), limit).await {
            Ok((text, part)) => return Ok((index, text, part)),
            Err(
                shared::error::Error::Throttled { .. } | shared::error::Error::Unavailable { .. },
            ) if attempt < ATTEMPTS => {
                attempt += 1;
                pause(attempt.min(LONGEST_PAUSE)).await;
            }
            Err(error) => return Err(failed(&error)),
        }
    }
}

async fn lines(
    target: &Target,
    user: Option<&UserId>,
    segment: (i32, i32),
    cursor: Option<Cursor>,
    limit: usize,
) -> shared::error::Result<(String, Part)> {
    let store = &target.store;
    let part = match user {
        Some(user) => store.all_of(user, cursor, limit, wall()).await?,
        None => store.scan(segment, cursor, limit, wall()).await?,
    };
    let users = part.notifications.iter().filter_map(moving::user);
    let users: BTreeSet<UserId> = users.cloned().collect();
    let abouts = store.abouts(users).await?;
    let mut text = String::new();
    for notification in &part.notifications {
        let about = match moving::user(notification).and_then(|user| abouts.get(user)) {
            Some(Err(error)) => return Err(unreadable(error)),
            // Hidden by its user's erase, whose job has not come to it yet.
            Some(Ok(about)) if about.user.erases(notification.id.at()) => continue,
            Some(Ok(about)) => about.marks.clone(),
            None => shared::marks::Marks::default(),
        };
        if let Some(line) = moving::write(notification.clone(), &about) {
            text.push_str(&line);
            text.push('\n');
        }
    }
    Ok((text, part))
}

fn unreadable(error: &shared::error::Error) -> shared::error::Error {
    shared::error::Error::Internal {
        what: "a user's marks",
        source: error.chain().into(),
    }
}
