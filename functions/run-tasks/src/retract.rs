//! Taking back the push of a notification for everyone: from a part of the members of the topic that were to be pushed.

use futures_util::stream::{self, StreamExt, TryStreamExt};
use shared::error::Result;
use shared::id::{NotificationId, TopicId, UserId};
use shared::store::{Step, Store};

use crate::handler::{Handler, Time};
use crate::steps::Did;

/// Members of one step.
const PART: usize = 500;
/// Rows of one read.
const BATCH: usize = 100;
/// Pushes taken back at the same time.
const IN_FLIGHT: usize = 16;

/// Runs one step for members of a partition, after one of them. Doing it twice is doing it once: who was reached has an empty
/// row since.
pub async fn step(
    handler: &Handler,
    (topic, shard, after): (&TopicId, u32, Option<&UserId>),
    id: NotificationId,
    time: Time,
) -> Result<Did> {
    let store = &handler.store;
    let page = store.members(topic, shard, (after, None), PART).await?;
    let users: Vec<&UserId> = page.members.iter().map(|member| &member.user).collect();
    let mut count = 0;
    for users in users.chunks(BATCH) {
        count += take_back(store, users, id, time).await?;
    }
    let last = page.members.last().filter(|_| page.more);
    Ok(Did {
        count,
        next: last.map(|last| Step::Retract {
            topic: topic.clone(),
            id,
            after: Some(last.user.clone()),
        }),
        ..Did::default()
    })
}

/// Takes it back from those of these users who have it; returns how many that were.
async fn take_back(
    store: &Store,
    users: &[&UserId],
    id: NotificationId,
    time: Time,
) -> Result<u64> {
    let carried = store.carriers(users, id).await?;
    let taken = stream::iter(&carried)
        .map(|user| store.retract_carried(user, id, time.now()))
        .buffer_unordered(IN_FLIGHT);
    taken
        .try_fold(0, async |count, taken| Ok(count + u64::from(taken)))
        .await
}
