//! What SNS tells of its endpoints through a topic.
//!
//! There is no event that says "disabled": that comes as an update or as a failed delivery. Any event may be late, out of
//! order, and come twice. So it is read for one thing only: which endpoint is worth a look.

use serde_json::Value;

/// What one event is good for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// Something may have happened to this endpoint, given by its ARN.
    Look(String),
    /// Nothing that anybody waits for.
    Nothing,
    /// Not an event as we know them: why.
    Undecodable(&'static str),
}

impl Notice {
    /// Reads the text that SNS published to the topic.
    pub fn decode(text: &str) -> Notice {
        let event: Value = serde_json::from_str(text).unwrap_or_default();
        let field = |name: &str| event[name].as_str().unwrap_or_default();
        match (field("EventType"), field("FailureType")) {
            ("", _) => return Notice::Undecodable("it has no event type"),
            // The message came too late; the device is as it was.
            ("EndpointCreated", _) | ("DeliveryFailure", "NotificationTTLExpired") => {
                return Notice::Nothing;
            }
            ("EndpointUpdated" | "EndpointDeleted" | "DeliveryFailure", _) => {}
            _ => return Notice::Undecodable("it has an unknown event type"),
        }
        let endpoint = field("EndpointArn");
        if endpoint.starts_with("arn:") && endpoint.contains(":endpoint/") {
            Notice::Look(endpoint.to_owned())
        } else {
            Notice::Undecodable("it names no endpoint")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_read_for_its_endpoint_alone() {
        let arn = "arn:aws:sns:eu-west-1:123456789012:endpoint/GCM/app/5e3e9847";
        let event = |kind: &str, failure: &str| {
            let failure = if failure.is_empty() {
                String::new()
            } else {
                format!(r#","FailureType":"{failure}""#)
            };
            Notice::decode(&format!(
                r#"{{"EventType":"{kind}","EndpointArn":"{arn}","Service":"SNS"{failure}}}"#
            ))
        };
        let look = Notice::Look(arn.to_owned());
        for kind in ["EndpointUpdated", "EndpointDeleted"] {
            assert_eq!(event(kind, ""), look);
        }
        for failure in [
            "InvalidPlatformToken",
            "EndpointDisabled",
            "DeliveryFailedPerm",
            "",
            "New",
        ] {
            assert_eq!(event("DeliveryFailure", failure), look, "{failure}");
        }
        assert_eq!(event("EndpointCreated", ""), Notice::Nothing);
        assert_eq!(
            event("DeliveryFailure", "NotificationTTLExpired"),
            Notice::Nothing
        );
        let odd = [
            "",
            "null",
            "[]",
            "{}",
            r#"{"EventType":7}"#,
            r#"{"EventType":"EndpointUpdated"}"#,
            r#"{"EventType":"EndpointUpdated","EndpointArn":""}"#,
            r#"{"EventType":"EndpointDeleted","EndpointArn":"arn:aws:sns:eu-west-1:123456789012:app/GCM/app"}"#,
            r#"{"EventType":"EndpointShaken","EndpointArn":"arn:aws:sns:eu-west-1:1:endpoint/GCM/app/5"}"#,
        ];
        for text in odd {
            assert!(
                matches!(Notice::decode(text), Notice::Undecodable(_)),
                "{text}"
            );
        }
    }
}
