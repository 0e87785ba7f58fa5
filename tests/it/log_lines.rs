//! Every line that a function writes in any test is checked where it is read: one object of JSON, with what it must have and
//! nothing else, small, and without content or tokens. The first that is not ends the run and says why.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::sync::OnceLock;

use serde_json::{Map, Value};
use shared::metrics::{CREATED, Metric};
use tests::api::template;

/// What a line of an invocation may have besides its metrics.
const INVOCATION: [&str; 10] = [
    "_aws",
    CREATED,
    "level",
    "ms",
    "records",
    "request_id",
    "route",
    "stack",
    "status",
    "traces",
];
/// What a message may have besides its level, its words and its span.
const MESSAGE: [&str; 15] = [
    "ahead",
    "attempt",
    "broken",
    "code",
    "condition",
    "error",
    "event_type",
    "job",
    "minute",
    "place",
    "reason",
    "request_type",
    "shard",
    "status",
    "version",
];
/// Tokens, addresses of devices, and what the tests' notifications say.
const SECRET: [&str; 5] = [
    "eyJ",
    ":endpoint/",
    "liked your video",
    "Sunset over Lisbon",
    "canary",
];
/// How Rust begins what it says of a `main` that fails: it could not start, or the runner is gone.
const LAST_WORDS: &str = "Error: ";
/// What a request to create writes at most, with its trace, in a stack with a name of seven letters.
const CREATE_BYTES: usize = 210;
/// The line of an instance, before that of its first invocation, has these and nothing else.
const INSTANCE: [&str; 5] = ["_aws", "cold_start", "level", "request_id", "stack"];
/// And is no longer than this.
const INSTANCE_BYTES: usize = 260;
/// What any invocation writes at most, whatever went wrong in it, and what it may write for each of many notifications.
const BYTES: usize = 800;
const RECORD_BYTES: usize = 20;

/// Checks a line that follows its function's name, as the program `tidings` prints it.
pub fn told(line: &str) {
    let (function, line) = line.split_once(' ').unwrap_or((line, ""));
    check(function, line);
}

/// Ends the run if a line is not what it must be.
pub fn check(function: &str, line: &str) {
    if let Some(why) = wrong(function, line) {
        let said = format!("{function} wrote a line {why}:\n{line}\n");
        // Past the capture of a test's output, which nobody would read any more.
        std::io::stderr().write_all(said.as_bytes()).ok();
        std::process::exit(101);
    }
}

/// The functions and routes of the template.
fn known() -> &'static (BTreeSet<String>, BTreeSet<String>) {
    static KNOWN: OnceLock<(BTreeSet<String>, BTreeSet<String>)> = OnceLock::new();
    KNOWN.get_or_init(|| {
        let template = template();
        let routes = template.api.unwrap().routes;
        let routes = routes
            .iter()
            .map(|route| format!("{} {}", route.method, route.path));
        let functions = template.functions.into_iter().map(|spec| spec.name);
        (functions.collect(), routes.collect())
    })
}

/// What is wrong with a line, if anything is.
fn wrong(function: &str, line: &str) -> Option<String> {
    if let Some(secret) = SECRET.iter().find(|secret| line.contains(*secret)) {
        return Some(format!("with {secret}"));
    }
    if line.starts_with(LAST_WORDS) {
        return None;
    }
    let Ok(Value::Object(found)) = serde_json::from_str(line) else {
        return Some("that is no object of JSON".to_owned());
    };
    if !known().0.contains(function) {
        return Some("of which it is not known who wrote it".to_owned());
    }
    if !["INFO", "WARN", "ERROR"]
        .iter()
        .any(|level| found.get("level").is_some_and(|found| found == level))
    {
        return Some("without a level".to_owned());
    }
    if found.contains_key("message") {
        message(&found)
    } else {
        invocation(&found).or_else(|| bytes(&found, line.len()))
    }
}

fn text<'f>(found: &'f Map<String, Value>, name: &str) -> &'f str {
    found.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// What is wrong with a warning or an error, which is said in an invocation.
fn message(found: &Map<String, Value>) -> Option<String> {
    let id = found
        .get("span")
        .map_or(&Value::Null, |span| &span["requestId"]);
    if text(found, "message").is_empty() || id.as_str().is_none_or(str::is_empty) {
        return Some("without its words or its request".to_owned());
    }
    let own = ["level", "message", "span"];
    let other = found
        .keys()
        .find(|name| ![&own[..], &MESSAGE].concat().contains(&name.as_str()));
    other.map(|name| format!("with the field {name}, which no message has"))
}

/// Whether it is the line of an instance.
fn of_instance(found: &Map<String, Value>) -> bool {
    found.keys().eq(&INSTANCE)
}

/// What is wrong with the line of an invocation.
fn invocation(found: &Map<String, Value>) -> Option<String> {
    let named = |name| !text(found, name).is_empty();
    let timed = found.get("ms").is_some_and(Value::is_u64);
    if !named("request_id") || !named("stack") || timed == of_instance(found) {
        return Some("without its request, its stack or its time".to_owned());
    }
    if found
        .get("route")
        .is_some_and(|route| !known().1.contains(route.as_str().unwrap_or_default()))
    {
        return Some("with a route that the template has not".to_owned());
    }
    let trace = |id: &Value| {
        id.as_str()
            .is_some_and(|id| id.len() == 32 && id.bytes().all(|digit| digit.is_ascii_hexdigit()))
    };
    if found
        .get("traces")
        .is_some_and(|ids| !ids.as_array().is_some_and(|ids| ids.iter().all(trace)))
    {
        return Some("with a trace that is none".to_owned());
    }
    let told = found.get("_aws").map_or(
        &Value::Null,
        |told| &told["CloudWatchMetrics"][0]["Metrics"],
    );
    let told = told
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|metric| metric["Name"].as_str());
    let told: BTreeSet<&str> = told.collect();
    let has: BTreeSet<&str> = found
        .keys()
        .map(String::as_str)
        .filter(|name| !INVOCATION.contains(name))
        .collect();
    if has.contains("cold_start") && !of_instance(found) {
        return Some("with what the line of an instance says".to_owned());
    }
    let metric = |name: &&str| Metric::ALL.iter().any(|metric| metric.word() == *name);
    if has != told || !has.iter().all(metric) {
        return Some(format!("with the fields {has:?} and the metrics {told:?}"));
    }
    None
}

/// Whether the line of an invocation is too long.
fn bytes(found: &Map<String, Value>, bytes: usize) -> Option<String> {
    let bytes = bytes - text(found, "stack").len() + "tidings".len();
    let stored = text(found, "route") == "POST /v1/notifications"
        && found.get("status").and_then(Value::as_u64) < Some(300);
    let records = found.get("records").and_then(Value::as_u64).unwrap_or(0);
    let records = usize::try_from(records).unwrap();
    let most = if stored {
        CREATE_BYTES
    } else if of_instance(found) {
        INSTANCE_BYTES
    } else {
        BYTES.max(RECORD_BYTES * records)
    };
    (bytes > most).then(|| format!("of {bytes} bytes, more than {most}"))
}

#[test]
fn a_line_that_breaks_a_rule_is_noticed() {
    let good = [
        r#"{"level":"INFO","ms":6,"request_id":"r","route":"GET /openapi.json","stack":"s","status":200}"#,
        r#"{"_aws":{"CloudWatchMetrics":[{"Metrics":[{"Name":"stored"}]}]},"level":"INFO","ms":6,"request_id":"r","stack":"s","stored":1}"#,
        r#"{"level":"INFO","ms":6,"request_id":"r","stack":"s","traces":["0af7651916cd43dd8448eb211c80319c"]}"#,
        r#"{"_aws":{"CloudWatchMetrics":[{"Metrics":[{"Name":"cold_start"}]}]},"cold_start":1,"level":"INFO","request_id":"r","stack":"s"}"#,
        r#"{"level":"WARN","message":"a push is parked","reason":"timeout","span":{"requestId":"r"}}"#,
    ];
    for line in good {
        assert_eq!(wrong("PushNotifications", line), None, "{line}");
    }
    assert!(wrong("Nobody", good[0]).is_some());
    let long = "1".repeat(CREATE_BYTES);
    for (line, from, to) in [
        (0, "}", ""),
        (0, "{", "debug: {"),
        (0, "\"level\":\"INFO\",", ""),
        (0, "\"request_id\":\"r\",", ""),
        (0, "\"ms\":6", "\"ms\":\"6\""),
        (0, "GET /openapi.json", "GET /v1/users/ana/notifications"),
        (0, "\"ms\"", "\"user\":\"ana\",\"ms\""),
        (0, "\"ms\"", "\"stored\":1,\"ms\""),
        (0, "\"r\"", "\"eyJhbGciOiJSUzI1NiJ9\""),
        (
            0,
            "\"r\",\"route\":\"GET /openapi.json",
            "\"LONG\",\"route\":\"POST /v1/notifications",
        ),
        (1, "\"stack\":\"s\",", ""),
        (1, ",\"stored\":1", ""),
        (1, "stored", "storied"),
        (2, "0af7651916cd43dd8448eb211c80319c", "ana"),
        (3, "\"level\"", "\"ms\":6,\"level\""),
        (3, "cold_start", "stored"),
        (4, "{\"requestId\":\"r\"}", "{}"),
        (4, "reason", "title"),
        (4, "timeout", "Bo liked your video"),
    ] {
        let broken = good[line].replace(from, to).replace("LONG", &long);
        assert!(wrong("PushNotifications", &broken).is_some(), "{broken}");
    }
}
