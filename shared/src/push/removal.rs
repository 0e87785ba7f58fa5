//! Removing a device that SNS cannot reach any more.

use jiff::Timestamp;

use crate::error::{Error, Result};
use crate::id::{DeviceId, UserId};
use crate::sns::Sns;
use crate::store::{Owner, Store};

/// What was found when a dead device was to be removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Removal {
    /// It is gone.
    Gone,
    /// It has registered again, for the same user.
    Revived,
    /// Its endpoint is another's by now.
    Moved,
}

/// Removes a device whose endpoint is disabled or gone: the owner by the version that was seen and
/// the device, then the endpoint. A registration that came meanwhile has raised the version, and
/// wins.
pub async fn remove_dead(
    store: &Store,
    sns: &Sns,
    user: &UserId,
    id: &DeviceId,
    endpoint: &str,
    now: Timestamp,
) -> Result<Removal> {
    let is_ours = |owner: &Option<Owner>| owner.as_ref().is_some_and(|owner| owner.is(user, id));
    let owner = store.owner(endpoint).await?;
    if owner.is_some() && !is_ours(&owner) {
        return Ok(Removal::Moved);
    }
    if !sns.is_enabled(endpoint).await? {
        match store
            .remove_device(user, id, endpoint, owner.as_ref(), now)
            .await
        {
            Ok(()) => {
                sns.delete_endpoint(endpoint).await?;
                store.forget_owner(endpoint, owner.as_ref(), now).await?;
                return Ok(Removal::Gone);
            }
            Err(Error::Conflict(_)) => {}
            Err(error) => return Err(error),
        }
    }
    // It may be enabled because somebody else has registered it.
    let owner = store.owner(endpoint).await?;
    if is_ours(&owner) {
        Ok(Removal::Revived)
    } else {
        Ok(Removal::Moved)
    }
}
