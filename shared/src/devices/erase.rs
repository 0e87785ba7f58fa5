//! Removing an erased user's devices: the endpoint goes while the device is still listed, so that whoever
//! takes over after a crash finds it.

use jiff::Timestamp;

use crate::clock::pause;
use crate::device::Device;
use crate::error::{Error, Result};
use crate::id::{DeviceId, UserId};
use crate::sns::Sns;
use crate::store::{Owner, Store};

/// How often a removal that lost a race is thought again.
const ROUNDS: u32 = 5;

/// Removes the devices that a user registered up to `until`, and their endpoints. What has registered since
/// stays. Returns how many went.
pub async fn erase(
    store: &Store,
    sns: &Sns,
    user: &UserId,
    until: Timestamp,
    now: Timestamp,
) -> Result<u64> {
    let seen = store.user(user).await?;
    let old = |device: &Device| device.last_seen <= until.as_millisecond();
    let mut count = 0;
    for (id, _) in seen.devices().filter(|(_, device)| old(device)) {
        for round in 0..ROUNDS {
            if round > 0 {
                pause(round).await;
            }
            let known = store.user(user).await?;
            let Some(device) = known.device(id).filter(|device| old(device)) else {
                break;
            };
            match erase_one(store, sns, (user, id, device), now).await {
                Err(Error::Conflict(_)) if round + 1 < ROUNDS => {}
                done => {
                    done?;
                    count += 1;
                    break;
                }
            }
        }
    }
    store.erase_device_map(user).await?;
    Ok(count)
}

async fn erase_one(
    store: &Store,
    sns: &Sns,
    (user, id, device): (&UserId, &DeviceId, &Device),
    now: Timestamp,
) -> Result<()> {
    let endpoint = &device.endpoint;
    let owner = store.owner(endpoint).await?;
    // It may be another's by now, or this user's other device's.
    let is_theirs = |owner: &Owner| owner.user == *user && owner.device == *id;
    if owner.as_ref().is_none_or(is_theirs) {
        match &owner {
            None => sns.delete_endpoint(endpoint).await?,
            // SNS may have given it out again since.
            Some(owner) if owner.is_gone() => {
                store.erase_owner(endpoint, owner.version, now).await?;
            }
            // Also one that is leaving: a removal that was interrupted is taken over.
            Some(owner) => {
                store.leave_again(endpoint, owner, now).await?;
                sns.delete_endpoint(endpoint).await?;
                let version = owner.version + 1;
                store.erase_owner(endpoint, version, now).await?;
            }
        }
    }
    store.erase_device(user, id, device).await
}
