//! The delivery of one batch: invoke, read the answer, split, try again, give up.

use super::answer::{self, Answer};
use super::lane::{Entry, event};
use super::letter::{Condition, Letter};
use crate::clock;
use crate::function::InvokeError;
use crate::output::say;
use crate::queue;
use crate::state::State;
use crate::template::StreamSource;
use std::time::Duration;
use tokio::sync::mpsc;

/// The longest pause between two attempts.
const MAX_PAUSE: Duration = Duration::from_secs(10);

/// What an invocation comes to: the function's answer.
pub(super) type Invoked = Result<Vec<u8>, InvokeError>;

/// What every lane of a mapping needs to deliver its batches.
pub(super) struct Delivery<I> {
    pub(super) source: StreamSource,
    pub(super) stream_arn: String,
    pub(super) shard: String,
    /// The function's name.
    pub(super) function: String,
    pub(super) first_pause: Duration,
    pub(super) state: State,
    pub(super) invoke: I,
    /// Hears the places of the records that are done.
    pub(super) finished: mpsc::UnboundedSender<Vec<u64>>,
}

/// A batch, or what is left of it.
#[derive(Debug)]
struct Batch {
    records: Vec<Entry>,
    /// Failures that count; splitting in two does not.
    failures: u32,
    invokes: u32,
    /// Whether the last invocation ended in an error.
    function_error: bool,
    /// Whether its failure was told.
    told: bool,
}

impl Batch {
    /// Cuts the records from `index` on into a batch of their own.
    fn split_off(&mut self, index: usize) -> Self {
        Self {
            records: self.records.split_off(index),
            ..*self
        }
    }
}

impl<I, F> Delivery<I>
where
    I: Fn(Vec<u8>) -> F,
    F: Future<Output = Invoked>,
{
    /// Returns when every record is done or given up.
    pub(super) async fn deliver(&self, records: Vec<Entry>) {
        let whole = Batch {
            records,
            failures: 0,
            invokes: 0,
            function_error: false,
            told: false,
        };
        // The next batch is the last one here, so that records stay in order.
        let mut left = vec![whole];
        while let Some(mut batch) = left.pop() {
            self.give_up_old(&mut batch).await;
            if batch.records.is_empty() {
                continue;
            }
            batch.invokes += 1;
            match self.invoke(&batch).await {
                Answer::Done => self.finish(&batch.records),
                Answer::FailedFrom(index) => {
                    batch.function_error = false;
                    let mut rest = batch.split_off(index);
                    self.finish(&batch.records);
                    self.tell(&mut rest, "the function reported failed records");
                    if index > 0 {
                        // The batch got on: what is left of it is as good as a new one.
                        rest.failures = 0;
                        left.push(rest);
                    } else {
                        left.extend(self.count_failure(rest).await);
                    }
                }
                Answer::Unusable(reason) => {
                    batch.function_error = true;
                    self.tell(&mut batch, &reason);
                    if self.source.bisect && batch.records.len() > 1 {
                        let second = batch.split_off(batch.records.len().div_ceil(2));
                        left.extend([second, batch]);
                    } else {
                        left.extend(self.count_failure(batch).await);
                    }
                }
            }
        }
    }

    async fn invoke(&self, batch: &Batch) -> Answer {
        match (self.invoke)(event(&batch.records)).await {
            Ok(body) if self.source.report_failures => {
                let sequences: Vec<&str> = batch
                    .records
                    .iter()
                    .map(|record| record.sequence.as_str())
                    .collect();
                answer::read(&body, &sequences)
            }
            Ok(_) => Answer::Done,
            Err(InvokeError::TimedOut) => Answer::Unusable("the function timed out".to_owned()),
            Err(InvokeError::Failed(reason)) => Answer::Unusable(reason),
        }
    }

    /// Gives the batch back after a pause, unless it failed too often.
    async fn count_failure(&self, mut batch: Batch) -> Option<Batch> {
        batch.failures += 1;
        if self
            .source
            .max_retries
            .is_some_and(|retries| batch.failures > retries)
        {
            self.give_up(&batch, Condition::RetryAttemptsExhausted)
                .await;
            return None;
        }
        let pause = self
            .first_pause
            .saturating_mul(1 << (batch.failures - 1).min(16));
        tokio::time::sleep(pause.min(MAX_PAUSE)).await;
        Some(batch)
    }

    /// Gives up the records at the front that are older than the mapping allows.
    async fn give_up_old(&self, batch: &mut Batch) {
        let Some(max_age) = self.source.max_age else {
            return;
        };
        let oldest = self
            .state
            .now()
            .saturating_sub(clock::milliseconds(max_age));
        let young = batch
            .records
            .iter()
            .position(|record| record.created_at * 1000 >= oldest);
        let young = batch.split_off(young.unwrap_or(batch.records.len()));
        if !batch.records.is_empty() {
            self.give_up(batch, Condition::RecordAgeExceeded).await;
        }
        *batch = young;
    }

    async fn give_up(&self, batch: &Batch, condition: Condition) {
        say(format_args!(
            "{}: gave up {} records ({condition:?})",
            self.source.id,
            batch.records.len()
        ));
        if let Some(queue) = &self.source.on_failure {
            let letter = Letter {
                condition,
                function: &self.function,
                stream_arn: &self.stream_arn,
                shard: &self.shard,
                invokes: batch.invokes,
                function_error: batch.function_error,
                at: self.state.now(),
                records: &batch.records,
            };
            self.send(queue, letter.body().to_string()).await;
        }
        self.finish(&batch.records);
    }

    /// Returns when the queue has the message: until then the records are not done.
    async fn send(&self, queue: &str, body: String) {
        loop {
            match queue::send(&self.state, queue, body.clone()).await {
                Ok(true) => return,
                Ok(false) => {
                    return say(format_args!(
                        "{}: there is no queue {queue}",
                        self.source.id
                    ));
                }
                Err(error) => say(format_args!("{}: {error}", self.source.id)),
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }

    fn finish(&self, records: &[Entry]) {
        if !records.is_empty() {
            let places = records.iter().map(|record| record.place).collect();
            // The reader only goes away with this lane.
            self.finished.send(places).ok();
        }
    }

    /// Says why the batch failed, the first time it does.
    fn tell(&self, batch: &mut Batch, reason: &str) {
        if !std::mem::replace(&mut batch.told, true) {
            say(format_args!(
                "{}: a batch of {} records failed: {reason}",
                self.source.id,
                batch.records.len()
            ));
        }
    }
}
