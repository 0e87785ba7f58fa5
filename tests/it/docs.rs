//! The documents are true because they run.

use std::collections::HashSet;
use std::fs;
use std::process::Command;

use serde_json::Value;
use shared::metrics::Metric;
use shared::outcome::Reason;

use crate::stack::{Stack, binaries, root};

/// The code blocks of a document with their language.
fn blocks(text: &str) -> Vec<(&str, &str)> {
    let mut blocks = Vec::new();
    let mut rest = text;
    while let Some((_, after)) = rest.split_once("\n```") {
        let (language, after) = after.split_once('\n').unwrap();
        let (block, after) = after.split_once("\n```").unwrap();
        blocks.push((language, block));
        rest = after;
    }
    blocks
}

/// Whether an answer is what the document shows; `…` stands for any text.
fn is_shown(shown: &Value, found: &Value) -> bool {
    match (shown, found) {
        (Value::String(shown), Value::String(found)) => match shown.split_once('…') {
            Some((start, end)) => found.starts_with(start) && found.ends_with(end),
            None => shown == found,
        },
        (Value::Object(shown), Value::Object(found)) => {
            shown.len() == found.len()
                && shown
                    .iter()
                    .all(|(name, value)| found.get(name).is_some_and(|f| is_shown(value, f)))
        }
        (Value::Array(shown), Value::Array(found)) => {
            shown.len() == found.len() && shown.iter().zip(found).all(|(s, f)| is_shown(s, f))
        }
        _ => shown == found,
    }
}

#[test]
fn the_readmes_commands_give_the_answers_it_shows() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let data = tempfile::tempdir().unwrap();
    let stack = Stack::start(data.path());
    let blocks = blocks(&readme);
    let pairs: Vec<_> = blocks
        .windows(2)
        .filter(|pair| pair[0].0 == "sh" && pair[1].0 == "json")
        .collect();
    assert!(pairs.len() >= 3, "{} commands with answers", pairs.len());
    for pair in pairs {
        let (command, shown) = (pair[0].1, pair[1].1);
        let program = format!("'{}'", binaries().join("tidings").display());
        let command = command
            .replace("http://127.0.0.1:3000", stack.api())
            .replace(
                "cargo run -q -- token",
                &format!("{program} token --data '{}'", data.path().display()),
            );
        let output = Command::new("sh")
            .arg("-ec")
            .arg(&command)
            .current_dir(root())
            .output()
            .unwrap();
        let found = String::from_utf8(output.stdout).unwrap();
        let found: Value = serde_json::from_str(&found).unwrap_or_else(|_| {
            panic!(
                "{command}\n{found}\n{}",
                String::from_utf8_lossy(&output.stderr)
            )
        });
        let shown: Value = serde_json::from_str(shown).unwrap();
        assert!(
            is_shown(&shown, &found),
            "{command}\nshown {shown:#}\nfound {found:#}"
        );
    }
}

#[test]
fn the_readmes_cost_is_what_the_program_prints() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let blocks = blocks(&readme);
    let is_cost = |pair: &&[(&str, &str)]| pair[0].1.starts_with("cargo run -q -- cost");
    let pair = blocks
        .windows(2)
        .find(is_cost)
        .expect("the README has a cost");
    let arguments = pair[0].1.strip_prefix("cargo run -q -- ").unwrap();
    let output = Command::new(binaries().join("tidings"))
        .args(arguments.split_whitespace())
        .output()
        .unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert_eq!(
        pair[1].1,
        printed.trim_end(),
        "the README's block must be\n{printed}"
    );
}

#[test]
fn every_path_that_a_document_names_exists() {
    let mut count = 0;
    for document in [
        "CONTRIBUTING.md",
        "README.md",
        "SECURITY.md",
        "docs/APPS.md",
        "docs/ARCHITECTURE.md",
        "docs/MIGRATION.md",
        "docs/OPERATIONS.md",
        "docs/PERFORMANCE.md",
        "docs/RELIABILITY.md",
        "docs/TESTING.md",
    ] {
        let text = fs::read_to_string(root().join(document)).unwrap();
        for (index, word) in text.split('`').enumerate() {
            let is_path =
                word.contains('/') && !word.contains([' ', '{', '<', '*', ':', '"', '…', '\n']);
            let is_route = ["/v1", "/openapi", "/_local", "tidings/", ".local"]
                .iter()
                .any(|start| word.starts_with(start));
            if index % 2 == 1 && is_path && !is_route {
                assert!(root().join(word).exists(), "{document} names {word}");
                count += 1;
            }
        }
    }
    assert!(count > 20, "{count} paths");
}

#[test]
fn the_readmes_picture_is_there_and_small() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    assert!(readme.contains("](docs/page.png)"));
    let picture = fs::read(root().join("docs/page.png")).unwrap();
    assert!(picture.starts_with(b"\x89PNG") && picture.len() <= 150_000);
}

#[test]
fn every_line_of_the_performance_page_is_measured_or_said_not_to_be() {
    let page = fs::read_to_string(root().join("docs/PERFORMANCE.md")).unwrap();
    let (measured, all) = page.split_once("\n## Every line\n").unwrap();
    for line in 1..=19 {
        let row = all.split_once(&format!("\n| P{line} | "));
        let (_, row) = row.unwrap_or_else(|| panic!("P{line} is not named"));
        let by_bench = row.lines().next().unwrap().contains("`bench`");
        let is_there = measured.contains(&format!("\n| P{line} | "));
        assert_eq!(by_bench, is_there, "P{line}");
    }
}

#[test]
fn the_readmes_figures_are_those_of_the_performance_page() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let page = fs::read_to_string(root().join("docs/PERFORMANCE.md")).unwrap();
    let command = " | `cargo run --release -p bench -- --only ";
    let rows: Vec<_> = readme
        .lines()
        .filter_map(|line| line.split_once(command))
        .collect();
    assert!((3..=5).contains(&rows.len()), "{} figures", rows.len());
    for (row, line) in rows {
        let row = row.strip_prefix("| ").unwrap();
        // What it is called here, then the figure beside it and ours.
        let figures = row.split_once(" | ").unwrap().1;
        let (line, _) = line.split_once('`').unwrap();
        let is_there = |found: &str| {
            found.starts_with(&format!("| {line} | ")) && found.contains(&format!(" | {figures} |"))
        };
        assert!(page.lines().any(is_there), "{line}: {figures}");
    }
}

#[test]
fn the_changelogs_newest_version_is_the_workspaces() {
    let changelog = fs::read_to_string(root().join("CHANGELOG.md")).unwrap();
    let newest = changelog
        .lines()
        .find_map(|line| line.strip_prefix("## "))
        .unwrap();
    let version = newest.split(' ').next().unwrap();
    let version = version.trim_matches(['[', ']']);
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    assert!(
        manifest.contains(&format!("version = \"{version}\"")),
        "{version}"
    );
}

#[test]
fn the_readme_states_the_number_of_crates_and_no_path_of_a_machine() {
    let tree = Command::new("cargo")
        // Of what `cargo run` builds: the default members.
        .args(["tree", "--edges", "normal,build", "--prefix", "none"])
        .args(["--format", "{p}", "--offline", "--locked"])
        .current_dir(root())
        .output()
        .unwrap();
    let tree = String::from_utf8(tree.stdout).unwrap();
    // A crate, its version; what follows is its place, or that it was named before.
    let name = |line: &str| line.split(' ').take(2).collect::<Vec<_>>().join(" ");
    let crates: HashSet<String> = tree
        .lines()
        .filter(|line| !line.is_empty())
        .map(name)
        .collect();
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let stated = format!("{} crates", crates.len());
    assert!(readme.contains(&stated), "there are {stated}");
    assert!(!readme.contains("/home/") && root().join("LICENSE").exists());
}

#[test]
fn every_reason_of_an_outcome_is_explained() {
    let text = fs::read_to_string(root().join("docs/OPERATIONS.md")).unwrap();
    let explained = text
        .lines()
        .filter(|line| line.starts_with("| `") && !line.contains("`PublishRate`"));
    let rows = Reason::ALL
        .iter()
        .map(|reason| format!("| `{}` | {} |", reason.word(), reason.meaning()));
    assert_eq!(explained.collect::<Vec<_>>(), rows.collect::<Vec<_>>());
}

#[test]
fn every_metric_and_every_alarm_is_explained() {
    let text = fs::read_to_string(root().join("docs/OPERATIONS.md")).unwrap();
    for metric in Metric::ALL {
        let row = format!("\n- `{}`: {}\n", metric.word(), metric.meaning());
        assert!(text.contains(&row), "{row}");
    }
    let template = fs::read_to_string(root().join("template.yaml")).unwrap();
    let template = local::yaml::parse(&template).unwrap();
    let resources = template["Resources"].as_object().unwrap().iter();
    let alarms = resources.filter(|(_, resource)| resource["Type"] == "AWS::CloudWatch::Alarm");
    let alarms: Vec<&String> = alarms.map(|(id, _)| id).collect();
    assert!(alarms.len() > 10, "{alarms:?}");
    for id in alarms {
        // Alarms of one kind have one entry.
        let is_its = |entry: &&str| {
            let heading = entry.lines().next().unwrap_or_default();
            heading.split(", ").any(|name| name == id)
        };
        let entry = text.split("\n### ").find(is_its);
        let entry = entry.unwrap_or_else(|| panic!("{id} is not explained"));
        let entry = entry.split("\n#").next().unwrap();
        assert!(
            entry.contains("It means:") && entry.contains("```"),
            "{id}: {entry}"
        );
    }
}

#[test]
fn every_parameter_of_the_template_is_explained() {
    let documents = ["README.md", "docs/OPERATIONS.md"];
    let text = documents.map(|name| fs::read_to_string(root().join(name)).unwrap());
    let text = text.concat();
    let template = fs::read_to_string(root().join("template.yaml")).unwrap();
    let template = local::yaml::parse(&template).unwrap();
    for name in template["Parameters"].as_object().unwrap().keys() {
        let named = ["`", "=", " "].map(|end| format!("`{name}{end}"));
        assert!(
            named.iter().any(|name| text.contains(name)),
            "{name} is not explained"
        );
    }
}

#[test]
fn every_route_of_the_template_is_in_the_readme() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let template = fs::read_to_string(root().join("template.yaml")).unwrap();
    let paths: Vec<&str> = template
        .lines()
        .filter_map(|line| line.split_once("Path: \"")?.1.split('"').next())
        .collect();
    assert!(paths.len() > 10, "{} routes", paths.len());
    for path in paths {
        assert!(readme.contains(path), "the README does not name {path}");
    }
}
