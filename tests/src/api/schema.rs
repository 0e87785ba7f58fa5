//! Words for JSON Schemas.

use serde_json::{Map, Value, json};

/// A field: its name, with a `?` behind it if it may be left out; its schema; what it says.
pub type Field = (&'static str, Value, &'static str);

/// A text of 1 to `max` characters.
pub fn text(max: usize) -> Value {
    json!({"type": "string", "minLength": 1, "maxLength": max})
}

/// A text in an answer.
pub fn string() -> Value {
    json!({"type": "string"})
}

/// A moment in RFC 3339 form.
pub fn moment() -> Value {
    json!({"type": "string", "format": "date-time", "examples": ["2026-11-20T10:00:00Z"]})
}

/// `true` or `false`.
pub fn flag() -> Value {
    json!({"type": "boolean"})
}

/// A whole number.
pub fn whole(min: u64, max: u64) -> Value {
    json!({"type": "integer", "minimum": min, "maximum": max})
}

/// A whole number in an answer.
pub fn count() -> Value {
    json!({"type": "integer", "minimum": 0})
}

/// One of a few words.
pub fn words(words: &[&str]) -> Value {
    json!({"type": "string", "enum": words})
}

/// Always the same.
pub fn always(value: impl Into<Value>) -> Value {
    json!({"const": value.into()})
}

/// A list.
pub fn list(items: impl Into<Value>, min: usize, max: usize) -> Value {
    json!({"type": "array", "items": items.into(), "minItems": min, "maxItems": max})
}

/// A list in an answer.
pub fn many(items: impl Into<Value>) -> Value {
    json!({"type": "array", "items": items.into()})
}

/// A list without repeats.
pub fn set(items: impl Into<Value>, max: usize) -> Value {
    let mut set = list(items, 1, max);
    set["uniqueItems"] = json!(true);
    set
}

/// Values under names of the caller's own.
pub fn map(names: impl Into<Value>, values: impl Into<Value>, max: usize) -> Value {
    json!({"type": "object", "propertyNames": names.into(), "additionalProperties": values.into(), "maxProperties": max})
}

/// Any object.
pub fn free() -> Value {
    json!({"type": "object", "additionalProperties": true})
}

/// A schema by its name.
pub fn named(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

/// One of these.
pub fn either(schemas: impl Into<Value>) -> Value {
    json!({"oneOf": schemas.into()})
}

/// The same, or `null`.
pub fn or_null(mut schema: Value) -> Value {
    if let Some(kind @ ("string" | "integer" | "boolean" | "array" | "object")) =
        schema["type"].as_str()
    {
        schema["type"] = json!([kind, "null"]);
        if let Some(Value::Array(words)) = schema.get_mut("enum") {
            words.push(Value::Null);
        }
        return schema;
    }
    if let Some(Value::Array(ways)) = schema.get_mut("oneOf") {
        ways.push(json!({"type": "null"}));
        return schema;
    }
    either(vec![schema, json!({"type": "null"})])
}

/// An object of a request: it has no other fields, and `null` is as good as left out.
pub fn takes(fields: Vec<Field>) -> Value {
    let mut object = object(fields, or_null);
    object["additionalProperties"] = json!(false);
    object
}

/// An object of an answer.
pub fn gives(fields: Vec<Field>) -> Value {
    object(fields, |schema| schema)
}

fn object(fields: Vec<Field>, optional: fn(Value) -> Value) -> Value {
    let (mut properties, mut required) = (Map::new(), Vec::new());
    for (name, schema, says) in fields {
        let (name, mut schema) = if let Some(name) = name.strip_suffix('?') {
            (name, optional(schema))
        } else {
            required.push(name);
            (name, schema)
        };
        if !says.is_empty() {
            schema["description"] = json!(says);
        }
        properties.insert(name.to_owned(), schema);
    }
    let mut object = json!({"type": "object", "properties": properties});
    if !required.is_empty() {
        object["required"] = json!(required);
    }
    object
}

/// A page of a list.
pub fn page(items: impl Into<Value>) -> Value {
    gives(vec![("data", many(items), ""), ("page", named("Page"), "")])
}
