//! Every file in `events/` is sent to the real function, and its answer compared with the
//! documented one.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use local::function::Function;
use local::template::Template;
use serde_json::Value;

use crate::documented::documented;
use crate::stack::{binaries, root, shared};
use crate::table::{self, FUTURE, n, s};

/// Whether `found` is what `expected` documents: `"*"` stands for any value, and an object may name
/// fewer fields than come back.
fn compare(expected: &Value, found: &Value, at: &str) -> Result<(), String> {
    match (expected, found) {
        (Value::String(any), found) if any == "*" && !found.is_null() => Ok(()),
        // The body of an HTTP answer is JSON in a string.
        (Value::Object(_), Value::String(text)) => compare(
            expected,
            &serde_json::from_str(text).unwrap_or_default(),
            at,
        ),
        (Value::Object(fields), Value::Object(object)) => {
            fields.iter().try_for_each(|(name, value)| {
                compare(
                    value,
                    object.get(name).unwrap_or(&Value::Null),
                    &format!("{at}/{name}"),
                )
            })
        }
        (Value::Array(items), Value::Array(array)) if items.len() == array.len() => {
            let pairs = items.iter().zip(array).enumerate();
            pairs
                .into_iter()
                .try_for_each(|(i, (e, f))| compare(e, f, &format!("{at}/{i}")))
        }
        _ if expected == found => Ok(()),
        _ => Err(format!("{at}: documented {expected}, found {found}")),
    }
}

fn read(path: &Path) -> Value {
    let text = fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The events of one function: those whose name does not end in `.response.json`.
fn cases(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let paths = entries.map(|entry| entry.unwrap().path());
    let mut cases: Vec<_> = paths
        .filter(|path| !path.to_str().unwrap().ends_with(".response.json"))
        .collect();
    cases.sort();
    cases
}

/// The template with what a stack of ours would be given, and with two platform applications.
pub fn template() -> Template {
    let application = |platform| format!("arn:aws:sns:us-east-1:000000000000:app/{platform}/local");
    let applications = [
        ("FcmApplicationArn", application("GCM")),
        ("ApnsApplicationArn", application("APNS")),
        ("ApnsSandboxApplicationArn", String::new()),
    ];
    let applications = applications.map(|(name, arn)| (name.to_owned(), arn));
    let mut template = tests::api::template();
    let answers = BTreeMap::from([("PlatformApplications".to_owned(), applications.into())]);
    template.fill(&answers).unwrap();
    template
}

#[tokio::test(flavor = "multi_thread")]
async fn every_event_gets_its_documented_answer() {
    let stack = shared();
    let endpoints = BTreeMap::from([
        (
            "AWS_ENDPOINT_URL_DYNAMODB".to_owned(),
            stack.dynamodb().to_owned(),
        ),
        ("AWS_ENDPOINT_URL_SNS".to_owned(), stack.sns().to_owned()),
        ("AWS_ENDPOINT_URL_SQS".to_owned(), stack.sqs().to_owned()),
        (
            "AWS_ENDPOINT_URL_SECRETS_MANAGER".to_owned(),
            stack.secrets().to_owned(),
        ),
    ]);
    let answers = crate::platform_bench::Answers::listen().await;
    // What the events mark and take back.
    for user in ["events-dora", "events-eve"] {
        let fields = [
            ("v", n(1)),
            ("expires_at", n(FUTURE)),
            ("t", s("video.liked")),
            ("ti", s("Bo liked your video")),
        ];
        table::put(stack, user, "N#01KAG3N7V0C5S9W2X4Y6Z8A0B1", &fields).await;
    }
    let (mut wrong, mut count) = (Vec::new(), 0);
    let functions = template().functions;
    assert!(!functions.is_empty());
    for spec in &functions {
        let function = Function::new(spec, binaries().join(&spec.binary), &endpoints);
        let cases = cases(&root().join("events").join(&spec.binary));
        assert!(
            cases.len() > 1,
            "{} needs a good and a bad event",
            spec.binary
        );
        for case in cases {
            let expected = read(&case.with_extension("response.json"));
            let mut event = read(&case);
            if event["ResponseURL"].is_string() {
                event["ResponseURL"] = answers.url.clone().into();
            }
            let answer = function.invoke(event.to_string().into_bytes()).await;
            let found = serde_json::from_slice(&answer.unwrap()).unwrap();
            let compared = compare(&expected, &found, "").and_then(|()| check(&event, &found));
            if let Err(difference) = compared {
                wrong.push(format!("{}: {difference}", case.display()));
            }
            count += 1;
        }
        function.stop().await;
    }
    let files = walk(&root().join("events"));
    assert_eq!(
        files,
        2 * count,
        "a file in events/ is nobody's event or response"
    );
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Whether the API's document has the answer to a request.
fn check(event: &Value, found: &Value) -> Result<(), String> {
    let context = &event["requestContext"]["http"];
    let (Some(method), Some(path)) = (context["method"].as_str(), context["path"].as_str()) else {
        return Ok(());
    };
    let documented = documented();
    let operation = documented.operation(method, path);
    let operation = operation.ok_or_else(|| format!("{method} {path} is not documented"))?;
    let status = found["statusCode"]
        .as_u64()
        .and_then(|status| u16::try_from(status).ok());
    let media_type = found["headers"]["content-type"]
        .as_str()
        .unwrap_or_default();
    let body = found["body"].as_str().unwrap_or_default();
    let body = serde_json::from_str(body).unwrap_or_else(|_| Value::from(body));
    documented.check_answer(&operation, status.unwrap_or_default(), media_type, &body)
}

fn walk(folder: &Path) -> usize {
    let entries = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    entries
        .map(|path| if path.is_dir() { walk(&path) } else { 1 })
        .sum()
}
