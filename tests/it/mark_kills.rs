//! Marks that are killed at any of their calls: the repeat completes them, and nothing else is marked.
//!
//! A part of the crash points is taken, and all of them with `TIDINGS_FULL=1`.

use serde_json::json;

use crate::crashes::{at_every_point, doomed};
use crate::ground::{Http, RowKey};
use crate::tasks::Field;

/// Kills a mark everywhere, repeats it, and compares what is unread and what is cleared.
async fn survives(mark: impl Fn(&str, [RowKey; 2]) -> Http, unread: u64) {
    let field = Field::new().await;
    let shown = async || {
        let phone = field.phone("mark-kills").await;
        let old = field.send_and_push(&phone.user, json!({})).await;
        let new = field.send_and_push(&phone.user, json!({})).await;
        (mark(&phone.user, [old, new]), phone)
    };
    let proxy = field.ground.proxy(false).await;
    let metered = field.ground.function("read-inbox", Some(&proxy));
    let (request, _) = shown().await;
    assert!(request.send(&metered).await.unwrap().status < 300);
    let calls = proxy.calls("").len();
    at_every_point(calls, async |call, kill| {
        let at = format!("{kill:?} at call {call} of {calls}");
        let (request, phone) = shown().await;
        let (victim, _proxy) = doomed(&field.ground, "read-inbox", call, kill).await;
        request.send(&victim).await.ok();
        let repeat = request.send(&field.inbox).await.unwrap();
        assert!(repeat.status < 300, "{at}: {repeat:?}");
        let page = Http::new("GET /v1/me/notifications", &phone.user).query("consistent=true");
        let page = page.send(&field.inbox).await.unwrap().body;
        assert_eq!(page["meta"]["unread_count"], unread, "{at}");
        assert_eq!(page["data"].as_array().unwrap().len(), 2, "{at}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn g3_f44_a_mark_killed_at_any_call_is_completed_by_its_repeat() {
    let one = |user: &str, [(_, old), _]: [RowKey; 2]| {
        Http::new("PUT /v1/me/notifications/{id}/read", user).path("id", &old[2..])
    };
    survives(one, 1).await;
    let all = |user: &str, [_, (_, new)]: [RowKey; 2]| {
        Http::new("POST /v1/me/notifications/read", user).json(&json!({"up_to": new[2..]}))
    };
    survives(all, 0).await;
}
