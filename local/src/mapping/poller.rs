//! The event source mapping of a queue: gathers messages into batches, invokes, and deletes what is done.
//!
//! What is not done comes again when its visibility time-out has passed, and in the end goes where the queue's redrive
//! policy says: that is the queue's work, not the mapping's.

use super::answer;
use super::delivery::Invoked;
use crate::function::{Function, InvokeError};
use crate::output::say;
use crate::queue::{self, Ask, Message, lambda_shape};
use crate::state::State;
use crate::template::{QueueSource, REGION};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;

/// How many batches Lambda has in flight at first; with one laptop it stays at that.
const CONCURRENCY: usize = 5;
/// The most messages of one look into the queue.
const AT_ONCE: usize = 10;
/// The longest look.
const WAIT: Duration = Duration::from_secs(20);
/// The most bytes of one invocation's event, 6 MB.
const MAX_EVENT: usize = 6 * 1024 * 1024;
/// What ten records have beside their messages, at most.
const OVERHEAD: usize = 64 * 1024;
/// The largest record: a message of 1 MiB in which every byte is escaped.
const LARGEST: usize = 2 * 1024 * 1024 + OVERHEAD;
/// The pause after a look that failed.
const PAUSE: Duration = Duration::from_secs(1);

/// Starts the mapping. It runs until the handle is aborted.
pub fn spawn(source: QueueSource, function: Function, state: State) -> JoinHandle<()> {
    spawn_with(source, state, move |event| {
        let function = function.clone();
        async move { function.invoke(event).await }
    })
}

/// [`spawn`] over any function.
pub(super) fn spawn_with<I, F>(source: QueueSource, state: State, invoke: I) -> JoinHandle<()>
where
    I: Fn(Vec<u8>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Invoked> + Send + 'static,
{
    tokio::spawn(async move {
        let permits = Arc::new(Semaphore::new(source.concurrency.unwrap_or(CONCURRENCY)));
        let poller = Arc::new(Poller {
            queue: source
                .queue
                .rsplit(':')
                .next()
                .unwrap_or_default()
                .to_owned(),
            source,
            state,
            invoke,
        });
        // Dropped, and with it every batch in flight, when this task is aborted.
        let mut flying = JoinSet::new();
        // First the permit: a message that nobody can take must not be hidden. The permits are never closed.
        while let Ok(permit) = Arc::clone(&permits).acquire_owned().await {
            while flying.try_join_next().is_some() {}
            let (batch, poller) = (poller.gather().await, Arc::clone(&poller));
            flying.spawn(async move {
                poller.deliver(&batch).await;
                drop(permit);
            });
        }
    })
}

struct Poller<I> {
    source: QueueSource,
    /// The queue's name.
    queue: String,
    state: State,
    invoke: I,
}

impl<I, F> Poller<I>
where
    I: Fn(Vec<u8>) -> F,
    F: Future<Output = Invoked>,
{
    /// Waits for a message, then for the window to pass or the batch to be full.
    async fn gather(&self) -> Vec<Message> {
        let mut batch = Vec::new();
        while batch.is_empty() {
            batch = self.look(self.source.batch_size, MAX_EVENT, WAIT).await;
        }
        let deadline = Instant::now() + self.source.window;
        loop {
            let bytes: usize = batch.iter().map(|message| text(self, message).len()).sum();
            let left = deadline.saturating_duration_since(Instant::now());
            let open = self.source.batch_size.saturating_sub(batch.len());
            // One more message must fit whatever its size: it cannot be given back unseen.
            if open == 0 || left.is_zero() || bytes + LARGEST > MAX_EVENT {
                return batch;
            }
            let room = MAX_EVENT - bytes;
            batch.extend(self.look(open, room, left.min(WAIT)).await);
        }
    }

    /// Receives messages whose records have this room. A message at most doubles when it becomes JSON.
    async fn look(&self, most: usize, room: usize, wait: Duration) -> Vec<Message> {
        let ask = Ask {
            queue: self.queue.clone(),
            most: most.min(AT_ONCE),
            bytes: room.saturating_sub(OVERHEAD) / 2,
            visibility: None,
            wait,
        };
        match queue::receive(&self.state, &ask).await {
            Ok(Some(messages)) => return messages,
            Ok(None) => say(format_args!(
                "{}: there is no queue {}",
                self.source.id, self.queue
            )),
            Err(error) => say(format_args!("{}: {error}", self.source.id)),
        }
        tokio::time::sleep(PAUSE).await;
        Vec::new()
    }

    async fn deliver(&self, batch: &[Message]) {
        let records: Vec<String> = batch.iter().map(|message| text(self, message)).collect();
        let event = format!(r#"{{"Records":[{}]}}"#, records.join(","));
        let failed = match (self.invoke)(event.into_bytes()).await {
            Ok(body) if self.source.report_failures => {
                let ids: Vec<&str> = batch.iter().map(|message| message.id.as_str()).collect();
                answer::failures(&body, &ids)
            }
            Ok(_) => Ok(Vec::new()),
            Err(InvokeError::TimedOut) => Err("the function timed out".to_owned()),
            Err(InvokeError::Failed(reason)) => Err(reason),
        };
        let failed = failed.unwrap_or_else(|reason| {
            say(format_args!(
                "{}: a batch of {} messages failed: {reason}",
                self.source.id,
                batch.len()
            ));
            (0..batch.len()).collect()
        });
        let done = batch
            .iter()
            .enumerate()
            .filter(|(index, _)| !failed.contains(index));
        let done = done.map(|(_, message)| message.receipt.clone()).collect();
        // If that fails they come again, as they may on AWS.
        if let Err(error) = queue::delete(&self.state, &self.queue, done).await {
            say(format_args!("{}: {error}", self.source.id));
        }
    }
}

/// A message as the function sees it.
fn text<I>(poller: &Poller<I>, message: &Message) -> String {
    record(&poller.source.queue, message).to_string()
}

fn record(arn: &str, message: &Message) -> Value {
    json!({
        "messageId": message.id,
        "receiptHandle": message.receipt,
        "body": message.body,
        "attributes": message.system_attributes(),
        "messageAttributes": lambda_shape(&message.attributes),
        "md5OfBody": format!("{:x}", md5::compute(&message.body)),
        "eventSource": "aws:sqs",
        "eventSourceARN": arn,
        "awsRegion": REGION,
    })
}

#[cfg(test)]
mod tests;
