//! What a fan-out holds in memory: a part of a partition, however many members the topic has.
//!
//! `cargo test --features proof` compares 100 members with 1,000; `TIDINGS_FULL=1` 10,000 with 100,000, and counts what
//! was written.

use std::fs;

use serde_json::json;

use crate::crashes::full;
use crate::fan_out::{job, note, owners};
use crate::ground::{create, processes};
use crate::tasks::{Field, NOTHING_LEFT, batch};
use crate::topics::users;

/// The largest memory that the one process of this name with this table has had, in KB.
fn peak(binary: &str, table: &str) -> u64 {
    let [process] = &processes(binary, table)[..] else {
        panic!("one process of {binary}");
    };
    let status = fs::read_to_string(process.join("status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().nth(1));
    kilobytes.unwrap().parse().unwrap()
}

/// Tells so many members in one process. Returns its memory, and the write units of the steps.
async fn tell(members: u32) -> (u64, f64) {
    let count = usize::try_from(members).unwrap();
    let field = Field::new().await;
    let topic = field.large_topic(&users(count)).await;
    let request = create(None, &note(&topic, "live.memory"));
    let id = job(&request.send(&field.creator).await.unwrap());
    let proxy = field.ground.proxy(true).await;
    let runner = field.ground.function("run-tasks", Some(&proxy));
    let mut units = 0.0;
    for chain in 0..32 {
        for step in 0.. {
            let key = (format!("J#{id}#{chain}"), format!("T#{step:010}"));
            if field.ground.row(&key.0, &key.1).await.is_none() {
                break;
            }
            while runner.invoke(batch([&key])).await.unwrap() != NOTHING_LEFT {}
            let calls = proxy.take_calls().into_iter();
            let is_write = |name: &str| ["PutItem", "UpdateItem", "BatchWriteItem"].contains(&name);
            units += calls
                .filter(|call| is_write(&call.operation))
                .map(|call| call.units)
                .sum::<f64>();
        }
    }
    let peak = peak("run-tasks", &proxy.dynamodb);
    let progress = field.progress(&id).await;
    assert_eq!(progress["written"], json!(members), "{progress}");
    assert_eq!(owners(&field.told("live.memory").await).len(), count);
    (peak, units)
}

#[tokio::test(flavor = "multi_thread")]
async fn f13_ten_times_the_members_are_told_in_the_same_memory() {
    let few: u32 = if full() { 10_000 } else { 100 };
    let (small, large) = (tell(few).await, tell(10 * few).await);
    println!("{few} members: {small:?}; ten times as many: {large:?} (KB, write units)");
    assert!(large.0 * 10 <= small.0 * 11, "{large:?} of {small:?}");
    // Three for each step: the moment, the next one, and how far the chain is. A few more on a busy machine.
    for (members, units) in [(few, small.1), (10 * few, large.1)] {
        let members = f64::from(members);
        let steps = (members / 500.0).ceil() + 32.0;
        assert!(
            units >= members && units <= members + 4.0 * steps,
            "{units} for {members}"
        );
    }
}
