//! Message attributes: checked, summed up, and in the shape a function sees.

use super::refusal::Refusal;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

/// The most attributes of a message.
const MOST: usize = 10;

/// Checks the attributes of a message that is being sent.
pub(super) fn check(attributes: &Map<String, Value>) -> Result<(), Refusal> {
    if attributes.len() > MOST {
        return Err(Refusal::invalid(format!(
            "Number of message attributes [{}] exceeds the allowed maximum [{MOST}].",
            attributes.len()
        )));
    }
    attributes
        .iter()
        .try_for_each(|(name, attribute)| check_one(name, attribute))
}

fn check_one(name: &str, attribute: &Value) -> Result<(), Refusal> {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "_-.".contains(letter);
    let reserved = ["aws.", "amazon."]
        .iter()
        .any(|start| name.to_ascii_lowercase().starts_with(start));
    if name.is_empty() || name.len() > 256 || reserved || !name.chars().all(plain) {
        return Err(Refusal::invalid(format!(
            "The message attribute name '{name}' is invalid."
        )));
    }
    let text = |key: &str| attribute[key].as_str();
    let value = match text("DataType").and_then(|kind| kind.split('.').next()) {
        Some("String") => text("StringValue"),
        Some("Number") => text("StringValue").filter(|value| value.trim().parse::<f64>().is_ok()),
        Some("Binary") => text("BinaryValue").filter(|value| STANDARD.decode(value).is_ok()),
        _ => {
            return Err(Refusal::invalid(format!(
                "The type of message (user) attribute '{name}' is invalid. You must use only the following supported type \
                 prefixes: Binary, Number, String."
            )));
        }
    };
    match value {
        Some(value) if !value.is_empty() => Ok(()),
        _ => Err(Refusal::invalid(format!(
            "The message (user) attribute '{name}' must contain a non-empty value of its type."
        ))),
    }
}

/// How many bytes the attributes count for.
pub(super) fn size(attributes: &Map<String, Value>) -> usize {
    let value = |attribute: &Value, key: &str| attribute[key].as_str().map_or(0, str::len);
    attributes
        .iter()
        .map(|(name, each)| {
            let binary = value(each, "BinaryValue") / 4 * 3;
            name.len() + value(each, "DataType") + value(each, "StringValue") + binary
        })
        .sum()
}

/// The MD5 of attributes as SQS sums them up; `None` of none.
pub(super) fn md5(attributes: &Map<String, Value>) -> Option<String> {
    let mut bytes = Vec::new();
    let mut sorted: Vec<_> = attributes.iter().collect();
    sorted.sort_by_key(|(name, _)| *name);
    for (name, attribute) in sorted {
        append(&mut bytes, name.as_bytes());
        append(
            &mut bytes,
            attribute["DataType"]
                .as_str()
                .unwrap_or_default()
                .as_bytes(),
        );
        if let Some(text) = attribute["StringValue"].as_str() {
            bytes.push(1);
            append(&mut bytes, text.as_bytes());
        } else {
            let binary = attribute["BinaryValue"].as_str().unwrap_or_default();
            bytes.push(2);
            append(&mut bytes, &STANDARD.decode(binary).unwrap_or_default());
        }
    }
    (!bytes.is_empty()).then(|| format!("{:x}", md5::compute(&bytes)))
}

/// Appends a part and, before it, its length.
fn append(bytes: &mut Vec<u8>, part: &[u8]) {
    let length = u32::try_from(part.len()).unwrap_or(u32::MAX);
    bytes.extend_from_slice(&length.to_be_bytes());
    bytes.extend_from_slice(part);
}

/// Those of the attributes that a receiver asked for: by name, by `All` or `.*`, or by the beginning `start.*`.
pub(super) fn asked(attributes: &Map<String, Value>, wanted: &[String]) -> Map<String, Value> {
    let is_asked = |name: &str| {
        wanted.iter().any(|wanted| match wanted.strip_suffix(".*") {
            Some(start) => name.starts_with(start),
            None => wanted == "All" || wanted == name,
        })
    };
    let asked = attributes.iter().filter(|(name, _)| is_asked(name));
    asked
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// The attributes as a function sees them in an event.
pub(crate) fn lambda_shape(attributes: &Map<String, Value>) -> Value {
    let one = |attribute: &Value| {
        let mut shape = json!({
            "stringListValues": [],
            "binaryListValues": [],
            "dataType": attribute["DataType"],
        });
        for (from, to) in [
            ("StringValue", "stringValue"),
            ("BinaryValue", "binaryValue"),
        ] {
            if let Some(value) = attribute.get(from) {
                shape[to] = value.clone();
            }
        }
        shape
    };
    let shapes = attributes
        .iter()
        .map(|(name, each)| (name.clone(), one(each)));
    Value::Object(shapes.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_checked_summed_up_and_shown() {
        let attributes = json!({
            "timestamp": {"DataType": "Number", "StringValue": "1493147359900"},
            "photo": {"DataType": "Binary.png", "BinaryValue": "AQID"},
            "name": {"DataType": "String", "StringValue": "Ana"},
        });
        let attributes = attributes.as_object().unwrap();
        assert!(check(attributes).is_ok());
        let only = |name: &str| asked(attributes, &[name.to_owned()]);
        // From AWS's own client, whose receivers verify it.
        assert_eq!(
            md5(&only("timestamp")).as_deref(),
            Some("235c5c510d26fb653d073faed50ae77c")
        );
        assert_eq!(md5(&Map::new()), None);
        assert_eq!(only("All").len(), 3);
        assert_eq!(only(".*").len(), 3);
        assert_eq!(only("na.*").len(), 1);
        assert_eq!(only("other").len(), 0);
        let shown = lambda_shape(&only("photo"));
        assert_eq!(
            shown["photo"],
            json!({"stringListValues": [], "binaryListValues": [], "dataType": "Binary.png", "binaryValue": "AQID"})
        );
    }

    #[test]
    fn attributes_that_sqs_refuses_are_refused() {
        for (name, attribute) in [
            ("AWS.x", json!({"DataType": "String", "StringValue": "a"})),
            ("a b", json!({"DataType": "String", "StringValue": "a"})),
            ("a", json!({"DataType": "Text", "StringValue": "a"})),
            ("a", json!({"DataType": "String", "StringValue": ""})),
            ("a", json!({"DataType": "Number", "StringValue": "one"})),
            ("a", json!({"DataType": "Binary", "BinaryValue": "*"})),
            ("a", json!({"DataType": "Binary", "StringValue": "a"})),
            ("a", json!(7)),
        ] {
            let attributes = Map::from_iter([(name.to_owned(), attribute)]);
            assert!(check(&attributes).is_err(), "{attributes:?}");
        }
        let many = (0..11).map(|n| {
            (
                n.to_string(),
                json!({"DataType": "String", "StringValue": "a"}),
            )
        });
        assert!(check(&many.collect()).is_err());
    }
}
