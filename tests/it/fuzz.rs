//! I14 for each decoder by itself: millions of damaged inputs, in this process, against the code that the functions run.
//!
//! `cargo test` takes a few of each; `TIDINGS_FUZZ=1000000` takes as many as it says, and looks at the memory too. What fails
//! prints the seed and the number of its input, and with these two (`TIDINGS_SEED=…  TIDINGS_FUZZ_AT=…`) is tried again alone.

pub mod damage;
mod http;
#[path = "../../functions/ingest-events/src/sources.rs"]
mod sources;

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use futures_util::FutureExt as _;
use jiff::Timestamp;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use shared::devices::Notice;
use shared::error::{Error, Result};
use shared::id::NotificationId;
use shared::page;
use shared::stream::{self, Batch, Record};

use crate::chance::Chance;
use crate::stack::root;
use http::NOW;
use sources::Message;

/// Inputs for each decoder in `cargo test`.
const INPUTS: u64 = 500;
/// How much more memory may be held than at the start, in KB, if it is looked at.
const MEMORY: u64 = 65_536;
/// The slowest inputs are timed again: the machine may have done something else.
const SLOWEST: usize = 128;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// This process's memory as the system calls it, in KB.
fn memory(name: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|line| line.split_whitespace().next());
    number
        .and_then(|number| number.parse().ok())
        .unwrap_or_default()
}

/// Has a decoder read so many inputs. It says whether it accepted one, or what is wrong with how it took it.
fn run(
    name: &str,
    make: impl Fn(&mut Chance) -> Vec<u8>,
    decode: impl Fn(&[u8]) -> std::result::Result<bool, String>,
) {
    let drawn = || u64::try_from(Timestamp::now().as_microsecond()).unwrap();
    let seed = number("TIDINGS_SEED").unwrap_or_else(drawn);
    let given = number("TIDINGS_FUZZ");
    let only = number("TIDINGS_FUZZ_AT");
    let numbers = only.map_or(0..given.unwrap_or(INPUTS), |only| only..only + 1);
    let input = |index: u64| {
        make(&mut Chance::new(
            seed ^ index.wrapping_mul(0xd134_2543_de82_ef95),
        ))
    };
    let (before, began) = (memory("VmRSS:"), Instant::now());
    let (mut accepted, mut count, mut slowest) = (0, 0_u64, Vec::new());
    for index in numbers {
        let input = input(index);
        let started = Instant::now();
        let outcome = catch_unwind(AssertUnwindSafe(|| decode(&input)));
        slowest.push((started.elapsed(), index));
        if slowest.len() >= SLOWEST * 8 {
            slowest.sort_unstable();
            slowest.drain(..slowest.len() - SLOWEST);
        }
        count += 1;
        let wrong = match outcome {
            Ok(Ok(is_accepted)) => {
                accepted += u64::from(is_accepted);
                continue;
            }
            Ok(Err(wrong)) => wrong,
            Err(_) => "a panic".to_owned(),
        };
        let shown = input[..input.len().min(2_000)].escape_ascii();
        panic!(
            "TIDINGS_SEED={seed} TIDINGS_FUZZ_AT={index} cargo test --workspace --test it -- {name}\n{wrong}: {shown}"
        );
    }
    let took = began.elapsed();
    slowest.sort_unstable();
    let again = slowest
        .iter()
        .rev()
        .take(SLOWEST)
        .map(|(_, index)| (time(&decode, &input(*index)), index));
    let (slow, at) = again.max().unwrap_or((Duration::ZERO, &0));
    let grown = memory("VmHWM:").saturating_sub(before);
    println!(
        "{name}: {count} inputs, TIDINGS_SEED={seed}, {accepted} accepted, 0 panics, 0 answers of 500 and more; the slowest {slow:.1?} \
         (TIDINGS_FUZZ_AT={at}), {grown} KB more than at the start, {took:.0?}"
    );
    if given.is_some() {
        assert!(grown <= MEMORY, "{grown} KB");
    }
}

/// The processor's time that an input takes, on average: the machine may do something else meanwhile.
fn time<T>(decode: &impl Fn(&[u8]) -> T, input: &[u8]) -> Duration {
    let spent = || {
        let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
        let nanoseconds = text.split(' ').next().and_then(|first| first.parse().ok());
        Duration::from_nanos(nanoseconds.unwrap_or_default())
    };
    let began = spent();
    for _ in 0..5 {
        decode(input);
    }
    spent().saturating_sub(began) / 5
}

/// The events of `events/` that are like this, in the order of their paths.
fn events(wanted: impl Fn(&Value) -> bool) -> Vec<Value> {
    let mut paths = Vec::new();
    for folder in fs::read_dir(root().join("events")).unwrap() {
        for file in fs::read_dir(folder.unwrap().path()).unwrap() {
            let path = file.unwrap().path();
            if !path.to_str().unwrap().ends_with(".response.json") {
                paths.push(path);
            }
        }
    }
    paths.sort();
    let read = |path| serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let found: Vec<Value> = paths.into_iter().map(read).filter(wanted).collect();
    assert!(found.len() > 2, "{} events", found.len());
    found
}

/// One of them, damaged.
fn damaged(chance: &mut Chance, valid: &[Value]) -> Vec<u8> {
    let one = chance.below(valid.len());
    damage::json(chance, &valid[one])
}

#[test]
fn g9_i14_f46_f51_f52_a_damaged_http_event_gets_an_answer_below_500() {
    let valid = events(|event| !event["requestContext"].is_null() && !event["routeKey"].is_null());
    run(
        "g9_i14_f46",
        |chance| {
            // Of all of an event its query says most, and is a small part of it.
            if chance.below(4) > 0 {
                return damaged(chance, &valid);
            }
            let mut event = valid[chance.below(valid.len())].clone();
            let query = event["rawQueryString"].as_str().unwrap_or_default();
            let query = damage::bytes(chance, query.as_bytes());
            event["rawQueryString"] = json!(String::from_utf8_lossy(&query));
            event.to_string().into_bytes()
        },
        |input| {
            let Ok(text) = std::str::from_utf8(input) else {
                return Ok(false);
            };
            // Lambda takes no event that is not JSON.
            if serde_json::from_str::<&RawValue>(text).is_err() {
                return Ok(false);
            }
            let answer = shared::http::answer(text, "id", async |request| http::decode(request));
            let answer = answer.now_or_never().ok_or("it waits")?;
            match answer.status_code {
                status @ 200..500 => Ok(status == 200),
                status => Err(format!("{status}")),
            }
        },
    );
}

#[test]
fn g9_i14_f25_f27_f28_a_damaged_stream_record_is_read_or_kept() {
    let valid = events(|event| !event["Records"][0]["dynamodb"].is_null());
    run(
        "g9_i14_f25",
        |chance| damaged(chance, &valid),
        |input| {
            let Ok(batch) = serde_json::from_slice::<Batch>(input) else {
                return Ok(false);
            };
            let mut numbers = Vec::new();
            for record in &batch.records {
                match Record::decode(record) {
                    Record::Created {
                        sequence_number, ..
                    }
                    | Record::Step {
                        sequence_number, ..
                    } => {
                        numbers.push(sequence_number);
                    }
                    Record::Undecodable(odd) if odd.reason.is_empty() => {
                        return Err("no reason".to_owned());
                    }
                    Record::Ignored | Record::Undecodable(_) => {}
                }
            }
            let accepted = !numbers.is_empty();
            let answer = json!(stream::response(numbers));
            let failures = answer["batchItemFailures"].as_array().unwrap();
            let is_named = |failure: &Value| {
                failure["itemIdentifier"]
                    .as_str()
                    .is_some_and(|name| !name.is_empty())
            };
            if !failures.iter().all(is_named) {
                return Err(answer.to_string());
            }
            Ok(accepted)
        },
    );
}

#[test]
fn g9_i14_f42_a_damaged_cursor_is_refused_and_an_accepted_one_is_ours() {
    let make = |chance: &mut Chance| {
        let id = NotificationId::new(
            NOW,
            std::array::from_fn(|_| u8::try_from(chance.below(256)).unwrap()),
        );
        let owner = ["ana", "bo", "an"][chance.below(3)];
        let filter = ["all", "unread", "al"][chance.below(3)];
        let cursor = match chance.below(2) {
            0 => page::write(id, owner, filter),
            _ => page::write_place(&format!("{}#{owner}", chance.below(40)), owner, filter),
        };
        match chance.below(4) {
            0 => cursor.into_bytes(),
            1 => damage::bytes(chance, cursor.as_bytes()),
            2 => {
                let many = cursor.repeat(1 + chance.below(300));
                damage::bytes(chance, many.as_bytes())
            }
            _ => {
                let bytes = BASE64_URL_SAFE_NO_PAD.decode(cursor).unwrap();
                BASE64_URL_SAFE_NO_PAD
                    .encode(damage::bytes(chance, &bytes))
                    .into_bytes()
            }
        }
    };
    run("g9_i14_f42", make, |input| {
        let text = String::from_utf8_lossy(input);
        let id = page::read(&text, "ana", "all").map(|id| page::write(id, "ana", "all"));
        let place = page::read_place(&text, "ana", "all")
            .map(|place| page::write_place(&place, "ana", "all"));
        for outcome in [&id, &place] {
            match outcome {
                Ok(ours) if *ours != text => {
                    return Err(format!("{ours} is accepted in another spelling"));
                }
                Err(Error::Malformed {
                    code: "invalid_cursor",
                    ..
                })
                | Ok(_) => {}
                Err(other) => return Err(other.to_string()),
            }
        }
        Ok(id.is_ok() || place.is_ok())
    });
}

#[test]
fn g9_i14_a_damaged_message_of_a_queue_is_read_or_buried_with_a_reason() {
    let valid = events(|event| {
        let source = event["Records"][0]["eventSource"]
            .as_str()
            .or(event["eventSource"].as_str());
        let is_queue = source.is_some_and(|source| source != "aws:dynamodb");
        is_queue || !event["detail-type"].is_null() || !event["Records"][0]["Sns"].is_null()
    });
    run(
        "g9_i14_a_damaged_message",
        |chance| damaged(chance, &valid),
        |input| {
            let Ok(event) = serde_json::from_slice::<&RawValue>(input) else {
                return Ok(false);
            };
            let value: Value = serde_json::from_str(event.get()).unwrap_or_default();
            Notice::decode(
                value["Records"][0]["Sns"]["Message"]
                    .as_str()
                    .unwrap_or_default(),
            );
            let messages = match sources::read(event) {
                Ok(sources::Batch::Messages(messages) | sources::Batch::All(messages)) => messages,
                Ok(sources::Batch::Http) | Err(Error::Internal { .. }) => return Ok(false),
                Err(other) => return Err(other.to_string()),
            };
            let mut accepted = false;
            for outcome in messages.into_iter().flat_map(message) {
                match outcome {
                    Ok(_) => accepted = true,
                    Err(Error::Invalid(broken)) if broken.is_empty() => {
                        return Err("no reason".to_owned());
                    }
                    Err(
                        Error::Invalid(_)
                        | Error::Malformed { .. }
                        | Error::TooLarge(_)
                        | Error::EventTooLarge(_),
                    ) => {}
                    Err(other) => return Err(other.to_string()),
                }
            }
            Ok(accepted)
        },
    );
}

/// The events of one message, or why there is none.
fn message(message: Message) -> Vec<Result<Value>> {
    let _ = message.identifier;
    let read = message.body.map_err(|(_, why)| Error::Malformed {
        code: "undecodable",
        detail: why.to_owned(),
    });
    match read.and_then(|body| shared::json::parse(body.as_bytes(), 1_048_576)) {
        Err(error) => vec![Err(error)],
        Ok(Value::Array(items)) => {
            http::events(items.into_iter().map(sources::unwrapped).collect())
        }
        Ok(value) => http::events(sources::unwrapped(value)),
    }
}

#[test]
fn g9_i14_a_damaged_rule_is_refused_or_renders_whatever_event_comes() {
    let bodies = events(|event| {
        event["routeKey"]
            .as_str()
            .is_some_and(|route| route.contains("/rules/"))
    });
    let valid = bodies.iter().filter_map(|event| {
        let mut body: Value = serde_json::from_str(event["body"].as_str()?).ok()?;
        if body["rule"].is_null() {
            body = json!({"rule": body});
        }
        // Each with an event of its own, so that events are damaged as well.
        if body["event"].is_null() {
            body["event"] = body["rule"]["sample"].clone();
        }
        body["type"] = event["pathParameters"]["type"].clone();
        Some(body)
    });
    let valid: Vec<Value> = valid.collect();
    run(
        "g9_i14_a_damaged_rule",
        |chance| damaged(chance, &valid),
        |input| {
            let Ok(body) = shared::json::parse(input, 1_048_576) else {
                return Ok(false);
            };
            let kind = body["type"].as_str().unwrap_or_default().to_owned();
            match http::rule(&kind, body) {
                Ok(_) => Ok(true),
                Err(Error::Invalid(broken)) if !broken.is_empty() => Ok(false),
                Err(other) => Err(format!("{other:?}")),
            }
        },
    );
}
