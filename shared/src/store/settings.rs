//! What a user wants and mutes, on the user's row.
//!
//! Mutes are one map, by kind and id, so that a mute is one small update and two at the same time
//! are both kept.

use jiff::Timestamp;

use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::AttributeValue;

use super::keys::Key;
use super::{Store, User, encode, failure, item_key, n};
use crate::error::Result;
use crate::id::UserId;
use crate::mutes::{MAX_MUTES, Mute, Mutes, Target, too_many};
use crate::preferences::Preferences;

/// How many mutes that are over go with one write: an expression has at most 4 KB.
const MAX_DROPPED: usize = 25;

impl User {
    /// What is wanted.
    pub fn preferences(&self) -> &Preferences {
        &self.preferences
    }

    /// What is muted.
    pub fn mutes(&self) -> &Mutes {
        const NONE: &Mutes = &Mutes::NONE;
        self.mutes.as_ref().unwrap_or(NONE)
    }
}

impl Store {
    /// Replaces what a user wants. The last one counts, so there is nothing to compare with; a
    /// user without a row gets one.
    pub async fn put_preferences(&self, user: &UserId, preferences: &Preferences) -> Result<()> {
        let preferences = encode(preferences, "preferences could not be written")?;
        let update = self
            .settings(user)
            .update_expression("SET pre = :pre REMOVE expires_at")
            .expression_attribute_values(":pre", preferences);
        send(update).await
    }

    /// Mutes an actor or a group, and drops mutes that are over. Writes nothing if `seen` has this
    /// very mute. A conflict if what it relies on changed since `seen` was read.
    pub async fn put_mute(
        &self,
        user: &UserId,
        seen: &User,
        mute: &Mute,
        now: Timestamp,
    ) -> Result<()> {
        let until = encode(mute.until, "a mute could not be written")?;
        let name = mute.target.name();
        let Some(mutes) = &seen.mutes else {
            let update = self
                .settings(user)
                .update_expression("SET mut = :mutes REMOVE expires_at")
                .condition_expression("attribute_not_exists(mut)")
                .expression_attribute_values(":mutes", AttributeValue::M([(name, until)].into()));
            return send(update).await;
        };
        if mutes.has(mute) {
            return Ok(());
        }
        let dropped = dropped(mutes, &mute.target, now);
        if !mutes.names(&mute.target) && mutes.len() - dropped.len() >= MAX_MUTES {
            return Err(too_many());
        }
        // The size is that before the update, which drops some.
        let room = "(attribute_exists(mut.#id) OR size(mut) < :room)";
        let update = self
            .settings(user)
            .expression_attribute_names("#id", name)
            .expression_attribute_values(":until", until)
            .expression_attribute_values(":room", n(MAX_MUTES + dropped.len()));
        let update = dropping(update, Some("mut.#id = :until"), room, &dropped);
        send(update).await
    }

    /// Ends a mute, and drops mutes that are over. Writes nothing if `seen` has no such mute. A
    /// conflict if what it relies on changed since `seen` was read.
    pub async fn delete_mute(
        &self,
        user: &UserId,
        seen: &User,
        target: &Target,
        now: Timestamp,
    ) -> Result<()> {
        let mutes = seen.mutes();
        if !mutes.names(target) {
            return Ok(());
        }
        let dropped = dropped(mutes, target, now);
        let update = self
            .settings(user)
            .expression_attribute_names("#id", target.name());
        // Without the condition an update would create the row of a user who is gone.
        let update = dropping(update, None, "attribute_exists(mut.#id)", &dropped);
        send(update).await
    }

    fn settings(&self, user: &UserId) -> UpdateItemFluentBuilder {
        let update = self.client.update_item().table_name(&self.table);
        update.set_key(Some(item_key(&Key::User(user.clone()))))
    }
}

async fn send(update: UpdateItemFluentBuilder) -> Result<()> {
    let sent = update.send().await;
    sent.map(drop)
        .map_err(|error| failure("the user's row", error))
}

/// The mutes that are over, except the one that is written anyway.
fn dropped<'m>(mutes: &'m Mutes, written: &Target, now: Timestamp) -> Vec<(&'m str, i64)> {
    let written = written.name();
    let over = mutes.expired(now).filter(|(name, _)| *name != written);
    over.take(MAX_DROPPED).collect()
}

/// The update with what it sets, or else removes, at `#id`, and with what it drops, each on
/// condition that it was not renewed meanwhile.
fn dropping(
    mut update: UpdateItemFluentBuilder,
    set: Option<&str>,
    condition: &str,
    dropped: &[(&str, i64)],
) -> UpdateItemFluentBuilder {
    let mut conditions = vec![condition.to_owned()];
    // Whatever an erase has left is to stay from now on.
    let mut removed = vec!["expires_at".to_owned()];
    if set.is_none() {
        removed.push("mut.#id".to_owned());
    }
    for (index, (name, until)) in dropped.iter().enumerate() {
        update = update
            .expression_attribute_names(format!("#d{index}"), *name)
            .expression_attribute_values(format!(":d{index}"), n(until));
        conditions.push(format!("mut.#d{index} = :d{index}"));
        removed.push(format!("mut.#d{index}"));
    }
    let mut clauses = Vec::from_iter(set.map(|set| format!("SET {set}")));
    clauses.push(format!("REMOVE {}", removed.join(", ")));
    update
        .update_expression(clauses.join(" "))
        .condition_expression(conditions.join(" AND "))
}
