//! Registering a device: its SNS endpoint, and its place with the one user who holds it.

use jiff::Timestamp;
use shared::device::{Announcement, Device, MAX_DEVICES};
use shared::error::{Error, Result};
use shared::http::{self, Reply, Request};
use shared::id::{DeviceId, UserId};
use shared::store::{Owner, Registration, User};

use crate::handler::{Handler, MAX_BODY, ROUNDS};

/// For this long, in milliseconds, a registration that changes nothing asks nobody: 7 days.
const TRUSTED: i64 = 7 * 86_400_000;

/// Registers the device the path names, for the user whose token it is.
pub async fn register(handler: &Handler, request: &Request, now: Timestamp) -> Result<Reply> {
    let (user, id) = (http::caller(request)?, http::device_id(request)?);
    http::query(request, &[])?;
    let announced = Announcement::parse(http::body(request, MAX_BODY)?)?;
    let mut endpoint = None;
    for _ in 0..ROUNDS {
        let seen = handler.store.user(&user).await?;
        if let Some(device) = seen
            .device(&id)
            .filter(|device| is_same(device, &announced, now))
        {
            return Reply::ok(&device.view(&id));
        }
        let arn = match &endpoint {
            Some(arn) => arn,
            None => endpoint.insert(provide_endpoint(handler, &announced).await?),
        };
        let device = device(&announced, arn.clone(), now);
        match keep(handler, &user, &id, &seen, device.clone()).await {
            Err(Error::Conflict(_)) => {}
            Err(error) => return Err(error),
            Ok(()) if seen.device(&id).is_some() => return Reply::ok(&device.view(&id)),
            Ok(()) => return Reply::created(&device.view(&id)),
        }
    }
    Err(Error::Conflict("the device changes too often"))
}

fn is_same(device: &Device, announced: &Announcement, now: Timestamp) -> bool {
    let age = now.as_millisecond() - device.last_seen;
    let fresh = self::device(announced, device.endpoint.clone(), now);
    age < TRUSTED
        && Device {
            last_seen: device.last_seen,
            ..fresh
        } == *device
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

/// The token's endpoint, enabled. An endpoint that somebody here holds, or that SNS knows with
/// other attributes, may be disabled: the token is fresh from the device, so it is enabled again.
async fn provide_endpoint(handler: &Handler, announced: &Announcement) -> Result<String> {
    let mut applications = handler.applications.iter();
    let application = applications.find(|(platform, _)| *platform == announced.platform);
    let Some((_, application)) = application else {
        let detail = "this stack has no application for this platform";
        return Err(Error::invalid("/platform", "not_configured", detail));
    };
    let endpoint = handler
        .sns
        .create_endpoint(application, &announced.token)
        .await?;
    if endpoint.differed || handler.store.owner(&endpoint.arn).await?.is_some() {
        handler
            .sns
            .enable_endpoint(&endpoint.arn, &announced.token)
            .await?;
    }
    Ok(endpoint.arn)
}

/// Writes the device down, in one transaction with whatever it replaces, and then removes the
/// endpoints that nobody holds any more.
async fn keep(
    handler: &Handler,
    user: &UserId,
    id: &DeviceId,
    seen: &User,
    device: Device,
) -> Result<()> {
    let owner = handler.store.owner(&device.endpoint).await?;
    let registration = Registration {
        user,
        id,
        seen,
        owner: owner.as_ref(),
        leaves_other: leaves_other(handler, user, owner.as_ref(), &device.endpoint).await?,
        dropped: dropped(seen, id, &device.endpoint),
        device,
    };
    handler.store.register(&registration).await?;
    let replaced = seen.device(id).into_iter();
    let dropped = registration.dropped.iter().filter_map(|id| seen.device(id));
    for gone in replaced.chain(dropped) {
        if gone.endpoint != registration.device.endpoint {
            handler.sns.delete_endpoint(&gone.endpoint).await?;
        }
    }
    Ok(())
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

/// The user's other devices that go: those with the same endpoint (the app was installed again),
/// and beyond the limit those that were silent for longest.
fn dropped(seen: &User, id: &DeviceId, endpoint: &str) -> Vec<DeviceId> {
    let others = seen.devices().filter(|(other, _)| *other != id);
    let (same, mut others): (Vec<_>, Vec<_>) =
        others.partition(|(_, device)| device.endpoint == endpoint);
    others.sort_by_key(|(_, device)| device.last_seen);
    let surplus = (others.len() + 1).saturating_sub(MAX_DEVICES);
    let oldest = others.into_iter().take(surplus);
    same.into_iter()
        .chain(oldest)
        .map(|(id, _)| id.clone())
        .collect()
}
