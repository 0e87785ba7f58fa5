//! Topics: who is a member, joining and leaving, one by one or many at once.

use std::collections::HashSet;

use jiff::Timestamp;
use serde_json::{Value, json};
use shared::contract::Fields;
use shared::error::{Error, Result};
use shared::http::{self, Reply, Request};
use shared::id::{ID_RULE, UserId};
use shared::page;
use shared::store::{MEMBER_SHARDS, Member};

use crate::handler::Handler;

/// The largest body, in bytes: 1,000 of the longest ids fit.
const MAX_BODY: usize = 262_144;
/// The most users who join in one request.
const MAX_JOINING: usize = 1_000;

/// Makes a user a member. Doing it twice is doing it once.
pub async fn join(handler: &Handler, request: &Request, now: Timestamp) -> Result<Reply> {
    http::query(request, &[])?;
    let (topic, user) = (http::topic_id(request), http::user_id(request, "user"));
    let (topic, user) = both(topic, user)?;
    if let Some(member) = handler.store.member(&topic, &user).await? {
        return Reply::ok(&view(&member));
    }
    let users = std::slice::from_ref(&user);
    handler.store.join_topic(&topic, users, now).await?;
    Reply::created(&view(&Member {
        user,
        joined_at: now,
    }))
}

/// Makes many users members; who is one already stays one. Doing it twice is doing it once.
pub async fn join_all(handler: &Handler, request: &Request, now: Timestamp) -> Result<Reply> {
    http::query(request, &[])?;
    let topic = http::topic_id(request);
    let users = users(http::body(request, MAX_BODY)?);
    let (topic, users) = both(topic, users)?;
    handler.store.join_topic(&topic, &users, now).await?;
    Reply::ok(&json!({"topic": topic, "users": users.len()}))
}

/// Ends a membership. Doing it twice is doing it once.
pub async fn leave(handler: &Handler, request: &Request) -> Result<Reply> {
    http::query(request, &[])?;
    let (topic, user) = (http::topic_id(request), http::user_id(request, "user"));
    let (topic, user) = both(topic, user)?;
    handler.store.leave_topic(&topic, &user).await?;
    Ok(Reply::no_content())
}

/// Lists the members, in an order of the table's own.
pub async fn list(handler: &Handler, request: &Request) -> Result<Reply> {
    let query = http::query(request, &["limit", "cursor"])?;
    let (limit, topic) = (http::limit(&query)?, http::topic_id(request)?);
    let cursor = query.get("cursor");
    let cursor = cursor.map(|cursor| page::read_place(cursor, topic.as_str(), "members"));
    let (first, mut after) = match cursor.transpose()? {
        None => (0, None),
        Some(place) => place_in(&place).ok_or_else(page::invalid)?,
    };
    let mut found: Vec<(u32, Member)> = Vec::new();
    for shard in first..MEMBER_SHARDS {
        // One more than asked for tells whether anything follows.
        let wanted = limit + 1 - found.len();
        let bounds = (after.as_ref(), None);
        let page = handler.store.members(&topic, shard, bounds, wanted).await?;
        found.extend(page.members.into_iter().map(|member| (shard, member)));
        after = None;
        if found.len() > limit {
            break;
        }
    }
    let more = found.len() > limit;
    found.truncate(limit);
    let last = found.last().filter(|_| more);
    let next = last.map(|(shard, member)| {
        let place = format!("{shard}#{}", member.user.as_str());
        page::write_place(&place, topic.as_str(), "members")
    });
    let data: Vec<Value> = found.iter().map(|(_, member)| view(member)).collect();
    Reply::ok(&json!({"data": data, "page": {"next": next, "has_more": more}}))
}

/// The partition and the member after which a list goes on.
fn place_in(place: &str) -> Option<(u32, Option<UserId>)> {
    let (shard, user) = place.split_once('#')?;
    Some((shard.parse().ok()?, Some(UserId::parse(user)?)))
}

fn view(member: &Member) -> Value {
    // As exact as it is kept.
    let joined_at = Timestamp::from_millisecond(member.joined_at.as_millisecond());
    json!({"user": member.user, "joined_at": joined_at.unwrap_or_default().to_string()})
}

/// Both, or what is wrong with either.
fn both<A, B>(one: Result<A>, other: Result<B>) -> Result<(A, B)> {
    match (one, other) {
        (Err(Error::Invalid(mut broken)), Err(Error::Invalid(more))) => {
            broken.extend(more);
            Err(Error::Invalid(broken))
        }
        (one, other) => Ok((one?, other?)),
    }
}

fn users(body: Value) -> Result<Vec<UserId>> {
    let mut violations = Vec::new();
    let mut users = Vec::new();
    if let Some(mut fields) = Fields::of(body, "", &mut violations) {
        match fields.take("users") {
            Some(Value::Array(items)) if (1..=MAX_JOINING).contains(&items.len()) => {
                users = checked(&mut fields, &items);
            }
            Some(_) => {
                let detail = format!("must be an array of 1 to {MAX_JOINING} user ids");
                fields.refuse("users", "length", detail);
            }
            None => fields.refuse("users", "required", "is required"),
        }
        fields.finish();
    }
    if violations.is_empty() {
        return Ok(users);
    }
    Err(Error::Invalid(violations))
}

/// No two the same: a transaction takes a row once.
fn checked(fields: &mut Fields, items: &[Value]) -> Vec<UserId> {
    let (mut users, mut seen) = (Vec::new(), HashSet::new());
    for (index, item) in items.iter().enumerate() {
        match item.as_str().and_then(UserId::parse) {
            None => {
                fields.refuse_item("users", index, "format", format!("must have {ID_RULE}"));
            }
            Some(user) if !seen.insert(user.clone()) => {
                fields.refuse_item("users", index, "duplicate", "is named already");
            }
            Some(user) => users.push(user),
        }
    }
    users
}
