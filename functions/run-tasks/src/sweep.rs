//! The minute's sweep: which tasks are due, and up to where all have been run.
//!
//! It only looks, and starts a chain for each partition that has something; the stream runs the chains
//! side by side. A sweep that is missed, late, or overlaps another does no harm: the cursor passes a
//! minute only when a consistent read finds it empty, [`SETTLED`] minutes after it began.

use futures_util::stream::{self, StreamExt, TryStreamExt};
use shared::error::Result;
use shared::store::{Step, StepKey};
use shared::task::SHARDS;

use crate::handler::{Handler, Time};

/// A minute is passed when it began this long ago: nobody puts a task into it any more.
const SETTLED: i64 = 2;
/// Looks on their way at the same time.
const LOOKS: usize = 8;

/// Starts what is due, and moves the cursor.
pub async fn sweep(handler: &Handler, time: Time) -> Result<()> {
    let store = &handler.store;
    let this = time.now().as_second().div_euclid(60);
    // The first task puts the cursor.
    let Some(swept) = store.swept().await? else {
        return Ok(());
    };
    let mut first: Vec<Option<i64>> = vec![None; usize::from(SHARDS)];
    let (mut passed, mut passing, mut last) = (swept, true, this);
    let mut outcome = Ok(());
    for minute in swept + 1..=this {
        let settled = minute + SETTLED <= this;
        let found: Result<Vec<(u8, bool)>> = stream::iter(0..SHARDS)
            .map(|shard| async move {
                let found = store.has_tasks(minute, shard, settled).await?;
                Ok((shard, found))
            })
            .buffer_unordered(LOOKS)
            .try_collect()
            .await;
        let found = match found {
            Ok(found) if !time.is_short() => found,
            // What has been found is started; the next sweep looks from here.
            other => {
                last = minute - 1;
                outcome = other.map(drop);
                break;
            }
        };
        for (shard, _) in found.iter().filter(|(_, found)| *found) {
            first[usize::from(*shard)].get_or_insert(minute);
        }
        passing &= settled && found.iter().all(|(_, found)| !found);
        if passing {
            passed = minute;
        }
    }
    for (shard, from) in (0..SHARDS).zip(first) {
        let Some(from) = from else {
            continue;
        };
        // Named after the minute, so that sweeps that overlap start it once.
        let key = StepKey {
            job: format!("sweep-{this}"),
            chain: u32::from(shard),
            step: 0,
        };
        let step = Step::Sweep {
            from,
            to: last,
            shard,
        };
        store.put_step(&key, &step, time.now()).await?;
    }
    if passed > swept {
        store.sweep_to(passed).await?;
    }
    outcome
}
