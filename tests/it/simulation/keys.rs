//! Requests with a key, sent again and again by clients that are told nothing, or twice.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;
use shared::clock::Clock;
use shared::create::{RequestKey, create_keyed};
use shared::id::NotificationId;
use shared::notification::{self, Draft};
use shared::store::Store;
use shared::store::keys::Key;
use tokio::sync::Mutex;

use super::wire::{Faults, Wire, World};
use crate::chance::Chance;

/// Instances of the function that creates.
const INSTANCES: usize = 24;
/// How often a client asks before something is wrong.
const TRIES: usize = 60;
/// One invocation in so many is killed.
const KILLS: usize = 50;
const RETENTION: u32 = 90 * 86_400;

/// One request: its key, its recipients, and whether its client gives up at once.
struct Asked {
    name: String,
    users: Vec<String>,
    copies: usize,
    patient: bool,
    starts: Vec<Duration>,
}

/// The rows that a request's answers name: a user's partition and an id each.
type Rows = BTreeSet<(String, String)>;

/// What one simulation came to.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
pub struct Report {
    pub keys: usize,
    pub requests: usize,
    pub unanswered: usize,
    pub rows: usize,
    pub trace: u64,
}

fn asked(index: usize, keys: usize, chance: &mut Chance) -> Asked {
    let user = |number: usize| format!("user{number}");
    let first = chance.below(keys.div_ceil(10));
    let patient = !chance.one_in(10);
    let copies = if patient { 1 + chance.below(5) } else { 1 };
    let window = 20 * keys;
    let first_at = chance.below(window);
    Asked {
        name: format!("key{index}"),
        users: (0..=chance.below(3))
            .map(|other| user(first + other))
            .collect(),
        copies,
        patient,
        starts: (0..copies)
            .map(|_| {
                let later = chance.below(6_000);
                Duration::from_millis(u64::try_from(first_at + later).unwrap())
            })
            .collect(),
    }
}

/// One invocation. `None` if its client is told nothing.
async fn invoke(world: &World, store: &Store, asked: &Asked, chance: &mut Chance) -> Option<Rows> {
    let now = world.now();
    let body = json!({"recipients": asked.users, "type": "video.liked", "title": asked.name});
    let draft = notification::parse(body, "", now, &mut Vec::new()).unwrap();
    let guard = Key::Guard("likes".to_owned(), asked.name.clone());
    let key = RequestKey {
        seed: guard.pk(),
        guard,
        body_hash: asked.name.clone(),
        nonce: NotificationId::draw(now).to_string(),
    };
    let drafts: [Draft; 1] = [draft];
    let run = create_keyed(store, Clock::starting(now), &drafts, RETENTION, &key);
    let kill = chance.one_in(KILLS);
    let life = Duration::from_millis(u64::try_from(chance.below(60)).unwrap());
    let done = if kill {
        tokio::time::timeout(life, run).await.ok()?
    } else {
        run.await
    };
    // What is an error is a 503 or a 409, and comes again.
    let accepted = done.ok()?;
    let receipts = accepted.receipts[0].iter();
    let rows = asked.users.iter().zip(receipts);
    Some(
        rows.map(|(user, receipt)| (user.clone(), receipt.id.to_string()))
            .collect(),
    )
}

/// A client that asks until it is answered.
async fn client(
    world: &World,
    instances: &[Mutex<Store>],
    asked: &Asked,
    copy: usize,
    mut chance: Chance,
) -> (usize, Option<Rows>) {
    tokio::time::sleep(asked.starts[copy]).await;
    let mut tries = 0;
    while tries < if asked.patient { TRIES } else { 1 } {
        tries += 1;
        let store = instances[chance.below(instances.len())].lock().await;
        if let Some(rows) = invoke(world, &store, asked, &mut chance).await {
            return (tries, Some(rows));
        }
        drop(store);
        let pause = 50 + chance.below(3_000);
        tokio::time::sleep(Duration::from_millis(u64::try_from(pause).unwrap())).await;
    }
    (tries, None)
}

/// The rows that are in the table, by the title that is their request's key.
fn stored(world: &World) -> HashMap<String, Vec<(String, String)>> {
    let mut stored: HashMap<String, Vec<(String, String)>> = HashMap::new();
    for row in world.rows() {
        let text = |name: &str| row[name]["S"].as_str().unwrap_or_default();
        let Some(id) = text("sk").strip_prefix("N#") else {
            continue;
        };
        let user = text("pk").strip_prefix("U#").unwrap();
        let rows = stored.entry(text("ti").to_owned()).or_default();
        rows.push((user.to_owned(), id.to_owned()));
    }
    stored
}

/// So many keys, each sent one to five times at once and again until it is answered.
pub async fn run(seed: u64, keys: usize) -> Result<Report, String> {
    let world = World::new(seed);
    let faults = Faults {
        table: 20,
        lost: true,
        ..Faults::NONE
    };
    let instances: Vec<Mutex<Store>> = (0..INSTANCES)
        .map(|instance| Mutex::new(Wire::new(&world, instance, faults).store()))
        .collect();
    let mut chance = Chance::new(seed);
    let asked: Vec<Asked> = (0..keys)
        .map(|index| asked(index, keys, &mut chance))
        .collect();
    let clients = asked.iter().enumerate().flat_map(|(index, asked)| {
        let (world, instances) = (&world, &instances);
        (0..asked.copies).map(move |copy| async move {
            let chance = Chance::new(seed ^ (u64::try_from(index * 8 + copy).unwrap() << 20));
            (index, client(world, instances, asked, copy, chance).await)
        })
    });
    let mut report = Report {
        keys,
        ..Report::default()
    };
    let mut answers: BTreeMap<usize, Rows> = BTreeMap::new();
    for (index, (tries, rows)) in join_all(clients).await {
        report.requests += tries;
        let Some(rows) = rows else {
            if asked[index].patient {
                return Err(format!("{} was never answered", asked[index].name));
            }
            continue;
        };
        let known = answers.entry(index).or_insert_with(|| rows.clone());
        if *known != rows {
            return Err(format!("{} is {known:?} and {rows:?}", asked[index].name));
        }
    }
    compare(&world, &asked, &answers, report)
}

/// Compares the table with what was answered.
fn compare(
    world: &World,
    asked: &[Asked],
    answers: &BTreeMap<usize, Rows>,
    mut report: Report,
) -> Result<Report, String> {
    report.trace = world.ledger().trace;
    let mut stored = stored(world);
    for (index, asked) in asked.iter().enumerate() {
        let rows = stored.remove(&asked.name).unwrap_or_default();
        report.rows += rows.len();
        let distinct: BTreeSet<_> = rows.iter().cloned().collect();
        let users: BTreeSet<&String> = rows.iter().map(|(user, _)| user).collect();
        match answers.get(&index) {
            Some(answered) if *answered == distinct => {}
            Some(answered) => {
                return Err(format!(
                    "{}: {answered:?} was answered, {rows:?} is stored",
                    asked.name
                ));
            }
            None => {
                report.unanswered += 1;
                if users.len() != rows.len() || rows.len() > asked.users.len() {
                    return Err(format!("{}: {rows:?} without an answer", asked.name));
                }
            }
        }
    }
    if stored.is_empty() {
        Ok(report)
    } else {
        Err(format!("nobody asked for {stored:?}"))
    }
}
