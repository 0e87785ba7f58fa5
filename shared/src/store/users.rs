//! A user's row and its devices, and who holds which SNS endpoint.
//!
//! SNS gives one endpoint per token, so an endpoint has one owner: a row of its own, whose version
//! grows with every registration. Whoever removes a dead endpoint names the version it saw, and a
//! registration that came meanwhile wins.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::types::builders::TransactWriteItemBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, Put, TransactWriteItem, Update};

use super::keys::Key;
use super::{Store, decode, encode, failure, item_key, n, s, transaction_failure};
use crate::device::{Device, endpoint_id};
use crate::error::{Error, Result};
use crate::id::{DeviceId, UserId};
use crate::mutes::Mutes;
use crate::preferences::Preferences;

/// For this long, in milliseconds, an endpoint that is being removed is not registered again: SNS
/// would give a new registration the same one, and the removal would take it away. A call to SNS
/// has two attempts of 5 s.
const LEAVING: i64 = 15_000;
/// How long it is remembered that an endpoint was removed, in seconds.
const GONE_LIFE: i64 = 86_400;

/// What is kept of a user.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct User {
    /// The devices; `None` if there never was one.
    #[serde(rename = "dev", default, deserialize_with = "devices")]
    devices: Option<Devices>,
    /// What is wanted.
    #[serde(rename = "pre", default)]
    pub(super) preferences: Preferences,
    /// What is muted; `None` if there never was anything.
    #[serde(rename = "mut", default)]
    pub(super) mutes: Option<Mutes>,
    /// Up to when everything was erased, in milliseconds since 1970.
    #[serde(rename = "er", default)]
    pub(super) erased_at: Option<i64>,
}

/// Devices by id, with the number of those that this version cannot read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Devices {
    known: BTreeMap<DeviceId, Device>,
    unknown: usize,
}

/// One device of a newer version does not hide the others.
fn devices<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Devices>, D::Error> {
    let found = BTreeMap::<DeviceId, Value>::deserialize(deserializer)?;
    let mut devices = Devices::default();
    for (id, device) in found {
        match serde_json::from_value(device) {
            Ok(device) => drop(devices.known.insert(id, device)),
            Err(_) => devices.unknown += 1,
        }
    }
    Ok(Some(devices))
}

/// The one user and device that hold an SNS endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Owner {
    /// Whose device.
    #[serde(rename = "u")]
    pub user: UserId,
    /// Which device.
    #[serde(rename = "d")]
    pub device: DeviceId,
    /// Grows with every registration and removal.
    #[serde(rename = "ver")]
    pub version: u64,
    /// When its removal began, in milliseconds since 1970.
    #[serde(rename = "lv", default)]
    leaving: Option<i64>,
    /// Whether its removal has ended.
    #[serde(rename = "gone", default)]
    gone: bool,
}

/// In the place of an erased user and device.
pub(super) fn nobody() -> &'static str {
    "-"
}

impl Owner {
    /// Whether this is who holds the endpoint.
    pub fn is(&self, user: &UserId, device: &DeviceId) -> bool {
        self.leaving.is_none() && self.user == *user && self.device == *device
    }

    /// Whether the endpoint is being removed just now.
    pub fn is_leaving(&self, now: Timestamp) -> bool {
        let since = self.leaving.filter(|_| !self.gone);
        since.is_some_and(|since| now.as_millisecond() - since < LEAVING)
    }

    /// Whether the endpoint's removal was interrupted: nobody is at it any more.
    pub fn is_abandoned(&self, now: Timestamp) -> bool {
        self.leaving.is_some() && !self.gone && !self.is_leaving(now)
    }

    /// Whether the endpoint has been removed: SNS may have given it out again before that.
    pub fn is_gone(&self) -> bool {
        self.gone
    }
}

/// An endpoint that its device gives up.
pub struct Given {
    /// The device, if it goes too.
    pub device: Option<DeviceId>,
    /// Its endpoint's ARN.
    pub endpoint: String,
    /// The endpoint's owner as read.
    pub owner: Option<Owner>,
}

/// A device about to be registered, with all that was read before.
pub struct Registration<'r> {
    /// Whose device.
    pub user: &'r UserId,
    /// Which device.
    pub id: &'r DeviceId,
    /// What is to be kept of it.
    pub device: Device,
    /// The user as read.
    pub seen: &'r User,
    /// The endpoint's owner as read.
    pub owner: Option<&'r Owner>,
    /// Whether the owner is another user who still lists the endpoint.
    pub leaves_other: bool,
    /// The user's endpoints that go.
    pub given: Vec<Given>,
    /// Devices of the user that held the same endpoint, and go.
    pub merged: Vec<DeviceId>,
    /// When.
    pub now: Timestamp,
}

impl User {
    /// The devices by id.
    pub fn devices(&self) -> impl Iterator<Item = (&DeviceId, &Device)> {
        self.devices.iter().flat_map(|devices| &devices.known)
    }

    /// One device.
    pub fn device(&self, id: &DeviceId) -> Option<&Device> {
        self.devices.as_ref()?.known.get(id)
    }
}

impl Store {
    /// A user's row, read consistently; empty if there is none.
    pub async fn user(&self, user: &UserId) -> Result<User> {
        let item = self.get(&Key::User(user.clone()), "the user").await?;
        item.map_or_else(
            || Ok(User::default()),
            |item| decode(item, "a user's row could not be read"),
        )
    }

    /// Who holds an endpoint.
    pub async fn owner(&self, endpoint: &str) -> Result<Option<Owner>> {
        let key = Key::Owner(endpoint_id(endpoint).to_owned());
        let item = self.get(&key, "the endpoint's owner").await?;
        item.map(|item| decode(item, "an endpoint's owner could not be read"))
            .transpose()
    }

    /// Registers a device in one transaction: the user's row, the endpoint's owner, and whoever
    /// held it before. A conflict if anything changed since it was read.
    pub async fn register(&self, registration: &Registration<'_>) -> Result<()> {
        let mut writes = vec![
            self.user_update(registration)?,
            self.owner_put(registration)?,
        ];
        if let Some(owner) = registration.owner.filter(|_| registration.leaves_other) {
            let endpoint = &registration.device.endpoint;
            writes.push(self.device_removal(&owner.user, &owner.device, endpoint)?);
        }
        for given in &registration.given {
            let owner = given.owner.as_ref();
            let ours = owner.filter(|owner| owner.user == *registration.user);
            if let Some(owner) = ours {
                writes.push(self.owner_leaving(&given.endpoint, owner, registration.now)?);
            }
        }
        self.transact(writes).await
    }

    /// Removes a device, and if it holds its endpoint, says that the endpoint is leaving: whoever
    /// removes it from SNS then forgets the owner. A conflict if either changed since it was read.
    pub async fn remove_device(
        &self,
        user: &UserId,
        id: &DeviceId,
        endpoint: &str,
        owner: Option<&Owner>,
        now: Timestamp,
    ) -> Result<()> {
        let mut writes = vec![self.device_removal(user, id, endpoint)?];
        if let Some(owner) = owner.filter(|owner| owner.is(user, id)) {
            writes.push(self.owner_leaving(endpoint, owner, now)?);
        }
        self.transact(writes).await
    }

    /// Takes over the removal of an endpoint that was interrupted. A conflict if somebody else did.
    pub async fn leave_again(&self, endpoint: &str, owner: &Owner, now: Timestamp) -> Result<()> {
        self.transact(vec![self.owner_leaving(endpoint, owner, now)?])
            .await
    }

    /// Says that an endpoint is gone, `owner` being what was read before it was leaving. The row
    /// stays for a day, for a registration that asked SNS before that and looks here after it.
    pub async fn forget_owner(
        &self,
        endpoint: &str,
        owner: Option<&Owner>,
        now: Timestamp,
    ) -> Result<()> {
        let Some(owner) = owner else {
            return Ok(());
        };
        let update = self.client.update_item().table_name(&self.table);
        let update = update
            .set_key(Some(item_key(&Key::Owner(
                endpoint_id(endpoint).to_owned(),
            ))))
            .update_expression("SET gone = :true, expires_at = :end")
            .condition_expression("ver = :version")
            .expression_attribute_values(":true", AttributeValue::Bool(true))
            .expression_attribute_values(":end", n(now.as_second() + GONE_LIFE))
            .expression_attribute_values(":version", n(owner.version + 1));
        match update
            .send()
            .await
            .map_err(|error| failure("the endpoint's owner", error))
        {
            Ok(_) | Err(Error::Conflict(_)) => Ok(()),
            Err(other) => Err(other),
        }
    }

    async fn transact(&self, writes: Vec<TransactWriteItem>) -> Result<()> {
        let transaction = self.client.transact_write_items();
        let sent = transaction.set_transact_items(Some(writes)).send().await;
        sent.map(drop)
            .map_err(|error| transaction_failure("the device's row", error))
    }

    fn user_update(&self, registration: &Registration) -> Result<TransactWriteItem> {
        let device = encode(&registration.device, "a device could not be written")?;
        let id = registration.id.as_str();
        let update = Update::builder()
            .table_name(&self.table)
            .set_key(Some(item_key(&Key::User(registration.user.clone()))));
        if registration.seen.devices.is_none() {
            let devices = AttributeValue::M([(id.to_owned(), device)].into());
            let update = update
                // Whatever an erase has left is to stay from now on.
                .update_expression("SET dev = :devices REMOVE expires_at")
                .condition_expression("attribute_not_exists(dev)")
                .expression_attribute_values(":devices", devices);
            return write(update.build(), TransactWriteItemBuilder::update);
        }
        let mut update = update
            .expression_attribute_names("#id", id)
            .expression_attribute_values(":device", device);
        let count = registration
            .seen
            .devices
            .as_ref()
            .map_or(0, |devices| devices.known.len() + devices.unknown);
        // The number too, or devices that register at the same time would pass the limit.
        update = update.expression_attribute_values(":count", n(count));
        let mut conditions = vec!["size(dev) = :count".to_owned()];
        conditions.push(match registration.seen.device(registration.id) {
            None => "attribute_not_exists(dev.#id)".to_owned(),
            Some(seen) => {
                update = update.expression_attribute_values(":seen", s(&seen.endpoint));
                "dev.#id.e = :seen".to_owned()
            }
        });
        let mut removals = vec!["expires_at".to_owned()];
        let given = registration
            .given
            .iter()
            .filter_map(|given| given.device.as_ref());
        for (index, dropped) in given.chain(&registration.merged).enumerate() {
            let Some(seen) = registration.seen.device(dropped) else {
                continue;
            };
            update = update
                .expression_attribute_names(format!("#drop{index}"), dropped.as_str())
                .expression_attribute_values(format!(":drop{index}"), s(&seen.endpoint));
            conditions.push(format!("dev.#drop{index}.e = :drop{index}"));
            removals.push(format!("dev.#drop{index}"));
        }
        let expression = format!("SET dev.#id = :device REMOVE {}", removals.join(", "));
        let update = update
            .update_expression(expression)
            .condition_expression(conditions.join(" AND "));
        write(update.build(), TransactWriteItemBuilder::update)
    }

    fn owner_put(&self, registration: &Registration) -> Result<TransactWriteItem> {
        let endpoint = registration.device.endpoint_id().to_owned();
        let version = registration.owner.map_or(0, |owner| owner.version);
        let put = Put::builder()
            .table_name(&self.table)
            .set_item(Some(item_key(&Key::Owner(endpoint))))
            .item("u", s(registration.user.as_str()))
            .item("d", s(registration.id.as_str()))
            .item("ver", n(version + 1));
        let put = if registration.owner.is_some() {
            put.condition_expression("ver = :version")
                .expression_attribute_values(":version", n(version))
        } else {
            put.condition_expression("attribute_not_exists(pk)")
        };
        write(put.build(), TransactWriteItemBuilder::put)
    }

    fn device_removal(
        &self,
        user: &UserId,
        id: &DeviceId,
        endpoint: &str,
    ) -> Result<TransactWriteItem> {
        let update = Update::builder()
            .table_name(&self.table)
            .set_key(Some(item_key(&Key::User(user.clone()))))
            .update_expression("REMOVE dev.#id")
            .condition_expression("dev.#id.e = :endpoint")
            .expression_attribute_names("#id", id.as_str())
            .expression_attribute_values(":endpoint", s(endpoint));
        write(update.build(), TransactWriteItemBuilder::update)
    }

    fn owner_leaving(
        &self,
        endpoint: &str,
        owner: &Owner,
        now: Timestamp,
    ) -> Result<TransactWriteItem> {
        let update = Update::builder()
            .table_name(&self.table)
            .set_key(Some(item_key(&Key::Owner(
                endpoint_id(endpoint).to_owned(),
            ))))
            .update_expression("SET lv = :now, ver = :next")
            .condition_expression("ver = :version")
            .expression_attribute_values(":now", n(now.as_millisecond()))
            .expression_attribute_values(":next", n(owner.version + 1))
            .expression_attribute_values(":version", n(owner.version));
        write(update.build(), TransactWriteItemBuilder::update)
    }
}

/// One write of a transaction, from a builder whose required parts are given.
fn write<T>(
    built: Result<T, BuildError>,
    wrap: fn(TransactWriteItemBuilder, T) -> TransactWriteItemBuilder,
) -> Result<TransactWriteItem> {
    let part = built.map_err(|source| Error::Internal {
        what: "a transaction could not be built",
        source: source.into(),
    })?;
    Ok(wrap(TransactWriteItem::builder(), part).build())
}
