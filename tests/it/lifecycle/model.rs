//! What should be: devices, the endpoints that SNS has for them, and how each step changes both.

use std::collections::BTreeMap;

use super::{SILENT, TRUSTED};

/// A user's device: both by their place in a life.
pub type Place = (usize, usize);

/// What the app announced, and which endpoint it got.
#[derive(Debug, Clone)]
struct Device {
    token: String,
    endpoint: usize,
    seen: i64,
}

/// Devices and endpoints; an endpoint is known by a number that is never given again.
#[derive(Debug, Clone, Default)]
pub struct World {
    devices: BTreeMap<Place, Device>,
    /// The token that SNS has for it, and whether it is enabled.
    endpoints: BTreeMap<usize, (String, bool)>,
    numbers: usize,
}

/// What can be compared with the table and SNS: of each device its token, and its endpoint as SNS has it; and every
/// endpoint there is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct View {
    pub devices: BTreeMap<Place, (String, Option<(String, bool)>)>,
    pub endpoints: BTreeMap<String, bool>,
}

/// One change, by an app, an administrator or SNS.
#[derive(Debug, Clone)]
pub enum Change {
    Register(Place, String),
    Remove(Place),
    /// A platform event about an endpoint arrives.
    Clean(usize),
    Disable(usize),
    Delete(usize),
    /// SNS learns a newer token.
    Supersede(usize, String),
}

impl World {
    pub fn apply(&mut self, change: &Change, now: i64) {
        match change {
            Change::Register(place, token) => self.register(*place, token, now),
            Change::Remove(place) => {
                if let Some(device) = self.devices.remove(place) {
                    self.endpoints.remove(&device.endpoint);
                }
            }
            Change::Clean(endpoint) => {
                if self.is_dead(*endpoint) {
                    self.endpoints.remove(endpoint);
                    self.devices
                        .retain(|_, device| device.endpoint != *endpoint);
                }
            }
            Change::Disable(endpoint) => {
                if let Some((_, enabled)) = self.endpoints.get_mut(endpoint) {
                    *enabled = false;
                }
            }
            Change::Delete(endpoint) => drop(self.endpoints.remove(endpoint)),
            Change::Supersede(endpoint, token) => {
                if self.with_token(token).is_none()
                    && let Some((old, _)) = self.endpoints.get_mut(endpoint)
                {
                    token.clone_into(old);
                }
            }
        }
    }

    fn register(&mut self, place: Place, token: &str, now: i64) {
        let known = self.devices.get(&place);
        if known.is_some_and(|known| known.token == token && now - known.seen < TRUSTED) {
            return;
        }
        let endpoint = self.with_token(token).unwrap_or_else(|| {
            self.numbers += 1;
            self.numbers
        });
        self.endpoints.insert(endpoint, (token.to_owned(), true));
        let device = Device {
            token: token.to_owned(),
            endpoint,
            seen: now,
        };
        // Whoever held it has it no more.
        self.devices
            .retain(|other, device| *other == place || device.endpoint != endpoint);
        if let Some(replaced) = self.devices.insert(place, device)
            && replaced.endpoint != endpoint
        {
            self.endpoints.remove(&replaced.endpoint);
        }
    }

    fn with_token(&self, token: &str) -> Option<usize> {
        let mut endpoints = self.endpoints.iter();
        endpoints
            .find(|(_, (of, _))| of == token)
            .map(|(number, _)| *number)
    }

    fn is_dead(&self, endpoint: usize) -> bool {
        self.endpoints
            .get(&endpoint)
            .is_none_or(|(_, enabled)| !enabled)
    }

    /// A push to a user: the tokens that get it. Dead devices go, and tokens that say so die of it.
    pub fn push(&mut self, user: usize, now: i64) -> Vec<String> {
        let heard = self.devices.iter();
        let heard = heard.filter(|((of, _), device)| *of == user && now - device.seen < SILENT);
        let endpoints: Vec<usize> = heard.map(|(_, device)| device.endpoint).collect();
        let mut reached = Vec::new();
        for endpoint in endpoints {
            self.apply(&Change::Clean(endpoint), 0);
            if let Some((token, enabled)) = self.endpoints.get_mut(&endpoint) {
                *enabled = !token.starts_with("error-disabled-");
                reached.push(token.clone());
            }
        }
        reached.sort();
        reached
    }

    /// Every device with its endpoint.
    pub fn held(&self) -> impl Iterator<Item = (Place, usize)> {
        self.devices
            .iter()
            .map(|(place, device)| (*place, device.endpoint))
    }

    /// The token a device was registered with.
    pub fn token(&self, place: Place) -> Option<&str> {
        self.devices.get(&place).map(|device| device.token.as_str())
    }

    pub fn view(&self) -> View {
        let device = |(place, device): (&Place, &Device)| {
            let endpoint = self.endpoints.get(&device.endpoint).cloned();
            (*place, (device.token.clone(), endpoint))
        };
        View {
            devices: self.devices.iter().map(device).collect(),
            endpoints: self.endpoints.values().cloned().collect(),
        }
    }
}
