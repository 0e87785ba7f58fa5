//! Kills: of the whole stack between a create and its push, and of a function in mid-request.

use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use local::function::Function;
use serde_json::{Value, json};

use crate::caller::eventually;
use crate::create::note;
use crate::small::forward;
use crate::stack::{Stack, binaries, root, unique};

/// The processes that a process has started, with their programs' names.
fn children(pid: u32) -> Vec<(u32, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Ok(child) = entry.file_name().to_string_lossy().parse::<u32>() else {
            continue;
        };
        // pid (name) state ppid …; what has ended meanwhile is nobody's child.
        let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        let parent = stat
            .rsplit(") ")
            .next()
            .and_then(|rest| rest.split(' ').nth(1));
        if parent == Some(&pid.to_string()) {
            let program = fs::read_link(entry.path().join("exe")).unwrap_or_default();
            let name = program.file_name().unwrap_or_default().to_string_lossy();
            found.push((child, name.into_owned()));
        }
    }
    found
}

#[tokio::test]
async fn a_push_survives_the_death_of_everything_and_no_process_survives_its_runner() {
    let data = tempfile::tempdir().unwrap();
    let stack = Stack::start(data.path());
    let (user, token) = (unique("ana"), "error-throttled-6-phone");
    let device = json!({"platform": "fcm", "token": token});
    stack
        .user(&user)
        .put("/v1/me/devices/phone", &device)
        .await
        .expect(201);
    let created = stack
        .producer()
        .post("/v1/notifications", &note(&user))
        .await
        .expect(201);
    // SNS refuses the first six attempts, three a delivery: nothing has been pushed yet.
    assert!(stack.pushes(token).await.is_empty());
    let functions = children(stack.pid());
    assert!(
        functions
            .iter()
            .any(|(_, name)| name == "create-notifications"),
        "{functions:?}"
    );
    stack.kill();
    eventually("every function has ended", async || {
        let alive = |(pid, _): &(u32, String)| Path::new("/proc").join(pid.to_string()).exists();
        (!functions.iter().any(alive)).then_some(())
    })
    .await;

    let stack = Stack::start(data.path());
    // What SNS refuses for too long waits for a later minute.
    let push = eventually("the push", async || {
        forward(stack.api(), 60).await;
        tokio::time::sleep(Duration::from_millis(200)).await;
        stack.pushes(token).await.pop()
    })
    .await;
    let id = &created["data"][0]["id"];
    assert_eq!(
        &push["message"]["fcmV1Message"]["message"]["data"]["id"],
        id
    );
    let inbox = crate::create::inbox(&stack, &user).await;
    assert_eq!((inbox.len(), &inbox[0]["id"]), (1, id));
}

/// How many rows a user has.
async fn rows(stack: &Stack, client: &aws_sdk_dynamodb::Client, user: &str) -> i32 {
    let query = client
        .query()
        .table_name(stack.table())
        .consistent_read(true);
    let query = query
        .key_condition_expression("pk = :pk")
        .expression_attribute_values(":pk", AttributeValue::S(format!("U#{user}")));
    query.send().await.unwrap().count
}

fn kill(pid: u32) {
    let mut command = std::process::Command::new("kill");
    assert!(
        command
            .args(["-9", &pid.to_string()])
            .status()
            .unwrap()
            .success()
    );
}

#[tokio::test]
async fn f8_a_create_of_a_thousand_killed_half_way_is_completed_by_its_repeat() {
    let data = tempfile::tempdir().unwrap();
    let stack = Stack::start(data.path());
    let recipients: Vec<String> = (0..1_000).map(|index| format!("fan{index}")).collect();
    let mut sent = note("x");
    sent["recipients"] = json!(recipients);
    let producer = stack.producer();
    let client = stack.dynamodb_client();
    let post = || producer.post_keyed("/v1/notifications", "half-way", &sent);

    let kill_half_way = async {
        let is_there = async || (rows(&stack, &client, "fan300").await == 1).then_some(());
        eventually("a part of it is stored", is_there).await;
        let functions = children(stack.pid());
        let creating = functions
            .iter()
            .filter(|(_, name)| name == "create-notifications");
        creating.for_each(|(pid, _)| kill(*pid));
    };
    let (killed, ()) = futures_util::join!(post(), kill_half_way);
    assert_eq!(killed.status, 500, "the gateway's own answer");
    let last = rows(&stack, &client, "fan999").await;
    assert_eq!(last, 0, "the kill came too late to show anything");

    // On a machine that is busy with other things, one repeat may not be enough.
    let completed = || async {
        let answer = post().await;
        assert!([201, 503].contains(&answer.status), "{answer:?}");
        (answer.status == 201).then_some(answer)
    };
    let second = eventually("the request is completed", completed).await;
    let third = eventually("it is answered again", completed).await;
    assert!(second.replayed && third.replayed);
    let second = second.expect(201);
    assert_eq!(second, third.expect(201));
    let results = second["data"].as_array().unwrap();
    let ids: HashSet<String> = results.iter().map(|r| r["id"].to_string()).collect();
    assert_eq!(ids.len(), 1_000);
    let scan = client
        .scan()
        .table_name(stack.table())
        .consistent_read(true);
    let scan = scan.filter_expression("begins_with(sk, :n)");
    let scan = scan.expression_attribute_values(":n", AttributeValue::S("N#".to_owned()));
    let pages = scan
        .projection_expression("pk")
        .into_paginator()
        .items()
        .send();
    let found: Result<Vec<_>, _> = pages.collect().await;
    let mut found: Vec<String> = found
        .unwrap()
        .iter()
        .map(|row| row["pk"].as_s().unwrap().clone())
        .collect();
    let mut expected: Vec<String> = recipients.iter().map(|user| format!("U#{user}")).collect();
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_of_the_table_is_a_503_with_retry_after_and_never_not_found() {
    // Nobody listens there any more.
    let gone = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let endpoints = ["DYNAMODB", "SNS"]
        .map(|service| {
            (
                format!("AWS_ENDPOINT_URL_{service}"),
                format!("http://{gone}"),
            )
        })
        .into();
    let mut seen = 0;
    let functions = crate::events::template().functions;
    // That one has no table, and an outage test of its own.
    let of_the_table = functions
        .iter()
        .filter(|spec| spec.binary != "platform-apps");
    for spec in of_the_table {
        let function = Function::new(spec, binaries().join(&spec.binary), &endpoints);
        for case in [
            "created",
            "batch",
            "empty-page",
            "not-found",
            "mark-read-not-found",
            "registered",
            "empty-list",
            "removed",
        ] {
            let event = root()
                .join("events")
                .join(&spec.binary)
                .join(format!("{case}.json"));
            let Ok(event) = fs::read(event) else {
                continue;
            };
            let answer = function.invoke(event).await.unwrap();
            let answer: Value = serde_json::from_slice(&answer).unwrap();
            seen += 1;
            if spec.binary == "ingest-events" && case == "batch" {
                // A batch of events says it of each event that could have been taken.
                let body: Value = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
                let items = body["data"].as_array().unwrap().iter();
                let statuses: Vec<&Value> = items.map(|item| &item["status"]).collect();
                assert_eq!(statuses, [503, 422, 503, 422], "{answer}");
                continue;
            }
            assert_eq!(answer["statusCode"], 503, "{case}: {answer}");
            assert_eq!(answer["headers"]["retry-after"], "1", "{case}");
        }
        if spec.binary == "push-notifications" {
            let event = root().join("events/push-notifications/insert.json");
            let answer = function.invoke(fs::read(event).unwrap()).await.unwrap();
            let failed = r#"{"batchItemFailures":[{"itemIdentifier":"100000000000000000001"}]}"#;
            assert_eq!(String::from_utf8(answer).unwrap(), failed);
        }
        function.stop().await;
    }
    assert_eq!(seen, 9);
}
