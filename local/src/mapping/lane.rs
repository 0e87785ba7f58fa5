//! One lane of an event source mapping: gathers records into batches and delivers them one after the other.

use super::delivery::{Delivery, Invoked};
use crate::table::Record;
use std::collections::VecDeque;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

/// The most bytes of one invocation's event, 6 MB.
const MAX_EVENT: usize = 6 * 1024 * 1024;

/// A record on its way to the function.
#[derive(Debug)]
pub(super) struct Entry {
    /// Where it stands in the mapping's progress.
    pub(super) place: u64,
    pub(super) sequence: String,
    /// Seconds since 1970.
    pub(super) created_at: i64,
    /// Its JSON.
    pub(super) text: String,
}

impl Entry {
    pub(super) fn new(place: u64, record: Record) -> Self {
        Self {
            place,
            sequence: record.sequence,
            created_at: record.created_at,
            text: record.event.to_string(),
        }
    }
}

/// The event of an invocation.
pub(super) fn event(records: &[Entry]) -> Vec<u8> {
    let texts: Vec<&str> = records.iter().map(|record| record.text.as_str()).collect();
    format!(r#"{{"Records":[{}]}}"#, texts.join(",")).into_bytes()
}

/// Takes the next batch from the front of `waiting`: as many records as the sizes allow, and at least one.
fn take(waiting: &mut VecDeque<Entry>, batch_size: usize) -> Vec<Entry> {
    let mut bytes = event(&[]).len();
    let fits = |record: &&Entry| {
        bytes += record.text.len() + 1;
        bytes <= MAX_EVENT
    };
    let count = waiting
        .iter()
        .take(batch_size.max(1))
        .take_while(fits)
        .count();
    waiting.drain(..count.max(1).min(waiting.len())).collect()
}

/// A lane and what waits in it.
pub(super) struct Lane<I> {
    delivery: Arc<Delivery<I>>,
    inbox: mpsc::UnboundedReceiver<Vec<Entry>>,
    waiting: VecDeque<Entry>,
}

impl<I, F> Lane<I>
where
    I: Fn(Vec<u8>) -> F,
    F: Future<Output = Invoked>,
{
    pub(super) fn new(
        delivery: Arc<Delivery<I>>,
        inbox: mpsc::UnboundedReceiver<Vec<Entry>>,
    ) -> Self {
        Self {
            delivery,
            inbox,
            waiting: VecDeque::new(),
        }
    }

    /// Delivers until the reader is gone.
    pub(super) async fn run(mut self) {
        while let Some(batch) = self.next_batch().await {
            self.delivery.deliver(batch).await;
        }
    }

    /// Waits for a record, then for the window to pass or the batch to be full.
    async fn next_batch(&mut self) -> Option<Vec<Entry>> {
        if self.waiting.is_empty() {
            self.waiting.extend(self.inbox.recv().await?);
        }
        let source = &self.delivery.source;
        let deadline = Instant::now() + source.window;
        loop {
            while let Ok(more) = self.inbox.try_recv() {
                self.waiting.extend(more);
            }
            let bytes: usize = self.waiting.iter().map(|record| record.text.len()).sum();
            if self.waiting.len() >= source.batch_size
                || bytes >= MAX_EVENT
                || Instant::now() >= deadline
            {
                break;
            }
            match timeout_at(deadline, self.inbox.recv()).await {
                Ok(Some(more)) => self.waiting.extend(more),
                Ok(None) | Err(_) => break,
            }
        }
        Some(take(&mut self.waiting, source.batch_size))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(bytes: usize) -> Entry {
        Entry {
            place: 0,
            sequence: String::new(),
            created_at: 0,
            text: "x".repeat(bytes),
        }
    }

    #[test]
    fn a_batch_ends_at_its_count_or_at_six_megabytes() {
        let mut waiting: VecDeque<Entry> = (0..5).map(|_| entry(10)).collect();
        assert_eq!(take(&mut waiting, 3).len(), 3);
        assert_eq!(take(&mut waiting, 3).len(), 2);
        let mut waiting: VecDeque<Entry> = (0..8).map(|_| entry(1024 * 1024)).collect();
        let batch = take(&mut waiting, 100);
        assert_eq!(batch.len(), 5);
        assert!(event(&batch).len() <= MAX_EVENT);
        let mut waiting: VecDeque<Entry> = [entry(MAX_EVENT)].into();
        assert_eq!(take(&mut waiting, 100).len(), 1);
    }
}
