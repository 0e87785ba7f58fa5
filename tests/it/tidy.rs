//! What must stay true of the sources themselves.

use std::fs;
use std::path::{Path, PathBuf};

use crate::stack::root;

/// Words that may stand in one place only, below these folders of ours.
const HOMES: &[(&str, &str)] = &[
    ("\"U#", "shared/src/store/keys.rs"),
    ("types::AttributeValue", "shared/src/store/"),
    ("aws_sdk_dynamodb", "shared/src/store/"),
    ("aws_sdk_sns", "shared/src/sns"),
    ("StatusCode", "shared/src/http/"),
    ("env::var", "shared/src/aws.rs"),
    ("Timestamp::now", "shared/src/clock.rs"),
    ("SystemTime::now", "shared/src/clock.rs"),
];

/// The clients are made where the environment is read.
const CLIENTS: &str = "shared/src/aws.rs";

/// The modules of `shared`, in the order in which they may use each other.
const LAYERS: &[&[&str]] = &[
    &["error", "random"],
    &["connections"],
    &["id", "clock", "json", "outgoing", "traceparent"],
    &["contract", "metrics", "signing"],
    &["secrets", "queue"],
    &["push_options", "outcome", "device", "mutes", "quiet_hours"],
    &["preferences", "notification", "page"],
    &["marks", "filter", "fold", "task", "event"],
    &["rules"],
    &["store"],
    &["broadcast", "create", "inbox", "moving", "rulebook", "sns"],
    &["devices"],
    &["push", "stream"],
    &["http", "aws", "telemetry"],
];

/// All files of ours with this extension, by their path from the repository's root.
pub fn files(extension: &str) -> Vec<(String, String)> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            if name.starts_with('.') || name == "target" {
                continue;
            }
            if path.is_dir() {
                walk(&path, found);
            } else {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    walk(&root(), &mut found);
    found.retain(|path| path.extension().is_some_and(|e| e == extension));
    let relative = |path: PathBuf| {
        let name = path
            .strip_prefix(root())
            .unwrap()
            .to_str()
            .unwrap()
            .to_owned();
        (name, fs::read_to_string(path).unwrap())
    };
    found.into_iter().map(relative).collect()
}

#[test]
fn every_source_says_what_it_is_and_is_short() {
    let files = files("rs");
    assert!(files.len() > 50, "{} files", files.len());
    for (name, text) in files {
        assert!(text.starts_with("//! "), "{name} does not say what it is");
        let lines = text.lines().count();
        assert!(lines <= 400, "{name} has {lines} lines");
    }
}

#[test]
fn each_fact_has_one_home() {
    let files = files("rs");
    for (word, home) in HOMES {
        let mut users = 0;
        for (name, text) in &files {
            let ours = name.starts_with("shared/") || name.starts_with("functions/");
            if ours && text.contains(word) {
                let allowed = name.starts_with(home) || name == CLIENTS;
                assert!(allowed, "{name} says {word}, whose home is {home}");
                users += 1;
            }
        }
        assert!(users > 0, "nobody says {word}: drop the rule");
    }
}

#[test]
fn a_module_uses_only_what_stands_before_it() {
    let rank = |module: &str| LAYERS.iter().position(|layer| layer.contains(&module));
    let mut seen = 0;
    for (name, text) in files("rs") {
        let Some(path) = name.strip_prefix("shared/src/") else {
            continue;
        };
        let module = path.split(['/', '.']).next().unwrap();
        if module == "lib" {
            continue;
        }
        let own = rank(module).unwrap_or_else(|| panic!("{module} has no place in LAYERS"));
        for used in text.split("crate::").skip(1) {
            let used = used
                .split(|c: char| !c.is_alphanumeric() && c != '_')
                .next()
                .unwrap();
            let Some(used_rank) = rank(used) else {
                continue;
            };
            // These two read their variable where the environment is read.
            let reads = used == "aws" && ["clock", "metrics", "telemetry"].contains(&module);
            assert!(
                used == module || used_rank < own || reads,
                "{name} uses {used}"
            );
            seen += 1;
        }
    }
    assert!(seen > 50, "{seen} uses");
}

#[test]
fn every_function_of_the_template_has_its_folder_and_back() {
    let template = fs::read_to_string(root().join("template.yaml")).unwrap();
    let folders = fs::read_dir(root().join("functions")).unwrap();
    let mut count = 0;
    for folder in folders {
        let name = folder.unwrap().file_name().into_string().unwrap();
        let words = name
            .split('-')
            .map(|word| word[..1].to_uppercase() + &word[1..]);
        let resource = format!(
            "\n  {}:\n    Type: AWS::Serverless::Function",
            words.collect::<String>()
        );
        assert!(
            template.contains(&resource),
            "{name} is not in the template"
        );
        assert!(
            template.contains(&format!("{{Binary: {name}}}")),
            "{name} has another binary"
        );
        count += 1;
    }
    assert_eq!(
        template.matches("Type: AWS::Serverless::Function").count(),
        count
    );
}

#[test]
fn the_functions_variables_are_those_that_are_read_and_no_others() {
    let template = fs::read_to_string(root().join("template.yaml")).unwrap();
    let read = fs::read_to_string(root().join("shared/src/aws.rs")).unwrap();
    let names = [
        "TABLE_NAME",
        "RETENTION_DAYS",
        "EVENT_RETENTION_DAYS",
        "DEAD_EVENTS_URL",
        "FCM_APPLICATION_ARN",
        "APNS_APPLICATION_ARN",
        "APNS_SANDBOX_APPLICATION_ARN",
        "PUBLISH_RATE",
        "PUSH_INVOCATIONS",
        "GROUP_CAP",
    ];
    // The publish rate is divided by as many invocations as run at once on one shard.
    assert!(template.contains("ParallelizationFactor: 4\n"));
    assert!(template.contains("PUSH_INVOCATIONS: \"4\"\n"));
    for name in names {
        assert!(
            template.contains(&format!("{name}: ")) && read.contains(&format!("\"{name}\"")),
            "{name}"
        );
    }
}

#[test]
fn no_step_is_left_out_and_nothing_is_left_to_do() {
    for (name, text) in files("rs") {
        if name == "tests/it/tidy.rs" {
            continue;
        }
        for word in ["todo!", "unimplemented!", "#[ignore", "dbg!"] {
            assert!(!text.contains(word), "{name} says {word}");
        }
        let sleeps = name.starts_with("tests/") && text.contains("thread::sleep");
        assert!(!sleeps, "{name} sleeps instead of waiting for something");
    }
}
