//! The operations of SQS beside sending.

use super::messages::{self, Ask, Message};
use super::protocol::Reply;
use super::refusal::Refusal;
use super::{Queue, attributes, find, names};
use crate::state::State;
use crate::template::ACCOUNT;
use rusqlite::Transaction;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::time::Duration;

/// The most messages of one request, and entries of a batch.
const MOST: usize = 10;
/// The longest time a message is hidden, in seconds.
const LONGEST_VISIBILITY: i64 = 43_200;
/// The longest time a request waits for a message, in seconds.
const LONGEST_WAIT: i64 = 20;

/// The parameters of every operation that is not about sending.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Request {
    queue_url: Option<String>,
    queue_name: Option<String>,
    queue_name_prefix: Option<String>,
    receipt_handle: Option<String>,
    visibility_timeout: Option<i64>,
    max_number_of_messages: Option<i64>,
    wait_time_seconds: Option<i64>,
    attribute_names: Vec<String>,
    message_system_attribute_names: Vec<String>,
    message_attribute_names: Vec<String>,
    entries: Vec<Entry>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    id: String,
    receipt_handle: Option<String>,
    visibility_timeout: Option<i64>,
}

/// The name in a queue's URL.
fn name_in(url: Option<String>) -> Result<String, Refusal> {
    let url = url
        .filter(|url| !url.is_empty())
        .ok_or_else(|| Refusal::missing("QueueUrl"))?;
    Ok(url.rsplit('/').next().unwrap_or_default().to_owned())
}

/// Runs `work` on the queue with this URL, in one transaction, with what the clock shows.
pub(super) async fn run<T: Send + 'static>(
    state: &State,
    url: Option<String>,
    work: impl FnOnce(&Transaction, &Queue, i64) -> rusqlite::Result<T> + Send + 'static,
) -> Result<T, Refusal> {
    let (name, now) = (name_in(url)?, state.now());
    let outcome = state
        .run(move |connection| {
            let transaction = connection.transaction()?;
            let Some(queue) = find(&transaction, &name)? else {
                return Ok(None);
            };
            let outcome = work(&transaction, &queue, now)?;
            transaction.commit()?;
            Ok(Some(outcome))
        })
        .await?;
    outcome.ok_or_else(Refusal::no_queue)
}

/// A number within its limits; absent is allowed.
fn within(name: &str, value: Option<i64>, most: i64, least: i64) -> Result<Option<i64>, Refusal> {
    match value {
        Some(value) if !(least..=most).contains(&value) => Err(Refusal::invalid(format!(
            "Value {value} for parameter {name} is invalid. Reason: Must be between {least} and {most}, if provided."
        ))),
        value => Ok(value),
    }
}

/// Checks the ids of a batch's entries.
pub(super) fn check_entries<'a>(ids: impl Iterator<Item = &'a str>) -> Result<(), Refusal> {
    let mut seen = BTreeSet::new();
    let mut count = 0;
    for id in ids {
        let plain = |letter: char| letter.is_ascii_alphanumeric() || "_-".contains(letter);
        if id.is_empty() || id.len() > 80 || !id.chars().all(plain) {
            return Err(Refusal::entry_id());
        }
        if !seen.insert(id) {
            return Err(Refusal::repeated_entry(id));
        }
        count += 1;
    }
    match count {
        0 => Err(Refusal::empty_batch()),
        1..=MOST => Ok(()),
        _ => Err(Refusal::many_entries(count)),
    }
}

/// `ReceiveMessage`, with long polling.
pub(super) async fn receive(state: &State, request: Request) -> Reply {
    let most = within("MaxNumberOfMessages", request.max_number_of_messages, 10, 1)?.unwrap_or(1);
    let hidden = within(
        "VisibilityTimeout",
        request.visibility_timeout,
        LONGEST_VISIBILITY,
        0,
    )?;
    let wait = within(
        "WaitTimeSeconds",
        request.wait_time_seconds,
        LONGEST_WAIT,
        0,
    )?;
    let ask = Ask {
        queue: name_in(request.queue_url)?,
        most: usize::try_from(most).unwrap_or(1),
        bytes: usize::MAX,
        visibility: hidden.map(|seconds| Duration::from_secs(seconds.unsigned_abs())),
        wait: Duration::from_secs(wait.unwrap_or(0).unsigned_abs()),
    };
    let received = messages::receive(state, &ask)
        .await?
        .ok_or_else(Refusal::no_queue)?;
    let mut system = request.attribute_names;
    system.extend(request.message_system_attribute_names);
    let shown = received
        .iter()
        .map(|message| show(message, &system, &request.message_attribute_names));
    let shown: Vec<Value> = shown.collect();
    Ok(if shown.is_empty() {
        json!({})
    } else {
        json!({"Messages": shown})
    })
}

fn show(message: &Message, system: &[String], wanted: &[String]) -> Value {
    let mut shown = json!({
        "MessageId": message.id,
        "ReceiptHandle": message.receipt,
        "MD5OfBody": format!("{:x}", md5::compute(&message.body)),
        "Body": message.body,
    });
    let system = attributes::asked(&message.system_attributes(), system);
    if !system.is_empty() {
        shown["Attributes"] = Value::Object(system);
    }
    let own = attributes::asked(&message.attributes, wanted);
    if let Some(sum) = attributes::md5(&own) {
        shown["MD5OfMessageAttributes"] = json!(sum);
        shown["MessageAttributes"] = Value::Object(own);
    }
    shown
}

fn receipt(given: Option<String>) -> Result<String, Refusal> {
    let given = given.ok_or_else(|| Refusal::missing("ReceiptHandle"))?;
    if messages::is_receipt(&given) {
        Ok(given)
    } else {
        Err(Refusal::receipt(&given))
    }
}

/// `DeleteMessage`. A receipt that is not the newest deletes nothing, and is no error.
pub(super) async fn delete(state: &State, request: Request) -> Reply {
    let receipt = receipt(request.receipt_handle)?;
    run(state, request.queue_url, move |transaction, queue, _| {
        messages::remove(transaction, &queue.name, &receipt)
    })
    .await?;
    Ok(json!({}))
}

/// `DeleteMessageBatch`.
pub(super) async fn delete_batch(state: &State, request: Request) -> Reply {
    check_entries(request.entries.iter().map(|entry| entry.id.as_str()))?;
    let (mut good, mut results) = (Vec::new(), Results::default());
    for entry in request.entries {
        match receipt(entry.receipt_handle) {
            Ok(receipt) => {
                good.push(receipt);
                results.successful.push(json!({"Id": entry.id}));
            }
            Err(refusal) => results.fail(&entry.id, &refusal),
        }
    }
    run(state, request.queue_url, move |transaction, queue, _| {
        (good.iter()).try_for_each(|receipt| messages::remove(transaction, &queue.name, receipt))
    })
    .await?;
    Ok(results.reply())
}

/// `ChangeMessageVisibility`.
pub(super) async fn change_visibility(state: &State, request: Request) -> Reply {
    let entry = Entry {
        id: String::new(),
        receipt_handle: request.receipt_handle,
        visibility_timeout: request.visibility_timeout,
    };
    hide(state, request.queue_url, entry).await?;
    Ok(json!({}))
}

/// `ChangeMessageVisibilityBatch`.
pub(super) async fn change_visibility_batch(state: &State, request: Request) -> Reply {
    check_entries(request.entries.iter().map(|entry| entry.id.as_str()))?;
    let mut results = Results::default();
    for entry in request.entries {
        let id = entry.id.clone();
        match hide(state, request.queue_url.clone(), entry).await {
            Ok(()) => results.successful.push(json!({"Id": id})),
            Err(refusal) => results.fail(&id, &refusal),
        }
    }
    Ok(results.reply())
}

async fn hide(state: &State, url: Option<String>, entry: Entry) -> Result<(), Refusal> {
    let receipt = receipt(entry.receipt_handle)?;
    let seconds = entry
        .visibility_timeout
        .ok_or_else(|| Refusal::missing("VisibilityTimeout"))?;
    within("VisibilityTimeout", Some(seconds), LONGEST_VISIBILITY, 0)?;
    let handle = receipt.clone();
    let outcome = run(state, url, move |transaction, queue, now| {
        let until = messages::visible_at(transaction, queue, &handle)?;
        if until.is_some_and(|until| until > now) {
            messages::hide(transaction, &handle, now + seconds * 1000)?;
        }
        Ok(until.map(|until| until > now))
    });
    match outcome.await? {
        Some(true) => {
            state.announce_message();
            Ok(())
        }
        Some(false) => Err(Refusal::not_in_flight()),
        None => Err(Refusal::invalid(format!(
            "Value {receipt} for parameter ReceiptHandle is invalid. Reason: Message does not exist or is not available \
             for visibility timeout change."
        ))),
    }
}

/// `GetQueueUrl`; `host` is where the request came in.
pub(super) async fn queue_url(state: &State, host: &str, request: Request) -> Reply {
    let name = request
        .queue_name
        .ok_or_else(|| Refusal::missing("QueueName"))?;
    let url = url_of(host, &name);
    run(state, Some(name), |_, _, _| Ok(())).await?;
    Ok(json!({"QueueUrl": url}))
}

/// `ListQueues`.
pub(super) async fn list_queues(state: &State, host: &str, request: Request) -> Reply {
    let prefix = request.queue_name_prefix.unwrap_or_default();
    let names = state.run(|connection| names(connection)).await?;
    let urls = names.iter().filter(|name| name.starts_with(&prefix));
    let urls: Vec<_> = urls.map(|name| url_of(host, name)).collect();
    Ok(if urls.is_empty() {
        json!({})
    } else {
        json!({"QueueUrls": urls})
    })
}

fn url_of(host: &str, name: &str) -> String {
    format!("http://{host}/{ACCOUNT}/{name}")
}

/// `PurgeQueue`, as often as one likes.
pub(super) async fn purge(state: &State, request: Request) -> Reply {
    run(state, request.queue_url, |transaction, queue, _| {
        messages::purge(transaction, queue)
    })
    .await?;
    Ok(json!({}))
}

/// `GetQueueAttributes`.
pub(super) async fn queue_attributes(state: &State, request: Request) -> Reply {
    let all = run(state, request.queue_url, |transaction, queue, now| {
        messages::expire(transaction, queue, now)?;
        Ok(describe(queue, messages::counts(transaction, queue, now)?))
    })
    .await?;
    let known = |name: &String| name == "All" || KNOWN.contains(&name.as_str());
    if let Some(name) = request.attribute_names.iter().find(|name| !known(name)) {
        return Err(Refusal::attribute_name(name));
    }
    let asked = attributes::asked(&all, &request.attribute_names);
    Ok(if asked.is_empty() {
        json!({})
    } else {
        json!({"Attributes": asked})
    })
}

/// The attributes of a queue that can be asked for.
const KNOWN: [&str; 12] = [
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesDelayed",
    "ApproximateNumberOfMessagesNotVisible",
    "CreatedTimestamp",
    "DelaySeconds",
    "LastModifiedTimestamp",
    "MaximumMessageSize",
    "MessageRetentionPeriod",
    "QueueArn",
    "ReceiveMessageWaitTimeSeconds",
    "RedrivePolicy",
    "VisibilityTimeout",
];

fn describe(queue: &Queue, [visible, hidden, delayed]: [i64; 3]) -> Map<String, Value> {
    let created = queue.created_at / 1000;
    let numbers = [
        ("ApproximateNumberOfMessages", visible),
        ("ApproximateNumberOfMessagesDelayed", delayed),
        ("ApproximateNumberOfMessagesNotVisible", hidden),
        ("CreatedTimestamp", created),
        ("DelaySeconds", queue.delay / 1000),
        ("LastModifiedTimestamp", created),
        ("MaximumMessageSize", 1_048_576),
        ("MessageRetentionPeriod", queue.retention / 1000),
        ("ReceiveMessageWaitTimeSeconds", 0),
        ("VisibilityTimeout", queue.visibility / 1000),
    ];
    let numbers = numbers.map(|(name, number)| (name.to_owned(), json!(number.to_string())));
    let mut all = Map::from_iter(numbers);
    all.insert("QueueArn".to_owned(), json!(queue.arn));
    if let Some((most, dead_letters)) = &queue.redrive {
        let policy = json!({"deadLetterTargetArn": dead_letters, "maxReceiveCount": most});
        all.insert("RedrivePolicy".to_owned(), json!(policy.to_string()));
    }
    all
}

/// What became of a batch's entries.
#[derive(Default)]
struct Results {
    successful: Vec<Value>,
    failed: Vec<Value>,
}

impl Results {
    fn fail(&mut self, id: &str, refusal: &Refusal) {
        self.failed.push(json!({
            "Id": id, "SenderFault": true, "Code": refusal.code, "Message": refusal.message}));
    }

    fn reply(self) -> Value {
        json!({"Successful": self.successful, "Failed": self.failed})
    }
}
