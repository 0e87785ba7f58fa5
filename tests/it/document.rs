//! The API's document says all there is to say: routes, fields, limits, statuses and codes, and nothing else.

use std::collections::BTreeSet;
use std::fs;

use reqwest::Method;
use serde_json::{Map, Value, json};
use tests::api;

use crate::caller::{Answer, Caller, send};
use crate::documented::{documented, escaped};
use crate::sample::{Place, objects, sample, variants};
use crate::stack::{Stack, root, shared, unique};

/// As many broken rules as an answer names, without those of the request before.
const AT_ONCE: usize = 80;
const IN_ITEM: usize = 18;

#[test]
fn the_document_and_its_page_are_up_to_date() {
    let document = api::document();
    for (file, text) in [
        (api::DOCUMENT, api::written(&document)),
        (api::PAGE, api::page(&document)),
    ] {
        let kept = fs::read_to_string(root().join(file)).unwrap();
        assert!(
            kept == text,
            "{file} is not what `cargo run --bin api` writes"
        );
    }
}

#[tokio::test]
async fn the_document_is_served_without_a_token() {
    let answer = reqwest::get(format!("{}/openapi.json", shared().api()))
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["content-type"], "application/json");
    assert_eq!(answer.headers()["cache-control"], "public, max-age=3600");
    let kept = fs::read_to_string(root().join(api::DOCUMENT)).unwrap();
    assert_eq!(answer.text().await.unwrap(), kept);
}

#[test]
fn every_example_keeps_its_schema_and_every_operation_has_one() {
    let documented = documented();
    let mut wrong = Vec::new();
    for (operation, value) in operations() {
        let mut contents = vec![format!("{operation}/requestBody")];
        let statuses = value["responses"].as_object().unwrap().keys();
        contents.extend(statuses.map(|status| format!("{operation}/responses/{status}")));
        let mut count = 0;
        for at in contents {
            let found = documented
                .at(&at)
                .map(|(at, found)| (at, found["content"].clone()));
            for (at, media_type, content) in
                found.iter().flat_map(|(at, content)| each(at, content))
            {
                let schema = format!("{at}/content/{}/schema", escaped(&media_type));
                for (name, example) in content["examples"].as_object().into_iter().flatten() {
                    count += 1;
                    if let Some(broken) = documented.broken(&schema, &example["value"]) {
                        wrong.push(format!("{at} {name}: {broken}"));
                    }
                }
            }
        }
        let answers = value["responses"].as_object().unwrap();
        let is_text = answers.contains_key("204") || operation.ends_with("export/get");
        assert!(count > 0 || is_text, "{operation} has no example");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn each(at: &str, content: &Value) -> Vec<(String, String, Value)> {
    let contents = content.as_object().into_iter().flatten();
    contents
        .map(|(media_type, content)| (at.to_owned(), media_type.clone(), content.clone()))
        .collect()
}

/// Every operation of the document and where it stands.
pub fn operations() -> Vec<(String, &'static Value)> {
    let paths = documented().document["paths"].as_object().unwrap();
    let all = paths.iter().flat_map(|(path, methods)| {
        let methods = methods.as_object().unwrap().iter();
        methods.map(move |(method, value)| (format!("/paths/{}/{method}", escaped(path)), value))
    });
    let all: Vec<_> = all.collect();
    assert!(all.len() > 40, "{} operations", all.len());
    all
}

/// The method of an operation, and a path of it without anything there.
pub fn request_line(operation: &str) -> (Method, String) {
    let (path, method) = operation.rsplit_once('/').unwrap();
    let path = path.strip_prefix("/paths/").unwrap().replace("~1", "/");
    let path = path
        .replace("{kind}/{id}", "actor/nobody")
        .replace("{id}", "01KAB0000000000000000000AA")
        .replace("{job}", "01KAB0000000000000000000AA")
        .replace("{device_id}", "d")
        .replace("{user}", "nobody")
        .replace("{topic}", "nothing")
        .replace("{type}", "nothing")
        .replace("{device}", "d");
    (method.to_uppercase().parse().unwrap(), path)
}

/// Who may call it.
pub fn caller_of(stack: &Stack, value: &Value) -> Caller {
    match (
        &value["security"][0]["users"],
        &value["security"][0]["producers"][0],
    ) {
        (Value::Array(_), _) => stack.user(&unique("documented")),
        (_, scope) if scope == "tidings/admin" => stack.admin(),
        _ => stack.producer(),
    }
}

/// Every word of the sources that may be the name of a field or a parameter, and then one that is none.
fn names() -> Vec<String> {
    let mut names = BTreeSet::from(["no_field_of_ours".to_owned()]);
    for (_, text) in sources() {
        if text.contains("Fields") || text.contains("http::query(") || text.contains("PARAMETERS") {
            let words = text.split('"').skip(1).step_by(2);
            let is_name = |word: &&str| {
                (2..=24).contains(&word.len())
                    && word.bytes().all(|byte| {
                        byte.is_ascii_lowercase() || byte == b'_' || byte.is_ascii_digit()
                    })
            };
            names.extend(words.filter(is_name).map(str::to_owned));
        }
    }
    assert!(names.len() > 100, "{} words", names.len());
    names.into_iter().collect()
}

/// The sources of the functions without their tests.
pub fn sources() -> Vec<(String, String)> {
    let files = crate::tidy::files("rs").into_iter();
    let ours = files.filter(|(name, _)| {
        (name.starts_with("shared/src") || name.starts_with("functions/"))
            && !name.contains("/tests")
    });
    let without_tests = |text: String| {
        text.split("#[cfg(test)]\nmod tests {")
            .next()
            .unwrap_or_default()
            .replace("\\\"", "")
    };
    ours.map(|(name, text)| (name, without_tests(text)))
        .collect()
}

#[tokio::test]
async fn every_parameter_of_a_query_is_documented() {
    let (stack, names) = (shared(), names());
    for (operation, value) in operations() {
        let (method, path) = request_line(&operation);
        let parameters = value["parameters"].as_array().into_iter().flatten();
        let documented: BTreeSet<&str> = parameters
            .filter(|parameter| parameter["in"] == "query" && parameter["style"] != "form")
            .map(|parameter| parameter["name"].as_str().unwrap())
            .collect();
        let caller = caller_of(stack, value);
        let foreign: Vec<&String> = names
            .iter()
            .filter(|name| !documented.contains(name.as_str()))
            .collect();
        for names in foreign.chunks(AT_ONCE) {
            let query: Vec<String> = names.iter().map(|name| format!("{name}=true")).collect();
            let path = format!("{path}?{}", query.join("&"));
            let answer = send(caller.request(method.clone(), &path)).await;
            let found = answer.violations().into_iter();
            let unknown = found.filter(|(_, code)| code == "unknown_parameter");
            let unknown: BTreeSet<String> = unknown.map(|(at, _)| at[1..].to_owned()).collect();
            let expected = names.iter().map(|name| (*name).clone()).collect();
            assert_eq!(unknown, expected, "{operation}: {answer:?}");
        }
        let query: Vec<String> = documented
            .iter()
            .map(|name| format!("{name}=true"))
            .collect();
        let path = format!("{path}?{}", query.join("&"));
        let answer = send(caller.request(method.clone(), &path)).await;
        let is_unknown = |(_, code): &(String, String)| code == "unknown_parameter";
        assert!(
            !answer.violations().iter().any(is_unknown),
            "{operation}: {answer:?}"
        );
    }
}

#[tokio::test]
async fn every_field_of_a_body_is_documented() {
    let (stack, names) = (shared(), names());
    let mut count = 0;
    for (body, place) in bodies() {
        let caller = caller_of(stack, body.value);
        let in_batch = body.operation.contains("batch") || body.sample.is_array();
        let at_once = if in_batch { IN_ITEM } else { AT_ONCE };
        for names in names.chunks(at_once) {
            let foreign: Vec<&String> = names.iter().filter(|name| !place.takes(name)).collect();
            let mut sent = body.sample.clone();
            let object = sent.pointer_mut(&place.pointer).unwrap();
            for name in &foreign {
                object[name.as_str()] = json!(1);
            }
            let answer = body.send(&caller, &sent).await;
            let expected: BTreeSet<String> = foreign
                .iter()
                .map(|name| format!("{}/{name}", place.pointer))
                .collect();
            let found = Body::rules(&answer);
            // Some are known, and have no place in this form.
            let refused =
                |code: &str| ["unknown_field", "exclusive", "not_supported"].contains(&code);
            let inside = format!("{}/", place.pointer);
            let unknown = found
                .into_iter()
                .filter(|(at, code)| refused(code) && at.starts_with(&inside));
            let unknown: BTreeSet<String> = unknown.map(|(pointer, _)| pointer).collect();
            let wrong: Vec<&String> = unknown.symmetric_difference(&expected).collect();
            let at = (&body.operation, &place.pointer);
            assert!(wrong.is_empty(), "{at:?}: {wrong:?}");
            count += 1;
        }
    }
    assert!(count > 40, "{count} requests");
}

/// A request that an operation takes, more or less.
struct Body {
    operation: String,
    value: &'static Value,
    media_type: String,
    sample: Value,
}

impl Body {
    async fn send(&self, caller: &Caller, body: &Value) -> Answer {
        let (method, path) = request_line(&self.operation);
        let request = caller
            .request(method, &path)
            .header("content-type", &self.media_type);
        send(request.body(body.to_string())).await
    }

    /// The broken rules, those of the items of a batch among them.
    fn rules(answer: &Answer) -> Vec<(String, String)> {
        let items = answer.body["data"].as_array().into_iter().flatten();
        let errors = items.flat_map(|item| item["errors"].as_array().into_iter().flatten());
        let errors = errors.map(|error| {
            let text = |name: &str| error[name].as_str().unwrap().to_owned();
            (text("pointer"), text("code"))
        });
        errors.chain(answer.violations()).collect()
    }
}

/// What a body is, where an item of a batch is what it would be alone.
fn alone((body, place): &(Body, Place)) -> (String, &str, &str) {
    let operation = body.operation.replace("~1batch", "");
    let item = place.pointer.strip_prefix("/notifications/0");
    (operation, &body.media_type, item.unwrap_or(&place.pointer))
}

/// Every object of every body whose fields are ours.
fn bodies() -> Vec<(Body, Place)> {
    let documented = documented();
    let mut bodies: Vec<(Body, Place)> = Vec::new();
    for (operation, value) in operations() {
        for (media_type, content) in value["requestBody"]["content"]
            .as_object()
            .into_iter()
            .flatten()
        {
            for schema in variants(&documented.document, &content["schema"]) {
                let sample = sample(&documented.document, &schema);
                let places = objects(&documented.document, &schema, &sample);
                // An event is read when the rule beside it has been found good; it is one of those of /v1/events.
                for place in places.into_iter().filter(|place| place.pointer != "/event") {
                    let body = Body {
                        operation: operation.clone(),
                        value,
                        media_type: media_type.clone(),
                        sample: sample.clone(),
                    };
                    bodies.push((body, place));
                }
            }
        }
    }
    // What another form of the same object has is no stranger.
    let same = |a: &(Body, Place), b: &(Body, Place)| alone(a) == alone(b);
    for index in 0..bodies.len() {
        let others = bodies.iter().filter(|other| same(other, &bodies[index]));
        let names: BTreeSet<String> = others.flat_map(|(_, place)| place.known.clone()).collect();
        bodies[index].1.known.extend(names);
    }
    // The proof harness tries a shape wherever it stands, and the quick tests where it stands first.
    if !cfg!(feature = "proof") {
        let mut tried = Vec::new();
        bodies.retain(|(_, place)| {
            let is_new = !tried.contains(&place.properties);
            if is_new {
                tried.push(place.properties.clone());
            }
            is_new
        });
    }
    bodies
}

#[cfg(feature = "proof")]
#[tokio::test]
async fn every_limit_of_a_body_is_documented_and_holds() {
    let stack = shared();
    let mut count = 0;
    for (body, place) in bodies() {
        if body.operation.contains("preview") && place.pointer.is_empty() {
            // One is looked at after the other, and neither has a limit of its own.
            continue;
        }
        let caller = caller_of(stack, body.value);
        let limits = place.limits(&documented().document);
        for (inside, outside) in limits {
            let put = |values: &Map<String, Value>| {
                let mut sent = body.sample.clone();
                let object = sent.pointer_mut(&place.pointer).unwrap();
                for (name, value) in values {
                    object[name] = value.clone();
                }
                // Whatever else it says, nothing is stored.
                object["no-field-of-ours"] = json!(1);
                sent
            };
            let kept = body.send(&caller, &put(&inside)).await;
            let refused = body.send(&caller, &put(&outside)).await;
            let at = |answer: &Answer, name: &str| {
                let pointer = format!("{}/{}", place.pointer, escaped(name));
                let rules = Body::rules(answer);
                rules.iter().any(|(found, _)| {
                    *found == pointer || found.starts_with(&format!("{pointer}/"))
                })
            };
            for name in inside.keys() {
                assert!(
                    !at(&kept, name),
                    "{} {} of {:?} is refused: {kept:?}",
                    body.operation,
                    inside[name],
                    place.pointer
                );
            }
            for name in outside.keys() {
                assert!(
                    at(&refused, name),
                    "{} {name} {} of {:?} is taken: {refused:?}",
                    body.operation,
                    outside[name],
                    place.pointer
                );
                count += 1;
            }
        }
    }
    assert!(count > 100, "{count} limits");
}
