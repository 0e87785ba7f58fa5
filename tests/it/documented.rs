//! Every answer that a test gets is compared with the API's document: its status, its headers, its body, field by field.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use jsonschema::Validator;
use serde_json::{Value, json};
use tests::api;

/// The document, and what has been compiled of it.
pub struct Documented {
    pub document: Value,
    /// The same; its objects have no other fields than those it names.
    closed: Value,
    compiled: Mutex<HashMap<String, Arc<Validator>>>,
}

/// The document.
pub fn documented() -> &'static Documented {
    static DOCUMENTED: OnceLock<Documented> = OnceLock::new();
    DOCUMENTED.get_or_init(|| {
        let text = std::fs::read_to_string(api::root().join(api::DOCUMENT)).unwrap();
        let document: Value = serde_json::from_str(&text).unwrap();
        let mut closed = document.clone();
        close(&mut closed);
        Documented {
            document,
            closed,
            compiled: Mutex::default(),
        }
    })
}

fn close(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            if fields.contains_key("properties") && !fields.contains_key("additionalProperties") {
                fields.insert("additionalProperties".to_owned(), json!(false));
            }
            let inner = fields.iter_mut();
            // Conditions name some of the fields only, and examples are no schemas.
            inner
                .filter(|(name, _)| !["if", "else", "examples"].contains(&name.as_str()))
                .for_each(|(_, value)| close(value));
        }
        Value::Array(items) => items.iter_mut().for_each(close),
        _ => {}
    }
}

/// A name as a part of a JSON pointer.
pub fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

impl Documented {
    /// Where the operation stands, if it is one of ours.
    pub fn operation(&self, method: &str, path: &str) -> Option<String> {
        let parts: Vec<&str> = path.split('/').collect();
        let fits = |known: &&String| {
            let known: Vec<&str> = known.split('/').collect();
            known.len() == parts.len()
                && known.iter().zip(&parts).all(|(known, part)| {
                    known == part || (known.starts_with('{') && !part.is_empty())
                })
        };
        let paths = self.document["paths"].as_object()?;
        let fitting = paths.keys().filter(fits);
        let path = fitting.min_by_key(|known| known.matches('{').count())?;
        let method = method.to_lowercase();
        paths[path].get(&method)?;
        Some(format!("/paths/{}/{method}", escaped(path)))
    }

    /// What stands at a pointer, or where it refers to.
    pub fn at(&self, pointer: &str) -> Option<(String, &Value)> {
        let found = self.document.pointer(pointer)?;
        match found["$ref"].as_str() {
            Some(name) => self.at(&name[1..]),
            None => Some((pointer.to_owned(), found)),
        }
    }

    /// What breaks the schema at a pointer.
    pub fn broken(&self, pointer: &str, value: &Value) -> Option<String> {
        let mut compiled = self.compiled.lock().unwrap_or_else(PoisonError::into_inner);
        let validator = compiled.entry(pointer.to_owned()).or_insert_with(|| {
            let schema = self
                .closed
                .pointer(pointer)
                .unwrap_or_else(|| panic!("{pointer}"));
            let schemas = &self.closed["components"]["schemas"];
            let schema = json!({"allOf": [schema], "components": {"schemas": schemas}});
            Arc::new(jsonschema::validator_for(&schema).unwrap())
        });
        let validator = Arc::clone(validator);
        drop(compiled);
        let errors = validator.iter_errors(value);
        let told: Vec<String> = errors
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        (!told.is_empty()).then(|| told.join("; "))
    }

    /// Whether the document says that such a request is answered so.
    pub fn check_answer(
        &self,
        operation: &str,
        status: u16,
        media_type: &str,
        body: &Value,
    ) -> Result<(), String> {
        let at = format!("{operation}/responses/{status}");
        let (at, response) = self
            .at(&at)
            .ok_or_else(|| format!("{at} is not documented"))?;
        let Some(content) = response["content"].as_object() else {
            let empty = body == "" || body.is_null();
            return if empty {
                Ok(())
            } else {
                Err(format!("{at} has no body: {body}"))
            };
        };
        let media_type = media_type.split(';').next().unwrap_or_default();
        if !content.contains_key(media_type) {
            return Err(format!("{at} is not documented as {media_type}"));
        }
        let at = format!("{at}/content/{}/schema", escaped(media_type));
        match self.broken(&at, body) {
            Some(broken) => Err(format!("{at}: {broken}: {body}")),
            None => check_code(status, body),
        }
    }

    /// Whether the document has a request that was taken.
    pub fn check_request(
        &self,
        operation: &str,
        media_type: &str,
        body: &[u8],
    ) -> Result<(), String> {
        let media_type = media_type.split(';').next().unwrap_or_default().trim();
        let at = format!(
            "{operation}/requestBody/content/{}/schema",
            escaped(media_type)
        );
        let (Some(_), Ok(body)) = (self.document.pointer(&at), serde_json::from_slice(body)) else {
            return Ok(());
        };
        match self.broken(&at, &body) {
            Some(broken) => Err(format!("{at} was taken, though {broken}")),
            None => Ok(()),
        }
    }
}

/// Whether the code is one of the status.
fn check_code(status: u16, body: &Value) -> Result<(), String> {
    let known = api::codes::STATUSES
        .iter()
        .find(|(known, ..)| *known == status);
    match (known, body["code"].as_str()) {
        (Some((.., codes)), Some(code)) if !codes.contains(&code) => {
            Err(format!("{code} is no code of {status}"))
        }
        _ => Ok(()),
    }
}

/// Compares a request to a stack, and its answer, with the document.
#[track_caller]
pub fn check(request: &reqwest::Request, status: u16, media_type: &str, answer: &Value) {
    let documented = documented();
    let path = request.url().path();
    let Some(operation) = documented.operation(request.method().as_str(), path) else {
        return;
    };
    let mut checked = documented.check_answer(&operation, status, media_type, answer);
    let headers = request.headers();
    // With these the body has the event's data alone.
    let binary = headers.keys().any(|name| name.as_str().starts_with("ce-"));
    let body = request.body().and_then(reqwest::Body::as_bytes);
    let media_type = headers
        .get("content-type")
        .and_then(|value| value.to_str().ok());
    // Of a batch some items may have been refused.
    if let (200..=202, Some(body), Some(media_type), false) = (status, body, media_type, binary) {
        checked = checked.and(documented.check_request(&operation, media_type, body));
    }
    checked.unwrap_or_else(|broken| panic!("{} {path}: {broken}", request.method()));
}
