//! The stream's batches, pushed by instances that are killed, with copies of a batch in two of them, answers that are lost
//! and notifications that are taken back meanwhile.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};
use shared::broadcast::Broadcasts;
use shared::clock::Clock;
use shared::create::create_drawn;
use shared::id::UserId;
use shared::notification::{self, Recipient};
use shared::outcome::Reason;
use shared::push::{Limits, Pusher, Target, Undone};
use shared::store::Store;

use super::judge::judge;
use super::ledger::Note;
use super::wire::{Faults, Wire, World};
use crate::chance::Chance;

/// How many devices a user has at most.
const DEVICES: usize = 3;
/// Shards of the stream, each with an instance for its batches and one for their copies.
const SHARDS: usize = 4;
/// The most records of one batch.
pub const BATCH: usize = 100;
/// The time of an invocation.
const BUDGET: Duration = Duration::from_secs(30);
/// The pause between two runs of what is parked, and the runs with faults and without.
const PARKED: Duration = Duration::from_mins(10);
const ROUNDS: usize = 8;
/// How long after an erase the rows go.
const ROWS_GO: Duration = Duration::from_millis(50);
pub const LIMITS: Limits = Limits {
    rate: 1_000_000,
    instances: 1,
    group_cap: 0,
};

/// What goes wrong.
#[derive(Debug, Clone, Copy)]
pub struct Trouble {
    pub faults: Faults,
    /// One invocation in so many is killed, and one batch in so many is in two instances at once; 0 for none.
    pub kills: usize,
    pub copies: usize,
    /// Whether some are taken back, sent at most once or short-lived.
    pub odd: bool,
}

/// What one simulation came to.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Report {
    pub notifications: usize,
    pub pairs: usize,
    pub accepted: u64,
    pub repeats: u64,
    pub ambiguous: u64,
    pub kills: u64,
    pub overlaps: u64,
    pub parked: usize,
    pub retracted: usize,
    pub erased: usize,
    /// How many notifications ended in each state.
    pub states: BTreeMap<String, usize>,
    pub trace: u64,
}

/// One instance of the function that pushes.
pub struct Instance {
    world: Arc<World>,
    wire: Wire,
    limits: Limits,
    pusher: Pusher,
}

impl Instance {
    fn new(world: &Arc<World>, number: usize, faults: Faults) -> Instance {
        Instance::with(Wire::new(world, number, faults), world, LIMITS)
    }

    /// An instance with these limits.
    pub fn with(wire: Wire, world: &Arc<World>, limits: Limits) -> Instance {
        Instance {
            world: world.clone(),
            pusher: start(&wire, limits),
            wire,
            limits,
        }
    }

    /// One invocation; `None` if it was killed, or failed as a whole.
    pub async fn invoke(
        &mut self,
        targets: &[Target],
        resumes: bool,
        killed: Option<Duration>,
    ) -> Option<Vec<Result<(), Undone>>> {
        let ids = targets.iter().map(|(_, id)| id.to_string()).collect();
        self.world.ledger().begin(self.wire.instance, ids);
        let clock = Clock::starting(self.world.now());
        let run = async {
            if resumes {
                self.pusher.resume(targets, clock, BUDGET).await
            } else {
                self.pusher.deliver(targets, clock, BUDGET).await
            }
        };
        let life = killed.unwrap_or(Duration::MAX);
        let done = tokio::time::timeout(life, run).await;
        self.world.ledger().end(self.wire.instance, done.is_err());
        if done.is_err() {
            self.pusher = start(&self.wire, self.limits);
        }
        done.ok()?.ok()
    }
}

fn start(wire: &Wire, limits: Limits) -> Pusher {
    let store = wire.store();
    let broadcasts = Broadcasts::new(store.clone(), 86_400);
    Pusher::new(store, wire.sns(), broadcasts, limits)
}

/// One shard of the stream: its batches in turn, each until nothing of it must come again. Returns what is parked.
async fn shard(
    world: &Arc<World>,
    number: usize,
    records: &[Target],
    trouble: Trouble,
) -> Vec<Target> {
    let mut chance = Chance::new(world.seed ^ (u64::try_from(number).unwrap() << 50));
    let mut first = Instance::new(world, 2 * number, trouble.faults);
    let mut second = Instance::new(world, 2 * number + 1, trouble.faults);
    let mut parked = Vec::new();
    let mut records = records;
    while !records.is_empty() {
        let size = (1 + chance.below(BATCH)).min(records.len());
        let (batch, rest) = records.split_at(size);
        records = rest;
        let mut open = batch.to_vec();
        while !open.is_empty() {
            let mut life = || {
                let killed = trouble.kills > 0 && chance.one_in(trouble.kills);
                let life = u64::try_from(chance.below(500)).unwrap();
                killed.then(|| Duration::from_millis(life))
            };
            let lives = (life(), life());
            let copied = trouble.copies > 0 && chance.one_in(trouble.copies);
            let later = u64::try_from(chance.below(300)).unwrap();
            let copy = async {
                if !copied {
                    return None;
                }
                tokio::time::sleep(Duration::from_millis(later)).await;
                second.invoke(&open, false, lives.1).await
            };
            let (done, copy) = tokio::join!(first.invoke(&open, false, lives.0), copy);
            let waits = |done: &Option<Vec<Result<(), Undone>>>| -> Vec<Target> {
                let ended = done.iter().flatten().zip(&open);
                let waits = ended.filter(|(done, _)| is_parked(world, done));
                waits.map(|(_, target)| target.clone()).collect()
            };
            parked.extend(waits(&copy));
            parked.extend(waits(&done));
            if let Some(done) = done {
                let short = |done: &Result<(), Undone>| {
                    matches!(done, Err(Undone::Later(Reason::TimeShort)))
                };
                let left = open.into_iter().zip(done);
                open = left
                    .filter_map(|(target, done)| short(&done).then_some(target))
                    .collect();
            }
        }
        // An old batch comes once more.
        if chance.one_in(10) {
            parked.extend(again(world, &mut first, batch).await);
        }
    }
    parked
}

async fn again(world: &World, instance: &mut Instance, batch: &[Target]) -> Vec<Target> {
    let done = instance
        .invoke(batch, false, None)
        .await
        .unwrap_or_default();
    let waits = batch.iter().zip(done);
    waits
        .filter_map(|(target, done)| is_parked(world, &done).then(|| target.clone()))
        .collect()
}

/// Whether the function leaves it to a task.
fn is_parked(world: &World, done: &Result<(), Undone>) -> bool {
    match done {
        Ok(()) | Err(Undone::Later(Reason::TimeShort)) => false,
        Err(Undone::Later(_)) => true,
        Err(Undone::Unreadable(why)) => {
            let broken = format!("a row is unreadable: {why}");
            world.ledger().broken.push(broken);
            false
        }
    }
}

/// Puts users with a device each, or up to so many; returns their endpoints.
pub fn users(
    world: &World,
    (count, most): (usize, usize),
    chance: &mut Chance,
) -> Vec<(UserId, Vec<String>)> {
    let user = |index: usize| {
        let endpoint = |device| {
            format!("arn:aws:sns:us-east-1:000000000000:endpoint/GCM/local/u{index}-{device}")
        };
        let endpoints: Vec<String> = (0..=chance.below(most)).map(endpoint).collect();
        let seen = world.now().as_millisecond().to_string();
        let devices = endpoints.iter().enumerate().map(|(device, endpoint)| {
            let device = format!("d{device}");
            let value = json!({"M": {
                "p": {"S": "fcm"}, "a": {"S": "default"}, "h": {"S": "hash"}, "b": {"BOOL": false},
                "e": {"S": endpoint}, "s": {"N": seen},
            }});
            (device, value)
        });
        let devices: BTreeMap<String, Value> = devices.collect();
        let item = json!({
            "pk": {"S": format!("U#u{index}")}, "sk": {"S": "A#user"}, "dev": {"M": devices},
        });
        let put = json!({"TableName": world.table, "Item": item}).to_string();
        let (status, body) = world.engine.answer("PutItem", put.as_bytes());
        assert_eq!(status, 200, "{body}");
        (UserId::parse(&format!("u{index}")).unwrap(), endpoints)
    };
    (0..count).map(user).collect()
}

/// Creates notifications; the ledger knows them.
pub async fn create(
    world: &World,
    store: &Store,
    users: &[(UserId, Vec<String>)],
    (count, odd): (usize, bool),
    chance: &mut Chance,
) -> Vec<Target> {
    let mut targets = Vec::new();
    while targets.len() < count {
        let now = world.now();
        let mut notes = Vec::new();
        let mut drafts = Vec::new();
        for _ in 0..25.min(count - targets.len()) {
            let (user, endpoints) = &users[chance.below(users.len())];
            let once = odd && chance.one_in(10);
            let ttl = if odd && chance.one_in(50) { 60 } else { 86_400 };
            let body = json!({
                "recipients": [user.as_str()], "type": "video.liked", "title": "Bo liked your video",
                "push": {"once": once, "ttl": ttl},
            });
            drafts.push(notification::parse(body, "", now, &mut Vec::new()).unwrap());
            notes.push((user, endpoints, once, ttl));
        }
        let clock = Clock::starting(now);
        let accepted = create_drawn(store, clock, &drafts, 90 * 86_400).await;
        let accepted = accepted.unwrap();
        for ((user, endpoints, once, ttl), receipts) in notes.into_iter().zip(accepted.receipts) {
            let id = receipts[0].id;
            let note = Note {
                user: format!("U#{}", user.as_str()),
                endpoints: endpoints.clone(),
                ends: id.at() + Duration::from_secs(ttl),
                once,
                retracted: None,
            };
            world.ledger().notes.insert(id.to_string(), note);
            targets.push((user.clone(), id));
        }
    }
    targets
}

/// Takes some back, each at a moment of its own.
async fn take_back(world: &World, store: &Store, taken: Vec<(Target, Duration)>) {
    let each = taken.into_iter().map(|((user, id), at)| async move {
        tokio::time::sleep(at).await;
        let recipient = Recipient::User(user);
        store.retract(&recipient, id, world.now()).await.unwrap();
        world.ledger().retracted(&id.to_string());
    });
    join_all(each).await;
}

/// Erases some users, each at a moment of its own, and their rows a little later.
async fn erase(world: &World, store: &Store, users: Vec<(UserId, Duration)>) {
    let each = users.into_iter().map(|(user, at)| async move {
        tokio::time::sleep(at).await;
        let moment = world.now();
        store.begin_erase(&user, moment).await.unwrap();
        world.ledger().erased(&format!("U#{}", user.as_str()));
        tokio::time::sleep(ROWS_GO).await;
        let mut after = None;
        loop {
            let page = store.erase_rows(&user, moment, after.as_deref());
            after = page.await.unwrap().cursor;
            if after.is_none() {
                return;
            }
        }
    });
    join_all(each).await;
}

/// Pushes what is parked, again and again, until nothing is left.
pub async fn resume(
    world: &Arc<World>,
    mut parked: Vec<Target>,
    faults: Faults,
) -> Result<(), String> {
    for round in 0..ROUNDS {
        tokio::time::sleep(PARKED).await;
        let now = if round < ROUNDS / 2 {
            faults
        } else {
            Faults::NONE
        };
        let mut instance = Instance::new(world, 100 + round, now);
        let mut left = Vec::new();
        parked.sort();
        parked.dedup();
        for batch in parked.chunks(BATCH) {
            match instance.invoke(batch, true, None).await {
                None => left.extend_from_slice(batch),
                Some(done) => {
                    let open = batch.iter().zip(done).filter(|(_, done)| done.is_err());
                    left.extend(open.map(|(target, _)| target.clone()));
                }
            }
        }
        parked = left;
    }
    if let Some(target) = parked.first() {
        return Err(format!("{target:?} is still to be pushed"));
    }
    Ok(())
}

/// So many notifications, pushed until nothing of them is left to do.
pub async fn run(seed: u64, count: usize, trouble: Trouble) -> Result<Report, String> {
    let world = World::new(seed);
    let mut chance = Chance::new(seed);
    let users = users(&world, (count.div_ceil(5), DEVICES), &mut chance);
    let clean = Wire::new(&world, 1_000, Faults::NONE).store();
    let odd = trouble.odd;
    let targets = create(&world, &clean, &users, (count, odd), &mut chance).await;
    let (mut taken, mut gone) = (Vec::new(), BTreeMap::new());
    let mut records: Vec<Vec<Target>> = vec![Vec::new(); SHARDS];
    let spread = 40 * count / SHARDS;
    let moment =
        |chance: &mut Chance| Duration::from_millis(u64::try_from(chance.below(spread)).unwrap());
    for (user, _) in &users {
        if odd && chance.one_in(20) {
            gone.insert(user.clone(), moment(&mut chance));
        }
    }
    for target in &targets {
        if odd && !gone.contains_key(&target.0) && chance.one_in(10) {
            taken.push((target.clone(), moment(&mut chance)));
        }
        // A user's records are in one shard.
        let shard = target.0.as_str().bytes().map(usize::from).sum::<usize>() % SHARDS;
        records[shard].push(target.clone());
    }
    let shards = records.iter().enumerate();
    let shards = shards.map(|(number, records)| shard(&world, number, records, trouble));
    let (parked, (), ()) = tokio::join!(
        join_all(shards),
        take_back(&world, &clean, taken),
        erase(&world, &clean, gone.into_iter().collect())
    );
    let parked: Vec<Target> = parked.into_iter().flatten().collect();
    let report = Report {
        notifications: count,
        parked: parked.len(),
        ..Report::default()
    };
    resume(&world, parked, trouble.faults).await?;
    judge(&world, report)
}
