//! The events that the programs are given: those of `events/`, with what is measured put in.

use std::path::Path;

use serde_json::{Value, json};

use crate::Outcome;
use crate::rows;

/// Records in a batch of the stream.
pub const BATCH: u64 = 100;
/// Recipients of a batch of creates.
pub const RECIPIENTS: u64 = 25;

fn read(root: &Path, name: &str) -> Outcome<Value> {
    let path = root.join("events").join(name);
    let text = std::fs::read(&path).map_err(|error| format!("events/{name}: {error}"))?;
    Ok(serde_json::from_slice(&text)?)
}

/// A request to create one notification for each of so many recipients, with a key or without.
pub fn create(root: &Path, recipients: u64, key: Option<&str>) -> Outcome<Vec<u8>> {
    let mut event = read(root, "create-notifications/created.json")?;
    let recipients: Vec<_> = (0..recipients).map(|n| format!("user-{n}")).collect();
    let body = json!({
        "recipients": recipients,
        "type": "video.liked",
        "title": "Bo liked your video",
        "body": "Sunset over Lisbon, seen from the river",
        "actor": {"id": "bo", "name": "Bo"},
        "data": {"video": {"id": 42}},
    });
    event["body"] = body.to_string().into();
    if let Some(key) = key {
        event["headers"]["idempotency-key"] = key.into();
    }
    Ok(event.to_string().into_bytes())
}

/// A request for a page of the inbox.
pub fn page(root: &Path) -> Outcome<Vec<u8>> {
    let mut event = read(root, "read-inbox/empty-page.json")?;
    event["rawQueryString"] = "limit=25".into();
    event["queryStringParameters"] = json!({"limit": "25"});
    Ok(event.to_string().into_bytes())
}

/// A request of this user for a page of the inbox.
pub fn page_of(root: &Path, user: &str) -> Outcome<Vec<u8>> {
    let mut event: Value = serde_json::from_slice(&page(root)?)?;
    event["requestContext"]["authorizer"]["jwt"]["claims"]["sub"] = user.into();
    Ok(event.to_string().into_bytes())
}

/// A search for the events of this subject.
pub fn search(root: &Path, subject: &str) -> Outcome<Vec<u8>> {
    let mut event = read(root, "ingest-events/search.json")?;
    event["rawQueryString"] = format!("subject={subject}").into();
    event["queryStringParameters"] = json!({"subject": subject});
    Ok(event.to_string().into_bytes())
}

/// A batch of the stream: notifications that were just stored, each of another user.
pub fn batch(root: &Path) -> Outcome<Vec<u8>> {
    let event = read(root, "push-notifications/insert.json")?;
    let now = rows::now_ms();
    let records = (0..BATCH).map(|number| {
        let mut record = event["Records"][0].clone();
        let id = rows::id(now, number);
        record["dynamodb"]["ApproximateCreationDateTime"] = (now / 1_000).into();
        record["dynamodb"]["Keys"] = json!({
            "pk": {"S": format!("U#user-{number}")},
            "sk": {"S": format!("N#{id}")},
        });
        record["dynamodb"]["SequenceNumber"] = (100_000_000_000_000_000_000_u128
            + u128::from(number))
        .to_string()
        .into();
        record
    });
    let event = json!({"Records": records.collect::<Vec<_>>()});
    Ok(event.to_string().into_bytes())
}
