//! One running process of a function.

use crate::clock;
use crate::function::InvokeError;
use crate::output::Tail;
use crate::runtime_api::{Answer, RuntimeApi, Start};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// How long a function may take to ask for its first event, as on AWS.
const START_LIMIT: Duration = Duration::from_secs(10);
/// How long the output of a process that has ended may still come.
const OUTPUT_LIMIT: Duration = Duration::from_millis(500);

/// What a process of a function is started from.
pub struct Launch {
    /// The function's name.
    pub name: String,
    /// Its ARN.
    pub arn: String,
    /// The program.
    pub binary: PathBuf,
    /// Its environment, to which only `PATH`, the Runtime API's address and the clock are added.
    pub environment: BTreeMap<String, String>,
}

/// A process that has asked for its first event. Dropping it ends the process.
pub struct Instance {
    api: RuntimeApi,
    /// How far the clock was ahead when it was started, in milliseconds.
    ahead: i64,
    /// How the process ended; `None` while it runs.
    ended: watch::Receiver<Option<String>>,
    tail: Arc<Tail>,
    /// Dropped, it tells the watcher to end the process.
    _keep: tokio::sync::oneshot::Sender<()>,
    broken: bool,
}

impl Instance {
    /// Starts a process that is told how many milliseconds the clock is `ahead`, and waits until it asks for an event. Its
    /// watcher joins `watchers`.
    pub async fn start(
        launch: &Launch,
        ahead: i64,
        watchers: &std::sync::Mutex<JoinSet<()>>,
        stopping: watch::Receiver<bool>,
    ) -> Result<Self, InvokeError> {
        let failed =
            |error: String| InvokeError::Failed(format!("{} does not start: {error}", launch.name));
        let mut api = RuntimeApi::listen(launch.arn.clone())
            .await
            .map_err(|error| failed(error.to_string()))?;
        let child =
            spawn(launch, ahead, &api.address()).map_err(|error| failed(error.to_string()))?;
        let tail = Arc::new(Tail::default());
        let (keep, dropped) = tokio::sync::oneshot::channel();
        let (sender, mut ended) = watch::channel(None);
        let watcher = Watcher {
            name: launch.name.clone(),
            child,
            tail: tail.clone(),
            ended: sender,
        };
        {
            let mut watchers = watchers
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner);
            while watchers.try_join_next().is_some() {}
            watchers.spawn(watcher.watch(dropped, stopping));
        }
        let start = tokio::select! {
            start = api.started() => start,
            () = ending(&mut ended) => Start::Pending,
            () = tokio::time::sleep(START_LIMIT) => {
                return Err(failed(format!("it asked for no event within {} s", START_LIMIT.as_secs())));
            }
        };
        match start {
            Start::Ready => Ok(Self {
                api,
                ahead,
                ended,
                tail,
                _keep: keep,
                broken: false,
            }),
            Start::Failed(error) => Err(failed(error)),
            Start::Pending => Err(failed(obituary(&ended, &tail))),
        }
    }

    /// Whether the process can take another event while the clock is `ahead`.
    pub fn is_usable(&self, ahead: i64) -> bool {
        !self.broken && self.ahead == ahead && self.ended.borrow().is_none()
    }

    /// Runs the function on one event.
    pub async fn invoke(
        &mut self,
        event: Vec<u8>,
        timeout: Duration,
    ) -> Result<Vec<u8>, InvokeError> {
        let answer = self.api.send(event, timeout).await;
        tokio::select! {
            biased;
            Ok(answer) = answer => match answer {
                Answer::Result(bytes) => Ok(bytes.into()),
                Answer::Error(error) => Err(InvokeError::Failed(error)),
            },
            () = ending(&mut self.ended) => Err(InvokeError::Failed(obituary(&self.ended, &self.tail))),
            () = tokio::time::sleep(timeout) => {
                self.broken = true;
                Err(InvokeError::TimedOut)
            }
        }
    }

    /// What the process said last.
    pub fn last_lines(&self) -> String {
        self.tail.text()
    }
}

fn spawn(launch: &Launch, ahead: i64, runtime_api: &str) -> std::io::Result<Child> {
    let mut command = Command::new(&launch.binary);
    command
        .env_clear()
        .envs(&launch.environment)
        .env("AWS_LAMBDA_RUNTIME_API", runtime_api);
    if ahead != 0 {
        command.env(clock::VARIABLE, ahead.to_string());
    }
    if let Some(path) = std::env::var_os("PATH") {
        command.env("PATH", path);
    }
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // Ctrl-C reaches the runner alone, which then ends its functions in order.
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
}

/// Waits for the process and says how it ended.
struct Watcher {
    name: String,
    child: Child,
    tail: Arc<Tail>,
    ended: watch::Sender<Option<String>>,
}

impl Watcher {
    async fn watch(
        mut self,
        dropped: tokio::sync::oneshot::Receiver<()>,
        mut stopping: watch::Receiver<bool>,
    ) {
        let mut output = JoinSet::new();
        if let Some(stdout) = self.child.stdout.take() {
            let (name, tail) = (self.name.clone(), self.tail.clone());
            output.spawn(async move { tail.follow(&name, stdout).await });
        }
        if let Some(stderr) = self.child.stderr.take() {
            let (name, tail) = (self.name.clone(), self.tail.clone());
            output.spawn(async move { tail.follow(&name, stderr).await });
        }
        let told = async {
            tokio::select! {
                _ = dropped => {}
                _ = stopping.wait_for(|stopping| *stopping) => {}
            }
        };
        let status = tokio::select! {
            status = self.child.wait() => status,
            () = told => self.end().await,
        };
        // Its last words may still be in the pipe; a process of its own may hold the pipe open for ever.
        tokio::time::timeout(OUTPUT_LIMIT, async {
            while output.join_next().await.is_some() {}
        })
        .await
        .ok();
        let status = status.map_or_else(|error| error.to_string(), |status| status.to_string());
        self.ended.send_replace(Some(status));
    }

    async fn end(&mut self) -> std::io::Result<std::process::ExitStatus> {
        self.child.start_kill()?;
        self.child.wait().await
    }
}

async fn ending(ended: &mut watch::Receiver<Option<String>>) {
    // An error says that the watcher is gone, and the process with it.
    ended.wait_for(Option::is_some).await.ok();
}

fn obituary(ended: &watch::Receiver<Option<String>>, tail: &Tail) -> String {
    let status = ended
        .borrow()
        .clone()
        .unwrap_or_else(|| "the runner stopped it".to_owned());
    let lines = tail.text();
    let lines = if lines.is_empty() {
        "nothing".to_owned()
    } else {
        lines
    };
    format!("the process ended ({status}); it said last: {lines}")
}
