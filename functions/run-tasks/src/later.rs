//! Running tasks for later: leased, run, and then deleted, or moved to where they are tried again.

use std::collections::HashSet;

use futures_util::stream::{self, StreamExt};
use shared::create::send_scheduled;
use shared::error::Result;
use shared::metrics::{self, Metric};
use shared::outcome::Reason;
use shared::push::Undone;
use shared::store::keys::Key;
use shared::store::{Due, Undecodable};
use shared::task::{Later, MAX_ATTEMPTS, Place, Task};

use crate::handler::{Handler, Time};
use crate::{erase, steps};

/// Tasks on their way at the same time.
const TASKS: usize = 8;
/// Tasks that are looked up at a time.
const CHUNK: usize = 100;
/// A task that this version cannot read is looked at again after this many minutes.
const UNREADABLE: i64 = 60;

/// Runs the tasks of one partition from one minute to another. Returns the minute to go on with, if time
/// did not suffice.
pub async fn run_all(
    handler: &Handler,
    (from, to): (i64, i64),
    shard: u8,
    time: Time,
) -> Result<Option<i64>> {
    for minute in from..=to {
        let mut seen: HashSet<Place> = HashSet::new();
        loop {
            let due = handler.store.due(minute, shard, time.now(), CHUNK).await?;
            let mut tasks = Vec::new();
            for due in due {
                match due {
                    Due::Task(later) if seen.insert(later.place.clone()) => tasks.push(later),
                    Due::Task(_) => {}
                    Due::Unreadable(sk) => {
                        tracing::warn!(minute, shard, "a task of another version has to wait");
                        let to = time.now().as_second().div_euclid(60) + UNREADABLE;
                        handler.store.move_unread(minute, shard, &sk, to).await?;
                    }
                }
            }
            if tasks.is_empty() {
                break;
            }
            let mut running = stream::iter(tasks)
                .map(|later| async move {
                    if time.is_short() {
                        return Ok(false);
                    }
                    run(handler, &later, time).await.map(|()| true)
                })
                .buffer_unordered(TASKS);
            let mut outcome = Ok(true);
            while let Some(ran) = running.next().await {
                outcome = match (outcome, ran) {
                    (Ok(all), Ok(ran)) => Ok(all && ran),
                    (Err(error), _) | (_, Err(error)) => Err(error),
                };
            }
            if !outcome? {
                return Ok(Some(minute));
            }
        }
    }
    Ok(None)
}

/// Runs one task, unless somebody else does.
pub async fn run(handler: &Handler, found: &Later, time: Time) -> Result<()> {
    let (store, now) = (&handler.store, time.now());
    let moment = matches!(found.task, Task::Send(_)).then_some(now);
    let Some(later) = store.lease(&found.place, now, moment).await? else {
        return Ok(());
    };
    let ran = if later.attempt > MAX_ATTEMPTS + 1 && later.again(now).is_none() {
        // It never came to an end of its own.
        Err("it ended every invocation that ran it".to_owned())
    } else {
        act(handler, &later, time).await
    };
    let Err(reason) = ran else {
        return store.end_task(&later, time.now()).await;
    };
    tracing::warn!(
        reason,
        attempt = later.attempt,
        "a task is tried again later"
    );
    let later = if reason == Reason::TimeShort.word() {
        // It had no turn: that is no attempt.
        Later {
            attempt: later.attempt.saturating_sub(1),
            ..later
        }
    } else {
        later
    };
    match later.again(time.now()) {
        Some(again) => store.move_task(&later, &again, time.now()).await,
        None => give_up(handler, &later, reason, time).await,
    }
}

/// Does what a task asks for; or says why it must be tried again.
async fn act(handler: &Handler, later: &Later, time: Time) -> Result<(), String> {
    let Time { clock, budget } = time;
    match &later.task {
        Task::Push(user, id) => {
            let targets = [(user.clone(), *id)];
            let pushed = handler.pusher.resume(&targets, clock, budget).await;
            match pushed.map_err(|error| error.chain())?.pop() {
                Some(Err(Undone::Later(reason))) => Err(word(reason)),
                Some(Err(Undone::Unreadable(reason))) => {
                    keep_dead(handler, later, reason, time).await
                }
                Some(Ok(())) | None => Ok(()),
            }
        }
        Task::QuietEnd(user, since) => {
            let ended = handler.pusher.end_quiet(user, *since, clock, budget);
            ended.await.map_err(word)
        }
        Task::Clear(user, id) => {
            let cleared = handler.pusher.clear(user, *id, clock, budget);
            cleared.await.map_err(word)
        }
        Task::Send(scheduled) => {
            let erased = erase::takes(handler, scheduled, later.accepted).await;
            if erased.map_err(|error| error.chain())? {
                return Ok(());
            }
            let sent = send_scheduled(&handler.store, clock, scheduled, &later.moments);
            sent.await.map_err(|error| error.chain())
        }
        Task::Erase(user, erase) => {
            let again = erase::again(handler, user, *erase, time);
            again.await.map_err(|error| error.chain())
        }
        Task::Watch(job) => {
            let watched = steps::watch(handler, job, time);
            watched.await.map_err(|error| error.chain())
        }
    }
}

fn word(reason: Reason) -> String {
    reason.word().to_owned()
}

/// Ends a task that was tried often enough.
async fn give_up(handler: &Handler, later: &Later, reason: String, time: Time) -> Result<()> {
    if let Task::Push(user, id) = &later.task {
        let (store, now) = (&handler.store, time.now());
        store.end_push(user, *id, Reason::GaveUp, now).await?;
    }
    metrics::count(Metric::GaveUp, 1);
    let kept = keep_dead(handler, later, reason, time).await;
    if let Err(error) = kept {
        // Nothing is deleted that is not written down.
        tracing::warn!(error, "a task that is given up stays");
        return Ok(());
    }
    handler.store.end_task(later, time.now()).await
}

/// Writes down what could not be done, for the list of the dead.
async fn keep_dead(
    handler: &Handler,
    later: &Later,
    reason: String,
    time: Time,
) -> Result<(), String> {
    let key = match &later.task {
        Task::Push(user, id) => Key::Notification(user.clone(), *id),
        _ => Key::Later(later.place.clone()),
    };
    let record = Undecodable {
        pk: Some(key.pk()),
        sk: Some(key.sk()),
        sequence_number: None,
        reason,
    };
    let kept = handler.store.put_dead(time.now(), &record).await;
    kept.map_err(|error| error.chain())
}
