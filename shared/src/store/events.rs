//! The action log: events going in, each once, and coming out, newest first.

use std::collections::VecDeque;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::guards::LIFE;
use super::inbox::MAX_EXAMINED;
use super::keys::{EVENT_PREFIX, Key};
use super::row::Item;
use super::{Claim, Guard, Held, Store, decode, failure, s};
use crate::error::{Error, Result};
use crate::event::Event;
use crate::id::{NotificationId, derived_tail};

/// Rows asked for at a time, once more are needed than the first answer held.
const CHUNK: usize = 100;
/// The version of the row's form. A reader leaves out a row of a newer one.
const VERSION: u8 = 1;
/// The shortest life of a log row, in seconds: for a day it tells repeats that they are repeats.
const SHORTEST: u32 = 86_400;

/// An event as it stands in the log.
#[derive(Debug, Clone, PartialEq)]
pub struct Logged {
    /// Its place: when it happened, then what tells it apart.
    pub id: NotificationId,
    /// What happened.
    pub event: Event,
    /// When it was accepted first.
    pub received_at: Timestamp,
    /// When the log may forget it, in epoch seconds.
    expires_at: i64,
}

impl Logged {
    /// Whether the log still shows it.
    pub fn is_live(&self, now: Timestamp) -> bool {
        now.as_second() < self.expires_at
    }
}

#[derive(Serialize, Deserialize)]
struct Row {
    pk: String,
    sk: String,
    v: u8,
    expires_at: i64,
    #[serde(rename = "t")]
    kind: String,
    #[serde(rename = "i")]
    id: String,
    #[serde(rename = "so")]
    source: String,
    #[serde(rename = "su", skip_serializing_if = "Option::is_none", default)]
    subject: Option<String>,
    /// To the nanosecond, which the key is not.
    #[serde(rename = "tm", skip_serializing_if = "Option::is_none", default)]
    time: Option<String>,
    #[serde(rename = "d", skip_serializing_if = "Map::is_empty", default)]
    data: Map<String, Value>,
    #[serde(rename = "x", skip_serializing_if = "Map::is_empty", default)]
    extensions: Map<String, Value>,
    /// The guard's moments, in milliseconds.
    #[serde(rename = "at", skip_serializing, default)]
    accepted: Vec<i64>,
}

/// The place of an event that happened, or was accepted, at `at`.
fn place(event: &Event, at: Timestamp) -> NotificationId {
    NotificationId::new(at, derived_tail(&event.source, 0, &event.id))
}

/// An event with the source, id and time of another is the same, or it is a mistake.
fn reused() -> Error {
    let detail = "was used by this source for another event";
    Error::invalid("/id", "event_id_reused", detail)
}

impl Store {
    /// Writes an event into the log, unless it is there; for `life` seconds, a day at least. Its row is the
    /// guard of what follows from it. An event without a time has a guard of its own for 24 h, and its row
    /// stands where the guard's first moment says.
    pub async fn log(&self, event: &Event, life: u32, now: Timestamp, nonce: &str) -> Result<Held> {
        let hash = event.hash();
        let fresh = Guard::accepted_at(now, &hash, nonce);
        if let Some(time) = event.time {
            let key = Key::Event(event.logged_under().to_owned(), place(event, time));
            let claim = self.put_event(&key, event, life, fresh).await?;
            return held(key, claim, &hash);
        }
        let key = Key::EventGuard(event.source.clone(), event.id.clone());
        let claim = self.claim(&key, now, &hash, nonce).await?;
        let held = held(key, claim, &hash)?;
        let first = held.guard.accepted().first().copied().unwrap_or(now);
        let row = Key::Event(event.logged_under().to_owned(), place(event, first));
        self.put_event(&row, event, life, held.guard.clone())
            .await?;
        Ok(held)
    }

    async fn put_event(&self, key: &Key, event: &Event, life: u32, guard: Guard) -> Result<Claim> {
        let accepted = guard.accepted().first().copied().unwrap_or_default();
        let row = Row {
            pk: key.pk(),
            sk: key.sk(),
            v: VERSION,
            expires_at: accepted.as_second() + i64::from(life.max(SHORTEST)),
            kind: event.kind.clone(),
            id: event.id.clone(),
            source: event.source.clone(),
            subject: event.subject.clone(),
            time: event.time.map(|time| time.to_string()),
            data: event.data.clone(),
            extensions: event.extensions.clone(),
            accepted: Vec::new(),
        };
        let item = serde_dynamo::to_item(row).map_err(|source| Error::Internal {
            what: "an event could not be written",
            source: source.into(),
        })?;
        let put = self.client.put_item().table_name(&self.table);
        let put = guard.put(put.set_item(Some(item)));
        let put = put.condition_expression("attribute_not_exists(pk)");
        guard.claimed(put.send().await)
    }

    /// Rows under a subject between two ids, newest first, and whether more follow.
    async fn logged(
        &self,
        subject: &str,
        (oldest, newest): (NotificationId, NotificationId),
        limit: usize,
    ) -> Result<(Vec<Item>, bool)> {
        if oldest > newest {
            return Ok((Vec::new(), false));
        }
        let key = |id| Key::Event(subject.to_owned(), id);
        let query = self.client.query().table_name(&self.table);
        let query = query
            .key_condition_expression("pk = :pk AND sk BETWEEN :oldest AND :newest")
            .expression_attribute_values(":pk", s(key(oldest).pk()))
            .expression_attribute_values(":oldest", s(key(oldest).sk()))
            .expression_attribute_values(":newest", s(key(newest).sk()))
            .scan_index_forward(false)
            .limit(i32::try_from(limit).unwrap_or(i32::MAX));
        let answer = query.send().await;
        let answer = answer.map_err(|error| failure("the log", error))?;
        let more = answer.last_evaluated_key.is_some();
        Ok((answer.items.unwrap_or_default(), more))
    }
}

/// The guard that a claim found, if the event is the same.
fn held(key: Key, claim: Claim, hash: &str) -> Result<Held> {
    let (guard, replayed) = match claim {
        Claim::New(guard) => (guard, false),
        Claim::Known(guard) => (guard, true),
    };
    if guard.body_hash != hash {
        return Err(reused());
    }
    Ok(Held {
        key,
        guard,
        replayed,
    })
}

impl Held {
    /// Whether the event is old enough that traces of what was taken back may be gone: what is missing
    /// then is left missing.
    pub fn is_settled(&self, now: Timestamp) -> bool {
        let first = self.guard.accepted().first().copied().unwrap_or(now);
        now.as_millisecond() - first.as_millisecond() >= LIFE
    }
}

/// The events of a subject, newest first, read as they are needed: at most [`MAX_EXAMINED`].
pub struct LogRows<'s> {
    store: &'s Store,
    subject: &'s str,
    /// The bounds of what is still to be read; both are included.
    bounds: (NotificationId, NotificationId),
    chunk: VecDeque<(NotificationId, Option<Logged>)>,
    more: bool,
    examined: usize,
}

impl<'s> LogRows<'s> {
    /// The events between two places, both included. Nothing is read yet.
    pub fn new(
        store: &'s Store,
        subject: &'s str,
        bounds: (NotificationId, NotificationId),
    ) -> LogRows<'s> {
        LogRows {
            store,
            subject,
            bounds,
            chunk: VecDeque::new(),
            more: true,
            examined: 0,
        }
    }

    /// Reads up to `count` rows ahead.
    pub async fn read_ahead(&mut self, count: usize) -> Result<()> {
        let limit = count.min(MAX_EXAMINED - self.examined);
        if !self.more || !self.chunk.is_empty() || limit == 0 {
            return Ok(());
        }
        let (items, more) = self.store.logged(self.subject, self.bounds, limit).await?;
        self.examined += items.len();
        self.more = more;
        self.chunk = items.into_iter().filter_map(examine).collect();
        if let Some((last, _)) = self.chunk.back() {
            self.bounds.1 = last.previous();
        }
        Ok(())
    }

    /// The next row, and the event if it can be read; `None` at the end, or when enough were examined.
    pub async fn next(&mut self) -> Result<Option<(NotificationId, Option<Logged>)>> {
        self.read_ahead(CHUNK).await?;
        Ok(self.chunk.pop_front())
    }

    /// Whether rows may follow that were not examined.
    pub fn is_cut(&self) -> bool {
        self.more || !self.chunk.is_empty()
    }
}

/// A row of a newer version is examined and left out.
fn examine(item: Item) -> Option<(NotificationId, Option<Logged>)> {
    let sk = item.get("sk")?.as_s().ok()?;
    let id = NotificationId::parse(sk.strip_prefix(EVENT_PREFIX)?)?;
    let row: Row = match decode(item, "an event could not be read") {
        Ok(row) => row,
        Err(error) => {
            tracing::warn!(error = %error.chain(), "an event is left out");
            return Some((id, None));
        }
    };
    if row.v > VERSION {
        tracing::warn!(version = row.v, "an event of a newer version is left out");
        return Some((id, None));
    }
    let accepted = row.accepted.first().copied().unwrap_or_default();
    let event = Event {
        // Nothing more follows from it.
        traceparent: None,
        id: row.id,
        source: row.source,
        kind: row.kind,
        subject: row.subject,
        time: row.time.and_then(|time| time.parse().ok()),
        data: row.data,
        extensions: row.extensions,
    };
    let logged = Logged {
        id,
        event,
        received_at: Timestamp::from_millisecond(accepted).unwrap_or_default(),
        expires_at: row.expires_at,
    };
    Some((id, Some(logged)))
}
