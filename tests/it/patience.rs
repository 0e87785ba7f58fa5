//! A push service that is slow, throttles or hangs: the invocation ends in time, the quota is kept, nobody waits for a
//! stranger's device.

use std::collections::HashMap;
use std::time::Duration;

use serde_json::{Value, json};
use shared::outcome::Reason;
use shared::push::{Limits, Undone};
use tokio::time::Instant;

use crate::chance::Chance;
use crate::crashes::full;
use crate::paused::{Publish, World, targets};

/// Enough for nobody to wait for their turn.
pub const FAST: Limits = Limits {
    rate: 1_000_000,
    instances: 1,
    group_cap: 0,
};
const QUICK: Duration = Duration::from_millis(50);
const NEW: Duration = Duration::from_millis(10);

/// No push options: an empty map, as the row may have it.
fn plain() -> Value {
    json!({"M": {}})
}

/// By a Pareto distribution: 500 ms and more, half of them above 1.3 s, 1 in 18 above 30 s, which is where it is cut.
fn pareto(chance: &mut Chance) -> Duration {
    let below = u32::try_from(chance.below(1_000_000)).unwrap();
    let uniform = f64::from(below + 1) / 1_000_000.0;
    Duration::from_secs_f64((0.5 / uniform.powf(1.0 / 0.7)).min(30.0))
}

#[tokio::test(start_paused = true)]
async fn f19_whatever_sns_takes_an_invocation_ends_in_time_and_says_what_it_did_not_do() {
    let invocations = if full() { 10_000 } else { 12 };
    for seed in 0..invocations {
        let mut chance = Chance::new(seed);
        let world = World::new(FAST, plain(), move |_: &Publish| {
            (pareto(&mut chance), 200, "")
        });
        let targets = targets(200, NEW);
        let (done, took) = world.invoke(&targets).await;
        assert!(took < Duration::from_secs(28), "seed {seed}: {took:?}");
        let published = world.ether.take_publishes();
        let open = done.iter().filter(|done| done.is_err()).count();
        assert!(
            (1..200).contains(&open),
            "seed {seed}: {open} of 200 must come again"
        );
        for (target, done) in targets.iter().zip(done) {
            let at = format!("seed {seed}: {target:?}, {done:?}");
            let recorded = world.ether.outcome(target);
            let ended = recorded.is_some_and(|(outcome, _)| outcome["M"].get("s").is_some());
            assert_eq!(done.is_ok(), ended, "{at}");
            let begun = published.iter().any(|p| p.user == target.0.as_str());
            match done {
                Ok(()) => assert!(begun, "{at}"),
                Err(Undone::Later(reason)) => {
                    // There was no time left, or so many took too long that no more were tried.
                    let spared = [Reason::TimeShort, Reason::SnsDown].contains(&reason);
                    assert!(begun || spared, "{at}");
                }
                Err(undone) => panic!("{undone:?}"),
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn f21_throttled_publishes_settle_below_the_allowed_rate_and_come_back() {
    for allowed in [5.0, 20.0, 60.0] {
        let mut bucket = (allowed, Instant::now());
        let sns = move |publish: &Publish| {
            let (tokens, at): (f64, Instant) = bucket;
            let tokens = tokens + (publish.at - at).as_secs_f64() * allowed;
            let taken = tokens >= 1.0;
            bucket = (tokens.min(allowed) - f64::from(u8::from(taken)), publish.at);
            if taken {
                (QUICK, 200, "")
            } else {
                (QUICK, 429, "Throttled")
            }
        };
        let limits = Limits {
            rate: 300,
            instances: 4,
            group_cap: 0,
        };
        let world = World::new(limits, plain(), sns);
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(25) {
            world.invoke(&targets(40, NEW)).await;
        }
        let mut seconds: HashMap<u64, u32> = HashMap::new();
        for publish in world.ether.take_publishes() {
            *seconds.entry((publish.at - began).as_secs()).or_default() += 1;
        }
        let settled: Vec<u32> = (5..25)
            .map(|second| seconds.get(&second).copied().unwrap_or(0))
            .collect();
        let rate = f64::from(settled.iter().sum::<u32>()) / 20.0;
        assert!(rate <= 1.2 * allowed, "{rate} of {allowed}: {settled:?}");
        assert!(rate >= 0.4 * allowed, "{rate} of {allowed}: {settled:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn f21_an_instance_keeps_its_share_of_the_stacks_rate() {
    let limits = Limits {
        rate: 40,
        instances: 4,
        group_cap: 0,
    };
    let world = World::new(limits, plain(), |_: &Publish| (QUICK, 200, ""));
    let (done, took) = world.invoke(&targets(100, NEW)).await;
    assert!(took > Duration::from_secs(9), "{took:?}");
    assert!(done.iter().all(Result::is_ok));
    // What cannot be sent in time comes again, and its turns are not lost.
    let (done, took) = world.invoke(&targets(400, NEW)).await;
    let sent = done.iter().filter(|done| done.is_ok()).count();
    assert!((200..=235).contains(&sent), "{sent} in {took:?}");
    let (done, took) = world.invoke(&targets(10, NEW)).await;
    assert!(
        done.iter().all(Result::is_ok) && took < Duration::from_secs(2),
        "{took:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_new_instance_opens_its_connections_in_steps() {
    let world = World::new(FAST, plain(), |_: &Publish| (QUICK, 200, ""));
    let mut widths = Vec::new();
    for count in [4, 8, 64] {
        world.invoke(&targets(count, NEW)).await;
        widths.push(world.ether.take_widest());
    }
    assert_eq!(widths, [4, 8, 16]);
}

#[tokio::test(start_paused = true)]
async fn i7_no_publish_begins_after_the_pushs_life() {
    let minute = json!({"M": {"t": {"N": "60"}}});
    for age in [40, 50, 54, 58, 59, 61] {
        let age = Duration::from_secs(age);
        let world = World::new(FAST, minute.clone(), |_: &Publish| {
            (Duration::from_secs(4), 429, "Throttled")
        });
        let targets = targets(30, age);
        let began = Instant::now();
        let (done, _) = world.invoke(&targets).await;
        let publishes = world.ether.take_publishes();
        for publish in &publishes {
            let age = age + (publish.at - began);
            assert!(age < Duration::from_secs(61), "{publish:?} at {age:?}");
        }
        let dead = |target| {
            world
                .ether
                .outcome(target)
                .map(|(outcome, _)| outcome["M"]["s"]["S"].clone())
        };
        let states: Vec<_> = targets.iter().filter_map(dead).collect();
        // What was alive when the time was short comes again.
        assert!(
            states
                .iter()
                .all(|state| state == "dead" || state == "expired"),
            "{states:?}"
        );
        assert_eq!(
            states.len(),
            done.iter().filter(|done| done.is_ok()).count()
        );
        assert_eq!(
            publishes.is_empty(),
            age > Duration::from_mins(1),
            "{age:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn i12_a_device_that_hangs_or_is_throttled_delays_no_other_user() {
    let targets = targets(40, NEW);
    let (slow, throttled) = (
        targets[0].0.as_str().to_owned(),
        targets[1].0.as_str().to_owned(),
    );
    let sns = move |publish: &Publish| match &publish.user {
        user if *user == slow => (Duration::from_hours(1), 200, ""),
        user if *user == throttled => (QUICK, 503, "ServiceUnavailable"),
        _ => (QUICK, 200, ""),
    };
    let world = World::new(FAST, plain(), sns);
    let began = Instant::now();
    let (done, took) = world.invoke(&targets).await;
    assert!(
        matches!(done[0], Err(Undone::Later(Reason::Timeout))),
        "{:?}",
        done[0]
    );
    assert!(
        matches!(done[1], Err(Undone::Later(Reason::SnsError))),
        "{:?}",
        done[1]
    );
    assert!(took < Duration::from_secs(20), "{took:?}");
    for target in &targets[2..] {
        let (outcome, at) = world.ether.outcome(target).unwrap();
        assert_eq!(outcome["M"]["s"]["S"], "sent");
        assert!(at - began < Duration::from_secs(2), "{:?}", at - began);
    }
}
