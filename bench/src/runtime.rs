//! One run of a program: a Runtime API of its own, so many times the same event, and what the process had used at the start of each.

use std::collections::BTreeMap;
use std::fs;
use std::io::Result as IoResult;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use crate::Outcome;
use crate::cloud::Cloud;
use crate::http::{self, Answer, Request};
use crate::rows::{TABLE, now_ms};
use crate::share::Share;

/// No run takes longer.
const LIMIT: Duration = Duration::from_mins(5);

/// A program, and what it is given.
#[derive(Clone)]
pub struct Work {
    /// What it is called here.
    pub name: &'static str,
    /// The program, or what interprets it.
    pub program: PathBuf,
    /// The file that is interpreted.
    pub script: Option<PathBuf>,
    /// The events of its invocations, in turn.
    pub events: Vec<Vec<u8>>,
    /// What every answer has in it.
    pub expected: &'static str,
    /// Whether it calls AWS over TLS.
    pub is_secure: bool,
    /// The process that has the table, instead of the one that answers at once.
    pub table: Option<Table>,
}

/// A table in a process of its own.
#[derive(Clone, Copy)]
pub struct Table {
    /// Where it answers.
    pub address: SocketAddr,
    /// Whose processor time is its.
    pub pid: u32,
}

/// What a process had used when it asked for an event.
#[derive(Clone, Copy, Default)]
pub struct Mark {
    /// Processor time, in nanoseconds.
    pub cpu: u64,
    /// Resident memory, in kilobytes.
    pub memory: u64,
    /// The processor time of the table's process, if it has one.
    pub table: u64,
}

/// What came of a run.
pub struct Run {
    /// For each event that was asked for, from before the first to after the last.
    pub marks: Vec<Mark>,
    /// Bytes that were logged.
    pub logged: u64,
    /// Instructions from exec to the end of the last invocation, if they were counted.
    pub instructions: Option<u64>,
    /// Calls to AWS.
    pub calls: BTreeMap<String, usize>,
    /// From the first event to its answer by the clock, if there was a share.
    pub first: Option<Duration>,
}

/// Instructions are counted, or the process runs as it is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// As it is.
    Plain,
    /// Under callgrind.
    Counted,
    /// With the share of a processor that 128 MB have, from the first event on.
    Shared,
}

/// What the Runtime API knows of its process.
struct Api {
    work: Work,
    invocations: usize,
    share: Option<Share>,
    began: OnceLock<Instant>,
    first: OnceLock<Duration>,
    pid: OnceLock<u32>,
    marks: Mutex<Vec<Mark>>,
    ended: Mutex<Sender<Result<(), String>>>,
    /// Held back until the run is over, so that the process waits for an event when it is ended.
    over: Mutex<Receiver<()>>,
}

/// Ends the process however its run ends.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

impl Api {
    fn answer(&self, request: &Request) -> Answer {
        if request.target.ends_with("/invocation/next") {
            return self.next();
        }
        // Some write a space after a colon.
        let body = String::from_utf8_lossy(&request.body).replace(": ", ":");
        let is_answer = request.target.ends_with("/response");
        if let Some(began) = self.began.get() {
            self.first.get_or_init(|| began.elapsed());
        }
        if !is_answer || !body.contains(self.work.expected) {
            self.end(Err(format!("{} {body}", request.target)));
        }
        let mut answer = Answer::ok("application/json", b"{}".to_vec());
        answer.status = "202 Accepted";
        answer
    }

    fn next(&self) -> Answer {
        let mut mark = mark(*self.pid.wait()).unwrap_or_default();
        if let Some(table) = self.work.table {
            mark.table = self::mark(table.pid).unwrap_or_default().cpu;
        }
        let asked = {
            let mut marks = self.marks.lock().unwrap_or_else(PoisonError::into_inner);
            marks.push(mark);
            marks.len()
        };
        if asked > self.invocations {
            self.end(Ok(()));
            let over = self.over.lock().unwrap_or_else(PoisonError::into_inner);
            over.recv().ok();
        }
        let deadline = now_ms() + 900_000;
        let events = &self.work.events;
        let event = events[(asked - 1) % events.len()].clone();
        let mut answer = Answer::ok("application/json", event);
        answer.headers.extend([
            (
                "lambda-runtime-aws-request-id",
                format!("8476a536-e9f4-11e8-9739-{asked:012}"),
            ),
            ("lambda-runtime-deadline-ms", deadline.to_string()),
            (
                "lambda-runtime-invoked-function-arn",
                "arn:aws:lambda:eu-west-1:123456789012:function:measured".to_owned(),
            ),
        ]);
        if let Some(share) = self.share.as_ref().filter(|_| asked == 1) {
            if let Err(error) = share.give(*self.pid.wait()) {
                self.end(Err(error.to_string()));
            }
            self.began.get_or_init(Instant::now);
        }
        answer
    }

    fn end(&self, how: Result<(), String>) {
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        ended.send(how).ok();
    }
}

/// What a process has used, all of its threads together.
fn mark(pid: u32) -> IoResult<Mark> {
    let mut cpu = 0;
    for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
        let used = fs::read_to_string(thread?.path().join("schedstat"))?;
        let used = used
            .split(' ')
            .next()
            .and_then(|used| used.parse::<u64>().ok());
        cpu += used.unwrap_or(0);
    }
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let memory = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let memory = memory.and_then(|line| line.split_whitespace().next()?.parse().ok());
    Ok(Mark {
        cpu,
        memory: memory.unwrap_or(0),
        table: 0,
    })
}

/// Starts the program, and gives it its event so many times.
pub fn run(work: &Work, invocations: usize, how: How, cloud: &Cloud) -> Outcome<Run> {
    let scratch = std::env::temp_dir().join(format!("tidings-bench-{}", std::process::id()));
    fs::create_dir_all(&scratch)?;
    let (ended, end) = channel();
    let (keep, over) = channel();
    let share = (how == How::Shared).then(Share::make).transpose()?;
    let api = Arc::new(Api {
        work: work.clone(),
        invocations,
        share: share.clone(),
        began: OnceLock::new(),
        first: OnceLock::new(),
        pid: OnceLock::new(),
        marks: Mutex::default(),
        ended: Mutex::new(ended),
        over: Mutex::new(over),
    });
    let answering = api.clone();
    let address = http::serve(None, move |request| answering.answer(request))?;
    cloud.calls();
    let log = scratch.join("log");
    let counts = scratch.join("callgrind");
    let mut command = command(work, how, &counts);
    environment(&mut command, work, cloud);
    command.env("AWS_LAMBDA_RUNTIME_API", address.to_string());
    command.stdin(Stdio::null()).stderr(Stdio::null());
    command.stdout(fs::File::create(&log)?);
    let spawned = command.spawn();
    let spawned =
        spawned.map_err(|error| format!("{}: {error}", command.get_program().display()))?;
    let mut process = Process(spawned);
    api.pid.get_or_init(|| process.0.id());
    match end.recv_timeout(LIMIT) {
        Ok(Ok(())) => {}
        Ok(Err(error)) => return Err(format!("{}: {error}", work.name).into()),
        Err(_) => return Err(format!("{} did not end", work.name).into()),
    }
    let calls = cloud.calls();
    let instructions = match how {
        How::Plain | How::Shared => None,
        How::Counted => Some(instructions(&mut process.0, &counts)?),
    };
    drop(process);
    drop(keep);
    if let Some(share) = share {
        share.remove()?;
    }
    let marks = std::mem::take(&mut *api.marks.lock().unwrap_or_else(PoisonError::into_inner));
    let logged = fs::metadata(&log)?.len();
    fs::remove_dir_all(&scratch)?;
    Ok(Run {
        marks,
        logged,
        instructions,
        calls,
        first: api.first.get().copied(),
    })
}

fn command(work: &Work, how: How, counts: &Path) -> Command {
    let mut command = match how {
        How::Plain | How::Shared => Command::new(&work.program),
        How::Counted => {
            let mut command = Command::new("valgrind");
            command.args(["--tool=callgrind", "--quiet"]);
            command.arg(format!("--callgrind-out-file={}", counts.display()));
            command.arg(&work.program);
            command
        }
    };
    command.args(&work.script);
    command
}

/// What Lambda and the template give a function, with credentials that are good for nothing.
fn environment(command: &mut Command, work: &Work, cloud: &Cloud) {
    // Of who measures only where programs and Python's packages are, so that everybody measures the same.
    command.env_clear();
    for kept in ["HOME", "PATH"] {
        command.env(kept, std::env::var_os(kept).unwrap_or_default());
    }
    let endpoint = if work.is_secure {
        format!("https://{}", cloud.secure.0)
    } else {
        format!("http://{}", cloud.address)
    };
    command.envs([
        ("LANG", "en_US.UTF-8"),
        ("TZ", ":UTC"),
        ("AWS_REGION", "eu-west-1"),
        ("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE"),
        (
            "AWS_SECRET_ACCESS_KEY",
            "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        ),
        ("AWS_LAMBDA_FUNCTION_NAME", "measured"),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128"),
        ("AWS_LAMBDA_LOG_FORMAT", "JSON"),
        ("AWS_ENDPOINT_URL_DYNAMODB", &endpoint),
        ("AWS_ENDPOINT_URL_SNS", &endpoint),
        ("PYTHONDONTWRITEBYTECODE", "1"),
        ("TABLE_NAME", TABLE),
        ("RETENTION_DAYS", "90"),
        ("EVENT_RETENTION_DAYS", "90"),
        ("DEAD_EVENTS_URL", "http://127.0.0.1/000000000000/dead"),
        ("STACK_NAME", "tidings"),
        // More than can be measured here.
        ("PUBLISH_RATE", "1000000"),
        ("PUSH_INVOCATIONS", "1"),
        ("GROUP_CAP", "0"),
    ]);
    // What each SDK calls the file with the root.
    for name in ["AWS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE"] {
        command.env(name, &cloud.secure.1);
    }
    if let Some(table) = work.table {
        let endpoint = format!("http://{}", table.address);
        command.env("AWS_ENDPOINT_URL_DYNAMODB", endpoint);
    }
}

/// Ends the process as callgrind wants it, and reads what it counted.
fn instructions(process: &mut Child, counts: &Path) -> Outcome<u64> {
    let pid = process.id().to_string();
    Command::new("kill").args(["-TERM", &pid]).status()?;
    process.wait()?;
    let text = fs::read_to_string(counts)?;
    let total = text.lines().find_map(|line| line.strip_prefix("totals: "));
    let total = total.or_else(|| text.lines().find_map(|line| line.strip_prefix("summary: ")));
    let total = total.ok_or("callgrind counted nothing")?;
    Ok(total.trim().parse()?)
}
