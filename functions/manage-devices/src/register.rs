//! Registering a device: its SNS endpoint, and its place with the one user who holds it.

use jiff::Timestamp;
use shared::clock::pause;
use shared::device::{Announcement, Device, MAX_DEVICES};
use shared::error::{Error, Result};
use shared::http::{self, Reply, Request};
use shared::id::{DeviceId, UserId};
use shared::store::{Given, Owner, Registration, User};

use crate::handler::{Handler, MAX_BODY, ROUNDS, remove_endpoint};

/// For this long, in milliseconds, a registration that changes nothing asks nobody: 7 days.
const TRUSTED: i64 = 7 * 86_400_000;

/// Registers the device the path names, for the user whose token it is.
pub async fn register(handler: &Handler, request: &Request, now: Timestamp) -> Result<Reply> {
    let (user, id) = (http::caller(request)?, http::device_id(request)?);
    http::query(request, &[])?;
    let announced = Announcement::parse(http::body(request, MAX_BODY)?)?;
    let seen = handler.store.user(&user).await?;
    if let Some(device) = seen.device(&id)
        && is_same(device, &announced, now)
    {
        return Reply::ok(&device.view(&id));
    }
    let mut device = device(&announced, String::new(), now);
    for round in 0..ROUNDS {
        if round > 0 {
            pause(round).await;
        }
        let kept = match provide_endpoint(handler, &announced, now).await {
            Ok((endpoint, owner)) => {
                device.endpoint = endpoint;
                keep(handler, &user, &id, device.clone(), owner, now).await
            }
            Err(error) => Err(error),
        };
        match kept {
            Err(Error::Conflict(_)) => {}
            Err(error) => return Err(error),
            Ok(true) => return Reply::ok(&device.view(&id)),
            Ok(false) => return Reply::created(&device.view(&id)),
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

/// The token's endpoint, enabled, and who held it. A removal raises the owner's version before it
/// touches SNS; so if the version read here is still the same when the device is written down, the
/// endpoint is there.
async fn provide_endpoint(
    handler: &Handler,
    announced: &Announcement,
    now: Timestamp,
) -> Result<(String, Option<Owner>)> {
    let mut applications = handler.applications.iter();
    let application = applications.find(|(platform, _)| *platform == announced.platform);
    let Some((_, application)) = application else {
        let detail = "this stack has no application for this platform";
        return Err(Error::invalid("/platform", "not_configured", detail));
    };
    let token = &announced.token;
    let mut endpoint = handler.sns.create_endpoint(application, token).await?;
    let mut owner = handler.store.owner(&endpoint.arn).await?;
    if owner.as_ref().is_some_and(Owner::is_gone) {
        // It was removed, perhaps after SNS gave it to us.
        endpoint = handler.sns.create_endpoint(application, token).await?;
        owner = handler.store.owner(&endpoint.arn).await?;
    } else if endpoint.differed || owner.is_some() {
        // It may be disabled; the token is fresh from the device.
        match handler.sns.enable_endpoint(&endpoint.arn, token).await {
            Err(Error::NotFound) => return Err(Error::Conflict("the endpoint was removed")),
            enabled => enabled?,
        }
    }
    if owner.as_ref().is_some_and(|owner| owner.is_leaving(now)) {
        return Err(Error::Conflict("the endpoint is being removed"));
    }
    Ok((endpoint.arn, owner))
}

/// Writes the device down, in one transaction with whatever it replaces, and then removes the
/// endpoints that nobody holds any more. Returns whether the device was there before.
async fn keep(
    handler: &Handler,
    user: &UserId,
    id: &DeviceId,
    device: Device,
    owner: Option<Owner>,
    now: Timestamp,
) -> Result<bool> {
    // After the owner: whoever takes the endpoint from another device raises its version.
    let seen = handler.store.user(user).await?;
    let (merged, mut going) = going(&seen, id, &device.endpoint);
    let replaced = seen
        .device(id)
        .filter(|known| known.endpoint != device.endpoint);
    going.extend(replaced.map(|known| (None, known.endpoint.clone())));
    let mut given = Vec::new();
    for (device, endpoint) in going {
        let owner = handler.store.owner(&endpoint).await?;
        given.push(Given {
            device,
            endpoint,
            owner,
        });
    }
    let registration = Registration {
        user,
        id,
        seen: &seen,
        owner: owner.as_ref(),
        leaves_other: leaves_other(handler, user, owner.as_ref(), &device.endpoint).await?,
        given,
        merged,
        now,
        device,
    };
    handler.store.register(&registration).await?;
    for given in &registration.given {
        remove_endpoint(handler, &given.endpoint, given.owner.as_ref(), user, now).await?;
    }
    Ok(seen.device(id).is_some())
}

/// Whether another user still lists the endpoint. (A crash may have left an owner without.)
async fn leaves_other(
    handler: &Handler,
    user: &UserId,
    owner: Option<&Owner>,
    endpoint: &str,
) -> Result<bool> {
    let Some(owner) = owner.filter(|owner| owner.user != *user) else {
        return Ok(false);
    };
    let other = handler.store.user(&owner.user).await?;
    let listed = other.device(&owner.device);
    Ok(listed.is_some_and(|device| device.endpoint == endpoint))
}

/// The user's other devices that go: those that held the same endpoint (the app was installed
/// again), and, with their endpoints, those beyond the limit that were silent for longest.
fn going(
    seen: &User,
    id: &DeviceId,
    endpoint: &str,
) -> (Vec<DeviceId>, Vec<(Option<DeviceId>, String)>) {
    let others = seen.devices().filter(|(other, _)| *other != id);
    let (same, mut others): (Vec<_>, Vec<_>) =
        others.partition(|(_, device)| device.endpoint == endpoint);
    others.sort_by_key(|(_, device)| device.last_seen);
    let surplus = (others.len() + 1).saturating_sub(MAX_DEVICES);
    let oldest = others.into_iter().take(surplus);
    let oldest = oldest.map(|(id, device)| (Some(id.clone()), device.endpoint.clone()));
    (
        same.into_iter().map(|(id, _)| id.clone()).collect(),
        oldest.collect(),
    )
}
