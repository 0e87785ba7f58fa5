//! Where every notification is: in exactly one state, by the table, and by the report of a redrive of all of it.

use std::collections::BTreeMap;

use serde_json::json;

use crate::ground::stored;
use crate::stack::unique;
use crate::tasks::{Field, NOTHING_LEFT, ahead, batch};

/// What a row can be.
const STATES: [&str; 9] = [
    "sent",
    "partial",
    "no_device",
    "skipped",
    "deferred",
    "expired",
    "dead",
    "unknown",
    "pending",
];

impl Field {
    /// How many notifications are in each state, from the table alone.
    async fn states(&self) -> BTreeMap<String, i32> {
        let mut counts = BTreeMap::new();
        for ((pk, sk), row) in self.ground.rows().await {
            if pk.starts_with("U#") && sk.starts_with("N#") && row.get("z").is_none() {
                let state = row["po"]["s"].as_str().unwrap_or("pending").to_owned();
                *counts.entry(state).or_insert(0) += 1;
            }
        }
        counts
    }

    /// The same as a job says it that pushes again what was accepted since a minute ago, so many seconds from now.
    async fn reported(&self, later: i64) -> BTreeMap<String, i32> {
        let window = json!({"from": ahead(-60), "to": ahead(60)});
        let (status, answer) = self
            .admin_ahead(later, "POST /v1/pushes/redrive", window)
            .await;
        assert_eq!(status, 202, "{answer}");
        self.bring_steps(&self.runner(later)).await;
        let mut job = self.job(&answer["job"]).await;
        assert_eq!(job["state"], "done");
        serde_json::from_value(job["states"].take()).unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn g14_i13_whatever_happens_every_row_is_in_one_state() {
    let field = Field::new().await;
    let phones = [
        field.phone("count").await,
        field.phone("error-internal-count").await,
        field.phone("error-invalid-parameter-count").await,
        field.phone("error-throttled-5-count").await,
    ];
    let nobody = unique("nobody");
    let mut rows = Vec::new();
    for user in phones
        .iter()
        .map(|phone| phone.user.as_str())
        .chain([&*nobody])
    {
        for fields in [
            json!({}),
            json!({"push": false}),
            json!({"push": {"delay": 600}}),
            json!({"push": {"once": true}}),
            json!({"push": {"ttl": 60}}),
        ] {
            rows.extend(stored(&field.send(user, fields).await));
        }
    }
    let settled = async |at: &str| {
        let counts = field.states().await;
        assert!(
            counts.keys().all(|state| STATES.contains(&state.as_str())),
            "{at} {counts:?}"
        );
        assert_eq!(counts.values().sum::<i32>(), 25, "{at} {counts:?}");
        counts
    };
    let waiting = settled("stored").await;
    assert_eq!(waiting["pending"], 25);
    assert_eq!(
        field.pusher.invoke(batch(&rows)).await.unwrap(),
        NOTHING_LEFT
    );
    let pushed = settled("pushed").await;
    assert_eq!(field.reported(0).await, pushed, "what the job says");
    field.pass(26 * 3_600).await;
    let end = settled("the end").await;
    assert!(
        !end.contains_key("pending") && !end.contains_key("deferred"),
        "{end:?}"
    );
    assert_eq!((end["no_device"], end["skipped"]), (4, 5), "{end:?}");
    assert_eq!(field.later().await, [], "nothing waits any more");
    assert_eq!(field.reported(26 * 3_600).await, end, "what the job says");
    // Not even the job's watchdog.
    field.pass(28 * 3_600).await;
    assert_eq!(settled("after the job").await, end);
}
