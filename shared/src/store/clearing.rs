//! Steps that take a notification's push off the screens of its user.

use jiff::Timestamp;

use aws_sdk_dynamodb::types::{Put, TransactWriteItem};

use super::steps::{STEP_LIFE, item};
use super::{Step, StepKey, Store};
use crate::error::Result;
use crate::id::{NotificationId, UserId, fingerprint};

impl StepKey {
    /// The step that takes a notification off a user's screens when it is read: one, however often that is.
    pub fn clear(user: &UserId, id: NotificationId) -> StepKey {
        StepKey {
            job: format!("clear-{id}-{}", fingerprint(user.as_str())),
            chain: 0,
            step: 0,
        }
    }

    /// The step that takes it off the screens when it was taken back, or a push on its way has reached one since: another
    /// one at every moment, for the one before may have been run.
    pub fn clear_again(user: &UserId, id: NotificationId, now: Timestamp) -> StepKey {
        let age = now.as_millisecond() - id.at().as_millisecond();
        StepKey {
            step: u32::try_from(age.max(1)).unwrap_or(u32::MAX),
            ..StepKey::clear(user, id)
        }
    }
}

impl Store {
    /// The put of the step that clears screens, as a part of a transaction.
    pub(super) fn clear_put(
        &self,
        user: &UserId,
        id: NotificationId,
        now: Timestamp,
    ) -> Result<TransactWriteItem> {
        let step = Step::Clear {
            user: user.clone(),
            id,
        };
        let key = StepKey::clear_again(user, id, now).key();
        let put = Put::builder()
            .table_name(&self.table)
            .set_item(Some(item(&key, step, now.as_second() + STEP_LIFE)?))
            .build()
            .expect("a put has its table and item");
        Ok(TransactWriteItem::builder().put(put).build())
    }
}
