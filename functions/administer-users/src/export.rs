//! Everything that is kept of a user, as JSON lines: one record a line, page by page.

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use shared::error::{Error, Result};
use shared::http::{self, Reply, Request};
use shared::id::UserId;
use shared::notification::Notification;
use shared::outcome::Outcome;
use shared::page;
use shared::store::{About, Kept};

use crate::handler::Handler;

/// What is not in an export, said in its first line.
const LEFT_OUT: [&str; 4] = [
    "scheduled notifications and other tasks that have not come up",
    "notifications for everyone, which are nobody's own, and what became of their pushes",
    "the tokens of devices and their addresses at SNS",
    "events in the log, which are kept by subject",
];

/// A page of it; the header `Link` has the next one.
pub async fn export(handler: &Handler, request: &Request, now: Timestamp) -> Result<Reply> {
    let user = http::user_id(request, "user")?;
    let query = http::query(request, &["cursor"])?;
    let cursor = query.get("cursor");
    let after = cursor
        .map(|cursor| page::read_place(cursor, user.as_str(), "export"))
        .transpose()?;
    let about = handler.store.about(&user, true).await?;
    let kept = handler.store.kept(&user, after.as_deref()).await?;
    let mut lines = Vec::new();
    if after.is_none() {
        let head = json!({"user": user, "exported_at": now.to_string(), "left_out": LEFT_OUT});
        lines.push(line("export", &head)?);
        of_user(&about, now, &mut lines)?;
    }
    for kept in kept.rows {
        match kept {
            Kept::Membership(_, joined) if about.user.erases(joined) => {}
            Kept::Membership(topic, joined) => {
                let fields = json!({"topic": topic, "joined_at": joined.to_string()});
                lines.push(line("membership", &fields)?);
            }
            Kept::Notification(one) if about.user.erases(one.id.at()) => {}
            Kept::Notification(one) => lines.push(of_notification(&about.marks.apply(*one))?),
            Kept::Unreadable(key) => lines.push(line("unreadable", &json!({"key": key}))?),
        }
    }
    let reply = Reply::lines(&lines);
    Ok(match kept.cursor {
        None => reply,
        Some(cursor) => reply.header("link", &next(&user, &cursor)),
    })
}

/// The next page, as RFC 8288 writes it.
fn next(user: &UserId, cursor: &str) -> String {
    let cursor = page::write_place(cursor, user.as_str(), "export");
    let encoded: String = user
        .as_str()
        .bytes()
        .map(|byte| match byte {
            _ if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect();
    format!("</v1/users/{encoded}/export?cursor={cursor}>; rel=\"next\"")
}

/// A line: what it is, and its fields.
fn line(record: &str, fields: &impl serde::Serialize) -> Result<Value> {
    let fields = serde_json::to_value(fields).map_err(|source| Error::Internal {
        what: "a record could not be written",
        source: source.into(),
    })?;
    let mut line = Map::from_iter([("record".to_owned(), json!(record))]);
    if let Value::Object(fields) = fields {
        line.extend(fields);
    }
    Ok(Value::Object(line))
}

fn of_user(about: &About, now: Timestamp, lines: &mut Vec<Value>) -> Result<()> {
    let user = &about.user;
    for (id, device) in user.live_devices() {
        lines.push(line("device", &device.view(id))?);
    }
    lines.push(line("preferences", &user.preferences().view())?);
    for mute in user.mutes().view(now) {
        lines.push(line("mute", &mute)?);
    }
    let marks = &about.marks;
    let broadcasts = marks.broadcasts.iter().map(|(id, mark)| {
        let at = |millis: Option<i64>| {
            let at = Timestamp::from_millisecond(millis?).ok();
            at.map(|at| at.to_string())
        };
        json!({
            "id": id.to_string(),
            "read_at": at(mark.read_at),
            "seen_at": at(mark.seen_at),
            "archived_at": at(mark.archived_at),
        })
    });
    let fields = json!({
        "seen_up_to": marks.seen_up_to.map(|id| id.to_string()),
        "read_up_to": marks.covered_up_to.map(|id| id.to_string()),
        "read_at": marks.read_up_to.map(|(_, at)| at.to_string()),
        "unread": marks.unread.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "everyone": broadcasts.collect::<Vec<_>>(),
    });
    lines.push(line("marks", &fields)?);
    Ok(())
}

fn of_notification(one: &Notification) -> Result<Value> {
    let mut line = line("notification", &one.view())?;
    let expires_at = Timestamp::from_second(one.expires_at).ok();
    line["seen_at"] = json!(one.seen_at.map(|at| at.to_string()));
    line["expires_at"] = json!(expires_at.map(|at| at.to_string()));
    line["dedupe_key"] = json!(one.dedupe_key);
    line["schedule_id"] = json!(one.schedule_id.map(|id| id.to_string()));
    line["origin_device"] = json!(one.content.origin_device);
    line["push"] = of_outcome(&one.outcome);
    Ok(line)
}

fn of_outcome(outcome: &Outcome) -> Value {
    let devices = outcome.devices.iter().map(|(id, device)| {
        let fields = json!({
            "outcome": device.state,
            "reason": device.reason,
            "message_id": device.message_id,
        });
        (id.as_str().to_owned(), fields)
    });
    let at = Timestamp::from_millisecond(outcome.at).ok();
    json!({
        "outcome": outcome.state,
        "reason": outcome.reason,
        "at": at.filter(|_| outcome.at > 0).map(|at| at.to_string()),
        "devices": devices.collect::<Map<_, _>>(),
    })
}
