//! Topics, as far as functions listen to them: a message becomes one asynchronous invocation of each.

use crate::asynchronous::{Dispatcher, Target};
use crate::ids;
use crate::state;
use crate::template::{REGION, TopicSpec};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The template's topics with the functions that listen. Clones are the same topics.
#[derive(Clone)]
pub struct Topics {
    listeners: Arc<BTreeMap<String, Vec<Target>>>,
    dispatcher: Dispatcher,
}

/// A message to a topic.
#[derive(Debug, Default)]
pub struct Message {
    /// Its subject, if it has one.
    pub subject: Option<String>,
    /// Its text.
    pub text: String,
    /// Its attributes: name to `{Type, Value}`.
    pub attributes: Map<String, Value>,
}

impl Topics {
    /// These topics; `listeners` pairs a topic's ARN with what is invoked.
    pub fn new(
        topics: &[TopicSpec],
        listeners: impl IntoIterator<Item = (String, Target)>,
        dispatcher: Dispatcher,
    ) -> Self {
        let mut by_arn: BTreeMap<String, Vec<Target>> = (topics.iter())
            .map(|topic| (topic.arn.clone(), Vec::new()))
            .collect();
        for (topic, target) in listeners {
            by_arn.entry(topic).or_default().push(target);
        }
        Self {
            listeners: Arc::new(by_arn),
            dispatcher,
        }
    }

    /// Whether there is a topic with this ARN.
    #[must_use]
    pub fn exists(&self, arn: &str) -> bool {
        self.listeners.contains_key(arn)
    }

    /// Hands a message to all who listen, and says its id; `None` if there is no such topic.
    pub fn publish(&self, arn: &str, message: &Message) -> Option<String> {
        let listeners = self.listeners.get(arn)?;
        let message_id = ids::uuid();
        for listener in listeners {
            let event = event(arn, &message_id, message);
            self.dispatcher
                .send(listener, event.to_string().into_bytes());
        }
        Some(message_id)
    }
}

/// The event a function gets. Its signature is none that could be checked.
fn event(topic: &str, message_id: &str, message: &Message) -> Value {
    let subscription = format!("{topic}:{}", ids::uuid());
    let host = format!("https://sns.{REGION}.amazonaws.com");
    json!({"Records": [{
        "EventSource": "aws:sns",
        "EventVersion": "1.0",
        "EventSubscriptionArn": subscription,
        "Sns": {
            "Type": "Notification",
            "MessageId": message_id,
            "TopicArn": topic,
            "Subject": message.subject,
            "Message": message.text,
            "Timestamp": state::rfc3339(state::now()),
            "SignatureVersion": "1",
            "Signature": "bG9jYWw=",
            "SigningCertUrl": format!("{host}/SimpleNotificationService-local.pem"),
            "UnsubscribeUrl": format!("{host}/?Action=Unsubscribe&SubscriptionArn={subscription}"),
            "MessageAttributes": message.attributes,
        },
    }]})
}
