//! The events in `events/` as examples of what is sent and answered.

use std::fs;
use std::path::Path;

use serde_json::{Map, Value, json};

/// Adds every request that is answered with success, and every answer.
pub fn add(document: &mut Value, events: &Path) {
    for (name, event) in files(events) {
        let Some((method, path)) = event.0["routeKey"]
            .as_str()
            .and_then(|key| key.split_once(' '))
        else {
            continue;
        };
        let (event, answer) = &event;
        let place = format!("/paths/{}/{}", escaped(path), method.to_lowercase());
        let status = answer["statusCode"].as_u64().unwrap_or_default();
        if status < 300 && !has_refused(&answer["body"]["data"]) {
            add_request(document, &place, &name, event);
        }
        add_answer(document, &place, &name, answer);
    }
}

/// Every event of an HTTP route with its answer, by its name.
fn files(events: &Path) -> Vec<(String, (Value, Value))> {
    let read = |path: &Path| {
        let text = fs::read_to_string(path).unwrap_or_default();
        serde_json::from_str::<Value>(&text).unwrap_or_default()
    };
    let folders = fs::read_dir(events).into_iter().flatten().flatten();
    let entries =
        folders.flat_map(|folder| fs::read_dir(folder.path()).into_iter().flatten().flatten());
    let mut found: Vec<_> = entries
        .map(|entry| entry.path())
        .filter(|path| !path.to_string_lossy().ends_with(".response.json"))
        .map(|path| {
            let name = path
                .file_stem()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            (
                name,
                (read(&path), read(&path.with_extension("response.json"))),
            )
        })
        .filter(|(_, (event, _))| event["routeKey"].is_string())
        .collect();
    found.sort_by(|(a, _), (b, _)| a.cmp(b));
    found
}

fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

fn add_request(document: &mut Value, place: &str, name: &str, event: &Value) {
    let headers = &event["headers"];
    let in_headers = headers["ce-specversion"].is_string();
    let base64 = event["isBase64Encoded"] == true;
    let media_type = headers["content-type"].as_str().unwrap_or_default();
    let media_type = media_type.split(';').next().unwrap_or_default();
    let body = event["body"]
        .as_str()
        .and_then(|body| serde_json::from_str::<Value>(body).ok());
    let place = format!("{place}/requestBody/content/{}", escaped(media_type));
    if let (Some(body), Some(content), false) =
        (body, document.pointer_mut(&place), in_headers || base64)
    {
        content["examples"][name] = json!({"value": body});
    }
}

fn add_answer(document: &mut Value, place: &str, name: &str, answer: &Value) {
    let (status, body) = (&answer["statusCode"], &answer["body"]);
    let is_problem = status.as_u64().is_some_and(|status| status >= 400);
    let usual = if is_problem {
        "application/problem+json"
    } else {
        "application/json"
    };
    let media_type = answer["headers"]["content-type"].as_str().unwrap_or(usual);
    let at = format!("{place}/responses/{status}");
    let shared = document
        .pointer(&at)
        .and_then(|response| response["$ref"].as_str());
    // A response that many operations have is written out where it has examples.
    if let Some(shared) = shared
        .and_then(|shared| document.pointer(&shared[1..]))
        .cloned()
        && let Some(response) = document.pointer_mut(&at)
    {
        *response = shared;
    }
    let at = format!("{at}/content/{}", escaped(media_type));
    let Some(schema) = document
        .pointer(&format!("{at}/schema"))
        .filter(|_| body.is_object())
        .cloned()
    else {
        return;
    };
    let mut body = filled(body, &schema, document);
    if is_problem {
        body["status"] = status.clone();
    }
    if let Some(content) = document.pointer_mut(&at) {
        content["examples"][name] = json!({"value": body});
    }
}

/// A documented answer with something plausible in the place of each `*`.
fn filled(body: &Value, schema: &Value, document: &Value) -> Value {
    if let Some(name) = schema["$ref"].as_str() {
        let target = document.pointer(&name[1..]).cloned().unwrap_or_default();
        return filled(body, &target, document);
    }
    if let Some(ways) = schema["oneOf"].as_array() {
        let way = ways.iter().find(|way| fits(body, way, document));
        return way.map_or_else(|| body.clone(), |way| filled(body, way, document));
    }
    match body {
        Value::String(any) if any == "*" => plausible(schema, document),
        Value::Object(fields) => {
            let given = fields.iter().map(|(name, value)| {
                let schema = &schema["properties"][name];
                (name.clone(), filled(value, schema, document))
            });
            let mut all: Map<String, Value> = given.collect();
            // An event's documented answer may name fewer fields than come.
            for name in schema["required"].as_array().into_iter().flatten() {
                let name = name.as_str().unwrap_or_default();
                if !all.contains_key(name) {
                    let value = plausible(&schema["properties"][name], document);
                    all.insert(name.to_owned(), value);
                }
            }
            Value::Object(all)
        }
        Value::Array(items) => items
            .iter()
            .map(|item| filled(item, &schema["items"], document))
            .collect(),
        other => other.clone(),
    }
}

/// Whether it is meant by this one of several schemas.
fn fits(body: &Value, schema: &Value, document: &Value) -> bool {
    if let Some(name) = schema["$ref"].as_str() {
        return document
            .pointer(&name[1..])
            .is_some_and(|target| fits(body, target, document));
    }
    match body {
        Value::Object(fields) => fields
            .keys()
            .all(|name| schema["properties"][name].is_object()),
        Value::Null => schema["type"] == "null",
        _ => schema["type"] != "null" && schema["type"] != "object",
    }
}

/// A value that an answer may have; `null` where that is one.
fn plausible(schema: &Value, document: &Value) -> Value {
    if let Some(name) = schema["$ref"].as_str() {
        let target = document.pointer(&name[1..]).unwrap_or(&Value::Null);
        return plausible(target, document);
    }
    let is_null = |schema: &Value| schema["type"] == "null" || schema["type"][1] == "null";
    let ways = schema["oneOf"].as_array();
    if is_null(schema) || ways.is_some_and(|ways| ways.iter().any(is_null)) {
        return Value::Null;
    }
    let known = [&schema["const"], &schema["examples"][0], &schema["enum"][0]];
    if let Some(known) = known.into_iter().find(|known| !known.is_null()) {
        return known.clone();
    }
    match schema["type"].as_str() {
        Some("array") => json!([]),
        Some("object") => filled(&json!({}), schema, document),
        Some("boolean") => json!(false),
        Some("integer") => json!(0),
        _ => json!("…"),
    }
}

/// Whether items of a batch were refused.
fn has_refused(items: &Value) -> bool {
    let mut items = items.as_array().into_iter().flatten();
    items.any(|item| item["status"].as_u64().is_some_and(|status| status >= 400))
}
