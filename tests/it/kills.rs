//! Every call of a sweep, as the last one that its function makes: a small world with a task of each kind is swept by a
//! function that is killed at that call, before it is applied, after it, or after its reply. The sweeps that follow are
//! ordinary ones. Nothing is lost, and what a kill may have doubled is no more than once.
//!
//! `cargo test` takes a few of the points; `TIDINGS_FULL=1` takes all, and says what it found.

use std::collections::BTreeMap;

use futures_util::stream::{self, StreamExt};
use jiff::{SignedDuration, Timestamp};
use local::function::Function;
use shared::id::{NotificationId, UserId};
use shared::notification::Notification;
use shared::outcome::{DeviceOutcome, Outcome, Reason, State};
use shared::store::{Job, JobKind, Step};
use shared::task::{Later, STOPPED, Task};

use crate::crashes::full;
use crate::ground::plain;
use crate::proxy::{Fault, Proxy, Rule};
use crate::stack::unique;
use crate::tasks::{Field, Phone, batch, minute, pushes};

const KILLS: [Fault; 3] = [
    Fault::KillBefore,
    Fault::KillAfterApply,
    Fault::KillAfterReply,
];

/// The most points that are tried unless all are.
const SOME: usize = 3;
/// Points that share a table.
const SHARED: usize = 24;
/// Tables at the same time.
const TABLES: usize = 2;

/// The users of a table, each with a phone that one kind of task pushes to; the last has none.
struct People {
    phones: [Phone; 4],
    scheduled: String,
}

/// The tasks of one point, all due in the same minute.
struct World {
    at: String,
    parked: NotificationId,
    held: Vec<NotificationId>,
    cleared: NotificationId,
    watched: NotificationId,
    schedule: NotificationId,
}

/// What became of the worlds: accepted pushes beyond the first, by what they were for.
type Doubled = BTreeMap<&'static str, usize>;

/// An instant that begins a minute, so many seconds from now.
fn minute_in(seconds: i64) -> Timestamp {
    let second = Timestamp::now().as_second() + seconds;
    Timestamp::from_second(second.div_euclid(60) * 60 + 60).unwrap()
}

impl People {
    async fn new(field: &Field) -> People {
        let mut phones = Vec::new();
        for name in ["parked", "held", "cleared", "watched"] {
            phones.push(field.phone(&format!("kills-{name}")).await);
        }
        let Ok(phones) = phones.try_into() else {
            panic!("four phones");
        };
        People {
            phones,
            scheduled: unique("kills-scheduled"),
        }
    }

    fn user(&self, index: usize) -> UserId {
        UserId::parse(&self.phones[index].user).unwrap()
    }

    /// Puts a world whose tasks are due at `due`.
    async fn world(&self, field: &Field, due: Timestamp, at: String) -> World {
        let store = field.ground.store();
        let before = |seconds| due - SignedDuration::from_secs(seconds);
        let draw = || NotificationId::draw(before(600));
        let state = |state, reason: Option<Reason>| Outcome {
            state: Some(state),
            reason: reason.map(|reason| reason.word().to_owned()),
            ..Outcome::default()
        };
        let put = async |index, id, outcome| {
            let row = plain(&self.user(index), id);
            let row = Notification { outcome, ..row };
            store.put(&row).await.unwrap();
        };
        let later = async |task| {
            let later = Later::new(task, due, before(200));
            store.put_later(&later, before(200)).await.unwrap();
        };
        let parked = draw();
        put(0, parked, Outcome::default()).await;
        later(Task::Push(self.user(0), parked)).await;

        let held = vec![draw(), draw()];
        for id in &held {
            put(1, *id, state(State::Deferred, Some(Reason::QuietHours))).await;
        }
        let oldest = *held.iter().min().unwrap();
        later(Task::QuietEnd(self.user(1), oldest)).await;

        let cleared = draw();
        let mut shown = state(State::Sent, None);
        let device = DeviceOutcome {
            state: State::Sent,
            message_id: Some("m".to_owned()),
            reason: None,
        };
        let phone = shared::id::DeviceId::parse("phone").unwrap();
        shown.devices.insert(phone, device);
        put(2, cleared, shown).await;
        later(Task::Clear(self.user(2), cleared)).await;

        let watched = draw();
        put(3, watched, Outcome::default()).await;
        self.job(field, watched, before).await;

        let schedule = NotificationId::draw(due);
        let user = UserId::parse(&self.scheduled).unwrap();
        let task = Later::of_schedule(&plain(&user, schedule));
        store.put_later(&task, before(200)).await.unwrap();
        World {
            at,
            parked,
            held,
            cleared,
            watched,
            schedule,
        }
    }

    /// Puts a job whose step the stream never brings, and its watchdog.
    async fn job(&self, field: &Field, id: NotificationId, before: impl Fn(i64) -> Timestamp) {
        let store = field.ground.store();
        let targets = vec![(self.user(3), id)];
        let first = Step::RedriveTargets { targets };
        let job = Job::new(JobKind::Redrive, vec![first], before(600));
        // With its watchdog.
        let name = id.to_string();
        let begun = store.start_job(&name, &job, before(STOPPED));
        begun.await.unwrap();
        field.take_steps().await;
    }

    /// Compares what happened with what was to happen. Returns what was doubled.
    async fn check(&self, field: &Field, worlds: &[World]) -> Doubled {
        let mut shown: [BTreeMap<String, usize>; 4] = Default::default();
        for (count, phone) in shown.iter_mut().zip(&self.phones) {
            for push in pushes(&phone.token).await {
                let tag = &push["android"]["notification"]["tag"];
                let clear = &push["data"]["clear"];
                let id = tag.as_str().or(clear.as_str()).expect("an id");
                *count.entry(id.to_owned()).or_default() += 1;
            }
        }
        let rows = field.ground.rows().await;
        let state = |index: usize, id: &NotificationId| {
            let key = (format!("U#{}", self.phones[index].user), format!("N#{id}"));
            rows[&key]["po"]["s"]
                .as_str()
                .unwrap_or("pending")
                .to_owned()
        };
        let mut doubled = Doubled::new();
        for world in worlds {
            let at = &world.at;
            let newest = world.held.iter().max().unwrap();
            for (index, kind, id) in [
                (0, "parked", &world.parked),
                (1, "quiet end", newest),
                (2, "clear", &world.cleared),
                (3, "redrive", &world.watched),
            ] {
                // Of two that were held back, a killed run may have left one, which then comes by itself.
                let ids = if index == 1 {
                    &world.held[..]
                } else {
                    std::slice::from_ref(id)
                };
                let count = |id: &NotificationId| shown[index].get(&id.to_string()).copied();
                let times: usize = ids.iter().filter_map(count).sum();
                assert!(times >= 1, "lost: {kind}, {at}");
                assert!(times <= 2, "{times} times: {kind}, {at}");
                assert_eq!(state(index, id), "sent", "{kind}, {at}");
                *doubled.entry(kind).or_default() += times - 1;
            }
            for id in &world.held {
                assert_eq!(state(1, id), "sent", "{at}");
            }
            let schedule = world.schedule.to_string();
            let stored = rows
                .values()
                .filter(|row| row["sc"].as_str() == Some(&schedule) && row.get("t").is_some());
            assert_eq!(stored.count(), 1, "{at}");
        }
        doubled
    }
}

/// A sweep, and its steps one after the other, as long as the function lives.
async fn sweep_until_killed(field: &Field, runner: &Function) {
    runner.invoke(minute()).await.ok();
    loop {
        let steps = field.take_steps().await;
        if steps.is_empty() {
            return;
        }
        for step in steps {
            runner.invoke(batch([&step])).await.ok();
        }
    }
}

/// Runs a world whose first sweep goes through `proxy`, and then ordinary sweeps until nothing waits.
async fn run(
    field: &Field,
    people: &People,
    (due, at): (Timestamp, String),
    proxy: &Proxy,
    rules: Vec<Rule>,
) -> World {
    let world = people.world(field, due, at).await;
    let due = due.as_second();
    field.set_cursor(due / 60 - 1).await;
    let ahead = |second: i64| second - Timestamp::now().as_second();
    let doomed = field
        .ground
        .function_ahead("run-tasks", Some(proxy), ahead(due + 5));
    proxy.victim(&doomed);
    proxy.script(rules);
    sweep_until_killed(field, &doomed).await;
    // After the leases, and then after the watchdog's next look.
    for seconds in [140, 380, 620, 860, 1_100] {
        if field.later().await.is_empty() {
            break;
        }
        field.sweep_with(&field.runner(ahead(due + seconds))).await;
    }
    assert_eq!(field.later().await, [], "{}", world.at);
    world
}

/// How many calls a sweep makes that nobody kills.
async fn calls() -> usize {
    let field = Field::new().await;
    let people = People::new(&field).await;
    let proxy = field.ground.proxy(false).await;
    let at = (minute_in(600), "nobody is killed".to_owned());
    let world = run(&field, &people, at, &proxy, Vec::new()).await;
    let doubled = people.check(&field, &[world]).await;
    assert!(doubled.values().all(|times| *times == 0), "{doubled:?}");
    proxy.calls("").len()
}

#[tokio::test(flavor = "multi_thread")]
async fn f39_i5_a_sweep_killed_at_any_call_loses_nothing_and_doubles_what_one_kill_may() {
    let calls = calls().await;
    let points: Vec<(usize, Fault)> = (1..=calls)
        .flat_map(|call| KILLS.map(|kill| (call, kill)))
        .collect();
    // The first calls are looks; what is done stands at the end.
    let stride = if full() { 1 } else { points.len() / 2 / SOME };
    let skipped = if full() { 0 } else { points.len() / 2 };
    let points: Vec<(usize, Fault)> = points
        .into_iter()
        .skip(skipped)
        .step_by(stride.max(1))
        .collect();
    let done = stream::iter(points.chunks(SHARED))
        .map(async |points| {
            let field = Field::new().await;
            let people = People::new(&field).await;
            let mut worlds = Vec::new();
            for (index, (call, kill)) in (0..).zip(points) {
                let at = format!("{kill:?} at call {call} of {calls}");
                let due = minute_in(600 + index * 1_800);
                let proxy = field.ground.proxy(false).await;
                let rules = vec![Rule::on("", *call..=*call, *kill)];
                worlds.push(run(&field, &people, (due, at), &proxy, rules).await);
            }
            people.check(&field, &worlds).await
        })
        .buffer_unordered(TABLES);
    let done: Vec<Doubled> = done.collect().await;
    let mut doubled = Doubled::new();
    for (kind, times) in done.into_iter().flatten() {
        *doubled.entry(kind).or_default() += times;
    }
    println!(
        "{} of {} points, 0 lost, doubled: {doubled:?}",
        points.len(),
        calls * 3
    );
}
