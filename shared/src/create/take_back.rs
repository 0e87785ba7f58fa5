//! Taking notifications back by their dedupe key, for many recipients.

use futures_util::stream::{self, StreamExt, TryStreamExt};
use jiff::Timestamp;

use crate::error::{Error, Result};
use crate::id::{NotificationId, UserId};
use crate::notification::Recipient;
use crate::store::{PUTS_IN_FLIGHT, Store};

/// Takes back what each of these users has with this dedupe key and was accepted at `until` or before. What
/// came later is another one: a repeat of the request must not take it. Answers with what is gone, in the
/// order of the users; who had nothing is left out.
pub async fn take_back(
    store: &Store,
    users: &[UserId],
    dedupe_key: &str,
    until: Timestamp,
    now: Timestamp,
) -> Result<Vec<(UserId, NotificationId)>> {
    let taken = stream::iter(users).map(async |user| {
        let Some(id) = store.holder(user, dedupe_key).await? else {
            return Ok(None);
        };
        if id.at() > until {
            return Ok(None);
        }
        match store.retract(&Recipient::User(user.clone()), id, now).await {
            Ok(()) => Ok(Some((user.clone(), id))),
            Err(Error::NotFound) => Ok(None),
            Err(error) => Err(error),
        }
    });
    let taken: Vec<_> = taken.buffered(PUTS_IN_FLIGHT).try_collect().await?;
    Ok(taken.into_iter().flatten().collect())
}
