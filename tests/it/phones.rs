//! A phone as the tests of its life see it: what it asks for, and what the table and SNS have of it.

use aws_sdk_dynamodb::config::{Credentials, Region};
use aws_sdk_dynamodb::types::AttributeValue;
use local::function::Function;
use serde_json::{Value, json};
use shared::connections::Connections;

use crate::ground::{Ground, Http, Reply};
use crate::stack::{shared, unique};

/// SNS's client for what answers at `url`.
pub fn client(url: &str) -> aws_sdk_sns::Client {
    let config = aws_sdk_sns::Config::builder()
        .behavior_version_latest()
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("local", "local", None, None, "test"))
        .http_client(Connections::new(&[]).unwrap())
        .endpoint_url(url);
    aws_sdk_sns::Client::from_conf(config.build())
}

/// A user's device, and what is held of it.
#[derive(Clone)]
pub struct Phone {
    pub user: String,
    pub id: String,
    pub token: String,
}

impl Phone {
    pub fn new() -> Phone {
        Phone {
            user: unique("removal"),
            id: "phone".to_owned(),
            token: unique("removal-token"),
        }
    }

    pub fn ask(&self, method: &str) -> Http {
        let route = format!("{method} /v1/me/devices/{{device_id}}");
        Http::new(&route, &self.user).path("device_id", &self.id)
    }

    pub fn registration(&self) -> Http {
        self.ask("PUT")
            .json(&json!({"platform": "fcm", "token": self.token}))
    }

    /// The same with something else, so that it is not answered from the table alone.
    pub fn again(&self) -> Http {
        let body = json!({"platform": "fcm", "token": self.token, "locale": "pt-BR"});
        self.ask("PUT").json(&body)
    }

    pub async fn register(&self, devices: &Function) {
        let reply = self.registration().send(devices).await.unwrap();
        assert!(reply.status < 300, "{reply:?}");
    }

    /// Its endpoint's ARN, if it is registered.
    pub async fn endpoint(&self, ground: &Ground) -> Option<String> {
        let row = ground.row(&format!("U#{}", self.user), "A#user").await?;
        let endpoint = row["dev"][&self.id]["e"].as_str();
        endpoint.map(str::to_owned)
    }
}

pub async fn owner(ground: &Ground, endpoint: &str) -> Value {
    let id = endpoint.rsplit('/').next().unwrap();
    ground.row(&format!("T#{id}"), "-").await.unwrap()
}

/// Sets one attribute of an endpoint, as SNS itself does.
pub async fn set(endpoint: &str, name: &str, value: &str) {
    let set = client(shared().sns()).set_endpoint_attributes();
    let set = set.endpoint_arn(endpoint).attributes(name, value);
    set.send().await.unwrap();
}

/// Whether SNS has the endpoint, and whether it is enabled.
pub async fn enabled(endpoint: &str) -> Option<bool> {
    let get = client(shared().sns()).get_endpoint_attributes();
    let found = get.endpoint_arn(endpoint).send().await.ok()?.attributes?;
    Some(found["Enabled"] == "true")
}

pub async fn delete(endpoint: &str) {
    let delete = client(shared().sns()).delete_endpoint();
    delete.endpoint_arn(endpoint).send().await.unwrap();
}

/// After everything: the device has an endpoint that works.
pub async fn is_alive(ground: &Ground, phone: &Phone, reply: &Reply) {
    assert!([200, 201].contains(&reply.status), "{reply:?}");
    let endpoint = phone
        .endpoint(ground)
        .await
        .expect("the device is registered");
    assert_eq!(enabled(&endpoint).await, Some(true));
    let owner = owner(ground, &endpoint).await;
    assert_eq!(
        (&owner["u"], owner.get("lv")),
        (&json!(phone.user), None),
        "{owner}"
    );
}

/// Lets an interrupted removal be 20 s old.
pub async fn age(ground: &Ground, endpoint: &str) {
    let since = owner(ground, endpoint).await["lv"].as_i64().unwrap() - 20_000;
    let update = ground.client().update_item().table_name(ground.table());
    let id = endpoint.rsplit('/').next().unwrap();
    let update = update
        .key("pk", AttributeValue::S(format!("T#{id}")))
        .key("sk", AttributeValue::S("-".to_owned()))
        .update_expression("SET lv = :since")
        .expression_attribute_values(":since", AttributeValue::N(since.to_string()));
    update.send().await.unwrap();
}
