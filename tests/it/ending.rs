//! How the program `tidings` ends: in order, whatever tells it to, and with everything it started.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::caller::eventually;
use crate::stack::{binaries, data_folder, root};

fn program(data: &Path) -> Command {
    let mut command = Command::new(binaries().join("tidings"));
    command
        .args(["--json", "--port", "0", "--data"])
        .arg(data)
        .current_dir(root())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn signal(process: &Child, name: &str) {
    let pid = process.id().to_string();
    let sent = Command::new("kill").args(["-s", name, &pid]).status();
    assert!(sent.unwrap().success());
}

#[test]
fn a_stack_that_nobody_reads_any_more_works_and_ends_in_order() {
    for name in ["HUP", "TERM", "INT"] {
        let data = data_folder();
        let mut command = program(data.path());
        let mut process = command.arg("--binaries").arg(binaries()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        assert!(line.starts_with('{'), "{line}");
        drop(process.stderr.take());
        signal(&process, name);
        // It says that it ends, to nobody.
        assert!(process.wait().unwrap().success(), "{name}");
    }
}

#[tokio::test]
async fn a_build_ends_with_the_program_that_waits_for_it() {
    let data = data_folder();
    let (cargo, pid) = (data.path().join("cargo"), data.path().join("pid"));
    let script = format!("#!/bin/sh\necho $$ >'{}'\nexec sleep 600\n", pid.display());
    fs::write(&cargo, script).unwrap();
    fs::set_permissions(&cargo, fs::Permissions::from_mode(0o700)).unwrap();
    let mut process = program(data.path()).env("CARGO", &cargo).spawn().unwrap();
    let builder = eventually("the build has begun", async || {
        let pid = fs::read_to_string(&pid).unwrap_or_default();
        pid.ends_with('\n').then(|| pid.trim().to_owned())
    })
    .await;
    signal(&process, "TERM");
    assert!(process.wait().unwrap().success());
    eventually("the build has ended", async || {
        let status = fs::read_to_string(format!("/proc/{builder}/stat")).unwrap_or_default();
        (status.is_empty() || status.contains(") Z ")).then_some(())
    })
    .await;
}
