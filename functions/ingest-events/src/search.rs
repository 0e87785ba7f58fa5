//! The action log's search: the events of one subject, newest first.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};
use shared::contract::{MOMENT_RULE, moment};
use shared::error::{Error, Result, Violation};
use shared::event::MAX_NAME;
use shared::filter::Paths;
use shared::http::{self, Reply, Request};
use shared::id::NotificationId;
use shared::page;
use shared::store::{LogRows, Logged};

use crate::handler::Handler;

/// The query's parameters; `data.` begins any path inside `data`.
const PARAMETERS: [&str; 8] = [
    "subject", "type", "actor", "since", "until", "data.", "limit", "cursor",
];
/// An answer ends before it is larger than this, in bytes: Lambda takes 6 MB.
const MAX_PAGE_BYTES: usize = 4_194_304;

/// What is looked for.
struct Search {
    subject: String,
    kind: Option<String>,
    actor: Option<String>,
    since: Option<Timestamp>,
    until: Option<Timestamp>,
    data: Paths,
    /// The same search in one spelling, to which a cursor is bound.
    spelling: String,
}

/// Answers `{data, page}`.
pub async fn page(handler: &Handler, request: &Request, now: Timestamp) -> Result<Reply> {
    let query = http::query(request, &PARAMETERS)?;
    let limit = http::limit(&query)?;
    let search = Search::parse(&query)?;
    let cursor = query.get("cursor");
    let cursor = cursor.map(|cursor| page::read(cursor, &search.subject, &search.spelling));
    let bounds = search.bounds(cursor.transpose()?);
    let mut rows = LogRows::new(&handler.store, &search.subject, bounds);
    // One row more than asked for tells whether anything follows.
    rows.read_ahead(limit + 1).await?;
    let (mut data, mut bytes, mut last, mut full) = (Vec::new(), 0, None, false);
    while let Some((id, logged)) = rows.next().await? {
        let shown = logged.filter(|logged| logged.is_live(now) && search.matches(logged));
        if let Some(logged) = shown {
            let view = view(&logged);
            bytes += view.to_string().len();
            full = data.len() == limit || (bytes > MAX_PAGE_BYTES && !data.is_empty());
            if full {
                break;
            }
            data.push(view);
        }
        last = Some(id);
    }
    let next = last.filter(|_| full || rows.is_cut());
    let next = next.map(|id| page::write(id, &search.subject, &search.spelling));
    Reply::ok(&json!({"data": data, "page": {"has_more": next.is_some(), "next": next}}))
}

/// An event as it came, and when it came first.
fn view(logged: &Logged) -> Value {
    let mut view = logged.event.view();
    view["received_at"] = json!(logged.received_at.to_string());
    view
}

impl Search {
    fn parse(query: &BTreeMap<String, String>) -> Result<Search> {
        let mut violations = Vec::new();
        let mut search = Search {
            subject: String::new(),
            kind: query.get("type").cloned(),
            actor: query.get("actor").cloned(),
            since: None,
            until: None,
            data: Paths::default(),
            spelling: String::new(),
        };
        for (name, value) in query {
            let mut refuse = |code, detail: &str| {
                violations.push(Violation::new(format!("/{name}"), code, detail));
            };
            match name.as_str() {
                "subject" => {
                    let fits = (1..=MAX_NAME).contains(&value.chars().count());
                    if !fits || value.chars().any(char::is_control) {
                        refuse(
                            "format",
                            "must have 1 to 255 characters, and no control characters",
                        );
                    }
                    search.subject.clone_from(value);
                }
                "since" | "until" => match moment(value) {
                    Some(moment) if name == "since" => search.since = Some(moment),
                    Some(moment) => search.until = Some(moment),
                    None => refuse("format", MOMENT_RULE),
                },
                _ => search.data.read(name, value, &mut violations),
            }
            if name != "cursor" && name != "limit" {
                search.spelling += &[name, "=", value, "\n"].concat();
            }
        }
        if !query.contains_key("subject") {
            // Events stand under their subject: without one, the whole table would be read.
            violations.push(Violation::new("/subject", "required", "is required"));
        }
        if violations.is_empty() {
            return Ok(search);
        }
        Err(Error::BadQuery(violations))
    }

    /// The first and the last place that can be of interest.
    fn bounds(&self, before: Option<NotificationId>) -> (NotificationId, NotificationId) {
        let oldest = self.since.unwrap_or(Timestamp::UNIX_EPOCH);
        let newest = self.until.unwrap_or(Timestamp::MAX);
        let newest = NotificationId::new(newest, [0xff; 10]);
        let newest = before.map_or(newest, |before| newest.min(before.previous()));
        (NotificationId::new(oldest, [0; 10]), newest)
    }

    fn matches(&self, logged: &Logged) -> bool {
        let event = &logged.event;
        let at = event.time.unwrap_or(logged.received_at);
        self.kind.as_ref().is_none_or(|kind| *kind == event.kind)
            && self
                .actor
                .as_deref()
                .is_none_or(|actor| event.actor_id() == Some(actor))
            && self.since.is_none_or(|since| at >= since)
            && self.until.is_none_or(|until| at < until)
            && self.data.match_data(Some(&event.data))
    }
}
