//! Pushing again: what a window of time holds without an outcome, and what died on a day.

use std::collections::HashSet;

use shared::error::Result;
use shared::push::{Target, Undone};
use shared::store::{Dead, States, Step};
use shared::task::parked;

use crate::handler::{Handler, Time};
use crate::steps::Did;

/// Pushes of one call: as many as one batch of the stream.
const BATCH: usize = 100;

/// Runs one step of a redrive, made at that many milliseconds since 1970. What a step does is safe to do twice: a push
/// that has its outcome is left.
pub async fn step(
    handler: &Handler,
    step: &Step,
    chain: u32,
    created_at: i64,
    time: Time,
) -> Result<Did> {
    let store = &handler.store;
    match step {
        Step::Redrive {
            from,
            to,
            cursor,
            states,
        } => {
            let place = (*from, *to, cursor.clone());
            window(handler, place, states.clone(), time).await
        }
        Step::RedriveTargets { targets } => {
            for (user, id) in targets {
                store.reopen(user, *id).await?;
            }
            push(handler, targets, time).await?;
            Ok(Did {
                count: count(targets.len()),
                ..Did::default()
            })
        }
        Step::RedriveDead { day, cursor } => {
            let shard = u8::try_from(chain).unwrap_or(u8::MAX);
            let page = store.dead(day, shard, cursor.as_deref(), BATCH).await?;
            let mut dead = page.dead;
            let all = dead.len();
            // What has died since, perhaps again, would be pushed until the day is over.
            dead.retain(|dead| dead.id.at().as_millisecond() <= created_at);
            let whole = dead.len() == all;
            let next = page.cursor.filter(|_| whole);
            Ok(Did {
                count: revive(handler, &dead, time).await?,
                next: next.map(|cursor| Step::RedriveDead {
                    day: day.clone(),
                    cursor: Some(cursor),
                }),
                ..Did::default()
            })
        }
        Step::Clear { .. }
        | Step::Sweep { .. }
        | Step::FanOut(_)
        | Step::Retract { .. }
        | Step::Erase { .. } => Ok(Did::default()),
    }
}

/// Pushes what a page of the table holds of a window without an outcome, and adds what it holds to what was found before.
async fn window(
    handler: &Handler,
    (from, to, cursor): (i64, i64, Option<(String, String)>),
    mut states: Option<States>,
    time: Time,
) -> Result<Did> {
    let page = handler.store.window((from, to), cursor).await?;
    push(handler, &page.targets, time).await?;
    for (state, found) in page.states {
        if let Some(states) = &mut states {
            *states.entry(state).or_default() += found;
        }
    }
    Ok(Did {
        count: count(page.targets.len()),
        next: page.cursor.map(|cursor| Step::Redrive {
            from,
            to,
            cursor: Some(cursor),
            states: states.clone(),
        }),
        states,
    })
}

/// Pushes again what died, and takes it off the list, unless its row cannot be read. Returns how many there were.
async fn revive(handler: &Handler, dead: &[Dead], time: Time) -> Result<u64> {
    // One that died twice is on the list twice.
    let targets: HashSet<Target> = dead.iter().filter_map(Dead::target).collect();
    let targets: Vec<Target> = targets.into_iter().collect();
    for (user, id) in &targets {
        handler.store.reopen(user, *id).await?;
    }
    let unreadable = push(handler, &targets, time).await?;
    for dead in dead {
        let target = dead.target();
        if target.is_some_and(|target| !unreadable.contains(&target)) {
            handler.store.remove_dead(dead).await?;
        }
    }
    Ok(count(targets.len()))
}

/// Pushes notifications; what cannot be sent now is parked. Returns those whose rows cannot be read.
async fn push(handler: &Handler, targets: &[Target], time: Time) -> Result<HashSet<Target>> {
    let mut unreadable = HashSet::new();
    for batch in targets.chunks(BATCH) {
        let pushed = handler
            .pusher
            .deliver(batch, time.clock, time.budget)
            .await?;
        for ((user, id), done) in batch.iter().zip(pushed) {
            match done {
                Ok(()) => {}
                Err(Undone::Later(_)) => {
                    let later = parked(user.clone(), *id, time.now());
                    handler.store.put_later(&later, time.now()).await?;
                }
                Err(Undone::Unreadable(reason)) => {
                    tracing::warn!(reason, "a row cannot be read");
                    unreadable.insert((user.clone(), *id));
                }
            }
        }
    }
    Ok(unreadable)
}

fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}
