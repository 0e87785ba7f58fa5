//! Events under fire: the function killed at each of its calls, copies at the same time, and faults by chance.

use std::time::Duration;

use futures_util::future::join_all;
use futures_util::stream::{self, StreamExt};
use serde_json::Value;

use crate::chance::Chance;
use crate::crashes::{at_every_point, doomed, full};
use crate::ground::Ground;
use crate::ingest_once::{is_once, left, liked, post, rule, sent};
use crate::ingest_queue::messages;
use crate::proxy::{Fault, Rule};
use crate::stack::unique;

#[tokio::test(flavor = "multi_thread")]
async fn f8_i2_an_event_killed_at_any_call_is_completed_by_its_repeat() {
    let ground = Ground::new().await;
    let healthy = ground.function("ingest-events", None);
    rule(&healthy).await;
    for (by_queue, timed) in [(false, true), (true, false)] {
        let make = || {
            let subject = unique("killed");
            let mut liked = liked(&subject);
            if !timed {
                liked["time"] = Value::Null;
            }
            (subject, liked)
        };
        let proxy = ground.proxy(false).await;
        let function = ground.function("ingest-events", Some(&proxy));
        let (subject, event) = make();
        assert!(sent(&function, &event, by_queue).await);
        is_once(&left(&ground, &subject).await, "clean");
        // The rule, the guard or the log row, and a row for each user.
        let calls = proxy.calls("").len();
        assert_eq!(calls, if timed { 4 } else { 5 });
        at_every_point(calls, async |call, kill| {
            let at = format!("{kill:?} at call {call} of {calls}");
            let (subject, event) = make();
            let (function, _proxy) = doomed(&ground, "ingest-events", call, kill).await;
            let body = if by_queue {
                messages(&[event.to_string()])
            } else {
                post(&event).event()
            };
            let first = function.invoke(body.to_string().into_bytes()).await;
            assert!(first.is_err() || kill == Fault::KillAfterReply, "{at}");
            for by_queue in [!by_queue, by_queue] {
                assert!(sent(&healthy, &event, by_queue).await, "{at}");
                is_once(&left(&ground, &subject).await, &at);
            }
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn f1_i2_copies_of_an_event_at_the_same_time_under_faults_are_told_once() {
    let faults = [
        Fault::DropBefore,
        Fault::DropAfter,
        Fault::HalfReply,
        Fault::Twice,
        Fault::Delay(Duration::from_millis(40)),
        Fault::Status(500, "InternalServerError"),
        Fault::Status(400, "ThrottlingException"),
    ];
    let ground = Ground::new().await;
    let proxy = ground.proxy(false).await;
    let functions = [(); 2].map(|()| ground.function("ingest-events", Some(&proxy)));
    let direct = ground.function("ingest-events", None);
    rule(&direct).await;
    let seeds = 1..=if full() { 1_000 } else { 12 };
    let runs = stream::iter(seeds).map(async |seed| {
        let mut chance = Chance::new(seed);
        let subject = format!("{}x", unique("copies"));
        let mut event = liked(&subject);
        if chance.below(2) == 0 {
            event["time"] = Value::Null;
        }
        for _ in 0..=chance.below(3) {
            let (call, fault) = (1 + chance.below(6), faults[chance.below(faults.len())]);
            proxy.add(Rule::on("", call..=call, fault).containing(&subject));
        }
        let copies: Vec<(usize, bool)> = (0..2 + chance.below(3))
            .map(|copy| (copy % 2, chance.below(2) == 0))
            .collect();
        join_all(
            copies
                .iter()
                .map(|(at, by_queue)| sent(&functions[*at], &event, *by_queue)),
        )
        .await;
        assert!(sent(&direct, &event, false).await, "seed {seed}");
        is_once(&left(&ground, &subject).await, &format!("seed {seed}"));
    });
    runs.buffer_unordered(4).collect::<Vec<()>>().await;
}
