//! `tidings doctor` finds every fault of docs/OPERATIONS.md that is planted, and nothing else.

mod aws;
mod planted;
mod trouble;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Output;

use serde_json::{Value, json};
use tokio::process::Command;

use crate::caller::eventually;
use crate::stack::{Stack, binaries, root, shared, unique};
use aws::{Aws, Rule};
use planted::{How, PLANTED, Planted, user_token};

/// What the doctor printed.
struct Said {
    lines: Vec<String>,
    code: i32,
}

impl Said {
    fn of(output: &Output) -> Said {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let errors = text(&output.stderr);
        assert_eq!(errors, "", "nothing is said elsewhere");
        Said {
            lines: text(&output.stdout).lines().map(str::to_owned).collect(),
            code: output.status.code().unwrap(),
        }
    }

    /// The checks with such a mark, each once.
    fn checks(&self, mark: &str) -> BTreeSet<&str> {
        let marked = self.lines.iter().filter_map(|line| line.strip_prefix(mark));
        marked
            .filter_map(|line| line.trim_start().split(": ").next())
            .collect()
    }

    /// The id under which SNS took the test push.
    fn message(&self) -> &str {
        let line = self.lines.last().unwrap();
        let (_, message) = line.split_once("SNS took it as ").unwrap();
        message.split(',').next().unwrap()
    }

    /// The fault was found, with its mend, and the doctor ended so.
    #[track_caller]
    fn names(&self, planted: &Planted) {
        let Planted {
            check, says, mend, ..
        } = planted;
        let start = format!("FAIL  {check}: ");
        let found = self.lines.iter().any(|line| {
            let parts = line
                .strip_prefix(&start)
                .and_then(|l| l.split_once(". Mend: "));
            parts.is_some_and(|(what, how)| what.contains(says) && how.contains(mend))
        });
        assert!(found, "{check}: {says}, {mend}\n{:#?}", self.lines);
        assert_eq!(self.code, 1);
    }
}

/// Runs the doctor, of which AWS knows nothing.
async fn doctor(arguments: &[&str], endpoint: Option<&str>) -> Said {
    let mut command = Command::new(binaries().join("tidings"));
    command.arg("doctor").args(arguments).current_dir(root());
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("AWS_")) {
        command.env_remove(name);
    }
    if let Some(url) = endpoint {
        command.env("AWS_ENDPOINT_URL", url);
    }
    let output = command.output().await.unwrap();
    Said::of(&output)
}

/// Runs it against a stack on AWS with these faults.
async fn examine(faults: &[&Planted]) -> Said {
    let stack = shared();
    let rules = faults.iter().flat_map(|fault| fault.rules).copied();
    let aws = Aws::with(stack, &rules.collect::<Vec<Rule>>()).await;
    let mut arguments = vec!["--region", "us-east-1", "--stack", "local"];
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    for fault in faults {
        match fault.how {
            How::Beside | How::Alone => {}
            How::Slow => arguments.extend(["--send", "slow-doctor", "--platform", "fcm"]),
            How::Options(options) => arguments.extend(options),
            How::Stack(name) => arguments[3] = name,
            How::Token(change) => {
                std::fs::write(&file, user_token(stack, change, &aws.url)).unwrap();
                arguments.extend(["--user-token", file.to_str().unwrap()]);
            }
        }
    }
    doctor(&arguments, Some(&aws.url)).await
}

fn is_beside(fault: &Planted) -> bool {
    matches!(fault.how, How::Beside | How::Options(_) | How::Token(_))
}

/// The faults in as few runs as there can be: one of each check beside the others.
fn runs() -> Vec<Vec<&'static Planted>> {
    let mut runs: Vec<Vec<&Planted>> = Vec::new();
    for fault in PLANTED.iter().filter(|fault| is_beside(fault)) {
        let free = |run: &&mut Vec<&Planted>| run.iter().all(|other| other.check != fault.check);
        match runs.iter_mut().find(free) {
            Some(run) => run.push(fault),
            None => runs.push(vec![fault]),
        }
    }
    let alone = PLANTED.iter();
    let alone = alone.filter(|fault| matches!(fault.how, How::Alone | How::Stack(_)));
    runs.extend(alone.map(|fault| vec![fault]));
    runs
}

#[tokio::test(flavor = "multi_thread")]
async fn every_planted_fault_is_found_with_its_mend() {
    for run in runs() {
        let said = examine(&run).await;
        for fault in run {
            said.names(fault);
        }
    }
}

/// Each fault by itself, and no other check fails for it but those that cannot be made well.
#[cfg(feature = "proof")]
#[tokio::test(flavor = "multi_thread")]
async fn a_fault_is_found_by_its_own_check_alone() {
    for fault in PLANTED {
        let said = examine(&[fault]).await;
        said.names(fault);
        let mut failed = said.checks("FAIL");
        failed.remove(fault.check);
        // What reads a stream by its name has lost it.
        let follows = fault.says == "the stream is off" && failed.remove("event sources");
        assert!(
            failed.is_empty() || follows,
            "{}: {:#?}",
            fault.says,
            said.lines
        );
    }
}

/// Number, check and the words of each row of the document.
fn documented() -> Vec<(usize, String, BTreeSet<String>)> {
    let text = std::fs::read_to_string(root().join("docs/OPERATIONS.md")).unwrap();
    let (_, section) = text.split_once("\n## Doctor\n").unwrap();
    let section = section.split("\n## ").next().unwrap();
    let quoted = |cell: &str| -> Vec<String> {
        cell.split('`')
            .skip(1)
            .step_by(2)
            .map(str::to_owned)
            .collect()
    };
    let row = |line: &str| {
        let cells: Vec<&str> = line.split(" | ").collect();
        let number = cells[0].trim_start_matches("| ").parse().ok()?;
        let words = quoted(cells[3]).into_iter().collect();
        Some((number, quoted(cells[1]).remove(0), words))
    };
    section.lines().filter_map(row).collect()
}

#[test]
fn the_faults_of_the_document_are_those_that_are_planted() {
    let rows = documented();
    let numbers: Vec<usize> = rows.iter().map(|(number, ..)| *number).collect();
    assert_eq!(numbers, (1..=16).collect::<Vec<_>>());
    let documented: BTreeSet<(&str, &str)> = rows
        .iter()
        .flat_map(|(_, check, words)| words.iter().map(|word| (check.as_str(), word.as_str())))
        .collect();
    let planted = PLANTED.iter().map(|fault| (fault.check, fault.says));
    assert_eq!(documented, planted.collect());
}

/// A file with a token in it.
fn file(folder: &Path, name: &str, token: &str) -> String {
    let path = folder.join(name);
    std::fs::write(&path, token).unwrap();
    path.to_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stack_on_aws_without_a_fault_is_well_and_its_device_gets_the_push() {
    let stack = shared();
    let aws = Aws::with(stack, &[]).await;
    let folder = tempfile::tempdir().unwrap();
    let token = |name, claims: &Value| file(folder.path(), name, &stack.sign(claims));
    let user = token("user", &stack.user_claims("tidings-doctor"));
    let producer = token("producer", &stack.producer_claims());
    let admin = token("admin", &stack.admin_claims());
    let device = unique("doctor-phone");
    let options = [
        "--stack",
        "local",
        "--region",
        "us-east-1",
        "--user-token",
        &user,
        "--producer-token",
        &producer,
        "--admin-token",
        &admin,
        "--send",
        &device,
        "--platform",
        "fcm",
    ];
    let said = doctor(&options, Some(&aws.url)).await;
    assert_eq!(said.code, 0, "{:#?}", said.lines);
    let checks: Vec<String> = documented()
        .into_iter()
        .map(|(_, check, _)| check)
        .collect();
    let well: Vec<String> = checks
        .iter()
        .map(|check| format!("ok    {check}: "))
        .collect();
    assert_eq!(said.lines.len(), well.len(), "{:#?}", said.lines);
    for (line, start) in said.lines.iter().zip(well) {
        assert!(line.starts_with(&start), "{start}: {:#?}", said.lines);
    }
    // Another doctor's notification may have reached it too.
    let pushes = stack.pushes(&device).await;
    let own = |push: &Value| push["message_id"] == said.message();
    assert_eq!(pushes.iter().filter(|push| own(push)).count(), 1);
    let endpoints = format!("{}/_local/endpoints", stack.api());
    eventually("the device is gone", async || {
        let found = reqwest::get(&endpoints)
            .await
            .unwrap()
            .text()
            .await
            .unwrap();
        (!found.contains(&device)).then_some(())
    })
    .await;
}

/// A data folder in which a stack has left word that its services are at these addresses.
fn word(stack: &Stack, services: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let key = "token-key.pem";
    std::fs::copy(stack.data().join(key), folder.path().join(key)).unwrap();
    let names = ["dynamodb", "sns", "sqs", "control"];
    let mut word = json!({"table": stack.table()});
    for name in names {
        word[name] = json!(services);
    }
    std::fs::write(folder.path().join("stack.json"), word.to_string()).unwrap();
    folder
}

#[tokio::test(flavor = "multi_thread")]
async fn on_this_machine_no_option_is_needed_and_tokens_are_made() {
    let stack = shared();
    let aws = Aws::with(stack, &[]).await;
    let folder = word(stack, &aws.url);
    let data = folder.path().to_str().unwrap();
    let said = doctor(&["--data", data], None).await;
    assert_eq!(said.code, 0, "{:#?}", said.lines);
    assert_eq!(said.checks("skip"), BTreeSet::from(["backups"]));
    let message = said.message();
    let outbox = format!("{}/_local/outbox?after=-1000&limit=1000", stack.api());
    let outbox = reqwest::get(outbox).await.unwrap().text().await.unwrap();
    assert!(outbox.contains(message), "{message} is not in the outbox");
}

#[tokio::test]
async fn where_nothing_runs_one_line_says_so_and_the_rest_depends_on_it() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_str().unwrap();
    let closed = word(shared(), "http://127.0.0.1:9");
    let closed = closed.path().to_str().unwrap();
    for (options, says, endpoint) in [
        (vec!["--data", data], "no stack runs with", None),
        (
            vec!["--data", closed],
            "does not answer. Mend: start it with `cargo run`",
            None,
        ),
        (vec!["--stack", "x"], "no region is named", None),
        (
            vec!["--stack", "x", "--region", "eu-west-1"],
            "there are no credentials in the environment",
            None,
        ),
        (
            vec!["--stack", "x", "--region", "eu-west-1"],
            "CloudFormation does not answer",
            Some("http://127.0.0.1:9"),
        ),
    ] {
        let said = doctor(&options, endpoint).await;
        assert!(
            said.lines[0].starts_with("FAIL  stack: "),
            "{:?}",
            said.lines
        );
        assert!(said.lines[0].contains(says), "{says}: {:?}", said.lines);
        assert_eq!(
            (said.checks("skip").len(), said.lines.len(), said.code),
            (15, 16, 1)
        );
    }
}

/// A whole stack of its own, as `cargo run` starts it.
#[cfg(feature = "proof")]
#[tokio::test(flavor = "multi_thread")]
async fn a_stack_that_has_just_been_started_is_well() {
    let folder = crate::stack::data_folder();
    let stack = Stack::start(folder.path());
    let data = stack.data().to_str().unwrap();
    for _ in 0..2 {
        let said = doctor(&["--data", data], None).await;
        assert_eq!((said.code, said.lines.len()), (0, 16), "{:#?}", said.lines);
    }
}
