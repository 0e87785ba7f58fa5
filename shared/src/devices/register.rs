//! Registering a device: its SNS endpoint, and its place with the one user who holds it.
//!
//! One call to SNS in the common case, none if nothing changed. Whoever loses a race thinks again, from the beginning.

use jiff::Timestamp;

use super::removal::remove_endpoint;
use crate::clock::pause;
use crate::device::{Announcement, Device, MAX_DEVICES};
use crate::error::{Error, Result};
use crate::id::{DeviceId, UserId};
use crate::sns::Sns;
use crate::store::{Given, Owner, Registration, Store, User};

/// How often a registration that lost a race is thought again, with its calls to SNS.
const ROUNDS: u32 = 3;
/// For this long, in milliseconds, a registration that changes nothing asks nobody: 7 days.
const TRUSTED: i64 = 7 * 86_400_000;

/// A device that wants to be registered.
pub struct Arrival<'a> {
    /// Whose device.
    pub user: &'a UserId,
    /// Which device.
    pub id: &'a DeviceId,
    /// What the app says of it.
    pub announced: &'a Announcement,
    /// The ARN of its platform's SNS application.
    pub application: &'a str,
}

/// Registers a device, and says whether it is new to its user.
pub async fn register(
    store: &Store,
    sns: &Sns,
    arrival: &Arrival<'_>,
    now: Timestamp,
) -> Result<(Device, bool)> {
    for round in 0..ROUNDS {
        if round > 0 {
            // Long enough for a removal of the same endpoint to end.
            pause(round + 1).await;
        }
        let seen = store.user(arrival.user).await?;
        // One that an erase is about to remove is a new one when it comes again.
        let known = seen
            .device(arrival.id)
            .filter(|known| !seen.is_erased(known));
        if let Some(device) = known.filter(|known| is_same(known, arrival.announced, now)) {
            return Ok((device.clone(), false));
        }
        let is_new = known.is_none();
        match provide(store, sns, arrival, seen, now).await {
            Err(Error::Conflict(_)) => {}
            provided => return provided.map(|device| (device, is_new)),
        }
    }
    Err(Error::Conflict("the device changes too often"))
}

fn is_same(device: &Device, announced: &Announcement, now: Timestamp) -> bool {
    let age = now.as_millisecond() - device.last_seen;
    let fresh = self::device(announced, device.endpoint.clone(), now);
    let last_seen = device.last_seen;
    age < TRUSTED && Device { last_seen, ..fresh } == *device
}

fn device(announced: &Announcement, endpoint: String, now: Timestamp) -> Device {
    Device {
        platform: announced.platform,
        app: announced.app.clone(),
        endpoint,
        token_hash: announced.token_hash(),
        last_seen: now.as_millisecond(),
        locale: announced.locale.clone(),
        badge: announced.badge,
    }
}

/// One round: the token's endpoint, and the device written down with it.
async fn provide(
    store: &Store,
    sns: &Sns,
    arrival: &Arrival<'_>,
    seen: User,
    now: Timestamp,
) -> Result<Device> {
    let (endpoint, owner) = provide_endpoint(store, sns, arrival, now).await?;
    // The user was read before the owner. If the endpoint is with a device of the same user that was
    // not seen to have it, it has moved in between, and would stay with both.
    let is_stale = owner.as_ref().is_some_and(|owner| {
        let listed = |device: &Device| device.endpoint == endpoint;
        owner.is(arrival.user, &owner.device) && !seen.device(&owner.device).is_some_and(listed)
    });
    let seen = if is_stale {
        store.user(arrival.user).await?
    } else {
        seen
    };
    let device = device(arrival.announced, endpoint, now);
    let user = arrival.user;
    let (merged, given) = going(store, &seen, arrival.id, &device.endpoint).await?;
    let registration = Registration {
        user,
        id: arrival.id,
        seen: &seen,
        owner: owner.as_ref(),
        leaves_other: leaves_other(store, user, owner.as_ref(), &device.endpoint).await?,
        given,
        merged,
        now,
        device,
    };
    store.register(&registration).await?;
    for given in &registration.given {
        let owner = given.owner.as_ref();
        remove_endpoint(store, sns, &given.endpoint, owner, user, now).await?;
    }
    Ok(registration.device)
}

/// The token's endpoint, enabled, and who held it. A removal raises the owner's version before it
/// touches SNS; so if the version read here is still the same when the device is written down, the
/// endpoint is there.
async fn provide_endpoint(
    store: &Store,
    sns: &Sns,
    arrival: &Arrival<'_>,
    now: Timestamp,
) -> Result<(String, Option<Owner>)> {
    let (application, token) = (arrival.application, &arrival.announced.token);
    let mut endpoint = sns.create_endpoint(application, token).await?;
    let mut owner = store.owner(&endpoint.arn).await?;
    if owner.as_ref().is_some_and(Owner::is_gone) {
        // It was removed, perhaps after SNS gave it to us.
        endpoint = sns.create_endpoint(application, token).await?;
        owner = store.owner(&endpoint.arn).await?;
    }
    if owner.as_ref().is_some_and(|owner| owner.is_leaving(now)) {
        return Err(Error::Conflict("the endpoint is being removed"));
    }
    // It may be disabled, and the token is fresh from the device; or its removal was interrupted
    // perhaps after SNS gave it to us.
    let is_abandoned = owner.as_ref().is_some_and(|owner| owner.is_abandoned(now));
    if endpoint.differed || is_abandoned {
        match sns.enable_endpoint(&endpoint.arn, token).await {
            Err(Error::NotFound) => return Err(Error::Conflict("the endpoint was removed")),
            enabled => enabled?,
        }
    }
    Ok((endpoint.arn, owner))
}

/// Whether another user still lists the endpoint. (An erased one has an owner without.)
async fn leaves_other(
    store: &Store,
    user: &UserId,
    owner: Option<&Owner>,
    endpoint: &str,
) -> Result<bool> {
    let Some(owner) = owner.filter(|owner| owner.user != *user) else {
        return Ok(false);
    };
    let other = store.user(&owner.user).await?;
    let listed = other.device(&owner.device);
    Ok(listed.is_some_and(|device| device.endpoint == endpoint))
}

/// What of the user goes: the other devices that held the same endpoint (the app was installed
/// again); and with their endpoints the one that this device had, and devices beyond the limit,
/// those that were silent for longest.
async fn going(
    store: &Store,
    seen: &User,
    id: &DeviceId,
    endpoint: &str,
) -> Result<(Vec<DeviceId>, Vec<Given>)> {
    let others = seen.devices().filter(|(other, _)| *other != id);
    let (same, mut others): (Vec<_>, Vec<_>) =
        others.partition(|(_, device)| device.endpoint == endpoint);
    others.sort_by_key(|(_, device)| device.last_seen);
    let surplus = (others.len() + 1).saturating_sub(MAX_DEVICES);
    let oldest = others.into_iter().take(surplus);
    let oldest = oldest.map(|(id, device)| (Some(id.clone()), device.endpoint.clone()));
    let replaced = seen.device(id).filter(|known| known.endpoint != endpoint);
    let replaced = replaced.map(|known| (None, known.endpoint.clone()));
    let mut given = Vec::new();
    for (device, endpoint) in oldest.chain(replaced) {
        let owner = store.owner(&endpoint).await?;
        given.push(Given {
            device,
            endpoint,
            owner,
        });
    }
    let merged = same.into_iter().map(|(id, _)| id.clone()).collect();
    Ok((merged, given))
}
