//! Asynchronous invocation, as Lambda does it for SNS: nobody waits for the result, a function error is tried again
//! twice, and an event that fails then is given up, which is said aloud.
//!
//! Lambda keeps such events in a queue of its own. This one is in memory: what waits when the stack ends is lost.

use crate::function::{Function, InvokeError};
use crate::output::say;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, JoinSet};

/// How often an event is tried.
const ATTEMPTS: u32 = 3;
/// The pause before the first retry; it doubles for the second. Lambda waits one minute, then two.
const FIRST_PAUSE: Duration = Duration::from_millis(500);

type Invoked = Pin<Box<dyn Future<Output = Result<Vec<u8>, InvokeError>> + Send>>;

/// What is invoked.
#[derive(Clone)]
pub struct Target {
    name: String,
    invoke: Arc<dyn Fn(Vec<u8>) -> Invoked + Send + Sync>,
}

impl Target {
    /// Anything that takes an event, under the name that reports use.
    pub fn new<F>(
        name: impl Into<String>,
        invoke: impl Fn(Vec<u8>) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<Vec<u8>, InvokeError>> + Send + 'static,
    {
        Self {
            name: name.into(),
            invoke: Arc::new(move |event| Box::pin(invoke(event))),
        }
    }
}

impl From<Function> for Target {
    fn from(function: Function) -> Self {
        Self::new(function.name().to_owned(), move |event| {
            let function = function.clone();
            async move { function.invoke(event).await }
        })
    }
}

/// Takes events for functions. Clones feed the same task.
#[derive(Clone)]
pub struct Dispatcher(mpsc::UnboundedSender<(Target, Vec<u8>)>);

impl Dispatcher {
    /// A dispatcher, and the task that invokes; with the task end all invocations it still waits for.
    #[must_use]
    pub fn spawn() -> (Self, JoinHandle<()>) {
        Self::spawn_with(FIRST_PAUSE)
    }

    /// [`spawn`](Self::spawn) with another pause before the first retry.
    pub(crate) fn spawn_with(first_pause: Duration) -> (Self, JoinHandle<()>) {
        let (sender, mut events) = mpsc::unbounded_channel();
        let work = async move {
            let mut running = JoinSet::new();
            loop {
                tokio::select! {
                    event = events.recv() => {
                        let Some((target, event)) = event else { break };
                        running.spawn(invoke(target, event, first_pause));
                    }
                    Some(_) = running.join_next() => {}
                }
            }
            running.join_all().await;
        };
        (Self(sender), tokio::spawn(work))
    }

    /// Invokes `target` with `event`, some time soon.
    pub fn send(&self, target: &Target, event: Vec<u8>) {
        // A task that has ended takes nothing: the stack is stopping.
        self.0.send((target.clone(), event)).ok();
    }
}

async fn invoke(target: Target, event: Vec<u8>, first_pause: Duration) {
    let mut pause = first_pause;
    for _ in 1..ATTEMPTS {
        if (target.invoke)(event.clone()).await.is_ok() {
            return;
        }
        tokio::time::sleep(pause).await;
        pause *= 2;
    }
    if let Err(error) = (target.invoke)(event).await {
        let why = match error {
            InvokeError::TimedOut => "it timed out".to_owned(),
            InvokeError::Failed(reason) => reason,
        };
        say(format_args!(
            "{}: an event was GIVEN UP after {ATTEMPTS} attempts: {why}",
            target.name
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    /// How often a function is invoked that fails `failures` times.
    async fn attempts(failures: u32) -> u32 {
        let count = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&count);
        let target = Target::new("F", move |event| {
            assert_eq!(event, b"{}");
            let failed = counted.fetch_add(1, Ordering::SeqCst) < failures;
            std::future::ready(if failed {
                Err(InvokeError::Failed("no".to_owned()))
            } else {
                Ok(Vec::new())
            })
        });
        let (dispatcher, task) = Dispatcher::spawn_with(Duration::from_millis(1));
        dispatcher.send(&target, b"{}".to_vec());
        drop(dispatcher);
        task.await.unwrap();
        count.load(Ordering::SeqCst)
    }

    #[tokio::test]
    async fn a_function_error_is_tried_again_twice_and_a_success_never() {
        for (failures, expected) in [(0, 1), (1, 2), (2, 3), (u32::MAX, 3)] {
            assert_eq!(attempts(failures).await, expected, "{failures} failures");
        }
    }
}
