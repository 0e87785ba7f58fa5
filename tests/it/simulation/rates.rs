//! The load that one shard of the stream and one partition of the table are made for: a thousand records a second that are
//! pushed, and one inbox that gets five times what its partition takes.
//!
//! Lambda looks into the shard four times a second, and hands its records to as many lanes as the template says, each with an
//! instance of its own. A publish takes 25 ms, a call to the table 2 to 16.

use std::cell::Cell;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::join_all;
use jiff::Timestamp;
use serde_json::json;
use shared::clock::Clock;
use shared::create::create_drawn;
use shared::error::Error;
use shared::id::UserId;
use shared::notification;
use shared::outcome::Reason;
use shared::push::{Limits, Target, Undone};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::alone;
use super::judge::judge;
use super::ledger::Note;
use super::pushes::{BATCH, Instance, LIMITS, Report, create, resume, users};
use super::wire::{Faults, Speed, Wire, World};
use crate::chance::Chance;
use crate::crashes::full;
use crate::fan_out_pace::Bucket;

const PUBLISH: Duration = Duration::from_millis(25);
/// How often Lambda looks into the shard.
const LOOK: Duration = Duration::from_millis(250);
/// The mapping's `ParallelizationFactor`.
const LANES: usize = 4;
/// Writes a second of a partition.
const PARTITION: u32 = 1_000;
/// A request comes again after a second, two, four and so on, more or less, and at most after so many.
const LONGEST_PAUSE: u64 = 16;
const RETENTION: u32 = 90 * 86_400;

/// What was stored and is not in the lanes yet.
type Shard = Mutex<Vec<Target>>;

fn lane_of(target: &Target) -> usize {
    let mut hasher = DefaultHasher::new();
    target.hash(&mut hasher);
    usize::try_from(hasher.finish() % LANES as u64).unwrap()
}

/// Hands out what was stored, until no more will be.
async fn look(shard: &Shard, lanes: Vec<UnboundedSender<Target>>, over: &Cell<bool>) {
    loop {
        sleep(LOOK).await;
        let is_last = over.get();
        for target in std::mem::take(&mut *shard.lock().unwrap()) {
            lanes[lane_of(&target)].send(target).unwrap();
        }
        if is_last {
            return;
        }
    }
}

/// One lane's batches in turn; what has to wait is left to a task, and returned with the number of batches.
async fn lane(
    world: &Arc<World>,
    number: usize,
    limits: Limits,
    mut records: UnboundedReceiver<Target>,
) -> (usize, Vec<Target>) {
    let wire = Wire::new(world, number, Faults::NONE);
    let mut instance = Instance::with(wire, world, limits);
    let (mut open, mut parked, mut batches) = (Vec::new(), Vec::new(), 0);
    while !open.is_empty() || records.recv_many(&mut open, BATCH).await > 0 {
        batches += 1;
        let done = instance.invoke(&open, false, None).await;
        let ended = open.into_iter().zip(done.expect("an answer"));
        open = Vec::new();
        for (target, done) in ended {
            match done {
                Ok(()) => {}
                Err(Undone::Later(Reason::TimeShort)) => open.push(target),
                Err(Undone::Later(_)) => parked.push(target),
                Err(Undone::Unreadable(why)) => panic!("{target:?}: {why}"),
            }
        }
    }
    (batches, parked)
}

/// Runs the shard beside what stores; returns the number of batches, and what is left to a task.
async fn shard(
    world: &Arc<World>,
    limits: Limits,
    store: impl AsyncFnOnce(&Shard),
) -> (usize, Vec<Target>) {
    let (stored, over) = (Shard::default(), Cell::new(false));
    let (senders, receivers): (Vec<_>, Vec<_>) = (0..LANES).map(|_| unbounded_channel()).unzip();
    let lanes = receivers.into_iter().enumerate();
    let lanes = lanes.map(|(number, records)| lane(world, number, limits, records));
    let storing = async {
        store(&stored).await;
        over.set(true);
    };
    let ((), (), lanes) = tokio::join!(storing, look(&stored, senders, &over), join_all(lanes));
    let (batches, parked): (Vec<usize>, Vec<Vec<Target>>) = lanes.into_iter().unzip();
    (batches.iter().sum(), parked.into_iter().flatten().collect())
}

/// When each notification was stored, and how long it took until SNS had it, in the order of the first.
fn lags(world: &World) -> Vec<(Timestamp, Duration)> {
    let ledger = world.ledger();
    let taken = ledger.taken.iter().map(|((id, _), taken)| {
        let stored = notification_at(id);
        let lag = taken.at.unwrap().duration_since(stored);
        (stored, lag.unsigned_abs())
    });
    let mut lags: Vec<_> = taken.collect();
    lags.sort_unstable();
    lags
}

fn notification_at(id: &str) -> Timestamp {
    shared::id::NotificationId::parse(id).unwrap().at()
}

/// The lag of the last of these if every lane published one after the other, and did nothing else.
fn one_after_the_other(stored: &[Timestamp]) -> Duration {
    let first = stored[0].as_millisecond();
    let (mut free, mut lag) = ([0; LANES], 0);
    for (place, at) in stored.iter().enumerate() {
        let at = at.as_millisecond() - first;
        let free = &mut free[place % LANES];
        *free = at.max(*free) + i64::try_from(PUBLISH.as_millis()).unwrap();
        lag = *free - at;
    }
    Duration::from_millis(u64::try_from(lag).unwrap())
}

/// What is at this part of sorted figures.
fn at_part(sorted: &[Duration], part: usize) -> Duration {
    sorted[(sorted.len() - 1) * part / 100]
}

#[test]
fn p15_a_shard_with_a_thousand_records_a_second_is_pushed_within_half_a_second() {
    let seconds = if full() { 60 } else { 3 };
    alone(async {
        let speed = Speed {
            publish: Some(PUBLISH),
            writes: None,
        };
        let world = World::with(15, speed);
        let mut chance = Chance::new(15);
        let users = users(&world, (500, 1), &mut chance);
        let store = Wire::new(&world, 1_000, Faults::NONE).store();
        let (_, parked) = shard(&world, LIMITS, async |stored| {
            let mut ticks = interval(PUBLISH);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
            for _ in 0..seconds * 40 {
                ticks.tick().await;
                let targets = create(&world, &store, &users, (25, false), &mut chance).await;
                stored.lock().unwrap().extend(targets);
            }
        })
        .await;
        assert!(parked.is_empty(), "{} were parked", parked.len());
        let report = judge(&world, Report::default()).unwrap();
        let lags = lags(&world);
        assert_eq!(lags.len(), 1_000 * seconds);
        let steady: Vec<_> = lags.iter().filter(|lag| lag.0 > lags[1_000].0).collect();
        let mut steady: Vec<Duration> = steady.iter().map(|lag| lag.1).collect();
        steady.sort_unstable();
        let stored: Vec<Timestamp> = lags.iter().map(|lag| lag.0).collect();
        let alone = one_after_the_other(&stored);
        println!(
            "{} records, 1,000 a second: pushed after {:?} (median), {:?} (99 of 100), {:?} at most; one after the other \
             {alone:?} at the end; {report:?}",
            lags.len(),
            at_part(&steady, 50),
            at_part(&steady, 99),
            at_part(&steady, 100),
        );
        assert!(at_part(&steady, 100) <= Duration::from_millis(500));
        // It gains 160 records a second, and falls behind by the others.
        assert!(alone > Duration::from_secs(1));
    });
}

/// What became of a client's request.
struct Asked {
    target: Target,
    refusals: usize,
}

/// Asks for a notification until it is stored, and waits longer each time.
async fn ask(world: &Arc<World>, number: usize, user: &UserId, mut chance: Chance) -> Asked {
    sleep(Duration::from_micros(200) * u32::try_from(number).unwrap()).await;
    // Lambda has an instance for each request under way.
    let store = Wire::new(world, 10_000 + number, Faults::NONE).store();
    let body = json!({
        "recipients": [user.as_str()], "type": "video.liked", "title": "Bo liked your video", "group": "like:42",
    });
    let mut refusals = 0;
    loop {
        let now = world.now();
        let draft = notification::parse(body.clone(), "", now, &mut Vec::new()).unwrap();
        match create_drawn(&store, Clock::starting(now), &[draft], RETENTION).await {
            Ok(accepted) => {
                let target = (user.clone(), accepted.receipts[0][0].id);
                return Asked { target, refusals };
            }
            // A 429, which says that nothing was stored.
            Err(Error::Throttled { .. }) => {}
            Err(error) => panic!("{}", error.chain()),
        }
        let most = LONGEST_PAUSE.min(1 << refusals.min(10)) * 1_000;
        let pause = most / 2 + chance.next() % most;
        sleep(Duration::from_millis(pause)).await;
        refusals += 1;
    }
}

#[test]
fn p16_five_thousand_creates_in_a_second_for_one_inbox_are_none_lost_and_few_pushed() {
    const CREATES: usize = 5_000;
    const CAP: usize = 5;
    alone(async {
        let speed = Speed {
            publish: Some(PUBLISH),
            writes: Some(Mutex::new(Bucket::new(PARTITION))),
        };
        let world = World::with(16, speed);
        let (user, endpoints) = users(&world, (1, 1), &mut Chance::new(16)).remove(0);
        let limits = Limits {
            group_cap: CAP,
            ..LIMITS
        };
        let began = world.now();
        let (mut refusals, mut last) = (0, began);
        let (batches, parked) = shard(&world, limits, async |stored| {
            let asked = (0..CREATES).map(async |number| {
                let chance = Chance::new(u64::try_from(number).unwrap() << 20);
                let asked = ask(&world, number, &user, chance).await;
                let (_, id) = &asked.target;
                let note = Note {
                    user: format!("U#{}", user.as_str()),
                    endpoints: endpoints.clone(),
                    ends: id.at() + Duration::from_hours(24),
                    once: false,
                    retracted: None,
                };
                world.ledger().notes.insert(id.to_string(), note);
                stored.lock().unwrap().push(asked.target);
                asked.refusals
            });
            refusals = join_all(asked).await.iter().sum();
            last = world.now();
        })
        .await;
        let waited = parked.len();
        resume(&world, parked, Faults::NONE).await.unwrap();
        let rows = world.rows();
        let rows: Vec<_> = rows.iter().filter(|row| row.get("t").is_some()).collect();
        let of_state = |state: &str| {
            let found = rows.iter().filter(|row| row["po"]["M"]["s"]["S"] == state);
            found.count()
        };
        let (sent, skipped) = (of_state("sent"), of_state("skipped"));
        println!(
            "{CREATES} creates in a second: {refusals} times 429, all stored after {:.1?}; {sent} pushed and {skipped} capped \
             in {batches} batches, of which {waited} waited for a task",
            last.duration_since(began).unsigned_abs(),
        );
        assert!(refusals > 0, "nothing was throttled");
        // Each that was answered has its row, and there are no others.
        assert_eq!((rows.len(), sent + skipped), (CREATES, CREATES));
        assert_eq!(world.ledger().notes.len(), CREATES);
        // Of the newest rows each batch counts those that were pushed.
        assert!(CAP <= sent && sent <= CAP * batches, "{sent} of {batches}");
        assert_eq!(world.ledger().taken.len(), sent);
    });
}
