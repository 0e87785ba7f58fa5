//! What a topic brings: events decoded one by one, each endpoint looked at.

use serde_json::Value;
use shared::clock;
use shared::devices::{Notice, clean};
use shared::error::Result;
use shared::sns::Sns;
use shared::store::Store;

/// Handles what Lambda got from the topic. An outage is an error, so that Lambda brings it again;
/// what cannot be decoded never will be, and is left.
pub async fn handle(store: &Store, sns: &Sns, event: &str) -> Result<()> {
    let now = clock::wall();
    let event: Value = serde_json::from_str(event).unwrap_or_default();
    let records = event["Records"].as_array().map_or(&[][..], Vec::as_slice);
    if records.is_empty() {
        leave("it has no records");
    }
    let mut failed = Ok(());
    for record in records {
        match Notice::decode(record["Sns"]["Message"].as_str().unwrap_or_default()) {
            Notice::Nothing => {}
            Notice::Undecodable(reason) => leave(reason),
            Notice::Look(endpoint) => {
                // The others go on.
                failed = failed.and(clean(store, sns, &endpoint, now).await.map(drop));
            }
        }
    }
    failed
}

/// Without its content: it may name anybody.
fn leave(reason: &str) {
    tracing::warn!(reason, "a platform event cannot be read");
}
