//! Removing a device: because its user wants it, or because SNS cannot reach it any more.

use jiff::Timestamp;

use crate::clock::pause;
use crate::device::Device;
use crate::error::{Error, Result};
use crate::id::{DeviceId, UserId};
use crate::sns::Sns;
use crate::store::{Owner, Store};

/// How often a removal that lost a race is thought again.
const ROUNDS: u32 = 5;

/// What was found when a dead device was to be removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Removal {
    /// It is gone.
    Gone,
    /// It is alive, and the same user's: it has registered again, or was never dead.
    Revived,
    /// Its endpoint is another's by now, or nobody's.
    Moved,
}

/// Removes a device from its user, and its endpoint from SNS; one that is gone already is gone.
pub async fn remove(
    store: &Store,
    sns: &Sns,
    user: &UserId,
    id: &DeviceId,
    now: Timestamp,
) -> Result<()> {
    for round in 0..ROUNDS {
        if round > 0 {
            pause(round).await;
        }
        let seen = store.user(user).await?;
        let Some(device) = seen.device(id) else {
            return Ok(());
        };
        let endpoint = &device.endpoint;
        let owner = store.owner(endpoint).await?;
        match store
            .remove_device(user, id, endpoint, owner.as_ref(), now)
            .await
        {
            Err(Error::Conflict(_)) => {}
            Err(error) => return Err(error),
            Ok(()) => {
                return remove_endpoint(store, sns, endpoint, owner.as_ref(), user, now).await;
            }
        }
    }
    Err(Error::Conflict("the device changes too often"))
}

/// Removes an endpoint from SNS that its device has given up, unless it was another user's.
pub(super) async fn remove_endpoint(
    store: &Store,
    sns: &Sns,
    endpoint: &str,
    owner: Option<&Owner>,
    user: &UserId,
    now: Timestamp,
) -> Result<()> {
    if owner.is_some_and(|owner| owner.user != *user) {
        return Ok(());
    }
    sns.delete_endpoint(endpoint).await?;
    store.forget_owner(endpoint, owner, now).await
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

/// Looks at an endpoint that something may have happened to, whoever holds it: its device goes only
/// if SNS itself says now that the endpoint is disabled or gone. One that is enabled is left as it
/// is, also with another token than its device's (SNS has learnt a newer one, and reaches the device
/// by it). Nothing is enabled here: only a token fresh from the device does that.
pub async fn clean(store: &Store, sns: &Sns, endpoint: &str, now: Timestamp) -> Result<Removal> {
    let Some(owner) = store
        .owner(endpoint)
        .await?
        .filter(|owner| !owner.is_gone())
    else {
        return Ok(Removal::Moved);
    };
    if owner.is_leaving(now) {
        // Somebody is at it.
        return Ok(Removal::Moved);
    }
    if !owner.is_abandoned(now) {
        return remove_dead(store, sns, &owner.user, &owner.device, endpoint, now).await;
    }
    // Its removal was interrupted: the device has gone, its endpoint perhaps not.
    match store.leave_again(endpoint, &owner, now).await {
        Err(Error::Conflict(_)) => return Ok(Removal::Moved),
        left => left?,
    }
    sns.delete_endpoint(endpoint).await?;
    store.forget_owner(endpoint, Some(&owner), now).await?;
    Ok(Removal::Gone)
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
