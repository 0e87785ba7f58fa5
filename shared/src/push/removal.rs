//! Removing a device that SNS cannot reach any more.

use crate::device::Device;
use crate::error::{Error, Result};
use crate::id::{DeviceId, UserId};
use crate::sns::Sns;
use crate::store::Store;

/// Removes a device whose endpoint is disabled or gone: the owner by the version that was seen,
/// then the device, then the endpoint. A registration that came meanwhile has raised the version,
/// and wins. Returns whether the device is gone.
pub async fn remove_dead(
    store: &Store,
    sns: &Sns,
    user: &UserId,
    id: &DeviceId,
    device: &Device,
) -> Result<bool> {
    let owner = store.owner(&device.endpoint).await?;
    if sns.is_enabled(&device.endpoint).await? {
        return Ok(false);
    }
    let removed = store.remove_device(user, id, &device.endpoint, owner.as_ref());
    match removed.await {
        Ok(()) => {}
        Err(Error::Conflict(_)) => return Ok(false),
        Err(error) => return Err(error),
    }
    sns.delete_endpoint(&device.endpoint).await?;
    Ok(true)
}
