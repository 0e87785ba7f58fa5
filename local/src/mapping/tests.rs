//! The mapping over a real stream and state file, with a stand-in for the function.

mod fixture;

use super::*;
use crate::table::tests::put;
use fixture::{Fixture, LATER};
use serde_json::json;

#[tokio::test]
async fn filtered_records_are_passed_over_and_a_restart_repeats_nothing() {
    let mut fixture = Fixture::new().await;
    fixture.source.filters = vec![json!({"dynamodb": {"Keys": {"sk": {"S": [{"prefix": "N#"}]}}}})];
    for key in ["N#1", "A#x", "N#2", "A#y"] {
        put(&fixture.tables, key, LATER);
    }
    let handle = fixture.start(|_, _| Some(true));
    fixture.settled().await;
    handle.abort();
    assert_eq!(fixture.seen(), [["N#1", "N#2"]]);

    put(&fixture.tables, "N#3", LATER);
    let handle = fixture.start(|_, _| Some(true));
    fixture.settled().await;
    handle.abort();
    assert_eq!(fixture.seen().concat(), ["N#1", "N#2", "N#3"]);
}

#[tokio::test]
async fn f32_an_unfinished_record_is_delivered_again_after_a_restart() {
    let mut fixture = Fixture::new().await;
    fixture.source.max_retries = None;
    put(&fixture.tables, "a", LATER);
    put(&fixture.tables, "b", LATER);
    let handle = fixture.start(|key, _| Some(key == "a"));
    while fixture.seen().len() < 3 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    handle.abort();
    fixture.seen.lock().unwrap().clear();
    let state = State::open(fixture.dir.path()).unwrap();
    assert_ne!(
        state.checkpoint("PushStream").unwrap(),
        fixture.tables.stream("things").unwrap().newest().unwrap()
    );
    let handle = fixture.start(|_, _| Some(true));
    fixture.settled().await;
    handle.abort();
    assert!(fixture.seen().concat().contains(&"b".to_owned()));
}

#[tokio::test]
async fn a_reported_record_is_tried_again_with_those_after_it() {
    let fixture = Fixture::new().await;
    for key in ["a", "b", "c"] {
        put(&fixture.tables, key, LATER);
    }
    let handle = fixture.start(|key, count| Some(key != "b" || count > 2));
    fixture.settled().await;
    handle.abort();
    assert_eq!(
        fixture.seen(),
        [vec!["a", "b", "c"], vec!["b", "c"], vec!["b", "c"]]
    );
    assert!(fixture.letters().await.is_empty());
}

#[tokio::test]
async fn a_batch_that_got_on_has_all_its_retries_again() {
    let mut fixture = Fixture::new().await;
    fixture.source.bisect = false;
    for key in ["a", "b"] {
        put(&fixture.tables, key, LATER);
    }
    // Two failures of the whole, one at its second record, two of what is left: five, but never three in a row.
    let handle = fixture.start(|key, count| match (key, count) {
        ("a", ..=2) => None,
        (_, count) => Some(key == "a" || count > 5),
    });
    fixture.settled().await;
    handle.abort();
    assert_eq!(fixture.seen().len(), 6);
    assert!(fixture.letters().await.is_empty());
}

#[tokio::test]
async fn a_lane_that_breaks_begins_again_and_loses_nothing() {
    let mut fixture = Fixture::new().await;
    fixture.source.batch_size = 1;
    fixture.source.parallelization = 2;
    for key in ["a", "b", "c", "d"] {
        put(&fixture.tables, key, LATER);
    }
    let handle = fixture.start(|key, count| {
        assert!(key != "b" || count > 1, "the first b breaks its lane");
        Some(true)
    });
    fixture.settled().await;
    handle.abort();
    let seen = fixture.seen().concat();
    assert!(
        ["a", "b", "c", "d"]
            .iter()
            .all(|key| seen.contains(&(*key).to_owned()))
    );
}

#[tokio::test]
async fn a_record_that_kills_the_function_is_found_by_halves_and_sent_on() {
    let fixture = Fixture::new().await;
    for key in ["a", "b", "c", "d", "e"] {
        put(&fixture.tables, key, LATER);
    }
    let handle = fixture.start(|key, _| (key != "d").then_some(true));
    fixture.settled().await;
    handle.abort();
    let whole: Vec<Vec<&str>> = vec![
        vec!["a", "b", "c", "d", "e"],
        vec!["a", "b", "c"],
        vec!["d", "e"],
        vec!["d"],
        vec!["d"],
        vec!["d"],
        vec!["e"],
    ];
    assert_eq!(fixture.seen(), whole);

    let letters = fixture.letters().await;
    assert_eq!(letters.len(), 1);
    let body = &letters[0]["body"];
    assert_eq!(
        body["requestContext"]["condition"],
        "RetryAttemptsExhausted"
    );
    assert_eq!(
        body["requestContext"]["functionArn"],
        "arn:aws:lambda:us-east-1:000000000000:function:push"
    );
    assert_eq!(body["requestContext"]["approximateInvokeCount"], 5);
    assert_eq!(body["responseContext"]["functionError"], "Unhandled");
    let info = &body["DDBStreamBatchInfo"];
    assert_eq!(info["batchSize"], 1);
    assert_eq!(info["startSequenceNumber"], info["endSequenceNumber"]);
    assert!(
        info["streamArn"]
            .as_str()
            .unwrap()
            .contains(":table/things/stream/")
    );
}

#[tokio::test]
async fn without_bisecting_the_whole_batch_is_given_up() {
    let mut fixture = Fixture::new().await;
    fixture.source.bisect = false;
    put(&fixture.tables, "a", LATER);
    put(&fixture.tables, "b", LATER);
    let handle = fixture.start(|key, _| (key != "b").then_some(true));
    fixture.settled().await;
    handle.abort();
    assert_eq!(fixture.seen().len(), 3);
    assert_eq!(
        fixture.letters().await[0]["body"]["DDBStreamBatchInfo"]["batchSize"],
        2
    );
}

#[tokio::test]
async fn without_reporting_an_answer_is_success_whatever_it_says() {
    let mut fixture = Fixture::new().await;
    fixture.source.report_failures = false;
    put(&fixture.tables, "a", LATER);
    let handle = fixture.start(|_, _| Some(false));
    fixture.settled().await;
    handle.abort();
    assert_eq!(fixture.seen(), [["a"]]);
}

#[tokio::test]
async fn records_past_their_age_are_sent_on_without_an_invocation() {
    let mut fixture = Fixture::new().await;
    put(&fixture.tables, "a", LATER);
    tokio::time::sleep(Duration::from_millis(1100)).await;
    fixture.source.max_age = Some(Duration::from_millis(50));
    let handle = fixture.start(|_, _| Some(true));
    fixture.settled().await;
    handle.abort();
    assert!(fixture.seen().is_empty());
    let letters = fixture.letters().await;
    assert_eq!(
        letters[0]["body"]["requestContext"]["condition"],
        "RecordAgeExceeded"
    );
    assert!(letters[0]["body"].get("responseContext").is_none());
}

#[tokio::test]
async fn records_that_expired_while_the_stack_was_off_are_passed_over() {
    let fixture = Fixture::new().await;
    for key in ["done", "a", "b", "c"] {
        put(&fixture.tables, key, LATER);
    }
    let mut stream = fixture.tables.stream("things").unwrap();
    let numbers = stream
        .read(None)
        .unwrap()
        .into_iter()
        .map(|record| record.sequence);
    let numbers: Vec<_> = numbers.collect();
    let file = rusqlite::Connection::open(fixture.dir.path().join("dynamodb.sqlite")).unwrap();
    let age = "UPDATE _stream_records SET created_at = created_at - 90000
        WHERE id IN (SELECT id FROM _stream_records ORDER BY id LIMIT 3)";
    assert_eq!(file.execute(age, []).unwrap(), 3);
    let expired = stream.expired(numbers[0].clone()).unwrap();
    assert_eq!(expired, (2, numbers[2].clone()));
    assert_eq!(
        stream.expired(numbers[2].clone()).unwrap(),
        (0, numbers[2].clone())
    );

    fixture
        .state
        .save_checkpoint("PushStream", &numbers[0])
        .await
        .unwrap();
    let handle = fixture.start(|_, _| Some(true));
    fixture.settled().await;
    handle.abort();
    assert_eq!(fixture.seen(), [["c"]]);
}

#[tokio::test]
async fn latest_begins_after_what_is_there_and_batches_keep_to_their_size_and_window() {
    let mut fixture = Fixture::new().await;
    fixture.source.starting_position = StartingPosition::Latest;
    fixture.source.batch_size = 2;
    fixture.source.window = Duration::from_millis(300);
    put(&fixture.tables, "old", LATER);
    let handle = fixture.start(|_, _| Some(true));
    for key in ["a", "b", "c"] {
        put(&fixture.tables, key, LATER);
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
    fixture.settled().await;
    handle.abort();
    assert_eq!(fixture.seen(), [vec!["a", "b"], vec!["c"]]);
}

#[tokio::test]
async fn f32_lanes_work_side_by_side_and_keep_each_items_order() {
    let mut fixture = Fixture::new().await;
    fixture.source.parallelization = 4;
    fixture.source.batch_size = 1;
    for round in 0..5 {
        for key in ["a", "b", "c", "d", "e", "f"] {
            put(&fixture.tables, key, LATER + round);
        }
    }
    let mut stream = fixture.tables.stream("things").unwrap();
    let records = stream.read(None).unwrap();
    assert_eq!(records.len(), 30);
    let lanes: Vec<usize> = records.iter().map(|record| lane_of(record, 4)).collect();
    assert!((6..30).all(|index| lanes[index] == lanes[index - 6]));
    assert!(lanes.iter().any(|lane| *lane != lanes[0]));
    let handle = fixture.start(|_, _| Some(true));
    fixture.settled().await;
    handle.abort();
    assert_eq!(fixture.seen().len(), 30);
}

#[tokio::test]
async fn an_unknown_operator_stops_the_start() {
    let mut fixture = Fixture::new().await;
    fixture.source.filters = vec![json!({"eventName": [{"wildcard": "*"}]})];
    let named = ("push".to_owned(), POLL);
    let started = spawn_with(
        fixture.source.clone(),
        &fixture.tables,
        fixture.state.clone(),
        named,
        |event| async { Ok(event) },
    );
    assert!(
        started
            .unwrap_err()
            .to_string()
            .contains("PushStream: filter pattern: unknown operator wildcard")
    );
}
