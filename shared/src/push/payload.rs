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
pub const LIMIT: usize = 4_096;
/// What is left to a payload that was refused as too long: whatever a platform counts beside it, it
/// is not as much again.
pub const SHORTER: usize = 2_048;

/// One text of a notification.
type Part = fn(&mut Content) -> &mut Option<String>;

/// A notification as it goes to one device.
#[derive(Clone, Copy)]
pub struct Sending<'s> {
    /// What is shown, in the device's language.
    pub notification: &'s Notification,
    /// How.
    pub options: &'s Options,
    /// Through whom.
    pub platform: Platform,
    /// What is left of the push's life, in seconds.
    pub ttl: u32,
    /// The number on the app's icon, where the device shows one.
    pub badge: Option<usize>,
    /// The most bytes of the payload.
    pub limit: usize,
}

/// The message for one device.
pub fn message(sending: &Sending<'_>) -> Message {
    let key = match sending.platform {
        Platform::Fcm => "GCM",
        Platform::Apns => "APNS",
        Platform::ApnsSandbox => "APNS_SANDBOX",
    };
    let payload = fitted(sending.notification, sending.limit, |notification| {
        let sending = Sending {
            notification,
            ..*sending
        };
        match sending.platform {
            Platform::Fcm => fcm(&sending),
            Platform::Apns | Platform::ApnsSandbox => apns(&sending),
        }
    });
    // SNS wants a text for everybody else, though an endpoint never gets it.
    let body = json!({"default": "notification", key: payload});
    Message {
        body: body.to_string(),
        attributes: attributes(sending),
    }
}

/// What SNS makes of headers for Apple, and the lives of all. There is no `APNS.TOPIC` among them:
/// the platform application has it, from its certificate or from the bundle id given with its
/// token key; it would be needed only where one key serves several bundles.
fn attributes(sending: &Sending) -> Vec<(&'static str, String)> {
    let ttl = sending.ttl.to_string();
    let lives = match sending.platform {
        Platform::Fcm => return vec![("AWS.SNS.MOBILE.FCM.TTL", ttl)],
        Platform::Apns => "AWS.SNS.MOBILE.APNS.TTL",
        Platform::ApnsSandbox => "AWS.SNS.MOBILE.APNS_SANDBOX.TTL",
    };
    let silent = sending.options.silent;
    // Apple refuses priority 10 for a background push.
    let urgent = sending.options.priority != Priority::Normal && !silent;
    let (kind, priority) = (
        if silent { "background" } else { "alert" },
        if urgent { "10" } else { "5" },
    );
    let id = sending.notification.id.to_string();
    vec![
        (lives, ttl),
        ("AWS.SNS.MOBILE.APNS.PUSH_TYPE", kind.to_owned()),
        ("AWS.SNS.MOBILE.APNS.PRIORITY", priority.to_owned()),
        ("AWS.SNS.MOBILE.APNS.COLLAPSE_ID", id),
    ]
}

/// The payload, shortened to what Apple and Google take: the body at the end of a character as
/// people see it, then what is beside the text, then the title.
fn fitted(
    notification: &Notification,
    limit: usize,
    write: impl Fn(&Notification) -> Value,
) -> String {
    let payload = write(notification).to_string();
    if payload.len() <= limit {
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
            write(&shorter).to_string().len() > limit
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

fn remove_nulls(value: &mut Value) {
    if let Value::Object(fields) = value {
        fields.retain(|_, value| !value.is_null());
        fields.values_mut().for_each(remove_nulls);
    }
}

/// Firebase Cloud Messaging, HTTP v1: `data` holds strings only. A message with `id_only` has no
/// text, so the app fetches it and shows it itself. The token may be an Android app's or a
/// browser's, and nothing tells which, so both have their part; each ignores the other's.
fn fcm(sending: &Sending) -> Value {
    let Sending {
        notification,
        options,
        ttl,
        ..
    } = *sending;
    let content = &notification.content;
    let id = notification.id.to_string();
    let shown = !options.silent && options.content == Disclosure::Full;
    let urgent = options.priority != Priority::Normal;
    // Google refuses a link that is not HTTPS, with the whole message.
    let link = content
        .link
        .as_deref()
        .filter(|link| link.starts_with("https://"));
    let link = link.filter(|_| shown);
    let mut message = json!({
        "android": {
            "priority": if urgent { "high" } else { "normal" },
            "ttl": format!("{ttl}s"),
        },
        "webpush": {
            // What waits for a browser is replaced by its repeat, as the tag replaces what it shows.
            "headers": {
                "TTL": ttl.to_string(),
                "Urgency": if urgent { "high" } else { "normal" },
                "Topic": id,
            },
            "fcm_options": link.map(|link| json!({"link": link})),
        },
    });
    message["data"] = Value::Object(custom(notification, options));
    if shown {
        message["notification"] = json!({
            "title": content.title,
            "body": content.body,
            "image": content.image,
        });
        message["android"]["notification"] = json!({
            "tag": id,
            "sound": options.sound,
            "channel_id": options.channel,
            "notification_count": sending.badge,
        });
        message["webpush"]["notification"] = json!({"tag": id});
    }
    remove_nulls(&mut message);
    // What `json!` is given as a value, it would write and read again.
    let mut whole = json!({"fcmV1Message": {}});
    whole["fcmV1Message"]["message"] = message;
    whole
}

/// Apple. A message with `id_only` shows the app's own text for the key `NEW_NOTIFICATION`, which
/// its notification service extension replaces with what it fetches.
fn apns(sending: &Sending) -> Value {
    let Sending {
        notification,
        options,
        ..
    } = *sending;
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
        // Only Apple's own "critical", for which an app needs their leave, sounds through a mute.
        let sound = if level == Some("critical") {
            json!({"critical": 1, "name": options.sound, "volume": 1.0})
        } else {
            json!(options.sound)
        };
        json!({
            "alert": alert,
            "badge": sending.badge,
            "sound": sound,
            "thread-id": content.group.as_deref().filter(|_| !id_only),
            "category": options.category,
            "interruption-level": level.or(critical.then_some("time-sensitive")),
            // Lets the app's extension add the picture, or fetch the text.
            "mutable-content": (content.image.is_some() || id_only).then_some(1),
        })
    };
    let mut payload = custom(notification, options);
    payload.insert("aps".to_owned(), aps);
    let mut payload = Value::Object(payload);
    remove_nulls(&mut payload);
    payload
}

#[cfg(test)]
mod tests;
