//! Tasks for now: one step at a time, which puts the next.

use serde_json::value::RawValue;
use serde_json::{Value, json};
use shared::create::tell_members;
use shared::error::Result;
use shared::store::{Chain, States, Step, StepKey};
use shared::stream::{Batch, Record, response};
use shared::task::{Later, STOPPED, Task, watchdog};

use crate::handler::{Handler, Time, unknown};
use crate::{erase, later, redrive, retract};

/// What a step of a job did.
#[derive(Default)]
pub struct Did {
    /// Rows it wrote or pushed.
    pub count: u64,
    /// The step that follows; `None` at the end of the chain.
    pub next: Option<Step>,
    /// What the chain has found so far, if it counts that.
    pub states: Option<States>,
}

/// Runs the steps of a batch; the answer names those that must come again.
pub async fn handle(handler: &Handler, event: &RawValue, time: Time) -> Result<Value> {
    let batch: Batch = serde_json::from_str(event.get()).map_err(unknown)?;
    let mut failed = Vec::new();
    for raw in &batch.records {
        match Record::decode(raw) {
            Record::Ignored | Record::Created { .. } => {}
            Record::Step {
                key,
                sequence_number,
            } => {
                if let Err(error) = run(handler, &key, time).await {
                    tracing::warn!(error = %error.chain(), "a step must be run again");
                    failed.push(sequence_number);
                }
            }
            Record::Undecodable(record) => {
                tracing::warn!(reason = record.reason, "a record cannot be handled");
                handler.store.put_dead(time.now(), &record).await?;
            }
        }
    }
    Ok(json!(response(failed)))
}

/// Runs one step, if it is still there.
pub async fn run(handler: &Handler, key: &StepKey, time: Time) -> Result<()> {
    let (store, now) = (&handler.store, time.now());
    let Some(step) = store.step(key).await? else {
        return Ok(());
    };
    match step {
        Step::Clear { user, id } => {
            let cleared = handler.pusher.clear(&user, id, time.clock, time.budget);
            let Err(reason) = cleared.await else {
                return Ok(());
            };
            tracing::warn!(reason = reason.word(), "a screen is cleared later");
            store
                .put_later(&Later::new(Task::Clear(user, id), now, now), now)
                .await
        }
        Step::Sweep { from, to, shard } => {
            let Some(from) = later::run_all(handler, (from, to), shard, time).await? else {
                return Ok(());
            };
            store
                .put_step(&key.next(), &Step::Sweep { from, to, shard }, now)
                .await
        }
        Step::Redrive { .. }
        | Step::RedriveTargets { .. }
        | Step::RedriveDead { .. }
        | Step::FanOut(_)
        | Step::Retract { .. }
        | Step::Erase { .. } => advance(handler, key, &step, time).await,
    }
}

/// Runs a step of a job, puts the next, and then writes down how far the chain is.
async fn advance(handler: &Handler, key: &StepKey, step: &Step, time: Time) -> Result<()> {
    let store = &handler.store;
    let Some((job, chains)) = store.job(&key.job).await? else {
        return Ok(());
    };
    let known = chains.into_iter().find(|chain| chain.chain == key.chain);
    // One that has moved on was run before.
    if known
        .as_ref()
        .is_some_and(|chain| chain.done || chain.step > key.step)
    {
        return Ok(());
    }
    let did = if job.cancelled_at.is_some() {
        // What was found stays said.
        Did {
            states: known.as_ref().and_then(|known| known.states.clone()),
            ..Did::default()
        }
    } else if let Step::FanOut(telling) = step {
        let told = tell_members(store, time.clock, &job, key, telling.clone()).await?;
        Did {
            count: told.written,
            next: told.next.map(Step::FanOut),
            ..Did::default()
        }
    } else {
        match step {
            Step::Erase { user, until, at } => {
                erase::step(handler, (user, *until, at), time).await?
            }
            Step::Retract { topic, id, after } => {
                let members = (topic, key.chain, after.as_ref());
                retract::step(handler, members, *id, time).await?
            }
            _ => redrive::step(handler, step, key.chain, job.created_at, time).await?,
        }
    };
    let before = match step {
        // A step that was killed after it put the next one has not written down how far the chain is.
        Step::FanOut(telling) => telling.written,
        _ => known.map_or(0, |chain| chain.written),
    };
    if let Some(next) = &did.next {
        store.put_step(&key.next(), next, time.now()).await?;
    }
    let chain = Chain {
        chain: key.chain,
        step: key.step + u32::from(did.next.is_some()),
        written: before + did.count,
        states: did.states,
        done: did.next.is_none(),
        moved_at: time.now().as_millisecond(),
    };
    store.move_chain(&key.job, &chain).await
}

/// A job's watchdog: begins what was never begun, runs what has stopped, and comes back until all has ended.
pub async fn watch(handler: &Handler, job: &str, time: Time) -> Result<()> {
    let store = &handler.store;
    let Some((what, chains)) = store.job(job).await? else {
        return Ok(());
    };
    let now = time.now().as_millisecond();
    let mut open = false;
    for (chain, first) in (0..).zip(&what.chains) {
        let known = chains.iter().find(|known| known.chain == chain);
        if known.is_some_and(|known| known.done) {
            continue;
        }
        open = true;
        let key = StepKey {
            job: job.to_owned(),
            chain,
            step: known.map_or(0, |known| known.step),
        };
        if known.is_none() {
            store.put_step(&key, first, time.now()).await?;
        }
        let moved = known.map_or(what.created_at, |known| known.moved_at);
        // What there is no time for stays for the next one.
        if now - moved > STOPPED * 1_000 && !time.is_short() {
            run(handler, &key, time).await?;
        }
    }
    if open {
        store
            .put_later(&watchdog(job, time.now()), time.now())
            .await?;
    }
    Ok(())
}
