//! Pushes that died, and pushing again.

use jiff::Timestamp;
use jiff::civil::Date;
use serde_json::{Value, json};
use shared::contract::Fields;
use shared::error::{Error, Result, Violation};
use shared::http::{self, Reply, Request};
use shared::id::NotificationId;
use shared::page;
use shared::push::Target;
use shared::store::keys::DEAD_SHARDS;
use shared::store::{Dead, Job, JobKind, Step};

use crate::handler::Handler;

/// The largest body, in bytes.
const MAX_BODY: usize = 65_536;
/// The most notifications of one request.
const MAX_TARGETS: usize = 100;
/// Entries of a page.
const PAGE: usize = 100;
/// The longest window, in milliseconds: as long as a push may live.
const MAX_WINDOW: i64 = 28 * 86_400_000;
/// What a consistent scan reads for one unit, in bytes.
const UNIT: u64 = 4_096;

/// What is to be pushed again.
enum Redrive {
    /// These.
    Targets(Vec<Target>),
    /// What died on a day.
    Day(String),
    /// What has no outcome and was accepted in this window, in milliseconds since 1970.
    Window(i64, i64),
}

/// Lists what died on a day, partition by partition, oldest first in each.
pub async fn dead(handler: &Handler, request: &Request) -> Result<Reply> {
    let query = http::query(request, &["day", "cursor"])?;
    let refused = |name: &str, code, detail: &str| {
        Error::BadQuery(vec![Violation::new(format!("/{name}"), code, detail)])
    };
    let day = query
        .get("day")
        .ok_or_else(|| refused("day", "required", "is required"))?;
    let day =
        parse_day(day).ok_or_else(|| refused("day", "format", "must be a day, as YYYY-MM-DD"))?;
    let (mut shard, mut after) = match query.get("cursor") {
        None => (0, None),
        Some(cursor) => {
            let (shard, after) = read_cursor(cursor).ok_or_else(page::invalid)?;
            (shard, Some(after))
        }
    };
    let mut found = Vec::new();
    let mut next = None;
    while shard < DEAD_SHARDS && found.len() < PAGE {
        let room = PAGE - found.len();
        let page = handler
            .store
            .dead(&day, shard, after.as_deref(), room)
            .await?;
        found.extend(page.dead.iter().map(view));
        next = page.cursor.map(|last| format!("{shard}.{last}"));
        if next.is_some() {
            break;
        }
        (shard, after) = (shard + 1, None);
    }
    if next.is_none() && shard < DEAD_SHARDS {
        next = Some(format!("{shard}.-"));
    }
    let more = next.is_some();
    Reply::ok(&json!({"data": found, "page": {"next": next, "has_more": more}}))
}

fn read_cursor(cursor: &str) -> Option<(u8, String)> {
    let (shard, after) = cursor.split_once('.')?;
    let is_known = after == "-" || NotificationId::parse(after).is_some();
    let shard = shard.parse().ok().filter(|shard| *shard < DEAD_SHARDS)?;
    is_known.then(|| (shard, after.to_owned()))
}

fn view(dead: &Dead) -> Value {
    let target = dead.target();
    let (user, id) = target.map(|(user, id)| (user, id.to_string())).unzip();
    json!({
        "at": dead.id.at().to_string(),
        "user": user,
        "notification": id,
        "sequence_number": dead.sequence_number,
        "reason": dead.reason,
    })
}

/// Pushes again: the notifications named, what died on a day, or what a window holds without an outcome.
pub async fn redrive(handler: &Handler, request: &Request, now: Timestamp) -> Result<Reply> {
    http::query(request, &[])?;
    let asked = parse(http::body(request, MAX_BODY)?)?;
    let store = &handler.store;
    let job = NotificationId::draw(now).to_string();
    let units = match &asked {
        Redrive::Window(..) => Some(store.table_bytes().await?.div_ceil(UNIT)),
        _ => None,
    };
    let chains = match asked {
        Redrive::Targets(targets) => vec![Step::RedriveTargets { targets }],
        Redrive::Day(day) => (0..DEAD_SHARDS)
            .map(|_| Step::RedriveDead {
                day: day.clone(),
                cursor: None,
            })
            .collect(),
        Redrive::Window(from, to) => vec![Step::window(from, to)],
    };
    let what = Job::new(JobKind::Redrive, chains, now);
    store.start_job(&job, &what, now).await?;
    Reply::accepted(&json!({"job": job, "read_units": units}))
}

fn parse(body: Value) -> Result<Redrive> {
    let mut violations = Vec::new();
    let asked = Fields::of(body, "", &mut violations).and_then(read);
    match asked {
        Some(asked) if violations.is_empty() => Ok(asked),
        _ => Err(Error::Invalid(violations)),
    }
}

fn read(mut fields: Fields) -> Option<Redrive> {
    let given = ["notifications", "day", "from"]
        .into_iter()
        .filter(|name| fields.has(name));
    let asked = match given.collect::<Vec<_>>()[..] {
        ["notifications"] => read_targets(&mut fields).map(Redrive::Targets),
        ["day"] => {
            let day = fields.text("day", 10)?;
            let day = parse_day(&day);
            if day.is_none() {
                fields.refuse("day", "format", "must be a day, as YYYY-MM-DD");
            }
            day.map(Redrive::Day)
        }
        ["from"] => read_window(&mut fields),
        _ => {
            let detail = "one of notifications, day, or from and to is required";
            fields.refuse("notifications", "required", detail);
            None
        }
    };
    fields.finish();
    asked
}

fn read_window(fields: &mut Fields) -> Option<Redrive> {
    let (from, to) = (fields.moment("from"), fields.moment("to"));
    if !fields.has("to") && to.is_none() {
        fields.refuse("to", "required", "is required");
    }
    let (from, to) = (from?.as_millisecond(), to?.as_millisecond());
    if !(0..=MAX_WINDOW).contains(&(to - from)) {
        fields.refuse(
            "to",
            "range",
            "must be at or after from, and within 28 days of it",
        );
    }
    Some(Redrive::Window(from, to))
}

fn read_targets(fields: &mut Fields) -> Option<Vec<Target>> {
    let Some(Value::Array(items)) = fields.take("notifications") else {
        fields.refuse("notifications", "type", "must be an array");
        return None;
    };
    if !(1..=MAX_TARGETS).contains(&items.len()) {
        let detail = format!("must have 1 to {MAX_TARGETS} notifications");
        fields.refuse("notifications", "length", detail);
        return None;
    }
    let mut targets = Vec::new();
    for (index, item) in items.into_iter().enumerate() {
        let pointer = format!("{}/{index}", fields.at("notifications"));
        let Some(mut item) = Fields::of(item, pointer, fields.violations()) else {
            continue;
        };
        let (missing_user, missing_id) = (!item.has("user"), !item.has("id"));
        let (user, text) = (item.user("user"), item.text("id", 26));
        for (name, missing) in [("user", missing_user), ("id", missing_id)] {
            if missing {
                item.refuse(name, "required", "is required");
            }
        }
        let id = text.as_deref().and_then(NotificationId::parse);
        if text.is_some() && id.is_none() {
            item.refuse("id", "format", "must be the id of a notification");
        }
        item.finish();
        targets.extend(user.zip(id));
    }
    Some(targets)
}

/// A day in its one spelling.
fn parse_day(text: &str) -> Option<String> {
    let day: Date = text.parse().ok()?;
    (day.to_string() == text).then(|| text.to_owned())
}
