//! Topics, as far as functions listen to them: a message becomes one asynchronous invocation of each.

use crate::asynchronous::AsyncFunction;
use crate::clock::Clock;
use crate::error::Result;
use crate::ids;
use crate::state;
use crate::template::{REGION, TopicSpec};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The template's topics with the functions that listen. Clones are the same topics.
#[derive(Clone)]
pub struct Topics {
    listeners: Arc<Mutex<BTreeMap<String, Vec<Listener>>>>,
    clock: Clock,
}

type Accepted = Pin<Box<dyn Future<Output = Result<()>> + Send>>;

/// Who hears of a topic's messages.
#[derive(Clone)]
pub struct Listener(Arc<dyn Fn(Vec<u8>) -> Accepted + Send + Sync>);

impl Listener {
    /// Anything that accepts an event.
    pub fn new<F>(accept: impl Fn(Vec<u8>) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<()>> + Send + 'static,
    {
        Self(Arc::new(move |event| Box::pin(accept(event))))
    }
}

impl From<AsyncFunction> for Listener {
    fn from(function: AsyncFunction) -> Self {
        Self::new(move |event| {
            let function = function.clone();
            async move { function.accept(event).await }
        })
    }
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
        listeners: impl IntoIterator<Item = (String, Listener)>,
        clock: Clock,
    ) -> Self {
        let mut by_arn: BTreeMap<String, Vec<Listener>> = (topics.iter())
            .map(|topic| (topic.arn.clone(), Vec::new()))
            .collect();
        for (topic, target) in listeners {
            by_arn.entry(topic).or_default().push(target);
        }
        Self {
            listeners: Arc::new(Mutex::new(by_arn)),
            clock,
        }
    }

    /// Has the topic's messages reach `target`, too.
    pub fn subscribe(&self, topic: &str, target: Listener) {
        self.lock()
            .entry(topic.to_owned())
            .or_default()
            .push(target);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Vec<Listener>>> {
        self.listeners
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether there is a topic with this ARN.
    #[must_use]
    pub fn exists(&self, arn: &str) -> bool {
        self.lock().contains_key(arn)
    }

    /// Hands a message to all who listen, and says its id when all have accepted it; `None` if there is no such topic.
    pub async fn publish(&self, arn: &str, message: &Message) -> Result<Option<String>> {
        let Some(listeners) = self.lock().get(arn).cloned() else {
            return Ok(None);
        };
        let message_id = ids::uuid();
        for listener in listeners {
            let event = event(arn, &message_id, self.clock.now(), message);
            (listener.0)(event.to_string().into_bytes()).await?;
        }
        Ok(Some(message_id))
    }
}

/// The event a function gets of a message that came at `at`, in milliseconds since 1970. Its signature is none that could be checked.
fn event(topic: &str, message_id: &str, at: i64, message: &Message) -> Value {
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
            "Timestamp": state::rfc3339(at),
            "SignatureVersion": "1",
            "Signature": "bG9jYWw=",
            "SigningCertUrl": format!("{host}/SimpleNotificationService-local.pem"),
            "UnsubscribeUrl": format!("{host}/?Action=Unsubscribe&SubscriptionArn={subscription}"),
            "MessageAttributes": message.attributes,
        },
    }]})
}
