//! What a search of the log costs: as much in a large table, under a subject with many events, as in a small one.
//!
//! `cargo test` compares 700 events under a subject with 2,000; `TIDINGS_FULL=1` with 100,000 in a table of 1,000,000 rows.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::{AttributeValue, PutRequest, WriteRequest};
use futures_util::stream::{self, StreamExt};
use serde_json::json;

use crate::crashes::full;
use crate::event_log::event;
use crate::ground::{Ground, Http};

type Item = HashMap<String, AttributeValue>;

/// Copies a logged event `rows` times, all of them older and of one size; every `share`th stays under its subject.
async fn fill(ground: &Ground, row: &Item, rows: usize, share: usize) {
    let text = |text: String| AttributeValue::S(text);
    let time = row["sk"].as_s().unwrap()[2..6].to_owned();
    let copy = |index: usize| {
        let mut row = row.clone();
        row.insert("sk".to_owned(), text(format!("E#{time}0{index:021}")));
        row.insert("i".to_owned(), text(format!("copy {index:07}")));
        if !index.is_multiple_of(share) {
            row.insert("pk".to_owned(), text(format!("S#other{}", index % 997)));
        }
        let put = PutRequest::builder().set_item(Some(row)).build().unwrap();
        WriteRequest::builder().put_request(put).build()
    };
    let batches = (0..rows).step_by(25).map(|first| {
        let requests = (first..rows.min(first + 25)).map(copy).collect();
        let write = ground.client().batch_write_item();
        write.request_items(ground.table(), requests).send()
    });
    let done = stream::iter(batches).buffer_unordered(4);
    done.for_each(async |answer| {
        let left = answer.unwrap().unprocessed_items;
        assert!(left.unwrap_or_default().is_empty());
    })
    .await;
}

/// What searches cost in a table of so many rows: calls, read units, and how many events they showed.
async fn costs(rows: usize, share: usize) -> Vec<(usize, f64, usize)> {
    let ground = Ground::new().await;
    let proxy = ground.proxy(true).await;
    let function = ground.function("ingest-events", Some(&proxy));
    let logged = event("video:42", "1");
    let reply = Http::new("POST /v1/events", "likes")
        .json(&logged)
        .send(&function)
        .await;
    assert_eq!(reply.unwrap().status, 201);
    let key = ground
        .keys()
        .await
        .into_iter()
        .find(|(pk, _)| pk == "S#video:42")
        .unwrap();
    let get = ground.client().get_item().table_name(ground.table());
    let get = get
        .key("pk", AttributeValue::S(key.0))
        .key("sk", AttributeValue::S(key.1));
    let row: Item = get.send().await.unwrap().item.unwrap();
    fill(&ground, &row, rows, share).await;
    let searches = [
        "subject=video%3A42",
        "subject=video%3A42&limit=100&actor=bo&data.video.id=42",
        "subject=video%3A42&type=never",
        "subject=video%3A42&since=2026-11-20T09:59:59Z&until=2026-11-20T10:00:01Z",
        "subject=nobody&type=never",
    ];
    let mut found = Vec::new();
    for search in searches {
        proxy.take_calls();
        let request = Http::new("GET /v1/events", "likes").query(search);
        let reply = request.send(&function).await.unwrap();
        assert_eq!(reply.status, 200, "{reply:?}");
        let calls = proxy.take_calls();
        let units = calls.iter().map(|call| call.units).sum();
        found.push((
            calls.len(),
            units,
            reply.body["data"].as_array().unwrap().len(),
        ));
        let cut = reply.body["page"] != json!({"has_more": false, "next": null});
        assert_eq!(cut, found.len() <= 3, "{search}: {}", reply.body["page"]);
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_costs_the_same_however_much_the_log_holds() {
    let small = costs(700, 1).await;
    // An event is 0.3 KB: 26 rows are one unit of eventual reads, 101 four; nobody examines more than 500.
    let shown: Vec<(usize, usize)> = small
        .iter()
        .map(|(calls, _, shown)| (*calls, *shown))
        .collect();
    assert_eq!(
        shown,
        [(1, 25), (1, 100), (6, 0), (1, 1), (1, 0)],
        "{small:?}"
    );
    let large = if full() {
        costs(1_000_000, 10)
    } else {
        costs(4_000, 2)
    };
    assert_eq!(large.await, small);
    if full() {
        println!("calls, read units and events shown: {small:?}");
    }
}
