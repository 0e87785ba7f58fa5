//! Pages of an inbox, for its user and for support.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;
use serde_json::{Value, json};

use super::{Reply, Request};
use crate::error::{Error, Result, Violation};
use crate::filter::{Filter, PARAMETERS};
use crate::fold::Entry;
use crate::inbox::{Counts, Inbox, PageRequest};
use crate::page;

/// A page as the API shows it.
#[derive(Serialize)]
struct View {
    data: Vec<Entry>,
    page: Value,
    meta: Value,
}

/// Answers `{data, page, meta}`.
pub async fn inbox_page(inbox: &Inbox<'_>, request: &Request, retention: u32) -> Result<Reply> {
    let known = ["limit", "cursor", "consistent", "grouped"];
    let query = super::query(request, &[&known[..], &PARAMETERS].concat())?;
    let grouped = flag(&query, "grouped")?;
    let limit = super::limit(&query)?;
    let filter = Filter::parse(&query)?;
    let bound = format!("{}{grouped}", filter.spelling);
    let cursor = query.get("cursor");
    let before = cursor
        .map(|cursor| page::read(cursor, inbox.user.as_str(), &bound))
        .transpose()?;
    let page = inbox
        .page(PageRequest {
            filter: &filter,
            before,
            limit,
            grouped,
        })
        .await?;
    let next = page
        .next
        .map(|id| page::write(id, inbox.user.as_str(), &bound));
    let mut meta = counts_view(page.counts);
    // What stood behind a cursor this old, retention has removed.
    let kept_since = inbox
        .now
        .checked_sub(Duration::from_secs(u64::from(retention)));
    let kept_since = kept_since.unwrap_or_default();
    meta["gap"] = json!(before.is_some_and(|before| before.at() < kept_since));
    Reply::ok(&View {
        data: page.entries,
        page: json!({"has_more": next.is_some(), "next": next}),
        meta,
    })
}

/// Counts as the API shows them.
pub fn counts_view(counts: Counts) -> Value {
    json!({
        "unread_count": counts.unread,
        "unseen_count": counts.unseen,
        "capped": counts.capped,
    })
}

/// Whether the answer must hold what was written a moment ago. Where the route has no such
/// parameter, the route says so itself.
pub fn is_consistent(request: &Request) -> Result<bool> {
    let given = super::parameter(request, "consistent");
    let query = given.map(|value| ("consistent".to_owned(), value.to_owned()));
    flag(&query.into_iter().collect(), "consistent")
}

fn flag(query: &BTreeMap<String, String>, name: &str) -> Result<bool> {
    match query.get(name).map(String::as_str) {
        None | Some("false") => Ok(false),
        Some("true") => Ok(true),
        Some(_) => {
            let violation = Violation::new(format!("/{name}"), "value", "must be true or false");
            Err(Error::BadQuery(vec![violation]))
        }
    }
}
