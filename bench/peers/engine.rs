//! The local stack's table with so many rows, half of them notifications and half events, and beside it the same rows in
//! SQLite alone. `engine 1000000` says where it answers when it is filled, and ends with its standard input.
//!
//! Half of the notifications are ana's, half of the events are of one subject; the others are spread, forty to each user and
//! to each subject.

#[path = "../src/http.rs"]
mod http;
#[path = "../src/rows.rs"]
mod rows;

use std::error::Error;
use std::io::{Read as _, Write as _};
use std::sync::{Arc, Mutex, PoisonError};

use http::{Answer, Request};
use local::table::Engine;
use local::template::TableSpec;
use rows::{TABLE, id, now_ms, row};
use rusqlite::{Connection, params};
use serde_json::{Value, json};

/// Rows of each user and each subject but the first.
const EACH: u64 = 40;
/// Rows of one call.
const BATCH: u64 = 25;
/// Bare pages of one measurement, and the rows of each.
const PAGES: u64 = 1_000;
const PAGE: usize = 25;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// The key of a row by its number among so many.
fn key(number: u64, rows: u64, now: u64) -> Value {
    let (place, is_event) = (number / 2, number % 2 == 1);
    let others = (rows / 4 / EACH).max(1);
    let (name, first, kind, own) = if is_event {
        ("S#video:", "42", 'E', "other")
    } else {
        ("U#", "ana", 'N', "user")
    };
    let owner = if place.is_multiple_of(2) {
        format!("{name}{first}")
    } else {
        format!("{name}{own}{}", place / 2 % others)
    };
    let id = id(now - 1_000 * (place + 1), place);
    json!({"pk": {"S": owner}, "sk": {"S": format!("{kind}#{id}")}})
}

fn table() -> Outcome<Engine> {
    let attribute = |name| json!({"AttributeName": name, "AttributeType": "S"});
    let part = |name, kind| json!({"AttributeName": name, "KeyType": kind});
    let spec = TableSpec {
        logical_id: "Table".to_owned(),
        name: TABLE.to_owned(),
        create: json!({
            "TableName": TABLE, "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [attribute("pk"), attribute("sk")],
            "KeySchema": [part("pk", "HASH"), part("sk", "RANGE")],
        }),
        ttl_attribute: Some("expires_at".to_owned()),
    };
    Ok(Engine::in_memory(&[spec])?)
}

/// Fills both.
fn fill(engine: &Engine, alone: &mut Connection, rows: u64) -> Outcome<()> {
    let now = now_ms();
    alone.execute_batch(
        "CREATE TABLE rows (pk TEXT, sk TEXT, item TEXT, PRIMARY KEY (pk, sk)) WITHOUT ROWID",
    )?;
    let all = alone.transaction()?;
    let mut insert = all.prepare("INSERT INTO rows VALUES (?1, ?2, ?3)")?;
    for first in (0..rows).step_by(usize::try_from(BATCH)?) {
        let mut puts = Vec::new();
        for number in first..rows.min(first + BATCH) {
            let key = key(number, rows, now);
            let item = row(&key).ok_or("a row of no kind")?;
            insert.execute(params![
                key["pk"]["S"].as_str(),
                key["sk"]["S"].as_str(),
                item.to_string()
            ])?;
            puts.push(json!({"PutRequest": {"Item": item}}));
        }
        let body = json!({"RequestItems": {TABLE: puts}}).to_string();
        let (status, answer) = engine.answer("BatchWriteItem", body.as_bytes());
        if status != 200 {
            return Err(answer.into());
        }
    }
    drop(insert);
    Ok(all.commit()?)
}

/// Nanoseconds of this thread's processor time.
fn used() -> Outcome<u64> {
    let used = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    Ok(used.split(' ').next().unwrap_or_default().parse()?)
}

/// The nanoseconds that one page takes in SQLite alone, of ana and others in turn.
fn bare_page(alone: &Connection, rows: u64) -> Outcome<u64> {
    let query = "SELECT item FROM rows WHERE pk = ?1 AND sk BETWEEN 'N#' AND 'N#~' ORDER BY sk DESC LIMIT 25";
    let mut query = alone.prepare(query)?;
    let others = (rows / 4 / EACH).max(1);
    let before = used()?;
    for number in 0..PAGES {
        let owner = match number % 2 {
            0 => "U#ana".to_owned(),
            _ => format!("U#user{}", number * 7_919 % others),
        };
        let page = query.query_map([owner], |row| row.get::<_, String>(0))?;
        let page: Vec<String> = page.collect::<Result<_, _>>()?;
        if page.len() != PAGE {
            return Err(format!("a page of {}", page.len()).into());
        }
    }
    Ok((used()? - before) / PAGES)
}

fn main() -> Outcome<()> {
    let rows: u64 = std::env::args().nth(1).ok_or("how many rows?")?.parse()?;
    let engine = table()?;
    let mut alone = Connection::open_in_memory()?;
    fill(&engine, &mut alone, rows)?;
    let alone = Arc::new(Mutex::new(alone));
    let address = http::serve(None, move |request: &Request| {
        if request.target == "GET /bare-page" {
            let alone = alone.lock().unwrap_or_else(PoisonError::into_inner);
            return match bare_page(&alone, rows) {
                Ok(took) => Answer::ok("text/plain", took.to_string().into_bytes()),
                Err(error) => Answer {
                    status: "500 Internal Server Error",
                    ..Answer::ok("text/plain", error.to_string().into_bytes())
                },
            };
        }
        let operation = request.operation.rsplit('.').next().unwrap_or_default();
        let (status, body) = engine.answer(operation, &request.body);
        let mut answer = Answer::ok("application/x-amz-json-1.0", body.into_bytes());
        if status != 200 {
            answer.status = "400 Bad Request";
        }
        answer
    })?;
    writeln!(std::io::stdout(), "{address}")?;
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}
