//! Moving in and out: what becomes of single lines, through the real program and a running stack.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::create::note;
use crate::ground::Ground;
use crate::pushes::{device, ended, send};
use crate::stack::{Stack, binaries, root, shared, unique};
use crate::table::{self, n};

/// The program with these arguments.
pub fn tidings(arguments: &[&str]) -> Command {
    let mut command = Command::new(binaries().join("tidings"));
    command.args(arguments).current_dir(root());
    command
}

/// A moment as lines have it.
pub fn stamp(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

fn ago(seconds: i64) -> String {
    stamp(Timestamp::now() - SignedDuration::from_secs(seconds))
}

/// A file with these lines, in a folder of its own.
fn file(lines: &[String]) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("old.jsonl");
    std::fs::write(&file, lines.join("\n")).unwrap();
    (folder, file)
}

/// Imports a file into a stack's table, found by the data folder.
fn import(stack: &Stack, file: &Path) -> (Option<i32>, String) {
    let data = stack.data().to_str().unwrap();
    let arguments = ["import", file.to_str().unwrap(), "--data", data];
    said(&tidings(&arguments).output().unwrap())
}

fn said(output: &Output) -> (Option<i32>, String) {
    let text = [&output.stdout[..], &output.stderr].concat();
    (output.status.code(), String::from_utf8(text).unwrap())
}

/// The lines of a user's export.
fn export(stack: &Stack, user: &str) -> Vec<String> {
    let data = stack.data().to_str().unwrap();
    let output = tidings(&["export", "--user", user, "--data", data]).output();
    let output = output.unwrap();
    assert!(output.status.success(), "{}", said(&output).1);
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(str::to_owned).collect()
}

/// A line that ends tomorrow; `rest` is what stands behind that.
fn line(user: &str, created_at: &str, rest: &str) -> String {
    let tomorrow = Timestamp::from_second(Timestamp::now().as_second() + 86_400).unwrap();
    format!(
        r#"{{"recipient":"{user}","created_at":"{created_at}","expires_at":"{}",{rest}"type":"video.liked","title":"Bo liked your video"}}"#,
        stamp(tomorrow)
    )
}

async fn inbox(stack: &Stack, user: &str, query: &str) -> Value {
    let path = format!("/v1/me/notifications?consistent=true{query}");
    stack.user(user).get(&path).await.expect(200)
}

#[tokio::test]
async fn what_is_imported_has_its_own_time_and_marks_and_rings_nobody() {
    let stack = shared();
    let (user, token) = (unique("ana"), unique("phone"));
    device(stack, &user, "phone", "fcm", &token).await;
    let (unread, read, archived) = (ago(3_600), ago(7_200), ago(9_000));
    let (_folder, file) = file(&[
        line(&user, &unread, ""),
        line(&user, &read, &format!(r#""read_at":"{unread}","#)),
        line(&user, &archived, &format!(r#""archived_at":"{unread}","#)),
    ]);
    let (code, text) = import(stack, &file);
    assert_eq!((code, text.contains("3 stored")), (Some(0), true), "{text}");
    let page = inbox(stack, &user, "&status=all").await;
    let moments: Vec<String> = page["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|n| {
            stamp(
                n["created_at"]
                    .as_str()
                    .unwrap()
                    .parse::<Timestamp>()
                    .unwrap(),
            )
        })
        .collect();
    assert_eq!(moments, [&*unread, &*read, &*archived]);
    assert_eq!(page["meta"]["unread_count"], 1);
    assert!(page["data"][1]["read_at"].is_string() && page["data"][2]["archived_at"].is_string());
    // The stream has brought them by the time it has brought what came later, or an outcome of theirs would change.
    send(stack, &note(&user)).await;
    for notification in page["data"].as_array().unwrap() {
        let outcome = ended(stack, &user, notification["id"].as_str().unwrap()).await;
        assert_eq!(
            (&outcome["s"], &outcome["w"]),
            (&json!("skipped"), &json!("imported"))
        );
    }
    assert_eq!(stack.pushes(&token).await.len(), 1);
}

/// The lines that were refused, and why.
fn refusals(list: &Path) -> Vec<(u64, Vec<String>)> {
    let text = std::fs::read_to_string(list).unwrap();
    let refusal = |line: &str| {
        let refusal: Value = serde_json::from_str(line).unwrap();
        let errors = refusal["errors"].as_array().unwrap().iter();
        let text = |error: &Value, name: &str| error[name].as_str().unwrap().to_owned();
        let codes = errors.map(|e| format!("{} {}", text(e, "pointer"), text(e, "code")));
        (refusal["line"].as_u64().unwrap(), codes.collect())
    };
    text.lines().map(refusal).collect()
}

#[tokio::test]
async fn a_line_that_is_refused_is_listed_with_its_number_and_reasons_and_a_repeat_goes_on() {
    let stack = shared();
    let user = unique("ana");
    let good = line(&user, &ago(60), "");
    let lines = [
        good.clone(),
        "{".to_owned(),
        String::new(),
        format!(
            r#"{{"recipient":"a b","created_at":"{}","titel":"x"}}"#,
            ago(-60)
        ),
        format!("\"{}\"", "x".repeat(70_000)),
        line(&user, &ago(86_400), "").replace("liked\"", "old\",\"expires_in\":60"),
        good.replace("\"type\"", "\"id\":\"01K0000000000000000000000\",\"type\""),
        good.replace("Bo liked", "Cleo liked"),
    ];
    let (folder, path) = file(&lines);
    let list_file = folder.path().join("old.jsonl.refused");
    for round in 0..2 {
        let (code, text) = import(stack, &path);
        assert_eq!(code, Some(3), "{text}");
        let expected = "done: 8 lines, 2 stored, 0 were there, 5 refused, listed in ";
        assert!(text.contains(expected), "{round}: {text}");
        // As if it had been killed before it could say in its state that this was listed.
        let list = OpenOptions::new().append(true).open(&list_file);
        list.unwrap()
            .write_all(&[b'x'; 9][..9 - 9 * round])
            .unwrap();
    }
    let found = refusals(&list_file);
    let has = |line: u64, code: &str| {
        let listed = found.iter().find(|(number, _)| *number == line);
        let codes = &listed.unwrap_or_else(|| panic!("{line} in {found:?}")).1;
        assert!(codes.iter().any(|found| found == code), "{line}: {codes:?}");
    };
    has(2, " malformed_json");
    has(4, "/recipient format");
    has(4, "/created_at range");
    has(4, "/type required");
    has(4, "/title required");
    has(4, "/titel unknown_field");
    has(5, " too_large");
    has(6, "/expires_in exclusive");
    has(7, "/id format");
    assert_eq!(found.len(), 5, "{found:?}");

    std::fs::write(&path, &good).unwrap();
    let (code, text) = import(stack, &path);
    assert!(
        code == Some(1) && text.contains("is not the file"),
        "{text}"
    );
    // From the beginning it meets its own rows.
    std::fs::remove_file(folder.path().join("old.jsonl.state")).unwrap();
    let (code, text) = import(stack, &path);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("1 lines, 0 stored, 1 were there"), "{text}");
    let page = inbox(stack, &user, "").await;
    assert_eq!(page["data"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_notification_that_both_have_by_its_dedupe_key_is_met_and_gets_the_marks_of_the_line() {
    let stack = shared();
    let user = unique("ana");
    let mut shadow = note(&user);
    shadow["dedupe_key"] = json!("notification:1");
    shadow["push"] = json!(false);
    let sent = stack.producer().post("/v1/notifications", &shadow).await;
    let id = sent.expect(201)["data"][0]["id"].clone();
    let key = |n: u32, rest: &str| format!(r#""dedupe_key":"notification:{n}",{rest}"#);
    let read = ago(10);
    let (_folder, path) = file(&[
        line(&user, &ago(60), &key(1, &format!(r#""read_at":"{read}","#))),
        line(&user, &ago(70), &key(2, "")),
        line(&user, &ago(80), &key(2, "")),
    ]);
    let (code, text) = import(stack, &path);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("1 stored, 2 were there"), "{text}");
    let page = inbox(stack, &user, "").await;
    let page = page["data"].as_array().unwrap();
    assert_eq!(page.len(), 2, "{page:?}");
    assert_eq!(page[0]["id"], id);
    let read_at: Timestamp = page[0]["read_at"].as_str().unwrap().parse().unwrap();
    assert_eq!(stamp(read_at), read);
}

#[tokio::test]
async fn an_export_says_what_the_user_sees_and_leaves_out_what_is_gone() {
    let stack = shared();
    let user = unique("ana");
    let seen = format!(r#""seen_at":"{}","#, ago(5));
    let read = format!(r#""read_at":"{}","#, ago(5));
    let lines = [
        line(&user, &ago(400), &read),
        line(&user, &ago(300), &seen),
        line(&user, &ago(200), ""),
    ];
    let (_folder, path) = file(&lines);
    assert_eq!(import(stack, &path).0, Some(0));
    assert_eq!(export(stack, &user), lines);

    // Mark-all and a retract reach the export; an import of it meets every row.
    let page = inbox(stack, &user, "").await;
    let newest = json!({"up_to": page["data"][0]["id"]});
    let caller = stack.user(&user);
    caller
        .post("/v1/me/notifications/read", &newest)
        .await
        .expect(200);
    let (producer, plain) = (stack.producer(), note(&user));
    let sent = producer.post("/v1/notifications", &plain).await;
    let id = sent.expect(201)["data"][0]["id"].clone();
    let taken = page["data"][2]["id"].as_str().unwrap();
    let path = format!("/v1/notifications/{taken}?recipient={user}");
    assert_eq!(stack.producer().delete(&path).await.status, 204);
    let found = export(stack, &user);
    assert_eq!(found.len(), 3, "{found:?}");
    assert!(found[..2].iter().all(|line| line.contains(r#""read_at""#)));
    assert!(found[2].contains(&format!(r#""id":{id}"#)), "{found:?}");
    let (_folder, again) = file(&found);
    let (code, text) = import(stack, &again);
    assert!(
        code == Some(0) && text.contains("0 stored, 3 were there"),
        "{text}"
    );
    // An erase hides them before its job has removed them.
    let erased = [("er", n(Timestamp::now().as_millisecond()))];
    table::put(stack, &user, "A#user", &erased).await;
    assert_eq!(export(stack, &user), [] as [String; 0]);
}

#[test]
fn without_a_running_stack_nothing_is_imported() {
    let (folder, path) = file(&["{}".to_owned()]);
    let data = folder.path().to_str().unwrap();
    let arguments = ["import", path.to_str().unwrap(), "--data", data];
    let (code, text) = said(&tidings(&arguments).output().unwrap());
    assert!(code == Some(1) && text.contains("no stack runs"), "{text}");
}

/// The commands of the document, on its own example.
#[tokio::test(flavor = "multi_thread")]
async fn the_commands_of_the_migration_do_what_it_says() {
    let ground = Ground::new().await;
    let text = std::fs::read_to_string(root().join("docs/MIGRATION.md")).unwrap();
    let example = text.split("\n```json\n").nth(1).unwrap();
    let example = example.split("```").next().unwrap();
    // The document grows old, and what it shows would expire.
    let year = Timestamp::now()
        .strftime("%Y")
        .to_string()
        .parse::<i32>()
        .unwrap();
    let example = example.replace("2026-", &format!("{}-", year - 1));
    let example = example.replace("2027-", &format!("{}-", year + 1));
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("notifications.jsonl"), &example).unwrap();
    let program = binaries().join("tidings");
    let place = format!("--endpoint {} --table {}", ground.url(), ground.table());
    let mut run = 0;
    for block in text.split("\n```sh\n").skip(1) {
        let command = block.split("\n```").next().unwrap();
        let rest = command.strip_prefix("cargo run -q -- ").unwrap();
        let command = format!("'{}' {rest} {place}", program.display());
        let output = Command::new("sh")
            .args(["-ec", &command])
            .current_dir(folder.path())
            .output();
        let (code, text) = said(&output.unwrap());
        assert_eq!(code, Some(0), "{command}: {text}");
        run += 1;
    }
    assert_eq!(run, 3);
    for name in ["tidings.jsonl", "back.jsonl"] {
        let exported = std::fs::read_to_string(folder.path().join(name)).unwrap();
        assert_eq!(exported, example, "{name}");
    }
}
