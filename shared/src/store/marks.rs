//! A user's watermarks, in a row of their own: an update is charged for the whole row.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::Deserialize;

use aws_sdk_dynamodb::types::AttributeValue;

use super::keys::{ABOUT_USER, Key, MARKS, USER};
use super::row::Item;
use super::users::User;
use super::{Store, decode, encode, failure, item_key, n, s};
use crate::error::{Error, Result};
use crate::id::{NotificationId, UserId};
use crate::marks::{BroadcastMark, MAX_BROADCAST_MARKS, Marks, Watermark};

#[derive(Deserialize, Default)]
struct MarksRow {
    #[serde(rename = "s", default)]
    seen_up_to: Option<String>,
    #[serde(rename = "r", default)]
    read_up_to: Option<String>,
    #[serde(rename = "c", default)]
    covered_up_to: Option<String>,
    #[serde(rename = "rt", default)]
    read_moved_at: i64,
    #[serde(rename = "u", default)]
    unread: BTreeSet<String>,
    #[serde(rename = "b", default)]
    broadcasts: BTreeMap<String, BroadcastMark>,
}

/// What is kept of a user beside notifications.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct About {
    /// Watermarks.
    pub marks: Marks,
    /// Devices and preferences.
    pub user: User,
}

/// What the rows about one user say.
pub(super) fn about_in(items: Vec<Item>) -> Result<About> {
    let mut about = About::default();
    for item in items {
        match item
            .get("sk")
            .and_then(|sk| sk.as_s().ok())
            .map(String::as_str)
        {
            Some(USER) => about.user = decode(item, "a user's row could not be read")?,
            Some(MARKS) => about.marks = marks_in(item)?,
            _ => {}
        }
    }
    Ok(about)
}

fn marks_in(item: Item) -> Result<Marks> {
    let row: MarksRow = decode(item, "a user's marks could not be read")?;
    let id = |text: Option<String>| text.and_then(|text| NotificationId::parse(&text));
    let moved = Timestamp::from_millisecond(row.read_moved_at).unwrap_or_default();
    let broadcasts = row.broadcasts.into_iter();
    let unread = row.unread.iter();
    Ok(Marks {
        unread: unread.filter_map(|id| NotificationId::parse(id)).collect(),
        seen_up_to: id(row.seen_up_to),
        read_up_to: id(row.read_up_to).map(|id| (id, moved)),
        covered_up_to: id(row.covered_up_to),
        broadcasts: broadcasts
            .filter_map(|(id, mark)| Some((NotificationId::parse(&id)?, mark)))
            .collect(),
    })
}

impl Store {
    /// A user's marks and settings in one read.
    pub async fn about(&self, user: &UserId, consistent: bool) -> Result<About> {
        let query = self.client.query().table_name(&self.table);
        let query = query
            .key_condition_expression("pk = :pk AND sk BETWEEN :first AND :last")
            .expression_attribute_values(":pk", s(Key::User(user.clone()).pk()))
            .expression_attribute_values(":first", s(ABOUT_USER.0))
            .expression_attribute_values(":last", s(ABOUT_USER.1))
            .consistent_read(consistent)
            .limit(10);
        let answer = query
            .send()
            .await
            .map_err(|error| failure("the user", error))?;
        about_in(answer.items.unwrap_or_default())
    }

    /// Moves a watermark up to an id; one that is there or beyond stays. `read_at` is when the read
    /// watermark marked something; those of `unread` are no longer unread although they were covered.
    pub async fn move_watermark(
        &self,
        user: &UserId,
        (watermark, up_to, read_at): (Watermark, NotificationId, Option<Timestamp>),
        unread: &[NotificationId],
    ) -> Result<()> {
        let update = self.client.update_item().table_name(&self.table);
        let mut update = update
            .set_key(Some(item_key(&Key::Marks(user.clone()))))
            .expression_attribute_values(":id", s(up_to.to_string()));
        update = match watermark {
            Watermark::Seen => update
                .update_expression("SET s = :id")
                .condition_expression("attribute_not_exists(s) OR s < :id"),
            Watermark::Read => {
                let mut expression = "SET c = :id".to_owned();
                if let Some(read_at) = read_at {
                    expression.push_str(", r = :id, rt = :now");
                    update =
                        update.expression_attribute_values(":now", n(read_at.as_millisecond()));
                }
                if let Some(ids) = ids(unread) {
                    expression.push_str(" DELETE u :ids");
                    update = update.expression_attribute_values(":ids", ids);
                }
                update
                    .update_expression(expression)
                    .condition_expression("attribute_not_exists(c) OR c < :id")
            }
        };
        match update
            .send()
            .await
            .map_err(|error| failure("the marks", error))
        {
            Ok(_) => Ok(()),
            Err(Error::Conflict(_)) => self.change_unread(user, &[], unread).await,
            Err(other) => Err(other),
        }
    }

    /// Changes which notifications are unread although mark-all covered them.
    pub async fn change_unread(
        &self,
        user: &UserId,
        added: &[NotificationId],
        removed: &[NotificationId],
    ) -> Result<()> {
        for (action, ids) in [("ADD", ids(added)), ("DELETE", ids(removed))] {
            let Some(ids) = ids else {
                continue;
            };
            let update = self.client.update_item().table_name(&self.table);
            let update = update
                .set_key(Some(item_key(&Key::Marks(user.clone()))))
                .update_expression(format!("{action} u :ids"))
                .expression_attribute_values(":ids", ids);
            let sent = update.send().await;
            sent.map_err(|error| failure("the marks", error))?;
        }
        Ok(())
    }

    /// Marks one broadcast for one user. `marks` is what was read before, and must still be so of
    /// this broadcast; if the marks are full, the oldest goes.
    pub async fn mark_broadcast(
        &self,
        user: &UserId,
        marks: &Marks,
        id: NotificationId,
        mark: BroadcastMark,
    ) -> Result<()> {
        let update = self.client.update_item().table_name(&self.table);
        let mut update = update
            .set_key(Some(item_key(&Key::Marks(user.clone()))))
            .expression_attribute_names("#b", "b");
        let mark = encode(mark, "a mark could not be written")?;
        if marks.broadcasts.is_empty() {
            let first = AttributeValue::M([(id.to_string(), mark)].into());
            update = update
                .update_expression("SET #b = :marks")
                .condition_expression("attribute_not_exists(#b)")
                .expression_attribute_values(":marks", first);
        } else {
            let full = marks.broadcasts.len() >= MAX_BROADCAST_MARKS;
            let oldest = marks
                .broadcasts
                .keys()
                .next()
                .filter(|oldest| full && **oldest != id);
            let mut expression = "SET #b.#id = :mark".to_owned();
            if let Some(oldest) = oldest {
                expression.push_str(" REMOVE #b.#oldest");
                update = update.expression_attribute_names("#oldest", oldest.to_string());
            }
            let before = match marks.broadcasts.get(&id) {
                Some(before) => {
                    let before = encode(before, "a mark could not be written")?;
                    update = update.expression_attribute_values(":before", before);
                    "#b.#id = :before"
                }
                None => "attribute_exists(#b) AND attribute_not_exists(#b.#id)",
            };
            update = update
                .update_expression(expression)
                .condition_expression(before)
                .expression_attribute_names("#id", id.to_string())
                .expression_attribute_values(":mark", mark);
        }
        let sent = update.send().await;
        sent.map(drop).map_err(|error| failure("the marks", error))
    }
}

/// A set of ids; the table has no empty sets.
fn ids(ids: &[NotificationId]) -> Option<AttributeValue> {
    let ids: Vec<String> = ids.iter().map(NotificationId::to_string).collect();
    (!ids.is_empty()).then_some(AttributeValue::Ss(ids))
}
