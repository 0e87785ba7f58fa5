//! Sending: one message, or up to ten.

use super::attributes;
use super::messages::{self, Draft};
use super::protocol::Reply;
use super::refusal::Refusal;
use super::requests::{check_entries, run};
use crate::state::State;
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// The most bytes of a message, and of all messages of a batch: 1 MiB.
const MOST_BYTES: usize = 1024 * 1024;
/// The longest delay, in seconds.
const LONGEST_DELAY: i64 = 900;

/// A message as a client sends it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Sent {
    #[serde(default)]
    message_body: String,
    delay_seconds: Option<i64>,
    #[serde(default)]
    message_attributes: Option<Map<String, Value>>,
    message_system_attributes: Option<Map<String, Value>>,
    message_group_id: Option<String>,
    message_deduplication_id: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct SendOne {
    queue_url: Option<String>,
    #[serde(flatten)]
    message: Sent,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct SendMany {
    queue_url: Option<String>,
    #[serde(default)]
    entries: Vec<Entry>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    id: String,
    #[serde(flatten)]
    message: Sent,
}

/// `SendMessage`.
pub(super) async fn send(state: &State, request: SendOne) -> Reply {
    let draft = draft(request.message)?;
    let mut reply = sums(&draft);
    let id = put(state, request.queue_url, vec![draft]).await?.remove(0);
    reply["MessageId"] = json!(id);
    Ok(reply)
}

/// `SendMessageBatch`: what is wrong with one message is said of that one.
pub(super) async fn send_batch(state: &State, request: SendMany) -> Reply {
    check_entries(request.entries.iter().map(|entry| entry.id.as_str()))?;
    let (mut drafts, mut replies, mut failed) = (Vec::new(), Vec::new(), Vec::new());
    let mut bytes = 0;
    for entry in request.entries {
        match draft(entry.message) {
            Ok(draft) => {
                bytes += size(&draft);
                let mut reply = sums(&draft);
                reply["Id"] = json!(entry.id);
                replies.push(reply);
                drafts.push(draft);
            }
            Err(refusal) => failed.push(json!({
                "Id": entry.id, "SenderFault": true, "Code": refusal.code, "Message": refusal.message})),
        }
    }
    if bytes > MOST_BYTES {
        return Err(Refusal::long_batch(bytes, MOST_BYTES));
    }
    let ids = put(state, request.queue_url, drafts).await?;
    for (reply, id) in replies.iter_mut().zip(ids) {
        reply["MessageId"] = json!(id);
    }
    Ok(json!({"Successful": replies, "Failed": failed}))
}

async fn put(
    state: &State,
    url: Option<String>,
    drafts: Vec<Draft>,
) -> Result<Vec<String>, Refusal> {
    let ids = run(state, url, move |transaction, queue, now| {
        let put = |draft| messages::put(transaction, queue, draft, now);
        drafts.iter().map(put).collect()
    });
    let ids = ids.await?;
    state.announce_message();
    Ok(ids)
}

/// A checked message.
fn draft(sent: Sent) -> Result<Draft, Refusal> {
    if sent.message_body.is_empty() {
        return Err(Refusal::missing("MessageBody"));
    }
    if sent.message_group_id.is_some() || sent.message_deduplication_id.is_some() {
        return Err(Refusal::invalid(
            "The request include parameter that is not valid for this queue type",
        ));
    }
    if sent
        .message_system_attributes
        .is_some_and(|attributes| !attributes.is_empty())
    {
        return Err(Refusal::invalid(
            "MessageSystemAttributes are not supported by the local stack",
        ));
    }
    let delay = match sent.delay_seconds {
        None => None,
        Some(seconds) if (0..=LONGEST_DELAY).contains(&seconds) => Some(seconds * 1000),
        Some(seconds) => {
            return Err(Refusal::invalid(format!(
                "Value {seconds} for parameter DelaySeconds is invalid. Reason: DelaySeconds must be >= 0 and <= {LONGEST_DELAY}."
            )));
        }
    };
    let draft = Draft {
        body: sent.message_body,
        attributes: sent.message_attributes.unwrap_or_default(),
        delay,
    };
    attributes::check(&draft.attributes)?;
    if !draft.body.chars().all(is_allowed) {
        return Err(Refusal::contents());
    }
    if size(&draft) > MOST_BYTES {
        return Err(Refusal::invalid(format!(
            "One or more parameters are invalid. Reason: Message must be shorter than {MOST_BYTES} bytes."
        )));
    }
    Ok(draft)
}

/// Whether SQS takes the character: those that XML 1.0 can hold.
fn is_allowed(letter: char) -> bool {
    matches!(letter, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

fn size(draft: &Draft) -> usize {
    draft.body.len() + attributes::size(&draft.attributes)
}

/// The sums by which a client knows that nothing was changed on the way.
fn sums(draft: &Draft) -> Value {
    let mut sums = json!({"MD5OfMessageBody": format!("{:x}", md5::compute(&draft.body))});
    if let Some(sum) = attributes::md5(&draft.attributes) {
        sums["MD5OfMessageAttributes"] = json!(sum);
    }
    sums
}
