//! Where every notification is: in exactly one state, by the table, and by the report of a redrive of all of it.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::{Value, json};

use shared::clock::Clock;
use shared::id::{NotificationId, UserId};
use shared::notification::Notification;
use shared::outcome::{Outcome, State};
use shared::store::{Chain, Job, JobKind, Step, Written};
use tests::api::OUTCOMES;

use crate::crashes::{at_every_point, doomed};
use crate::ground::{plain, stored};
use crate::stack::unique;
use crate::tasks::{Field, NOTHING_LEFT, Phone, ahead, batch, pushes};

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

    /// The same as a job says it that pushes a window again, so many seconds from now.
    async fn reported(&self, window: &Value, later: i64) -> BTreeMap<String, i32> {
        let (status, answer) = self
            .admin_ahead(later, "POST /v1/pushes/redrive", window.clone())
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
            counts
                .keys()
                .all(|state| state == "pending" || OUTCOMES.contains(&state.as_str())),
            "{at} {counts:?}"
        );
        assert_eq!(counts.values().sum::<i32>(), 25, "{at} {counts:?}");
        counts
    };
    let window = json!({"from": ahead(-600), "to": ahead(60)});
    let waiting = settled("stored").await;
    assert_eq!(waiting["pending"], 25);
    assert_eq!(
        field.pusher.invoke(batch(&rows)).await.unwrap(),
        NOTHING_LEFT
    );
    let pushed = settled("pushed").await;
    assert_eq!(field.reported(&window, 0).await, pushed);
    field.pass(26 * 3_600).await;
    let end = settled("the end").await;
    assert!(
        !end.contains_key("pending") && !end.contains_key("deferred"),
        "{end:?}"
    );
    assert_eq!((end["no_device"], end["skipped"]), (4, 5), "{end:?}");
    assert_eq!(field.later().await, [], "nothing waits any more");
    assert_eq!(field.reported(&window, 26 * 3_600).await, end);
    // Not even the job's watchdog.
    field.pass(28 * 3_600).await;
    assert_eq!(settled("after the job").await, end);
}

/// Notifications that were pushed: with the others more than a page of the table.
const TOLD: usize = 510;
const UNTOLD: usize = 3;

/// A table with these, a phone for the others, and a job that pushes all of it again.
async fn redrive() -> (Field, Phone, Value) {
    let field = Field::new().await;
    let phone = field.phone("sums").await;
    let store = field.ground.store();
    let told = Outcome {
        state: Some(State::Sent),
        ..Outcome::default()
    };
    let (nobody, user) = (unique("told"), UserId::parse(&phone.user).unwrap());
    let nobody = UserId::parse(&nobody).unwrap();
    let told = (0..TOLD).map(|_| (&nobody, told.clone()));
    let untold = (0..UNTOLD).map(|_| (&user, Outcome::default()));
    let now = Timestamp::now();
    let rows = told.chain(untold).map(|(user, outcome)| Notification {
        outcome,
        ..plain(user, NotificationId::draw(now))
    });
    let rows: Vec<Notification> = rows.collect();
    let clock = Clock::starting(now);
    let written = store.put_batches(&rows, now, clock, false).await.unwrap();
    // A busy engine's answer may come too late, and is asked for again row by row.
    for (row, written) in rows.iter().zip(written) {
        if written != Written::Stored {
            store.put(row).await.unwrap();
        }
    }
    let window = json!({"from": ahead(-600), "to": ahead(60)});
    let (status, mut answer) = field.admin("POST /v1/pushes/redrive", window).await;
    assert_eq!(status, 202, "{answer}");
    (field, phone, answer["job"].take())
}

#[tokio::test(flavor = "multi_thread")]
async fn g14_f38_a_redrive_killed_at_any_call_pushes_all_and_counts_each_once() {
    let (field, ..) = redrive().await;
    let proxy = field.ground.proxy(false).await;
    let metered = field.ground.function("run-tasks", Some(&proxy));
    let steps = field.take_steps().await;
    assert_eq!(metered.invoke(batch(&steps)).await.unwrap(), NOTHING_LEFT);
    let calls = proxy.calls("").len();
    at_every_point(calls, async |call, kill| {
        let at = format!("{kill:?} at call {call} of {calls}");
        let (field, phone, job) = redrive().await;
        let (victim, _proxy) = doomed(&field.ground, "run-tasks", call, kill).await;
        victim.invoke(batch(&field.steps().await)).await.ok();
        // Lambda brings the step again.
        field.bring_steps(&field.runner(0)).await;
        let told = pushes(&phone.token).await;
        let ids = told.iter().map(|push| push["data"]["id"].to_string());
        assert_eq!(ids.collect::<BTreeSet<_>>().len(), UNTOLD, "{at}: {told:?}");
        let job = field.job(&job).await;
        let found = job["states"].as_object().unwrap().values();
        let sum: u64 = found.map(|found| found.as_u64().unwrap()).sum();
        let all = u64::try_from(TOLD + UNTOLD).unwrap();
        assert_eq!((&job["state"], sum), (&json!("done"), all), "{at}: {job}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f38_a_chain_that_has_ended_is_not_taken_back_by_the_step_before_its_last() {
    let field = Field::new().await;
    let (store, now) = (field.ground.store(), Timestamp::now());
    let job = NotificationId::draw(now).to_string();
    let what = Job::new(JobKind::Redrive, vec![Step::window(0, 1)], now);
    store.start_job(&job, &what, now).await.unwrap();
    let ended = Chain {
        chain: 0,
        step: 1,
        written: 2,
        states: None,
        done: true,
        moved_at: now.as_millisecond(),
    };
    let behind = Chain {
        done: false,
        ..ended.clone()
    };
    for chain in [&behind, &ended, &behind] {
        store.move_chain(&job, chain).await.unwrap();
    }
    let (_, chains) = store.job(&job).await.unwrap().unwrap();
    assert_eq!(chains, [ended]);
}
