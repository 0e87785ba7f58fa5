//! The table and SNS themselves: a stand-in of a life's own, changes made to both, and what is in them.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Value, json};
use shared::device::Announcement;
use shared::devices::{self, Arrival, Notice};
use shared::error::Error;
use shared::id::{NotificationId, UserId, fingerprint};
use shared::notification::Notification;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::Life;
use super::model::{Change, Place, View};
use crate::ground::plain;

const APPLICATION: &str = "arn:aws:sns:us-east-1:000000000000:app/GCM/local";

/// SNS's stand-in and its outbox, for one life alone. It ends with the second value.
pub async fn stand_in(data: &std::path::Path) -> (String, JoinSet<std::io::Result<()>>) {
    let state = local::state::State::open(data).unwrap();
    let outbox = local::outbox::router(state.clone(), Vec::new());
    // Nobody listens: the life itself says which event arrives when.
    let clock = state.clock().clone();
    let topics = local::topics::Topics::new(&[], [], clock);
    let app = local::sns::router(state, topics).merge(outbox);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let mut server = JoinSet::new();
    server.spawn(async move { axum::serve(listener, app).await });
    (url, server)
}

pub fn notification(user: &UserId, id: NotificationId, now: i64) -> Notification {
    Notification {
        expires_at: now / 1_000 + 86_400,
        ..plain(user, id)
    }
}

impl Life {
    /// The change in reality; `kind` is that of an event.
    pub async fn act(&self, change: &Change, kind: usize) -> Result<(), Error> {
        let (store, sns, now) = (&self.store, &self.sns, self.moment());
        let arn = |number: &usize| self.arns[number].clone();
        match change {
            Change::Register((user, id), token) => {
                let body = json!({"platform": "fcm", "token": token, "badge": false});
                let arrival = Arrival {
                    user: &self.users[*user],
                    id: &self.ids[*id],
                    announced: &Announcement::parse(body)?,
                    application: APPLICATION,
                };
                devices::register(store, sns, &arrival, now).await.map(drop)
            }
            Change::Remove((user, id)) => {
                devices::remove(store, sns, &self.users[*user], &self.ids[*id], now).await
            }
            Change::Clean(number) => {
                let kind = ["EndpointUpdated", "EndpointDeleted", "DeliveryFailure"][kind];
                let event = json!({"EventType": kind, "EndpointArn": arn(number)});
                let Notice::Look(endpoint) = Notice::decode(&event.to_string()) else {
                    panic!("{event} is not read");
                };
                devices::clean(store, sns, &endpoint, now).await.map(drop)
            }
            Change::Disable(number) => {
                self.set(&arn(number), "Enabled", "false").await;
                Ok(())
            }
            Change::Supersede(number, token) => {
                self.set(&arn(number), "Token", token).await;
                Ok(())
            }
            Change::Delete(number) => {
                let delete = self.service.delete_endpoint();
                delete.endpoint_arn(arn(number)).send().await.unwrap();
                Ok(())
            }
        }
    }

    /// SNS changes an endpoint by itself, if it is there and no other has the token.
    async fn set(&self, arn: &str, name: &str, value: &str) {
        let set = self.service.set_endpoint_attributes().endpoint_arn(arn);
        set.attributes(name, value).send().await.ok();
    }

    pub async fn get(&self, path: &str) -> Value {
        let answer = self
            .http
            .get(format!("{}/_local/{path}", self.url))
            .send()
            .await;
        answer.unwrap().json().await.unwrap()
    }

    /// What there is; and the name of each device's endpoint.
    pub async fn found(&self) -> (View, BTreeMap<Place, String>) {
        let endpoints = self.get("endpoints").await;
        let endpoints: HashMap<&str, (String, bool)> = endpoints["data"]
            .as_array()
            .unwrap()
            .iter()
            .map(|found| {
                let token = found["token"].as_str().unwrap().to_owned();
                (
                    found["endpoint_arn"].as_str().unwrap(),
                    (token, found["enabled"].as_bool().unwrap()),
                )
            })
            .collect();
        let mut view = View {
            endpoints: endpoints.values().cloned().collect(),
            ..View::default()
        };
        let mut arns = BTreeMap::new();
        let users = self.users.iter().cloned().collect();
        for (user, about) in self.store.abouts(users).await.unwrap() {
            let index = self.users.iter().position(|known| *known == user).unwrap();
            for (id, device) in about.unwrap().user.devices() {
                let id = self.ids.iter().position(|known| known == id).unwrap();
                let mut tokens = self.tokens.iter();
                let token = tokens.find(|token| fingerprint(token) == device.token_hash);
                let endpoint = endpoints.get(device.endpoint.as_str()).cloned();
                let shown = (token.unwrap().clone(), endpoint);
                view.devices.insert((index, id), shown);
                arns.insert((index, id), device.endpoint.clone());
            }
        }
        (view, arns)
    }
}
