//! The on-failure queue: where in the stream Lambda gave up. The rows are in the table, so a window of
//! time is enough to push what was left out.

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use shared::error::Result;
use shared::id::{NotificationId, derived_tail};
use shared::store::{Job, JobKind, Step, Undecodable};

use crate::handler::{Handler, Time, unknown};

/// A row enters the stream within this time of its id's moment.
const MARGIN: SignedDuration = SignedDuration::from_secs(60);

#[derive(Deserialize)]
struct Letters {
    #[serde(rename = "Records")]
    records: Vec<Letter>,
}

#[derive(Deserialize)]
struct Letter {
    #[serde(rename = "messageId")]
    message_id: String,
    body: String,
}

/// What Lambda says of a batch that it gave up.
#[derive(Deserialize)]
struct GivenUp {
    #[serde(rename = "requestContext")]
    context: Context,
    #[serde(rename = "DDBStreamBatchInfo")]
    batch: Batch,
}

#[derive(Deserialize)]
struct Context {
    #[serde(rename = "functionArn")]
    function: String,
    condition: String,
}

#[derive(Deserialize)]
struct Batch {
    #[serde(rename = "startSequenceNumber", default)]
    start: Option<String>,
    #[serde(rename = "approximateArrivalOfFirstRecord")]
    first: Moment,
    #[serde(rename = "approximateArrivalOfLastRecord")]
    last: Moment,
}

/// A moment as Lambda writes it.
#[derive(Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
struct Moment(Timestamp);

impl TryFrom<String> for Moment {
    type Error = jiff::Error;

    fn try_from(text: String) -> Result<Moment, jiff::Error> {
        text.parse().map(Moment)
    }
}

/// Reads letters; the answer names those that must come again.
pub async fn read(handler: &Handler, event: &RawValue, time: Time) -> Result<Value> {
    let letters: Letters = serde_json::from_str(event.get()).map_err(unknown)?;
    let mut failed = Vec::new();
    for letter in letters.records {
        if let Err(error) = act(handler, &letter, time).await {
            tracing::warn!(error = %error.chain(), "a letter must be read again");
            failed.push(json!({"itemIdentifier": letter.message_id}));
        }
    }
    Ok(json!({"batchItemFailures": failed}))
}

/// Starts the redrive of a batch's window. A letter that comes twice names the same job.
async fn act(handler: &Handler, letter: &Letter, time: Time) -> Result<()> {
    let store = &handler.store;
    let given_up: GivenUp = match serde_json::from_str(&letter.body) {
        Ok(given_up) => given_up,
        Err(error) => {
            return keep(
                handler,
                None,
                format!("a letter that is none: {error}"),
                time,
            )
            .await;
        }
    };
    let GivenUp { context, batch } = given_up;
    if handler.is_own(&context.function) {
        // The next sweep, or the job's watchdog, does what the step did not.
        let reason = format!("steps given up: {}", context.condition);
        return keep(handler, batch.start, reason, time).await;
    }
    let moment = |at: Timestamp| at.as_millisecond();
    let (Moment(first), Moment(last)) = (batch.first, batch.last);
    let from = first.saturating_sub(MARGIN).unwrap_or(first);
    let to = last.saturating_add(MARGIN).unwrap_or(last);
    let job = NotificationId::new(first, derived_tail(&letter.message_id, 0, "redrive"));
    let job = job.to_string();
    tracing::warn!(
        job,
        condition = context.condition,
        "Lambda gave up on a batch; its window is pushed again"
    );
    let first = Step::window(moment(from), moment(to));
    let what = Job::new(JobKind::Redrive, vec![first], time.now());
    store.start_job(&job, &what, time.now()).await
}

async fn keep(handler: &Handler, number: Option<String>, reason: String, time: Time) -> Result<()> {
    let record = Undecodable {
        pk: None,
        sk: None,
        sequence_number: number,
        reason,
    };
    handler.store.put_dead(time.now(), &record).await
}
