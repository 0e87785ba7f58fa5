//! Pushing again: what the stream never brought, what died, and why a push did not come.

use serde_json::{Value, json};

use crate::ground::{Http, RowKey, stored};
use crate::stack::unique;
use crate::tasks::{Field, NOTHING_LEFT, ahead, pushes};

/// What Lambda writes to the on-failure queue when it gives up a batch of that moment, as the queue's event.
fn letter(function: &str, seconds: i64, message: &str) -> Vec<u8> {
    let moment = ahead(seconds);
    let body = json!({
        "requestContext": {
            "requestId": "r",
            "functionArn": format!("arn:aws:lambda:us-east-1:000000000000:function:{function}"),
            "condition": "RetryAttemptsExhausted",
            "approximateInvokeCount": 6,
        },
        "version": "1.0",
        "timestamp": moment,
        "DDBStreamBatchInfo": {
            "shardId": "shardId-1",
            "startSequenceNumber": "1",
            "endSequenceNumber": "9",
            "approximateArrivalOfFirstRecord": moment,
            "approximateArrivalOfLastRecord": moment,
            "batchSize": 9,
            "streamArn": "arn:aws:dynamodb:us-east-1:000000000000:table/t/stream/s",
        },
    });
    let record = json!({"messageId": message, "body": body.to_string(), "eventSource": "aws:sqs"});
    json!({"Records": [record]}).to_string().into_bytes()
}

impl Field {
    pub async fn admin(&self, route: &str, body: Value) -> (u64, Value) {
        self.admin_ahead(0, route, body).await
    }

    /// The same, this many seconds from now.
    pub async fn admin_ahead(&self, ahead: i64, route: &str, body: Value) -> (u64, Value) {
        let ground = &self.ground;
        let function = ground.function_ahead("administer-users", None, ahead);
        let reply = Http::new(route, "support")
            .json(&body)
            .send(&function)
            .await
            .unwrap();
        (reply.status, reply.body)
    }

    /// What the trace of a row says: its steps, the last one's reason and sentence.
    async fn trace(&self, (pk, sk): &RowKey) -> (Vec<String>, Value) {
        let function = self.ground.function("administer-users", None);
        let request = Http::new("GET /v1/users/{user}/notifications/{id}/trace", "support");
        let request = request.path("user", &pk[2..]).path("id", &sk[2..]);
        let reply = request.send(&function).await.unwrap();
        assert_eq!(reply.status, 200, "{reply:?}");
        let steps = reply.body["data"].as_array().unwrap();
        let names = steps
            .iter()
            .map(|step| step["step"].as_str().unwrap().to_owned());
        (names.collect(), steps.last().unwrap().clone())
    }

    pub async fn job(&self, job: &Value) -> Value {
        let request = Http::new("GET /v1/jobs/{job}", "likes");
        let request = request.path("job", job.as_str().unwrap());
        let reply = request.send(&self.creator).await.unwrap();
        assert_eq!(reply.status, 200, "{reply:?}");
        reply.body
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn f31_what_lambda_gave_up_on_is_pushed_by_its_letter_and_what_is_too_old_has_expired() {
    let field = Field::new().await;
    let (phone, brief) = (field.phone("redrive").await, field.phone("redrive").await);
    let row = stored(
        &field
            .send(&phone.user, json!({"push": {"ttl": 172_800}}))
            .await,
    )
    .remove(0);
    let old = stored(&field.send(&brief.user, json!({})).await).remove(0);
    // The stream was off for 26 hours, and its records are gone.
    let runner = field.runner(26 * 3_600);
    let function = field.ground.name("push-notifications");
    for _ in 0..2 {
        let answer = runner
            .invoke(letter(&function, 0, "message-1"))
            .await
            .unwrap();
        assert_eq!(answer, NOTHING_LEFT);
    }
    field.bring_steps(&runner).await;
    assert_eq!(field.outcome(&row).await.0, "sent");
    assert_eq!(field.outcome(&old).await.0, "expired");
    assert_eq!(
        (
            pushes(&phone.token).await.len(),
            pushes(&brief.token).await.len()
        ),
        (1, 0)
    );
    let jobs: Vec<RowKey> = field
        .rows("J#")
        .await
        .into_iter()
        .filter(|(_, sk)| sk == "A#job")
        .collect();
    assert_eq!(jobs.len(), 1, "a letter that comes twice is one job");
    let job = field.job(&json!(jobs[0].0[2..])).await;
    assert_eq!(
        (&job["state"], &job["written"], &job["kind"]),
        (&json!("done"), &json!(2), &json!("redrive"))
    );
    // Its watchdog finds nothing to do, and goes.
    field.pass(27 * 3_600).await;
    assert_eq!(field.later().await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn f38_a_redrive_that_runs_twice_pushes_once_and_steps_given_up_are_written_down() {
    let field = Field::new().await;
    let phone = field.phone("redrive").await;
    let row = stored(&field.send(&phone.user, json!({})).await).remove(0);
    let window = json!({"from": ahead(-60), "to": ahead(60)});
    let (status, answer) = field.admin("POST /v1/pushes/redrive", window).await;
    assert_eq!(status, 202, "{answer}");
    assert!(answer["read_units"].is_u64(), "{answer}");
    let runner = field.runner(0);
    field.bring_steps(&runner).await;
    field.forget_steps();
    field.bring_steps(&runner).await;
    assert_eq!(
        (
            field.outcome(&row).await.0,
            pushes(&phone.token).await.len()
        ),
        ("sent".to_owned(), 1)
    );
    assert_eq!(field.job(&answer["job"]).await["written"], 1);

    let own = field.ground.name("run-tasks");
    let answer = runner.invoke(letter(&own, 0, "message-2")).await.unwrap();
    assert_eq!(answer, NOTHING_LEFT);
    assert_eq!(field.rows("D#").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_died_is_listed_and_pushed_again_by_its_day_or_by_name() {
    let field = Field::new().await;
    let phone = field.phone("error-throttled-33-redrive").await;
    let row = field
        .send_and_push(&phone.user, json!({"push": {"ttl": 604_800}}))
        .await;
    field.pass(26 * 3_600).await;
    assert_eq!(field.outcome(&row).await.1, "gave_up");
    let (steps, last) = field.trace(&row).await;
    assert_eq!(
        (&steps[..], &last["reason"]),
        (
            &["stored".to_owned(), "ended".to_owned()][..],
            &json!("gave_up")
        )
    );
    let function = field.ground.function("administer-users", None);
    let entries = field.rows("D#").await;
    let day = entries[0].0.split('#').nth(1).unwrap().to_owned();
    let dead = Http::new("GET /v1/pushes/dead", "support").query(&format!("day={day}"));
    let listed = dead.send(&function).await.unwrap().body;
    let entry = &listed["data"][0];
    assert_eq!(
        (&entry["user"], &entry["notification"]),
        (&json!(phone.user), &json!(row.1[2..]))
    );
    let (status, answer) = field
        .admin_ahead(26 * 3_600, "POST /v1/pushes/redrive", json!({"day": day}))
        .await;
    assert_eq!((status, &answer["read_units"]), (202, &Value::Null));
    let runner = field.runner(26 * 3_600);
    field.bring_steps(&runner).await;
    // The token has throttled its 33 times.
    assert_eq!(field.outcome(&row).await.0, "sent");
    assert_eq!(field.rows("D#").await, []);
    assert_eq!(
        field.job(&answer["job"]).await["chains"],
        json!({"open": 0, "done": 8})
    );
    let named = json!({"notifications": [{"user": phone.user, "id": row.1[2..]}]});
    let (status, _) = field.admin("POST /v1/pushes/redrive", named).await;
    assert_eq!(status, 202);
    field.bring_steps(&runner).await;
    assert_eq!(pushes(&phone.token).await.len(), 1, "it was sent already");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redrive_that_breaks_a_rule_says_all_of_it_and_starts_nothing() {
    let field = Field::new().await;
    let cases = [
        (json!({}), vec!["/notifications"]),
        (json!({"day": "2026-02-30"}), vec!["/day"]),
        (json!({"from": ahead(0)}), vec!["/to"]),
        (json!({"from": ahead(0), "to": ahead(-9)}), vec!["/to"]),
        (
            json!({"from": ahead(0), "to": ahead(29 * 86_400)}),
            vec!["/to"],
        ),
        (json!({"notifications": []}), vec!["/notifications"]),
        (
            json!({"notifications": [{"user": "a b"}, {"id": "x", "user": "ana", "x": 1}], "day": "2026-11-24"}),
            vec!["/notifications"],
        ),
        (
            json!({"notifications": [{"user": "a b"}, {"id": "x", "user": "ana", "x": 1}]}),
            vec![
                "/notifications/0/id",
                "/notifications/0/user",
                "/notifications/1/id",
                "/notifications/1/x",
            ],
        ),
    ];
    for (body, expected) in cases {
        let (status, answer) = field.admin("POST /v1/pushes/redrive", body.clone()).await;
        let errors = answer["errors"]
            .as_array()
            .unwrap_or_else(|| panic!("{body} {answer}"));
        let mut found: Vec<&str> = errors
            .iter()
            .map(|error| error["pointer"].as_str().unwrap())
            .collect();
        found.sort_unstable();
        found.dedup();
        assert_eq!(
            (
                status,
                found
                    .iter()
                    .all(|at| expected.contains(at) || *at == "/day")
            ),
            (422, true),
            "{body} {found:?}"
        );
    }
    assert_eq!(field.rows("J#").await, []);
    for day in ["", "2026-1-1", "yesterday"] {
        let function = field.ground.function("administer-users", None);
        let list = Http::new("GET /v1/pushes/dead", "support").query(&format!("day={day}"));
        assert_eq!(list.send(&function).await.unwrap().status, 400, "{day}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trace_says_why_a_push_did_not_come() {
    let field = Field::new().await;
    let phone = field.phone("error-throttled-9-trace").await;
    let row = stored(&field.send(&phone.user, json!({})).await).remove(0);
    let said = async |row: &RowKey| {
        let (steps, last) = field.trace(row).await;
        (
            steps.last().unwrap().clone(),
            last["detail"].as_str().unwrap().to_owned(),
        )
    };
    assert_eq!(said(&row).await.0, "pending");
    field.push(&row).await;
    let (step, detail) = said(&row).await;
    assert_eq!(
        (step.as_str(), detail.contains("quota")),
        ("parked", true),
        "{detail}"
    );
    let mute = Http::new("PUT /v1/me/mutes/{kind}/{id}", &phone.user);
    let mute = mute.path("kind", "group").path("id", "g").json(&json!({}));
    assert_eq!(mute.send(&field.devices).await.unwrap().status, 200);
    let muted = field
        .send_and_push(&phone.user, json!({"group": "g"}))
        .await;
    let (step, detail) = said(&muted).await;
    assert_eq!(
        (step.as_str(), detail.contains("muted")),
        ("ended", true),
        "{detail}"
    );
    let delayed = field
        .send_and_push(&phone.user, json!({"push": {"delay": 600}}))
        .await;
    assert_eq!(said(&delayed).await.0, "deferred");
    let refused = field.phone("error-invalid-parameter-trace").await;
    let refused = field.send_and_push(&refused.user, json!({})).await;
    let (step, detail) = said(&refused).await;
    assert_eq!(
        (step.as_str(), detail.contains("invalid")),
        ("ended", true),
        "{detail}"
    );
    let dead = field.rows("D#").await;
    let entry = field.ground.row(&dead[0].0, &dead[0].1).await.unwrap();
    assert_eq!(
        (dead.len(), &entry["rsk"], &entry["w"]),
        (1, &json!(refused.1), &json!("refused"))
    );
    let nobody = field.send_and_push(&unique("nobody"), json!({})).await;
    assert!(said(&nobody).await.1.contains("no device"));
    let request = Http::new("GET /v1/users/{user}/notifications/{id}/trace", "support");
    let request = request.path("user", "nobody").path("id", &row.1[2..]);
    let function = field.ground.function("administer-users", None);
    assert_eq!(request.send(&function).await.unwrap().status, 404);
}
