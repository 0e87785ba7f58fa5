//! Requests made from their schemas.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

/// An object inside a request whose fields are ours.
#[derive(Debug)]
pub struct Place {
    /// Where it stands.
    pub pointer: String,
    /// Whether it may have fields of the sender's own, whose names have no `_`.
    pub is_open: bool,
    /// The fields that it, or another form of it, has.
    pub known: BTreeSet<String>,
    pub properties: Map<String, Value>,
}

/// A schema, or where it refers to.
fn resolved<'d>(document: &'d Value, schema: &'d Value) -> &'d Value {
    match schema["$ref"].as_str() {
        Some(name) => resolved(document, document.pointer(&name[1..]).unwrap()),
        None => schema,
    }
}

/// The several forms of a request.
pub fn variants(document: &Value, schema: &Value) -> Vec<Value> {
    let schema = resolved(document, schema);
    match schema["oneOf"].as_array() {
        Some(ways) => ways
            .iter()
            .flat_map(|way| variants(document, way))
            .collect(),
        None => vec![schema.clone()],
    }
}

/// The JSON type of a schema; of one that may be `null`, the other.
fn kind(schema: &Value) -> &str {
    schema["type"]
        .as_str()
        .or(schema["type"][0].as_str())
        .unwrap_or_default()
}

/// A value that keeps the schema, with every field there is.
pub fn sample(document: &Value, schema: &Value) -> Value {
    let schema = resolved(document, schema);
    if let Some(way) = schema["oneOf"].get(0) {
        return sample(document, way);
    }
    let given = [
        schema.get("const"),
        schema["examples"].get(0),
        schema["enum"].get(0),
    ];
    if let Some(given) = given.into_iter().flatten().next() {
        return given.clone();
    }
    match kind(schema) {
        "object" => {
            let properties = schema["properties"].as_object().into_iter().flatten();
            // What is encoded is there in the clear, too.
            let plain = properties.filter(|(_, field)| !field["contentEncoding"].is_string());
            let mut object: Map<String, Value> = plain
                .map(|(name, field)| (name.clone(), sample(document, field)))
                .collect();
            if schema["propertyNames"]["$ref"].is_string() {
                let name = sample(document, &schema["propertyNames"]);
                object.insert(
                    name.as_str().unwrap().to_owned(),
                    sample(document, &schema["additionalProperties"]),
                );
            }
            Value::Object(object)
        }
        "array" => json!([sample(document, &schema["items"])]),
        "integer" => schema["minimum"].clone(),
        "boolean" => json!(false),
        _ => json!("aa"),
    }
}

/// The objects inside a request, itself among them, that have no fields but those that are named.
pub fn objects(document: &Value, schema: &Value, sample: &Value) -> Vec<Place> {
    let mut found = Vec::new();
    visit(document, schema, (sample, ""), &BTreeSet::new(), &mut found);
    found
}

/// The fields of all forms of an object.
fn known(document: &Value, schema: &Value) -> BTreeSet<String> {
    let schema = resolved(document, schema);
    let ways = schema["oneOf"].as_array().into_iter().flatten();
    let own = schema["properties"].as_object().into_iter().flatten();
    let own = own.map(|(name, _)| name.clone());
    own.chain(ways.flat_map(|way| known(document, way)))
        .collect()
}

fn visit(
    document: &Value,
    schema: &Value,
    (sample, pointer): (&Value, &str),
    others: &BTreeSet<String>,
    found: &mut Vec<Place>,
) {
    let schema = resolved(document, schema);
    let all = others | &known(document, schema);
    if let Some(way) = schema["oneOf"].get(0) {
        return visit(document, way, (sample, pointer), &all, found);
    }
    match sample {
        Value::Object(fields) => {
            let properties = schema["properties"]
                .as_object()
                .cloned()
                .unwrap_or_default();
            for (name, value) in fields {
                let inner = properties
                    .get(name)
                    .unwrap_or(&schema["additionalProperties"]);
                let pointer = format!("{pointer}/{name}");
                visit(document, inner, (value, &pointer), &BTreeSet::new(), found);
            }
            let is_open = schema["additionalProperties"] != false;
            if !properties.is_empty() {
                found.push(Place {
                    is_open,
                    pointer: pointer.to_owned(),
                    known: all,
                    properties,
                });
            }
        }
        Value::Array(items) => {
            let pointer = format!("{pointer}/0");
            let item = (&items[0], pointer.as_str());
            visit(document, &schema["items"], item, &BTreeSet::new(), found);
        }
        _ => {}
    }
}

/// Fields and their values.
type Values = Map<String, Value>;

impl Place {
    /// Whether it, or another form of it, may have such a field.
    pub fn takes(&self, name: &str) -> bool {
        self.known.contains(name) || self.is_open && !name.contains('_')
    }

    /// Values at the ends of what the schema takes, and just beyond; first at the upper, then at the lower end.
    pub fn limits(&self, document: &Value) -> [(Values, Values); 2] {
        let mut ends: [(Values, Values); 2] = Default::default();
        for (name, schema) in &self.properties {
            let upper = upper(document, schema, name);
            let (least, less) = lower(document, schema);
            for (end, (inside, outside)) in ends.iter_mut().zip([upper, (least, less)]) {
                end.0.extend(inside.map(|value| (name.clone(), value)));
                end.1.extend(outside.map(|value| (name.clone(), value)));
            }
        }
        ends
    }
}

/// The largest value of a schema, and one that is too large; it must have a limit.
fn upper(document: &Value, schema: &Value, name: &str) -> (Option<Value>, Option<Value>) {
    let schema = resolved(document, schema);
    if let Some(ways) = schema["oneOf"].as_array() {
        let last = ways.iter().rev().find(|way| way["type"] != "null");
        return (
            None,
            upper(document, last.unwrap(), name)
                .1
                .or(Some(json!("no such word"))),
        );
    }
    let bound = |key: &str| {
        schema[key]
            .as_u64()
            .and_then(|bound| usize::try_from(bound).ok())
    };
    match kind(schema) {
        // The body ends before it does.
        "string" if schema["contentEncoding"].is_string() => (None, None),
        "string" if schema["enum"].is_array() => {
            (schema["enum"].get(0).cloned(), Some(json!("no such word")))
        }
        "string" if schema["pattern"].is_string() || schema["format"].is_string() => {
            let longest = bound("maxLength").map(|most| json!("é".repeat(most + 1)));
            (
                schema["examples"].get(0).cloned(),
                longest.or(Some(json!("# #\u{7}"))),
            )
        }
        "string" => {
            let most = bound("maxLength").unwrap_or_else(|| panic!("{name} has no longest length"));
            // The values of these are a list of their own.
            let inside = schema["examples"].get(0).cloned();
            let inside = inside.unwrap_or_else(|| json!("é".repeat(most)));
            (Some(inside), Some(json!("é".repeat(most + 1))))
        }
        "integer" => {
            let most = bound("maximum").unwrap_or_else(|| panic!("{name} has no maximum"));
            let inside = schema["examples"].get(0).cloned();
            (inside.or(Some(json!(most))), Some(json!(most + 1)))
        }
        "array" => {
            let most = bound("maxItems").unwrap_or_else(|| panic!("{name} has no most items"));
            upper_of_list(document, schema, most)
        }
        "object" if schema["propertyNames"].is_object() && !schema["properties"].is_object() => {
            let most =
                bound("maxProperties").unwrap_or_else(|| panic!("{name} has no most fields"));
            let value = sample(document, &schema["additionalProperties"]);
            let of = |count: usize| -> Value {
                let all = (0..count).map(|index| (letters(index), value.clone()));
                Value::Object(all.collect())
            };
            (None, Some(of(most + 1)))
        }
        _ => (None, Some(json!("no such thing"))),
    }
}

/// A name that is a language tag, a path into an event and a notification type, another for each number.
fn letters(index: usize) -> String {
    let letter = |n: usize| char::from(b'a' + u8::try_from(n % 26).unwrap());
    [letter(index / 26), letter(index), 'a'].iter().collect()
}

/// The smallest value of a schema, and one that is too small.
fn lower(document: &Value, schema: &Value) -> (Option<Value>, Option<Value>) {
    let schema = resolved(document, schema);
    if schema["oneOf"].is_array() {
        return (None, None);
    }
    match kind(schema) {
        "string" if schema["minLength"] == 1 => (None, Some(json!(""))),
        "integer" => {
            let least = schema["minimum"].as_i64().unwrap();
            (Some(json!(least)), Some(json!(least - 1)))
        }
        "array" if schema["minItems"] == 1 => (None, Some(json!([]))),
        _ => (None, None),
    }
}

/// The longest list, where that is cheap, and one that is too long.
fn upper_of_list(document: &Value, schema: &Value, most: usize) -> (Option<Value>, Option<Value>) {
    let item = sample(document, &schema["items"]);
    let unique = |index: usize| match (&item, &schema["items"]["enum"]) {
        (Value::String(text), Value::Null) => json!(format!("{text}{index}")),
        (_, Value::Array(words)) => words[index % words.len()].clone(),
        _ => item.clone(),
    };
    let of = |count: usize| Some((0..count).map(unique).collect::<Value>());
    let inside = if most <= 1_000 && schema["uniqueItems"] == true {
        of(most)
    } else {
        None
    };
    (inside, of(most + 1))
}
