//! Seeded simulations: the code that creates and the code that pushes, over the real SDK and connections in memory, in a time
//! that passes when everybody waits. Clients repeat themselves, instances are killed, answers are lost; a ledger beside the
//! code knows what must be true at the end.
//!
//! By default a world of each kind is small; `TIDINGS_FULL=1` takes 1,000,000 with each of three seeds, `TIDINGS_STEPS` as
//! many as it says, and `TIDINGS_SEED` repeats one world. `--profile simulation` makes it fast.

mod judge;
mod keys;
mod ledger;
mod pushes;
mod rates;
mod wire;

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Mutex;
use std::time::Instant;

use crate::crashes::full;
use pushes::Trouble;
use wire::Faults;

/// How many keys or notifications one world has at most.
const WORLD: usize = 5_000;
/// Worlds at the same time.
const THREADS: usize = 2;

fn number(name: &str) -> Option<u64> {
    let given = std::env::var(name).ok()?;
    Some(given.parse().expect("a number"))
}

/// Runs one world under a paused clock of its own.
fn alone<Report>(run: impl Future<Output = Report>) -> Report {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().start_paused(true).build().unwrap();
    runtime.block_on(run)
}

/// Runs the worlds of each seed and returns what they came to.
fn worlds<Report, Run>(name: &str, run: impl Fn(u64, usize) -> Run + Sync) -> Vec<Report>
where
    Report: Send + Debug,
    Run: Future<Output = Result<Report, String>>,
{
    let size = number("TIDINGS_STEPS").map_or(if full() { 1_000_000 } else { 250 }, |steps| {
        usize::try_from(steps).unwrap()
    });
    let seeds = if full() { 3 } else { 1 };
    let world = size.min(WORLD);
    let count = u64::try_from(size.div_ceil(WORLD)).unwrap();
    let all = (1..=seeds).flat_map(|seed| (0..count).map(move |world| seed * 1_000_000 + world));
    let all: Vec<u64> = match number("TIDINGS_SEED") {
        Some(seed) => vec![seed],
        None => all.collect(),
    };
    let (left, reports) = (Mutex::new(all.into_iter()), Mutex::new(Vec::new()));
    let began = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                while let Some(seed) = { left.lock().unwrap().next() } {
                    let report = alone(run(seed, world)).unwrap_or_else(|broken| {
                        panic!(
                            "{broken}\nrepeat it: TIDINGS_SEED={seed} TIDINGS_STEPS={world} cargo test \
                             --workspace --features proof --test it -- {name}"
                        )
                    });
                    reports.lock().unwrap().push(report);
                }
            });
        }
    });
    let reports = reports.into_inner().unwrap();
    println!(
        "{name}: {} worlds of {world}, seeds 1 to {seeds}, {:.0?}",
        reports.len(),
        began.elapsed()
    );
    reports
}

#[test]
fn g1_i2_f1_keyed_requests_sent_again_and_again_under_faults_are_stored_once() {
    let reports = worlds("simulation::g1", keys::run);
    let sum = |part: fn(&keys::Report) -> usize| reports.iter().map(part).sum::<usize>();
    let (keys, requests, rows) = (
        sum(|report| report.keys),
        sum(|report| report.requests),
        sum(|report| report.rows),
    );
    println!(
        "{keys} keys, {requests} requests, {rows} rows; {} keys without an answer; 0 lost, 0 twice",
        sum(|report| report.unanswered)
    );
    assert!(requests > keys, "nothing was sent again");
}

fn pushed(reports: &[pushes::Report]) -> (u64, u64) {
    let sum = |part: fn(&pushes::Report) -> u64| reports.iter().map(part).sum::<u64>();
    let count = |part: fn(&pushes::Report) -> usize| reports.iter().map(part).sum::<usize>();
    let (repeats, ambiguous) = (sum(|report| report.repeats), sum(|report| report.ambiguous));
    let mut states = BTreeMap::new();
    for (state, found) in reports.iter().flat_map(|report| &report.states) {
        *states.entry(state.clone()).or_insert(0) += found;
    }
    let notifications = count(|report| report.notifications);
    assert_eq!(states.values().sum::<usize>(), notifications, "{states:?}");
    println!(
        "{notifications} notifications, {} pairs, {} taken, {repeats} of them again, {ambiguous} unclear; {} kills, {} overlaps, \
         {} parked, {} taken back, {} erased; 0 lost; in each state {states:?}",
        count(|report| report.pairs),
        sum(|report| report.accepted),
        sum(|report| report.kills),
        sum(|report| report.overlaps),
        count(|report| report.parked),
        count(|report| report.retracted),
        count(|report| report.erased),
    );
    (repeats, ambiguous)
}

/// Everything that pushes meet.
const TROUBLE: Trouble = Trouble {
    faults: Faults {
        table: 40,
        sns: 30,
        unclear: 60,
        lost: true,
    },
    kills: 8,
    copies: 8,
    odd: true,
};

#[test]
fn g13_a_seed_repeats_every_call_of_its_world() {
    let keys = |seed| alone(keys::run(seed, 60)).unwrap();
    assert_eq!(keys(7), keys(7));
    assert_ne!(keys(7).trace, keys(8).trace);
    let pushes = |seed| alone(pushes::run(seed, 120, TROUBLE)).unwrap();
    assert_eq!(pushes(7), pushes(7));
    assert_ne!(pushes(7).trace, pushes(8).trace);
}

#[test]
fn g2_g4_g14_i4_i5_i6_i7_pushes_under_kills_copies_and_lost_answers_are_none_lost_and_repeats_counted()
 {
    let reports = worlds("simulation::g2", |seed, count| {
        pushes::run(seed, count, TROUBLE)
    });
    let (repeats, ambiguous) = pushed(&reports);
    assert!(0 < repeats && repeats <= ambiguous);
}

#[test]
fn g2_i4_pushes_without_anything_unclear_are_taken_exactly_once() {
    let trouble = Trouble {
        faults: Faults {
            table: 40,
            sns: 30,
            unclear: 0,
            lost: false,
        },
        kills: 0,
        copies: 0,
        odd: false,
    };
    let reports = worlds("simulation::g2_i4", |seed, count| {
        pushes::run(seed, count, trouble)
    });
    assert_eq!(pushed(&reports).0, 0);
}
