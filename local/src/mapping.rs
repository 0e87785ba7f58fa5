//! The event source mapping of a table's stream (that of a queue is [`poller`]): filter, batch, invoke, try again, give up, and remember how far it got.
//!
//! One reader hands the records to as many lanes as batches may be in flight; records of one item share a lane and so
//! stay in order. The checkpoint moves past a record when it and all before it are done or sent on. After `kill -9` the
//! records behind it are delivered again: never lost, possibly repeated, as on AWS.

mod answer;
mod delivery;
mod lane;
mod letter;
pub mod poller;
mod progress;

use crate::error::{Error, Result};
use crate::filter::Filter;
use crate::function::Function;
use crate::output::say;
use crate::state::State;
use crate::table::{Record, Stream, Tables};
use crate::template::{StartingPosition, StreamSource};
use delivery::{Delivery, Invoked};
use lane::{Entry, Lane};
use progress::Progress;
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, JoinSet};

/// How often the stream is looked at; AWS does so four times a second, a person at a laptop should not wait for that.
const POLL: Duration = Duration::from_millis(20);
/// The pause before the first retry; it doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// The pause before lanes that broke begin again.
const RESTART_PAUSE: Duration = Duration::from_millis(500);
/// The most records that are read and not done.
const MAX_OPEN: usize = 10_000;

/// Starts the mapping. It runs until the handle is aborted. A filter pattern that is not understood, or a table without
/// a stream, is an error.
pub fn spawn(
    source: StreamSource,
    tables: &Tables,
    function: Function,
    state: State,
) -> Result<JoinHandle<()>> {
    let name = function.name().to_owned();
    let invoke = move |event| {
        let function = function.clone();
        async move { function.invoke(event).await }
    };
    spawn_with(source, tables, state, (name, FIRST_PAUSE), invoke)
}

/// [`spawn`] over any function: `named` is its name and the pause before its first retry.
fn spawn_with<I, F>(
    source: StreamSource,
    tables: &Tables,
    state: State,
    named: (String, Duration),
    invoke: I,
) -> Result<JoinHandle<()>>
where
    I: Fn(Vec<u8>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Invoked> + Send + 'static,
{
    let filter = Filter::parse(&source.filters)
        .map_err(|error| Error::new(format!("{}: {error}", source.id)))?;
    let mut stream = tables.stream(&source.table)?;
    let position = match (state.checkpoint(&source.id)?, source.starting_position) {
        (Some(checkpoint), _) => Some(past_expired(&source.id, &mut stream, checkpoint)?),
        (None, StartingPosition::TrimHorizon) => None,
        (None, StartingPosition::Latest) => stream.newest()?,
    };
    let (finished, done) = mpsc::unbounded_channel();
    let delivery = Arc::new(Delivery {
        stream_arn: stream.arn().to_owned(),
        shard: stream.shard().to_owned(),
        function: named.0,
        first_pause: named.1,
        source,
        state: state.clone(),
        invoke,
        finished,
    });
    let reader = Reader {
        id: delivery.source.id.clone(),
        stream: Arc::new(Mutex::new(stream)),
        filter,
        state,
        done,
        progress: Progress::default(),
        // The place to begin at is kept too, or a restart before the first record would skip what came between.
        unsaved: position.clone(),
        reached: position.clone(),
        position,
    };
    Ok(tokio::spawn(reader.run(delivery)))
}

/// The place to begin at: after the records that got older than a stream keeps them while the stack was off.
fn past_expired(id: &str, stream: &mut Stream, checkpoint: String) -> Result<String> {
    let (count, last) = stream.expired(checkpoint)?;
    if count > 0 {
        say(format_args!(
            "{id}: LOST {count} records, older than 24 hours: the stack was off for too long"
        ));
    }
    Ok(last)
}

/// Reads the stream, hands its records out and keeps the checkpoint.
struct Reader {
    id: String,
    stream: Arc<Mutex<Stream>>,
    filter: Filter,
    state: State,
    done: mpsc::UnboundedReceiver<Vec<u64>>,
    progress: Progress,
    /// The last record read.
    position: Option<String>,
    /// The last record that is done with all before it.
    reached: Option<String>,
    /// A checkpoint that is not in the state file yet.
    unsaved: Option<String>,
}

impl Reader {
    /// Delivers for ever. A lane only ends by a fault of its own; all of them then begin again at the checkpoint.
    async fn run<I, F>(mut self, delivery: Arc<Delivery<I>>)
    where
        I: Fn(Vec<u8>) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Invoked> + Send + 'static,
    {
        loop {
            // Dropped, and with it every lane, when this task is aborted.
            let mut tasks = JoinSet::new();
            let mut lanes = Vec::new();
            for _ in 0..delivery.source.parallelization.max(1) {
                let (sender, inbox) = mpsc::unbounded_channel();
                tasks.spawn(Lane::new(Arc::clone(&delivery), inbox).run());
                lanes.push(sender);
            }
            let why = self.feed(&lanes, &mut tasks).await;
            say(format_args!(
                "{}: a lane BROKE ({why}); what it held is delivered again",
                self.id
            ));
            tasks.shutdown().await;
            self.progress.forget();
            self.position.clone_from(&self.reached);
            tokio::time::sleep(RESTART_PAUSE).await;
        }
    }

    /// Keeps the lanes busy until one of them ends, and says why it did.
    async fn feed(
        &mut self,
        lanes: &[mpsc::UnboundedSender<Vec<Entry>>],
        tasks: &mut JoinSet<()>,
    ) -> String {
        loop {
            let read = if self.progress.open() < MAX_OPEN {
                self.read().await
            } else {
                Ok(Vec::new())
            };
            let pause = match read {
                Ok(records) if records.is_empty() => POLL,
                Ok(records) => {
                    self.hand_out(records, lanes);
                    Duration::ZERO
                }
                Err(error) => {
                    say(format_args!("{}: {error}", self.id));
                    Duration::from_secs(1)
                }
            };
            tokio::select! {
                biased;
                Some(ended) = tasks.join_next() => {
                    return ended.map_or_else(|error| error.to_string(), |()| "it ended".to_owned());
                }
                Some(places) = self.done.recv() => self.progress.finish(&places),
                () = tokio::time::sleep(pause) => {}
            }
            while let Ok(places) = self.done.try_recv() {
                self.progress.finish(&places);
            }
            self.save().await;
        }
    }

    async fn read(&self) -> Result<Vec<Record>> {
        let (stream, position) = (Arc::clone(&self.stream), self.position.clone());
        let read = move || {
            stream
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .read(position.as_deref())
        };
        tokio::task::spawn_blocking(read)
            .await
            .map_err(|error| Error::new(format!("reading the stream: {error}")))?
    }

    /// Gives each record to its item's lane; one that the filter holds back is done at once.
    fn hand_out(&mut self, records: Vec<Record>, lanes: &[mpsc::UnboundedSender<Vec<Entry>>]) {
        let mut shares: Vec<Vec<Entry>> = lanes.iter().map(|_| Vec::new()).collect();
        for record in records {
            self.position = Some(record.sequence.clone());
            let wanted = self.filter.matches(&record.event);
            let place = self.progress.add(record.sequence.clone(), !wanted);
            if wanted {
                let lane = lane_of(&record, lanes.len());
                shares[lane].push(Entry::new(place, record));
            }
        }
        for (lane, share) in lanes.iter().zip(shares) {
            if !share.is_empty() {
                // A lane that is gone takes nothing; all of them begin again as soon as that is seen.
                lane.send(share).ok();
            }
        }
    }

    async fn save(&mut self) {
        if let Some(sequence) = self.progress.advance() {
            self.reached = Some(sequence.clone());
            self.unsaved = Some(sequence);
        }
        if let Some(sequence) = &self.unsaved {
            match self.state.save_checkpoint(&self.id, sequence).await {
                Ok(()) => self.unsaved = None,
                // Tried again with the next record; until then a restart would only repeat more.
                Err(error) => say(format_args!("{}: {error}", self.id)),
            }
        }
    }
}

/// The lane of the record's item: the same for each of its records.
fn lane_of(record: &Record, lanes: usize) -> usize {
    let keys = record.event["dynamodb"]["Keys"].as_object();
    let keys: BTreeMap<&String, String> = keys
        .into_iter()
        .flatten()
        .map(|(name, value)| (name, value.to_string()))
        .collect();
    let mut hasher = DefaultHasher::new();
    keys.hash(&mut hasher);
    let lane = hasher.finish() % u64::try_from(lanes).unwrap_or(1);
    usize::try_from(lane).unwrap_or(0)
}

#[cfg(test)]
mod tests;
