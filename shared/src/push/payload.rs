//! What a device receives: FCM v1 and APNs payloads inside SNS's message.
//!
//! Every push carries the notification's id as APNs collapse id and FCM tag, so that a repeat
//! replaces what is on the screen.

use serde_json::{Map, Value, json};
use unicode_segmentation::UnicodeSegmentation as _;

use crate::device::Platform;
use crate::notification::{Content, Notification};
use crate::push_options::{Disclosure, Options, Priority};
use crate::sns::Message;

/// The largest payload that Apple and Google take, in bytes.
const MAX_PAYLOAD: usize = 4_096;

/// One text of a notification.
type Part = fn(&mut Content) -> &mut Option<String>;

/// The message for one platform. `ttl` is what is left of the push's life, in seconds; `badge` the
/// number on the app's icon, where the device shows one.
pub fn message(
    notification: &Notification,
    options: &Options,
    platform: Platform,
    ttl: u32,
    badge: Option<usize>,
) -> Message {
    let key = match platform {
        Platform::Fcm => "GCM",
        Platform::Apns => "APNS",
        Platform::ApnsSandbox => "APNS_SANDBOX",
    };
    let payload = fitted(notification, |notification| match platform {
        Platform::Fcm => fcm(notification, options, ttl, badge),
        Platform::Apns | Platform::ApnsSandbox => apns(notification, options, badge),
    });
    // SNS wants a text for everybody else, though an endpoint never gets it.
    let body = json!({"default": "notification", key: payload});
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

/// The payload, shortened to what Apple and Google take: the body at the end of a character as
/// people see it, then what is beside the text, then the title.
fn fitted(notification: &Notification, write: impl Fn(&Notification) -> Value) -> String {
    let payload = write(notification).to_string();
    if payload.len() <= MAX_PAYLOAD {
        return payload;
    }
    let mut shorter = notification.clone();
    let content = &mut shorter.content;
    for text in [
        &mut content.body,
        &mut content.image,
        &mut content.link,
        &mut content.title,
    ] {
        *text = None;
    }
    let mut payload = write(&shorter).to_string();
    let full = &notification.content;
    // Back again, in the order of worth, whole or as much as fits.
    let parts: [(&Option<String>, Part, bool); 4] = [
        (&full.title, |content| &mut content.title, true),
        (&full.link, |content| &mut content.link, false),
        (&full.body, |content| &mut content.body, true),
        (&full.image, |content| &mut content.image, false),
    ];
    for (text, part, cuttable) in parts {
        let Some(text) = text else {
            continue;
        };
        let mut ends = vec![text.len()];
        if cuttable {
            ends.extend(text.grapheme_indices(true).map(|(start, _)| start).rev());
        }
        // The longest beginning that fits: the payload grows with it.
        let fits = ends.partition_point(|end| {
            *part(&mut shorter.content) = shortened(text, *end);
            write(&shorter).to_string().len() > MAX_PAYLOAD
        });
        *part(&mut shorter.content) = ends.get(fits).and_then(|end| shortened(text, *end));
        payload = write(&shorter).to_string();
    }
    payload
}

/// The beginning of a text, with an ellipsis if something is missing.
fn shortened(text: &str, end: usize) -> Option<String> {
    match end {
        0 => None,
        end if end == text.len() => Some(text.to_owned()),
        end => Some(format!("{}…", &text[..end])),
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
