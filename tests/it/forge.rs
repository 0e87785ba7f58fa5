//! What a public forge runs: the same scripts as everybody, with no right that is not needed.

use serde_json::{Value, json};

use crate::stack::root;

/// Every workflow, by its name.
fn workflows() -> Vec<(String, Value)> {
    let folder = std::fs::read_dir(root().join(".github/workflows")).unwrap();
    let read = folder.map(|entry| {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let text = std::fs::read_to_string(&path).unwrap();
        (name, local::yaml::parse(&text).unwrap())
    });
    let mut read: Vec<(String, Value)> = read.collect();
    read.sort_by(|(one, _), (other, _)| one.cmp(other));
    read
}

/// The steps of all jobs of a workflow.
fn steps(workflow: &Value) -> impl Iterator<Item = &Value> {
    let jobs = workflow["jobs"].as_object().unwrap().values();
    jobs.flat_map(|job| job["steps"].as_array().unwrap())
}

#[test]
fn the_forge_may_read_and_only_a_release_is_published() {
    let workflows = workflows();
    let names: Vec<&str> = workflows.iter().map(|(name, _)| &**name).collect();
    assert_eq!(names, ["advisories", "ci", "release"]);
    for (name, workflow) in &workflows {
        assert_eq!(
            workflow["permissions"],
            json!({"contents": "read"}),
            "{name}"
        );
        for (id, job) in workflow["jobs"].as_object().unwrap() {
            let publishes = (&**name, &**id) == ("release", "publish");
            let more = publishes.then(|| json!({"contents": "write"}));
            assert_eq!(job.get("permissions"), more.as_ref(), "{name}: {id}");
            assert!(job["timeout-minutes"].is_number(), "{name}: {id}");
        }
        for step in steps(workflow) {
            let Some(action) = step["uses"].as_str() else {
                continue;
            };
            // Those of the forge itself, each by its major version.
            let (action, version) = action.split_once('@').unwrap();
            let digits = version.strip_prefix('v').unwrap();
            assert!(action.starts_with("actions/"), "{name}: {action}");
            assert!(digits.parse::<u32>().is_ok(), "{name}: {action}@{version}");
            if action == "actions/checkout" {
                assert_eq!(step["with"]["persist-credentials"], false, "{name}");
            }
        }
    }
}

#[test]
fn the_forge_runs_the_scripts_that_are_there() {
    for (name, workflow) in workflows() {
        let run: Vec<&str> = steps(&workflow).filter_map(|s| s["run"].as_str()).collect();
        let sizes = "cargo run --release --locked --package bench -- --only P11";
        let needed = match &*name {
            "advisories" => &["cargo deny check advisories"][..],
            "ci" => &[".ci/run", sizes],
            _ => &[".ci/release"],
        };
        for needed in needed {
            assert!(run.contains(needed), "{name} runs {run:?}");
        }
        for script in run.iter().filter(|line| line.starts_with(".ci/")) {
            assert!(root().join(script).exists(), "{name} runs {script}");
        }
        if name == "advisories" {
            assert!(workflow["on"]["schedule"][0]["cron"].is_string());
        }
    }
}
