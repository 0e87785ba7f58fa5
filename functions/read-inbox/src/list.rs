//! A page of the inbox.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::json;
use shared::error::{Error, Result, Violation};
use shared::http::{self, Reply, Request};
use shared::id::NotificationId;
use shared::notification::Notification;
use shared::page;
use shared::store::Store;

/// Notifications on a page, unless the query says otherwise.
const DEFAULT_LIMIT: usize = 25;
/// The most notifications on a page.
const MAX_LIMIT: usize = 100;

/// Answers `{data, page, meta}`.
pub async fn list(store: &Store, request: &Request, now: Timestamp) -> Result<Reply> {
    let user = http::caller(request)?;
    let query = http::query(request, &["limit", "cursor", "consistent"])?;
    let limit = limit(&query)?;
    let consistent = consistent(&query)?;
    let before = query
        .get("cursor")
        .map(|cursor| page::read(cursor, &user, ""));
    let before: Option<NotificationId> = before.transpose()?;
    let slice = store.list(&user, before, limit, now, consistent).await?;
    let counts = store.count(&user, now, consistent).await?;
    let next = slice.next.map(|id| page::write(id, &user, ""));
    let data: Vec<_> = slice.notifications.iter().map(Notification::view).collect();
    Reply::ok(&json!({
        "data": data,
        "page": {"has_more": next.is_some(), "next": next},
        "meta": {
            "unread_count": counts.unread,
            // Nothing marks a list as seen yet: what was not opened was not seen.
            "unseen_count": counts.unread,
            "capped": counts.capped,
        },
    }))
}

fn limit(query: &BTreeMap<String, String>) -> Result<usize> {
    let Some(text) = query.get("limit") else {
        return Ok(DEFAULT_LIMIT);
    };
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let limit = text
        .parse()
        .ok()
        .filter(|limit| digits && (1..=MAX_LIMIT).contains(limit));
    limit.ok_or_else(|| {
        let detail = format!("must be a whole number from 1 to {MAX_LIMIT}");
        Error::BadQuery(vec![Violation::new("/limit", "range", detail)])
    })
}

fn consistent(query: &BTreeMap<String, String>) -> Result<bool> {
    match query.get("consistent").map(String::as_str) {
        None | Some("false") => Ok(false),
        Some("true") => Ok(true),
        Some(_) => {
            let violation = Violation::new("/consistent", "value", "must be true or false");
            Err(Error::BadQuery(vec![violation]))
        }
    }
}
