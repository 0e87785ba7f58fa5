//! A fan-out that dies anywhere: a step and the watchdog are killed at every call they make, members join and leave
//! meanwhile, and whoever was a member all the time is told once.
//!
//! A part of the crash points is taken, and all of them with `TIDINGS_FULL=1`.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Mutex;

use aws_sdk_dynamodb::types::AttributeValue;
use futures_util::future::join_all;
use futures_util::stream::{self, StreamExt};
use local::function::Function;
use serde_json::json;

use crate::chance::Chance;
use crate::crashes::{at_every_point, full};
use crate::fan_out::{job, note, of_shard, owners};
use crate::ground::{RowKey, create};
use crate::proxy::{Fault, Rule};
use crate::stack::unique;
use crate::tasks::{Field, NOTHING_LEFT, batch, doom, minute};
use crate::topics::{join, leave};

/// The partition of the members of these tests.
pub const SHARD: u32 = 5;
/// More members than one step tells.
const MEMBERS: usize = 510;

pub fn step(job: &str, number: u32) -> RowKey {
    (format!("J#{job}#{SHARD}"), format!("T#{number:010}"))
}

impl Field {
    /// Begins a job that tells the topic's members of this type.
    async fn begin(&self, topic: &str, kind: &str) -> String {
        let request = create(None, &note(topic, kind));
        job(&request.send(&self.creator).await.unwrap())
    }

    /// Brings a step, which may be there, until it is taken; then those after it.
    pub async fn bring_from(&self, runner: &Function, job: &str, first: u32) {
        for number in first.. {
            let key = step(job, number);
            if self.ground.row(&key.0, &key.1).await.is_none() {
                return;
            }
            while runner.invoke(batch([&key])).await.unwrap() != NOTHING_LEFT {}
        }
    }
}

/// What each run of a test told, from one reading of the table.
async fn by_kind(field: &Field) -> BTreeMap<String, BTreeMap<RowKey, serde_json::Value>> {
    let mut found = BTreeMap::<_, BTreeMap<_, _>>::new();
    for (key, row) in field.ground.rows().await {
        if key.1.starts_with("N#") {
            let kind = row["t"].as_str().unwrap().to_owned();
            found.entry(kind).or_default().insert(key, row);
        }
    }
    found
}

/// A job whose step is killed at a call; then somebody joins in the middle and somebody leaves, and the step is run again.
async fn killed_step(
    field: &Field,
    runner: &Function,
    fans: &[String],
    (call, kill): (usize, Fault),
) -> String {
    let topic = field.large_topic(fans).await;
    let kind = unique("live.killed");
    let id = field.begin(&topic, &kind).await;
    let proxy = field.ground.proxy(false).await;
    let victim = field.ground.function("run-tasks", Some(&proxy));
    doom(&proxy, &victim, call, kill);
    let first = victim.invoke(batch([&step(&id, 0)])).await;
    assert!(
        first.is_err() || kill == Fault::KillAfterReply,
        "{kill:?} {call}"
    );
    let events = field.events();
    // In the middle of the first part, beyond it, and one of each part goes.
    let [.., joins, last] = &of_shard(SHARD, MEMBERS + 2)[..] else {
        unreachable!()
    };
    join(
        &events,
        &topic,
        &[joins.clone(), last.clone(), format!("{}x", fans[100])],
    )
    .await;
    leave(&events, &topic, &fans[200]).await;
    leave(&events, &topic, &fans[MEMBERS - 1]).await;
    field.bring_from(runner, &id, 0).await;
    let progress = field
        .ground
        .row(&format!("J#{id}"), &format!("A#{SHARD}"))
        .await
        .unwrap();
    assert_eq!(progress["e"], true, "{kill:?} at call {call}: {progress}");
    kind
}

#[tokio::test(flavor = "multi_thread")]
async fn f13_a_step_killed_at_any_call_is_run_again_without_repeats_or_gaps() {
    let field = Field::new().await;
    let fans = of_shard(SHARD, MEMBERS);
    let topic = field.large_topic(&fans).await;
    let proxy = field.ground.proxy(false).await;
    let clean = field.ground.function("run-tasks", Some(&proxy));
    let id = field.begin(&topic, "live.clean").await;
    assert_eq!(
        clean.invoke(batch([&step(&id, 0)])).await.unwrap(),
        NOTHING_LEFT
    );
    let calls = proxy.take_calls().len();
    // The step, the job and its chains, the members, the moment, 20 batches, the next step, and how far it is.
    assert!((27..=40).contains(&calls), "{calls}");
    // Nobody can be putting rows any more under the moment of who was killed.
    let runner = field.runner(30);
    let kinds = Mutex::new(BTreeSet::new());
    at_every_point(calls, async |call, kill| {
        let kind = killed_step(&field, &runner, &fans, (call, kill)).await;
        kinds.lock().unwrap().insert(kind);
    })
    .await;
    let told = by_kind(&field).await;
    let always: BTreeSet<String> = fans
        .iter()
        .enumerate()
        .filter(|(index, _)| ![200, MEMBERS - 1].contains(index))
        .map(|(_, fan)| fan.clone())
        .collect();
    for kind in kinds.into_inner().unwrap() {
        let found = owners(&told[&kind]);
        let missing: Vec<&String> = always.difference(&found).collect();
        assert!(missing.is_empty(), "{kind}: {missing:?}");
        // Two who left and three who joined may have been told or not.
        assert!(found.len() <= always.len() + 5, "{kind}: {}", found.len());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn f13_copies_of_a_step_at_the_same_time_under_faults_tell_everybody_once() {
    let faults = [
        Fault::DropBefore,
        Fault::DropAfter,
        Fault::HalfReply,
        Fault::Status(500, "InternalServerError"),
        Fault::Status(400, "ThrottlingException"),
    ];
    let field = Field::new().await;
    let fans = of_shard(SHARD, 60);
    let topic = field.large_topic(&fans).await;
    let proxy = field.ground.proxy(false).await;
    let runners = [(); 2].map(|()| field.ground.function("run-tasks", Some(&proxy)));
    let last = field.runner(30);
    let seeds = 1..=if full() { 300 } else { 6 };
    let runs = stream::iter(seeds).map(async |seed| {
        let mut chance = Chance::new(seed);
        let kind = unique("live.copies");
        let id = field.begin(&topic, &kind).await;
        for _ in 0..=chance.below(3) {
            let (call, fault) = (1 + chance.below(5), faults[chance.below(faults.len())]);
            proxy.add(Rule::on("", call..=call, fault).containing(&id));
            proxy.add(Rule::on("BatchWriteItem", call..=call, fault).containing(&kind));
        }
        let first = step(&id, 0);
        let copies = 2 + chance.below(2);
        join_all((0..copies).map(|copy| runners[copy % 2].invoke(batch([&first])))).await;
        field.bring_from(&last, &id, 0).await;
        let told = field.told(&kind).await;
        assert_eq!(owners(&told).len(), 60, "seed {seed}");
        let progress = field
            .ground
            .row(&format!("J#{id}"), &format!("A#{SHARD}"))
            .await;
        assert_eq!(progress.unwrap()["w"], 60, "seed {seed}");
    });
    runs.buffer_unordered(3).collect::<Vec<()>>().await;
}

/// A field with a job of which all chains are done but one, whose step the stream has lost.
async fn stopped_job(kind: &str) -> (Field, String) {
    let field = Field::new().await;
    let topic = field.large_topic(&of_shard(SHARD, 30)).await;
    let id = field.begin(&topic, kind).await;
    let number = |number: i64| AttributeValue::N(number.to_string());
    let others = (0..32).filter(|chain| *chain != i64::from(SHARD));
    let done = others.map(|chain| {
        let key = |name: &str, value: String| (name.to_owned(), AttributeValue::S(value));
        let mut row = HashMap::from([
            key("pk", format!("J#{id}")),
            key("sk", format!("A#{chain}")),
        ]);
        for (name, value) in [("n", chain), ("s", 0), ("w", 0), ("t", 1)] {
            row.insert(name.to_owned(), number(value));
        }
        row.insert("e".to_owned(), AttributeValue::Bool(true));
        row
    });
    field.fill(done).await;
    (field, id)
}

/// Sweeps as the watchdog is due, and brings the sweep's step to `runner`.
async fn watch(field: &Field, runner: &Function, sweeper: &Function) -> bool {
    sweeper.invoke(minute()).await.unwrap();
    let mut ended = true;
    for key in field.rows("J#sweep").await {
        ended &= runner.invoke(batch([&key])).await.is_ok();
    }
    ended
}

#[tokio::test(flavor = "multi_thread")]
async fn f13_a_watchdog_killed_at_any_call_comes_again_and_tells_who_was_left_out() {
    const LATE: i64 = 8 * 60;
    let (field, id) = stopped_job("live.watched").await;
    let proxy = field.ground.proxy(false).await;
    let runner = field.ground.function_ahead("run-tasks", Some(&proxy), LATE);
    assert!(watch(&field, &runner, &field.runner(LATE)).await);
    let calls = proxy.take_calls().len();
    assert_eq!(owners(&field.told("live.watched").await).len(), 30);
    assert_eq!(field.progress(&id).await["written"], 30);
    assert!((14..=24).contains(&calls), "{calls}");
    at_every_point(calls, async |call, kill| {
        let at = format!("{kill:?} at call {call} of {calls}");
        let (field, id) = stopped_job("live.watched").await;
        let proxy = field.ground.proxy(false).await;
        let victim = field.ground.function_ahead("run-tasks", Some(&proxy), LATE);
        doom(&proxy, &victim, call, kill);
        let ended = watch(&field, &victim, &field.runner(LATE)).await;
        assert!(!ended || kill == Fault::KillAfterReply, "{at}");
        field.pass(3_600).await;
        assert_eq!(owners(&field.told("live.watched").await).len(), 30, "{at}");
        let progress = field.progress(&id).await;
        assert_eq!(
            (&progress["state"], &progress["written"]),
            (&json!("done"), &json!(30)),
            "{at}"
        );
        assert_eq!(field.later().await, [], "{at}");
    })
    .await;
}
