//! What a device receives: FCM v1 and APNs payloads inside SNS's message.
//!
//! Every push carries the notification's id as APNs collapse id and FCM tag, so that a repeat
//! replaces what is on the screen.

use serde_json::{Map, Value, json};

use crate::device::Platform;
use crate::notification::Notification;
use crate::push_options::{Disclosure, Options, Priority};
use crate::sns::Message;

/// The message for one platform. `ttl` is what is left of the push's life, in seconds; `badge` the
/// number on the app's icon, where the device shows one.
pub fn message(
    notification: &Notification,
    options: &Options,
    platform: Platform,
    ttl: u32,
    badge: Option<usize>,
) -> Message {
    let (key, payload) = match platform {
        Platform::Fcm => ("GCM", fcm(notification, options, ttl, badge)),
        Platform::Apns => ("APNS", apns(notification, options, badge)),
        Platform::ApnsSandbox => ("APNS_SANDBOX", apns(notification, options, badge)),
    };
    // SNS wants a text for everybody else, though an endpoint never gets it.
    let default = match options.content {
        Disclosure::Full => notification.content.title.as_deref().unwrap_or_default(),
        Disclosure::IdOnly => "",
    };
    let body = json!({"default": default, key: payload.to_string()});
    let mut attributes = Vec::new();
    match platform {
        Platform::Fcm => attributes.push(("AWS.SNS.MOBILE.FCM.TTL", ttl.to_string())),
        Platform::Apns => attributes.push(("AWS.SNS.MOBILE.APNS.TTL", ttl.to_string())),
        Platform::ApnsSandbox => {
            attributes.push(("AWS.SNS.MOBILE.APNS_SANDBOX.TTL", ttl.to_string()));
        }
    }
    if platform != Platform::Fcm {
        let kind = if options.silent {
            "background"
        } else {
            "alert"
        };
        // Apple refuses priority 10 for a background push.
        let urgent = options.priority != Priority::Normal && !options.silent;
        let priority = if urgent { "10" } else { "5" };
        attributes.push(("AWS.SNS.MOBILE.APNS.PUSH_TYPE", kind.to_owned()));
        attributes.push(("AWS.SNS.MOBILE.APNS.PRIORITY", priority.to_owned()));
        let id = notification.id.to_string();
        attributes.push(("AWS.SNS.MOBILE.APNS.COLLAPSE_ID", id));
    }
    Message {
        body: body.to_string(),
        attributes,
    }
}

/// The fields that the app gets beside what is shown.
fn custom(notification: &Notification, options: &Options) -> Map<String, Value> {
    let content = &notification.content;
    let mut fields = Map::new();
    fields.insert("id".to_owned(), json!(notification.id.to_string()));
    if options.content == Disclosure::IdOnly {
        return fields;
    }
    fields.insert("type".to_owned(), json!(content.kind));
    let optional = [
        ("link", &content.link),
        ("group", &content.group),
        ("image", &content.image),
    ];
    for (name, value) in optional {
        if let Some(value) = value {
            fields.insert(name.to_owned(), json!(value));
        }
    }
    fields
}

fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(object) => {
            let fields = object.into_iter().filter(|(_, value)| !value.is_null());
            Value::Object(
                fields
                    .map(|(name, value)| (name, without_nulls(value)))
                    .collect(),
            )
        }
        other => other,
    }
}

/// Firebase Cloud Messaging, HTTP v1: `data` holds strings only. A message with `id_only` has no
/// text, so the app fetches it and shows it itself.
fn fcm(notification: &Notification, options: &Options, ttl: u32, badge: Option<usize>) -> Value {
    let content = &notification.content;
    let shown = !options.silent && options.content == Disclosure::Full;
    let urgent = options.priority != Priority::Normal;
    let mut message = json!({
        "android": {
            "priority": if urgent { "high" } else { "normal" },
            "ttl": format!("{ttl}s"),
        },
        "data": custom(notification, options),
    });
    if shown {
        message["notification"] = json!({
            "title": content.title,
            "body": content.body,
            "image": content.image,
        });
        message["android"]["notification"] = json!({
            "tag": notification.id.to_string(),
            "sound": options.sound,
            "channel_id": options.channel,
            "notification_count": badge,
        });
    }
    without_nulls(json!({"fcmV1Message": {"message": message}}))
}

/// Apple. A message with `id_only` shows the app's own text for the key `NEW_NOTIFICATION`, which
/// its notification service extension replaces with what it fetches.
fn apns(notification: &Notification, options: &Options, badge: Option<usize>) -> Value {
    let content = &notification.content;
    let id_only = options.content == Disclosure::IdOnly;
    let aps = if options.silent {
        json!({"content-available": 1})
    } else {
        let alert = if id_only {
            json!({"loc-key": "NEW_NOTIFICATION"})
        } else {
            json!({"title": content.title, "body": content.body})
        };
        let level = options.interruption_level.as_deref();
        let critical = options.priority == Priority::Critical;
        json!({
            "alert": alert,
            "badge": badge,
            "sound": options.sound,
            "thread-id": content.group.as_deref().filter(|_| !id_only),
            "category": options.category,
            "interruption-level": level.or(critical.then_some("time-sensitive")),
            // Lets the app's extension add the picture, or fetch the text.
            "mutable-content": (content.image.is_some() || id_only).then_some(1),
        })
    };
    let mut payload = custom(notification, options);
    payload.insert("aps".to_owned(), aps);
    without_nulls(Value::Object(payload))
}
