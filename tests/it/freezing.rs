//! A function that was frozen between two invocations wakes up with connections that the other side has closed.

use std::fs;

use local::function::Function;
use serde_json::json;

use crate::ground::{Ground, Http, stored};
use crate::proxy::Proxy;
use crate::tasks::{Field, NOTHING_LEFT, batch, pushes};

/// The processes of the function behind a proxy.
fn processes(proxy: &Proxy) -> Vec<String> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let pids = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let behind = |pid: &String| {
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        let environment = String::from_utf8_lossy(&environment).into_owned();
        environment.split('\0').any(|variable| {
            variable.strip_prefix("AWS_ENDPOINT_URL_DYNAMODB=") == Some(&proxy.dynamodb)
        })
    };
    pids.filter(|pid| pid.parse::<u32>().is_ok())
        .filter(behind)
        .collect()
}

fn signal(name: &str, pids: &[String]) {
    let mut kill = std::process::Command::new("kill");
    assert!(kill.arg(name).args(pids).status().unwrap().success());
}

/// Freezes a function's processes, and wakes them with connections that nobody answers on any more, as when the far end
/// has forgotten them and says nothing.
fn freeze_deaf(proxy: &Proxy) {
    let pids = processes(proxy);
    assert!(!pids.is_empty(), "the function runs");
    signal("-STOP", &pids);
    proxy.deafen();
    signal("-CONT", &pids);
}

/// Freezes a function's processes, closes every connection they have, and wakes them.
async fn freeze(proxy: &Proxy) {
    let pids = processes(proxy);
    assert!(!pids.is_empty(), "the function runs");
    signal("-STOP", &pids);
    proxy.hang_up().await;
    signal("-CONT", &pids);
}

async fn read(function: &Function) -> u64 {
    let request = Http::new("GET /v1/me/notifications/counts", "frozen");
    request.send(function).await.unwrap().status
}

#[tokio::test(flavor = "multi_thread")]
async fn f40_a_function_that_was_frozen_works_on_new_connections() {
    let ground = Ground::new().await;
    let proxy = ground.proxy(false).await;
    let function = ground.function("read-inbox", Some(&proxy));
    assert_eq!(read(&function).await, 200);
    for _ in 0..3 {
        freeze(&proxy).await;
        assert_eq!(read(&function).await, 200);
    }

    // An attempt ends although nothing says that its connection is dead, and the next one is on another.
    let mut answered = false;
    for _ in 0..5 {
        // Connected.
        read(&function).await;
        freeze_deaf(&proxy);
        answered = read(&function).await == 200;
        if answered {
            break;
        }
        // On a busy machine the second attempt may be too late.
    }
    assert!(answered, "the request is answered by its second attempt");

    let field = Field::new().await;
    let phone = field.phone("frozen").await;
    let proxy = field.ground.proxy(false).await;
    let pusher = field.ground.function("push-notifications", Some(&proxy));
    for count in 1..=3 {
        let row = stored(&field.send(&phone.user, json!({})).await).remove(0);
        assert_eq!(pusher.invoke(batch([&row])).await.unwrap(), NOTHING_LEFT);
        assert_eq!(field.outcome(&row).await.0, "sent");
        assert_eq!(pushes(&phone.token).await.len(), count);
        freeze(&proxy).await;
    }
}
