//! Erasing a user: devices with their endpoints, rows, and what stands on the lists of the dead.

use futures_util::stream::{self, StreamExt};
use jiff::{SignedDuration, Timestamp};
use shared::devices;
use shared::error::{Error, Result};
use shared::id::{NotificationId, UserId, derived_tail};
use shared::notification::{Notification, Recipient};
use shared::store::{EraseAt, Rows, Step};

use crate::handler::{Handler, Time};
use crate::steps::Did;

/// The newest notifications that are taken off the screens.
const CLEARED: usize = 25;
/// Clears on their way at the same time.
const CLEARS: usize = 4;
/// How old they are at most: a push lives for a day unless it says otherwise.
const SHOWN: SignedDuration = SignedDuration::from_hours(24);
/// Days of the lists of the dead that one step looks through.
const DAYS: u32 = 8;
/// Days that the lists are kept, and one, because a day begins somewhere.
const DEAD_DAYS: u32 = 31;

/// Runs one step. What it does is safe to do twice, and what it leaves is there for the next.
pub async fn step(
    handler: &Handler,
    (user, until, at): (&UserId, i64, &EraseAt),
    time: Time,
) -> Result<Did> {
    let store = &handler.store;
    let moment = Timestamp::from_millisecond(until).map_err(|source| Error::Internal {
        what: "the moment of an erase could not be read",
        source: source.into(),
    })?;
    let (count, next) = match at {
        EraseAt::Devices => {
            clear_screens(handler, user, moment, time).await?;
            let sns = handler.pusher.sns();
            let count = devices::erase(store, sns, user, moment, time.now()).await?;
            (count, Some(EraseAt::Rows(None)))
        }
        EraseAt::Rows(after) => {
            let page = store.erase_rows(user, moment, after.as_deref()).await?;
            let next = page.cursor.map(|cursor| EraseAt::Rows(Some(cursor)));
            (page.count, next.or(Some(EraseAt::Dead(0))))
        }
        EraseAt::Dead(from) => {
            let to = DEAD_DAYS.min(from + DAYS);
            let mut count = 0;
            for day in *from..to {
                let before = SignedDuration::from_hours(24 * i64::from(day));
                let day = time.now().checked_sub(before).unwrap_or_default();
                let day = day.strftime("%Y-%m-%d").to_string();
                count += store.erase_dead(user, moment, &day).await?;
            }
            (count, (to < DEAD_DAYS).then_some(EraseAt::Dead(to)))
        }
    };
    let next = next.map(|at| Step::Erase {
        user: user.clone(),
        until,
        at,
    });
    Ok(Did {
        count,
        next,
        ..Did::default()
    })
}

/// Takes what was sent last off the screens while the devices can still be reached. Nothing waits for it: the
/// endpoints go next, and with them the last way to the screens.
async fn clear_screens(
    handler: &Handler,
    user: &UserId,
    until: Timestamp,
    time: Time,
) -> Result<()> {
    let newest = NotificationId::new(until, [u8::MAX; 10]).next();
    let oldest = NotificationId::new(until.checked_sub(SHOWN).unwrap_or_default(), [0; 10]);
    let mut rows = Rows::new(&handler.store, user, Some(newest), Some(oldest), true);
    rows.read_ahead(CLEARED).await?;
    let mut shown = Vec::new();
    for _ in 0..CLEARED {
        let Some((id, row)) = rows.next().await? else {
            break;
        };
        shown.extend(row.filter(|row| row.outcome.may_show()).map(|_| id));
    }
    let clears = stream::iter(shown).map(|id| async move {
        let cleared = handler.pusher.clear(user, id, time.clock, time.budget);
        if let Err(reason) = cleared.await {
            tracing::warn!(reason = reason.word(), "an erased screen is not cleared");
        }
    });
    clears.buffer_unordered(CLEARS).collect::<Vec<()>>().await;
    Ok(())
}

/// Whether the recipient of a schedule was erased after it was accepted. One without a moment was put before there
/// were erases.
pub async fn takes(
    handler: &Handler,
    scheduled: &Notification,
    accepted: Option<Timestamp>,
) -> Result<bool> {
    let Recipient::User(user) = &scheduled.recipient else {
        return Ok(false);
    };
    let user = handler.store.user(user).await?;
    Ok(user.erases(accepted.unwrap_or_default()))
}

/// Begins an erase again, for what arrived late: a job that follows from the first one, so that it is begun once.
pub async fn again(
    handler: &Handler,
    user: &UserId,
    erase: NotificationId,
    time: Time,
) -> Result<()> {
    let tail = derived_tail(&erase.to_string(), 0, "erase again");
    let job = NotificationId::new(erase.at(), tail).to_string();
    let started = handler
        .store
        .start_erase(&job, user, erase.at(), time.now());
    started.await
}
