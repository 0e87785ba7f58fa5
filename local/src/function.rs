//! A function: its instances, started on demand and kept while they are of use.

use crate::clock::Clock;
use crate::instance::{Instance, Launch};
use crate::intrinsics::function_arn;
use crate::output::say;
use crate::template::{FunctionSpec, REGION};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

/// The most instances of one function; what comes while all are busy waits.
const MAX_INSTANCES: usize = 16;
/// How long an instance without work is kept.
const IDLE_LIMIT: Duration = Duration::from_mins(5);
/// How often instances without work are looked for.
const IDLE_CHECK: Duration = Duration::from_secs(30);

/// A function that can be invoked. Clones are the same function; its processes end with the last one.
#[derive(Clone)]
pub struct Function(Arc<Inner>);

/// Why an invocation has no result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InvokeError {
    /// The function ran longer than its template allows, and was ended.
    TimedOut,
    /// The function's error as JSON, or how its process ended and what it said last.
    Failed(String),
}

struct Inner {
    launch: Launch,
    timeout: Duration,
    clock: Clock,
    /// The instance used last is taken first, so that the others can go.
    idle: Mutex<Vec<(Instance, Instant)>>,
    permits: Arc<Semaphore>,
    watchers: Mutex<JoinSet<()>>,
    stopping: watch::Sender<bool>,
}

impl Function {
    /// A function that runs the program `binary`; `extra` are variables beside the template's and Lambda's own.
    #[must_use]
    pub fn new(spec: &FunctionSpec, binary: PathBuf, extra: &BTreeMap<String, String>) -> Self {
        Self::with_clock(spec, binary, extra, Clock::default())
    }

    /// [`new`](Self::new), whose invocations see the time of `clock`.
    #[must_use]
    pub fn with_clock(
        spec: &FunctionSpec,
        binary: PathBuf,
        extra: &BTreeMap<String, String>,
        clock: Clock,
    ) -> Self {
        let launch = Launch {
            name: spec.name.clone(),
            arn: function_arn(&spec.name),
            binary,
            environment: environment(spec, extra),
        };
        let function = Self(Arc::new(Inner {
            launch,
            timeout: spec.timeout,
            clock,
            idle: Mutex::new(Vec::new()),
            permits: Arc::new(Semaphore::new(MAX_INSTANCES)),
            watchers: Mutex::new(JoinSet::new()),
            stopping: watch::Sender::new(false),
        }));
        let moves = function.0.clock.moves();
        tokio::spawn(end_idle(Arc::downgrade(&function.0), moves));
        function
    }

    /// The function's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.launch.name
    }

    /// Runs the function on one event of at most [`PAYLOAD_LIMIT`](crate::runtime_api::PAYLOAD_LIMIT) bytes, as soon as
    /// fewer than 16 others run. Once it has begun it goes on if the caller stops waiting, as it would on AWS.
    pub async fn invoke(&self, event: Vec<u8>) -> Result<Vec<u8>, InvokeError> {
        let Ok(permit) = Arc::clone(&self.0.permits).acquire_owned().await else {
            return Err(InvokeError::Failed(
                "the local stack is stopping".to_owned(),
            ));
        };
        let function = self.clone();
        let run = async move {
            let outcome = function.run(event).await;
            drop(permit);
            outcome
        };
        match tokio::spawn(run).await {
            Ok(outcome) => outcome,
            Err(error) => Err(InvokeError::Failed(error.to_string())),
        }
    }

    /// Whether it was told to end, so that a failure says nothing about the function.
    pub(crate) fn is_ending(&self) -> bool {
        *self.0.stopping.borrow()
    }

    /// Ends every process of the function, the busy ones too, and takes no more events.
    pub fn end(&self) {
        self.0.permits.close();
        self.0.stopping.send_replace(true);
        self.idle().clear();
    }

    /// Does what [`end`](Self::end) does and waits until the processes are gone.
    pub async fn stop(&self) {
        self.end();
        let mut watchers = std::mem::take(&mut *lock(&self.0.watchers));
        while watchers.join_next().await.is_some() {}
    }

    async fn run(&self, event: Vec<u8>) -> Result<Vec<u8>, InvokeError> {
        let mut instance = match self.usable() {
            Some(instance) => instance,
            None => Instance::start(
                &self.0.launch,
                self.0.clock.ahead(),
                &self.0.watchers,
                self.0.stopping.subscribe(),
            )
            .await
            .inspect_err(|error| self.report(error, ""))?,
        };
        let outcome = instance.invoke(event, self.0.timeout).await;
        if let Err(error) = &outcome {
            self.report(error, &instance.last_lines());
        }
        // If the clock was moved meanwhile, the process has seen its last event.
        if instance.is_usable(self.0.clock.ahead()) {
            self.idle().push((instance, Instant::now()));
        }
        outcome
    }

    fn usable(&self) -> Option<Instance> {
        let ahead = self.0.clock.ahead();
        let mut idle = self.idle();
        while let Some((instance, _)) = idle.pop() {
            if instance.is_usable(ahead) {
                return Some(instance);
            }
        }
        None
    }

    fn report(&self, error: &InvokeError, last_lines: &str) {
        if self.is_ending() {
            return;
        }
        match error {
            InvokeError::TimedOut => {
                let seconds = self.0.timeout.as_secs();
                say(format_args!(
                    "{} TIMED OUT after {seconds} s; it said last: {last_lines}",
                    self.name()
                ));
            }
            InvokeError::Failed(reason) => {
                say(format_args!("{} FAILED: {reason}", self.name()));
            }
        }
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<(Instance, Instant)>> {
        lock(&self.0.idle)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn end_idle(function: Weak<Inner>, mut moves: watch::Receiver<i64>) {
    loop {
        // An error says that the clock is gone, and with it the function.
        tokio::time::timeout(IDLE_CHECK, moves.changed()).await.ok();
        let Some(function) = function.upgrade() else {
            return;
        };
        let ahead = function.clock.ahead();
        lock(&function.idle)
            .retain(|(instance, since)| instance.is_usable(ahead) && since.elapsed() < IDLE_LIMIT);
    }
}

/// The environment Lambda gives a function, with credentials that are good for nothing.
fn environment(spec: &FunctionSpec, extra: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let lambda = [
        ("AWS_ACCESS_KEY_ID", "local"),
        ("AWS_SECRET_ACCESS_KEY", "local"),
        ("AWS_DEFAULT_REGION", REGION),
        ("AWS_REGION", REGION),
        ("AWS_EXECUTION_ENV", "AWS_Lambda_provided.al2023"),
        ("AWS_LAMBDA_FUNCTION_NAME", &spec.name),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
        ("AWS_LAMBDA_LOG_FORMAT", &spec.log_format),
        ("AWS_LAMBDA_LOG_LEVEL", &spec.log_level),
        ("TZ", ":UTC"),
    ];
    let mut environment: BTreeMap<_, _> = lambda
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    environment.insert(
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE".to_owned(),
        spec.memory.to_string(),
    );
    environment.extend(spec.environment.clone());
    environment.extend(extra.clone());
    environment
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::template::Asynchronous;

    fn function(program: &str) -> Function {
        let spec = FunctionSpec {
            logical_id: "F".to_owned(),
            name: "F".to_owned(),
            binary: String::new(),
            memory: 128,
            timeout: Duration::from_secs(1),
            environment: BTreeMap::new(),
            log_format: "JSON".to_owned(),
            log_level: "INFO".to_owned(),
            asynchronous: Asynchronous::default(),
        };
        Function::new(&spec, program.into(), &BTreeMap::new())
    }

    async fn check(program: &str) -> Result<Vec<u8>, InvokeError> {
        function(program).invoke(b"{}".to_vec()).await
    }

    #[tokio::test]
    async fn an_event_whose_caller_gave_up_before_it_began_is_not_run() {
        let function = function("/bin/false");
        let all = u32::try_from(MAX_INSTANCES).unwrap();
        let busy = function.0.permits.acquire_many(all).await.unwrap();
        let waiting = function.invoke(b"{}".to_vec());
        let limit = Duration::from_millis(10);
        assert!(tokio::time::timeout(limit, waiting).await.is_err());
        drop(busy);
        tokio::task::yield_now().await;
        assert_eq!(function.0.permits.available_permits(), MAX_INSTANCES);
    }

    #[tokio::test]
    async fn a_program_that_does_not_start_fails_its_caller_at_once() {
        for (program, expected) in [
            ("/bin/false", "exit status: 1"),
            ("/bin/no-such-program", "No such file"),
        ] {
            let Err(InvokeError::Failed(reason)) = check(program).await else {
                panic!("{program} started");
            };
            assert!(reason.contains(expected), "{reason}");
        }
    }
}
