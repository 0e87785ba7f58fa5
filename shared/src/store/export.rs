//! All that is kept of a user beside their own row and marks, page by page.

use jiff::Timestamp;

use super::keys::{Key, MEMBERSHIP_PREFIX, NOTIFICATION_PREFIX};
use super::row::{self, Item};
use super::{Store, failure, s};
use crate::error::Result;
use crate::id::UserId;
use crate::notification::Notification;

/// Rows that one page reads.
const PAGE: i32 = 100;

/// A row of a user.
#[derive(Debug, Clone, PartialEq)]
pub enum Kept {
    /// The user is a member of this topic, and since when.
    Membership(String, Timestamp),
    /// A notification, its marks as the row has them.
    Notification(Box<Notification>),
    /// A row of a newer version: its sort key.
    Unreadable(String),
}

/// A page of a user's rows.
#[derive(Debug, Clone, PartialEq)]
pub struct KeptPage {
    /// In the order of their keys. Guards, and what remains of notifications, hold nothing and are left out.
    pub rows: Vec<Kept>,
    /// After which sort key the next page begins; `None` at the end.
    pub cursor: Option<String>,
}

impl Store {
    /// A page of a user's rows after a sort key, read consistently.
    pub async fn kept(&self, user: &UserId, after: Option<&str>) -> Result<KeptPage> {
        let pk = Key::User(user.clone()).pk();
        let start =
            after.map(|sk| Item::from([("pk".to_owned(), s(&pk)), ("sk".to_owned(), s(sk))]));
        let query = self.client.query().table_name(&self.table);
        let query = query
            .key_condition_expression("pk = :pk")
            .expression_attribute_values(":pk", s(&pk))
            .set_exclusive_start_key(start)
            .consistent_read(true)
            .limit(PAGE);
        let answer = query.send().await;
        let answer = answer.map_err(|error| failure("the user's rows", error))?;
        let last = answer.last_evaluated_key.as_ref();
        Ok(KeptPage {
            cursor: last.and_then(|key| key.get("sk")?.as_s().ok().cloned()),
            rows: answer
                .items
                .unwrap_or_default()
                .into_iter()
                .filter_map(kept)
                .collect(),
        })
    }
}

fn kept(item: Item) -> Option<Kept> {
    let sk = item.get("sk")?.as_s().ok()?.clone();
    if let Some(topic) = sk.strip_prefix(MEMBERSHIP_PREFIX) {
        let joined = item.get("j")?.as_n().ok()?.parse().ok()?;
        let joined = Timestamp::from_millisecond(joined).ok()?;
        return Some(Kept::Membership(topic.to_owned(), joined));
    }
    let hidden = row::is_tombstone(&item) || row::is_carrier(&item);
    if !sk.starts_with(NOTIFICATION_PREFIX) || hidden {
        return None;
    }
    let read = row::from_item(item);
    Some(read.map_or(Kept::Unreadable(sk), |one| {
        Kept::Notification(Box::new(one))
    }))
}
