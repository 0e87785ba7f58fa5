//! A user's watermarks, in a row of their own: an update is charged for the whole row.

use std::collections::BTreeMap;

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
    #[serde(rename = "rt", default)]
    read_moved_at: i64,
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
    Ok(Marks {
        seen_up_to: id(row.seen_up_to),
        read_up_to: id(row.read_up_to).map(|id| (id, moved)),
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

    /// Moves a watermark up to `up_to`; one that is there or beyond stays.
    pub async fn move_watermark(
        &self,
        user: &UserId,
        watermark: Watermark,
        up_to: NotificationId,
        now: Timestamp,
    ) -> Result<()> {
        let update = self.client.update_item().table_name(&self.table);
        let update = update
            .set_key(Some(item_key(&Key::Marks(user.clone()))))
            .expression_attribute_values(":id", s(up_to.to_string()));
        let update = match watermark {
            Watermark::Seen => update
                .update_expression("SET s = :id")
                .condition_expression("attribute_not_exists(s) OR s < :id"),
            // Moving it again covers what was marked as unread since.
            Watermark::Read => update
                .update_expression("SET r = :id, rt = :now")
                .condition_expression("attribute_not_exists(r) OR r <= :id")
                .expression_attribute_values(":now", n(now.as_millisecond())),
        };
        match update
            .send()
            .await
            .map_err(|error| failure("the marks", error))
        {
            Ok(_) | Err(Error::Conflict(_)) => Ok(()),
            Err(other) => Err(other),
        }
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
