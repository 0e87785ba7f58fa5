//! The properties that the template gives the resource.

use serde_json::{Map, Value};
use shared::device::Platform;
use shared::sns::applications::{Attributes, platform_name};

/// Each platform, the property with its secret, and the attribute that tells its application.
pub const PLATFORMS: [(Platform, &str, &str); 3] = [
    (Platform::Fcm, "FcmSecretArn", "FcmApplicationArn"),
    (Platform::Apns, "ApnsSecretArn", "ApnsApplicationArn"),
    (
        Platform::ApnsSandbox,
        "ApnsSandboxSecretArn",
        "ApnsSandboxApplicationArn",
    ),
];

/// What of SNS's attributes is no credential: the property, and the attributes that take its value.
const PLAIN: [(&str, &[&str]); 4] = [
    (
        "EventTopicArn",
        &["EventEndpointUpdated", "EventDeliveryFailure"],
    ),
    ("SuccessFeedbackRoleArn", &["SuccessFeedbackRoleArn"]),
    ("FailureFeedbackRoleArn", &["FailureFeedbackRoleArn"]),
    ("SuccessFeedbackSampleRate", &["SuccessFeedbackSampleRate"]),
];

/// The attribute by which an application of ours is known: nobody else's tells our topic.
const MARK: &str = "EventDeliveryFailure";

/// Where the function runs, and so the applications.
pub struct Place {
    partition: String,
    region: String,
    account: String,
}

impl Place {
    /// That of the function with this ARN.
    pub fn of_function(arn: &str) -> Option<Place> {
        let parts: Vec<&str> = arn.split(':').collect();
        match parts[..] {
            ["arn", partition, "lambda", region, account, "function", ..] => Some(Place {
                partition: partition.to_owned(),
                region: region.to_owned(),
                account: account.to_owned(),
            }),
            _ => None,
        }
    }

    /// The ARN of an application.
    pub fn application(&self, platform: Platform, name: &str) -> String {
        let Place {
            partition,
            region,
            account,
        } = self;
        let platform = platform_name(platform);
        format!("arn:{partition}:sns:{region}:{account}:app/{platform}/{name}")
    }
}

/// The text of a property; `CloudFormation` sends nothing but text.
pub fn text<'p>(properties: &'p Value, name: &str) -> &'p str {
    properties[name].as_str().unwrap_or_default()
}

/// The number that is raised to have new credentials read. Absent is 0.
pub fn version(properties: &Value) -> Result<u64, String> {
    match text(properties, "CredentialsVersion") {
        "" => Ok(0),
        digits => digits
            .parse()
            .map_err(|_| "CredentialsVersion must be a whole number".to_owned()),
    }
}

/// The applications' name, if it is one.
pub fn name(properties: &Value) -> Result<&str, String> {
    let name = text(properties, "Name");
    let allowed = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    if (1..=256).contains(&name.len()) && name.chars().all(allowed) {
        Ok(name)
    } else {
        Err("Name must be 1 to 256 letters, digits, _, - or .".to_owned())
    }
}

/// The event topic. Without it nobody could tell our applications from others.
pub fn topic(properties: &Value) -> Result<&str, String> {
    match text(properties, "EventTopicArn") {
        "" => Err("EventTopicArn must be the ARN of the topic of platform events".to_owned()),
        topic => Ok(topic),
    }
}

/// The attributes beside the credentials. What was given before and is not any more is emptied.
pub fn plain_attributes(properties: &Value, old: &Value) -> Attributes {
    let mut attributes = Vec::new();
    for (property, names) in PLAIN {
        let value = text(properties, property);
        if !value.is_empty() || !text(old, property).is_empty() {
            attributes.extend(names.iter().map(|name| (*name, value.to_owned())));
        }
    }
    attributes
}

/// Whether an application with these attributes is one of this stack.
pub fn is_ours(attributes: &std::collections::HashMap<String, String>, properties: &Value) -> bool {
    let topic = text(properties, "EventTopicArn");
    !topic.is_empty() && attributes.get(MARK).is_some_and(|mark| mark == topic)
}

/// What the template may ask for: the applications' ARNs, empty where there is none, and a sentence.
pub fn data(properties: &Value, place: &Place, name: &str) -> Map<String, Value> {
    let mut data = Map::new();
    let mut platforms = Vec::new();
    for (platform, secret, attribute) in PLATFORMS {
        let configured = !text(properties, secret).is_empty();
        if configured {
            platforms.push(platform_name(platform));
        }
        let arn = configured.then(|| place.application(platform, name));
        data.insert(attribute.to_owned(), Value::String(arn.unwrap_or_default()));
    }
    let pushes = if platforms.is_empty() {
        let names = PLATFORMS.map(|(_, secret, _)| secret).join(", ");
        format!("No pushes are sent: the stack has none of the parameters {names}.")
    } else {
        format!("Pushes go through {}.", platforms.join(", "))
    };
    data.insert("Pushes".to_owned(), Value::String(pushes));
    data
}
