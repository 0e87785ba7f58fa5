//! Removing a device that SNS cannot reach any more.

use jiff::Timestamp;

use crate::device::Device;
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
        let removed = store.remove_device(user, id, endpoint, owner.as_ref(), now);
        match removed.await {
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

/// Removes a device that was silent for too long, and its endpoint, though SNS may reach it. The
/// user is read after the owner: a registration that came before shows in the one, and one that
/// comes later raises the version of the other, and wins.
pub async fn remove_silent(
    store: &Store,
    sns: &Sns,
    user: &UserId,
    id: &DeviceId,
    device: &Device,
    now: Timestamp,
) -> Result<()> {
    let endpoint = &device.endpoint;
    let owner = store.owner(endpoint).await?;
    if !owner.as_ref().is_some_and(|owner| owner.is(user, id)) {
        return Ok(());
    }
    if store.user(user).await?.device(id) != Some(device) {
        return Ok(());
    }
    match store
        .remove_device(user, id, endpoint, owner.as_ref(), now)
        .await
    {
        Ok(()) => {
            sns.delete_endpoint(endpoint).await?;
            store.forget_owner(endpoint, owner.as_ref(), now).await
        }
        Err(Error::Conflict(_)) => Ok(()),
        Err(error) => Err(error),
    }
}
