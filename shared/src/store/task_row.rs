//! A task for later as it is written.

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;

use super::keys::{Key, later_place};
use super::row::{self, Item};
use super::{item_key, n, s};
use crate::error::Result;
use crate::id::{NotificationId, UserId};
use crate::task::{Later, Place, Task};

/// The attribute of a schedule that says when it was accepted.
const ACCEPTED: &str = "ac";

/// What a task in a bucket is to whoever found it.
#[derive(Debug, Clone, PartialEq)]
pub enum Due {
    /// It can be run.
    Task(Box<Later>),
    /// This version cannot read it: its sort key.
    Unreadable(String),
}

/// The row of a task.
pub fn to_item(later: &Later) -> Result<Item> {
    let mut item = item_key(&Key::Later(later.place.clone()));
    let mut set = |name: &str, value| {
        item.insert(name.to_owned(), value);
    };
    set("at", n(later.attempt));
    let user = |user: &UserId| s(user.as_str());
    let kind = match &later.task {
        Task::Push(of, id) => {
            set("u", user(of));
            set("id", s(id.to_string()));
            "push"
        }
        Task::Clear(of, id) => {
            set("u", user(of));
            set("id", s(id.to_string()));
            "clear"
        }
        Task::QuietEnd(of, since) => {
            set("u", user(of));
            set("id", s(since.to_string()));
            "quiet_end"
        }
        Task::Send(notification) => {
            set("n", AttributeValue::M(row::to_item(notification)?));
            set(
                "r",
                s(Key::of(&notification.recipient, notification.id).pk()),
            );
            let moments = later.moments.iter().map(|at| n(at.as_millisecond()));
            set("ms", AttributeValue::L(moments.collect()));
            if let Some(at) = later.accepted {
                set(ACCEPTED, n(at.as_millisecond()));
            }
            "send"
        }
        Task::Erase(of, erase) => {
            set("u", user(of));
            set("id", s(erase.to_string()));
            "erase"
        }
        Task::Watch(job) => {
            set("j", s(job));
            "watch"
        }
    };
    set("k", s(kind));
    Ok(item)
}

/// `None` for a task of another version.
pub fn from_item(place: Place, mut item: Item) -> Option<Later> {
    let nested = item.remove("n");
    let text = |name: &str| item.get(name)?.as_s().ok().map(String::as_str);
    let user = || UserId::parse(text("u")?);
    let id = || NotificationId::parse(text("id")?);
    let task = match text("k")? {
        "push" => Task::Push(user()?, id()?),
        "clear" => Task::Clear(user()?, id()?),
        "quiet_end" => Task::QuietEnd(user()?, id()?),
        "erase" => Task::Erase(user()?, id()?),
        "watch" => Task::Watch(text("j")?.to_owned()),
        "send" => {
            let AttributeValue::M(nested) = nested? else {
                return None;
            };
            Task::Send(Box::new(row::from_item(nested).ok()?))
        }
        _ => return None,
    };
    Some(Later {
        place,
        task,
        attempt: item.get("at")?.as_n().ok()?.parse().ok()?,
        moments: moments_in(&item),
        accepted: accepted_in(&item),
    })
}

/// When a scheduled notification was accepted.
pub fn accepted_in(item: &Item) -> Option<Timestamp> {
    Timestamp::from_millisecond(item.get(ACCEPTED)?.as_n().ok()?.parse().ok()?).ok()
}

/// The moments under which a scheduled notification may have been stored.
pub fn moments_in(item: &Item) -> Vec<Timestamp> {
    let moment =
        |value: &AttributeValue| Timestamp::from_millisecond(value.as_n().ok()?.parse().ok()?).ok();
    let moments = item.get("ms").and_then(|list| list.as_l().ok());
    moments.into_iter().flatten().filter_map(moment).collect()
}

/// An item of a bucket.
pub fn due(item: Item) -> Option<Due> {
    let text = |name: &str| item.get(name)?.as_s().ok().cloned();
    let (pk, sk) = (text("pk")?, text("sk")?);
    let read = later_place(&pk, &sk).and_then(|place| from_item(place, item));
    Some(match read {
        Some(later) => Due::Task(Box::new(later)),
        None => Due::Unreadable(sk),
    })
}
