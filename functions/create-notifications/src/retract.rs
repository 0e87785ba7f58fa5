//! Taking a notification back, by its id or by its dedupe key.

use jiff::Timestamp;
use shared::error::{Error, Result, Violation};
use shared::http::{self, Reply, Request};
use shared::id::{ID_RULE, UserId};
use shared::notification::{MAX_DEDUPE_KEY, Recipient};
use shared::store::Cancelled;

use crate::handler::Handler;

/// `DELETE /v1/notifications/{id}?recipient=`, or `?everyone=true` for a broadcast. Doing it twice is
/// doing it once.
pub async fn by_id(handler: &Handler, request: &Request, now: Timestamp) -> Result<Reply> {
    let query = http::query(request, &["recipient", "everyone"])?;
    let recipient = match query.get("everyone").map(String::as_str) {
        None => Recipient::User(recipient(query.get("recipient"))?),
        Some("true") if !query.contains_key("recipient") => Recipient::Everyone,
        Some(_) => {
            return Err(refused(
                "everyone",
                "value",
                "must be true, without a recipient",
            ));
        }
    };
    let id = http::notification_id(request)?;
    match handler.store.retract(&recipient, id, now).await {
        Err(Error::NotFound) => {}
        retracted => return retracted.map(|()| Reply::no_content()),
    }
    // It may be the id of a schedule.
    match handler.store.cancel(&recipient, id, now).await? {
        Cancelled::Yes => Ok(Reply::no_content()),
        Cancelled::Taken => Err(Error::Conflict("the notification is being stored")),
        Cancelled::Unknown => Err(Error::NotFound),
    }
}

/// `DELETE /v1/notifications?dedupe_key=&recipient=`: whatever holds the key now. If nothing does,
/// there is nothing to take back.
pub async fn by_dedupe_key(handler: &Handler, request: &Request, now: Timestamp) -> Result<Reply> {
    let query = http::query(request, &["recipient", "dedupe_key"])?;
    let user = recipient(query.get("recipient"))?;
    let Some(key) = query.get("dedupe_key") else {
        return Err(refused("dedupe_key", "required", "is required"));
    };
    if !(1..=MAX_DEDUPE_KEY).contains(&key.chars().count()) {
        let detail = format!("must have 1 to {MAX_DEDUPE_KEY} characters");
        return Err(refused("dedupe_key", "length", &detail));
    }
    if let Some(id) = handler.store.holder(&user, key).await? {
        match handler.store.retract(&Recipient::User(user), id, now).await {
            Ok(()) | Err(Error::NotFound) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(Reply::no_content())
}

fn recipient(given: Option<&String>) -> Result<UserId> {
    let Some(given) = given else {
        return Err(refused("recipient", "required", "is required"));
    };
    let detail = format!("must have {ID_RULE}");
    UserId::parse(given).ok_or_else(|| refused("recipient", "format", &detail))
}

fn refused(name: &str, code: &'static str, detail: &str) -> Error {
    Error::BadQuery(vec![Violation::new(format!("/{name}"), code, detail)])
}
