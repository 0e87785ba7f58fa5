//! What of a publish reaches a platform, and SNS's checks of it.

use super::refusal::Refusal;
use serde_json::{Map, Value, json};

/// The most bytes of a message and its attributes.
const MAX_MESSAGE: usize = 256 * 1024;
/// The most bytes a platform takes.
const MAX_PAYLOAD: usize = 4096;
/// The platforms, as ARNs and messages name them.
pub(super) const PLATFORMS: [&str; 4] = ["ADM", "APNS", "APNS_SANDBOX", "GCM"];

/// Checks what holds for every platform. `size` counts the message and its attributes, in bytes.
pub(super) fn check(message: &str, size: usize) -> Result<(), Refusal> {
    if message.is_empty() {
        return Err(Refusal::invalid("Empty message"));
    }
    if size > MAX_MESSAGE {
        return Err(Refusal::of("message-too-long"));
    }
    Ok(())
}

/// The payload for `platform` in a message; `structured` if its structure is `json`.
pub(super) fn payload(message: &str, structured: bool, platform: &str) -> Result<Value, Refusal> {
    if !structured {
        return Ok(plain(message, platform));
    }
    let (parts, default) = structure(message)?;
    // One that cannot be read fails the whole call, even if this endpoint is of another platform.
    for other in PLATFORMS {
        part(&parts, other)?;
    }
    let Some((text, payload)) = part(&parts, platform)? else {
        return Ok(plain(&default, platform));
    };
    if text.len() > MAX_PAYLOAD {
        let reason = match platform {
            "APNS" | "APNS_SANDBOX" => "Notification is too long",
            _ => "Notification data is larger than allowed limit",
        };
        return Err(invalid_notification(platform, reason));
    }
    Ok(payload)
}

/// What functions get that listen to a topic.
pub(super) fn for_functions(message: &str, structured: bool) -> Result<String, Refusal> {
    if !structured {
        return Ok(message.to_owned());
    }
    let (parts, default) = structure(message)?;
    let own = parts.get("lambda").and_then(Value::as_str);
    Ok(own.map_or(default, str::to_owned))
}

/// The parts of a structured message, and the one for everybody else.
fn structure(message: &str) -> Result<(Map<String, Value>, String), Refusal> {
    let Ok(Value::Object(parts)) = serde_json::from_str(message) else {
        return Err(Refusal::of("invalid-parameter"));
    };
    let Some(default) = parts.get("default").and_then(Value::as_str) else {
        return Err(Refusal::invalid(
            "Message Structure - No default entry in JSON message body",
        ));
    };
    let default = default.to_owned();
    Ok((parts, default))
}

/// The text for a platform and the object in it.
fn part<'a>(
    parts: &'a Map<String, Value>,
    platform: &str,
) -> Result<Option<(&'a str, Value)>, Refusal> {
    let Some(value) = parts.get(platform) else {
        return Ok(None);
    };
    let Some(text) = value.as_str() else {
        return Err(Refusal::of("invalid-parameter"));
    };
    match serde_json::from_str(text) {
        Ok(payload @ Value::Object(_)) => Ok(Some((text, payload))),
        Ok(_) => Err(invalid_notification(
            platform,
            "Notification is not a JSON object",
        )),
        Err(_) => Err(invalid_notification(platform, "Notification is malformed")),
    }
}

fn invalid_notification(platform: &str, reason: &str) -> Refusal {
    Refusal::invalid(format!(
        "Message Reason: Invalid notification for protocol {platform}: {reason}"
    ))
}

/// What SNS makes of plain text.
fn plain(text: &str, platform: &str) -> Value {
    match platform {
        "APNS" | "APNS_SANDBOX" => json!({"aps": {"alert": text}}),
        _ => json!({"data": {"default": text}}),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn structured_messages_are_checked_as_sns_does() {
        let long = json!({"x": "x".repeat(4096)}).to_string();
        let structure = "Invalid parameter: Message Structure - ";
        let invalid = "Invalid parameter: Message Reason: Invalid notification for protocol ";
        let cases = [
            (
                "GCM",
                json!({"GCM": "{}"}),
                structure,
                "No default entry in JSON message body",
            ),
            (
                "GCM",
                json!({"default": 1}),
                structure,
                "No default entry in JSON message body",
            ),
            (
                "GCM",
                json!([]),
                structure,
                "JSON message body failed to parse",
            ),
            (
                "GCM",
                json!({"default": "x", "GCM": {}}),
                structure,
                "JSON message body failed to parse",
            ),
            ("GCM", json!({"default": "x", "GCM": "{"}), invalid, "GCM: "),
            (
                "GCM",
                json!({"default": "x", "APNS": "1"}),
                invalid,
                "APNS: ",
            ),
            (
                "APNS",
                json!({"default": "x", "APNS": long}),
                invalid,
                "APNS: Notification is too long",
            ),
            (
                "GCM",
                json!({"default": "x", "GCM": long}),
                invalid,
                "GCM: Notification data is larger than allowed limit",
            ),
        ];
        for (platform, message, start, end) in cases {
            let refusal = payload(&message.to_string(), true, platform)
                .unwrap_err()
                .xml("id");
            assert!(
                refusal.contains(&format!("{start}{end}")),
                "{message}: {refusal}"
            );
        }
    }

    #[test]
    fn an_endpoint_gets_its_platforms_part_or_the_default() {
        let message = json!({"default": "Hi", "GCM": r#"{"data":{}}"#, "unknown": 1}).to_string();
        assert_eq!(payload(&message, true, "GCM").unwrap(), json!({"data": {}}));
        assert_eq!(
            payload(&message, true, "APNS").unwrap(),
            json!({"aps": {"alert": "Hi"}})
        );
        assert_eq!(
            payload("Hi", false, "GCM").unwrap(),
            json!({"data": {"default": "Hi"}})
        );
    }
}
