//! `cargo run -p tests --bin mutants [name…]`: breaks the design's rules one at a time, and says whether the tests that
//! guard them notice. Without names it tries every mutant of the list; a name may be a part of one.
//!
//! It works on a copy of the checkout in `target/mutants`, with a target folder of its own that is kept for the next
//! time. A mutant whose text is no longer in the sources is an error: the list must follow the code.

mod applications;
mod broadcasts;
mod deployment;
mod devices;
mod doctor;
mod document;
mod erase;
mod events;
mod fan_out;
mod import;
mod inputs;
mod later;
mod list;
mod mends;
mod pushes;
mod rules;
mod stand_ins;
mod tasks;
mod time;
mod traces;

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};
use std::time::{Duration, Instant};
use std::{fs, io};

use list::Mutant;
use tokio::process::Command;

/// What takes longer than this with its build will never end.
const LIMIT: Duration = Duration::from_mins(10);

/// All of them.
const LISTS: [&[Mutant]; 20] = [
    list::MUTANTS,
    inputs::MUTANTS,
    pushes::MUTANTS,
    rules::MUTANTS,
    stand_ins::MUTANTS,
    mends::MUTANTS,
    tasks::MUTANTS,
    later::MUTANTS,
    time::MUTANTS,
    devices::MUTANTS,
    document::MUTANTS,
    events::MUTANTS,
    erase::MUTANTS,
    fan_out::MUTANTS,
    applications::MUTANTS,
    import::MUTANTS,
    broadcasts::MUTANTS,
    deployment::MUTANTS,
    traces::MUTANTS,
    doctor::MUTANTS,
];

type Outcome<T> = Result<T, Box<dyn Error>>;

/// Copies of the checkout and of what is built from it.
struct Workshop {
    original: PathBuf,
    copy: PathBuf,
    built: PathBuf,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run().await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Whether every chosen mutant was caught.
async fn run() -> Outcome<bool> {
    let names: Vec<String> = std::env::args().skip(1).collect();
    let chosen =
        |mutant: &&Mutant| names.is_empty() || names.iter().any(|name| mutant.name.contains(name));
    let mutants: Vec<&Mutant> = LISTS.into_iter().flatten().filter(chosen).collect();
    if mutants.is_empty() {
        return Err("no mutant has such a name".into());
    }
    let workshop = Workshop::new()?;
    workshop.refresh().await?;
    // Before minutes are spent on building: is every text still there?
    for mutant in &mutants {
        workshop.mutated(mutant)?;
    }
    let tests: BTreeSet<&str> = mutants
        .iter()
        .flat_map(|mutant| mutant.tests)
        .copied()
        .collect();
    println!(
        "{} mutants, {} tests; first without a mutation",
        mutants.len(),
        tests.len()
    );
    let failed = workshop.failing(&tests).await?;
    if !failed.is_empty() {
        return Err(format!("these fail without any mutation: {failed:?}").into());
    }
    let mut missed = 0;
    for mutant in mutants {
        let began = Instant::now();
        let verdict = workshop.try_out(mutant).await?;
        missed += usize::from(verdict.is_some());
        let seconds = began.elapsed().as_secs();
        match verdict {
            None => println!(
                "caught  {} ({}, {seconds} s)",
                mutant.name,
                mutant.tests.join(", ")
            ),
            Some(passed) => println!("MISSED  {} by {passed} ({seconds} s)", mutant.name),
        }
    }
    println!("{missed} missed");
    Ok(missed == 0)
}

impl Workshop {
    fn new() -> Outcome<Workshop> {
        let original = Path::new(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .ok_or("no repository")?;
        let folder = original.join("target/mutants");
        Ok(Workshop {
            original: original.to_owned(),
            copy: folder.join("checkout"),
            built: folder.join("target"),
        })
    }

    /// Makes the copy what the checkout is. A file that is the same already is not touched, so that it is not built again.
    async fn refresh(&self) -> Outcome<()> {
        let listed = Command::new("git")
            .args([
                "ls-files",
                "-z",
                "--cached",
                "--others",
                "--exclude-standard",
            ])
            .current_dir(&self.original)
            .output()
            .await?;
        if !listed.status.success() {
            return Err(String::from_utf8_lossy(&listed.stderr).into());
        }
        let names = String::from_utf8(listed.stdout)?;
        let mut kept = BTreeSet::new();
        for name in names.split_terminator('\0') {
            let source = self.original.join(name);
            // What is deleted and not yet committed is still listed.
            if source.is_file() {
                write_if_different(&self.copy.join(name), &fs::read(source)?)?;
                kept.insert(self.copy.join(name));
            }
        }
        remove_others(&self.copy, &kept)?;
        Ok(())
    }

    /// The text of a mutant's file, before and after.
    fn mutated(&self, mutant: &Mutant) -> Outcome<(String, String)> {
        let text = fs::read_to_string(self.copy.join(mutant.file))
            .map_err(|error| format!("{}: {error}", mutant.file))?;
        match text.matches(mutant.from).count() {
            1 => Ok((text.clone(), text.replace(mutant.from, mutant.to))),
            count => Err(format!(
                "{}: its text is {count} times in {}",
                mutant.name, mutant.file
            )
            .into()),
        }
    }

    /// Applies a mutant, and takes it back; returns the tests that did not notice.
    async fn try_out(&self, mutant: &Mutant) -> Outcome<Option<String>> {
        let file = self.copy.join(mutant.file);
        let (before, after) = self.mutated(mutant)?;
        fs::write(&file, after)?;
        let tests = mutant.tests.iter().copied().collect();
        let failed = self.failing(&tests).await;
        fs::write(&file, before)?;
        let failed = failed.map_err(|error| format!("{}: {error}", mutant.name))?;
        let passed: Vec<&str> = tests
            .into_iter()
            .filter(|test| !failed.contains(*test))
            .collect();
        Ok((!passed.is_empty()).then(|| passed.join(", ")))
    }

    /// Which of these tests fail. A test's name begins with `it::` or with the crate whose unit test it is.
    async fn failing(&self, tests: &BTreeSet<&str>) -> Outcome<BTreeSet<String>> {
        let mut of_crate = BTreeMap::<&str, Vec<&str>>::new();
        for test in tests {
            let (home, name) = test
                .split_once("::")
                .ok_or("a test has a crate and a name")?;
            of_crate.entry(home).or_default().push(name);
        }
        let mut failed = BTreeSet::new();
        for (home, names) in of_crate {
            // The whole workspace, so that nothing is built with other features than the programs.
            let target = match home {
                "it" => &["--workspace", "--features", "tests/proof", "--test", "it"][..],
                // A program, which has no library.
                "cli" => &["--workspace", "--bins"],
                _ => &["--workspace", "--lib"],
            };
            let Some(output) = self.cargo_test(target, &names).await? else {
                // One that does not end has not passed.
                failed.extend(names.iter().map(|name| format!("{home}::{name}")));
                continue;
            };
            let expected = format!("running {} test", names.len());
            if !output.contains(&expected) {
                return Err(format!(
                    "not all of {names:?} exist, or it does not compile:\n{output}"
                )
                .into());
            }
            if !output.contains("\ntest result: ") {
                // A line that a function must not write ends all of them.
                failed.extend(names.iter().map(|name| format!("{home}::{name}")));
                continue;
            }
            let summary = output
                .rsplit_once("\nfailures:\n")
                .map_or("", |(_, rest)| rest);
            let listed = summary
                .lines()
                .take_while(|line| !line.starts_with("test result"));
            failed.extend(
                listed
                    .filter(|line| !line.trim().is_empty())
                    .map(|line| format!("{home}::{}", line.trim())),
            );
        }
        Ok(failed)
    }

    /// What the tests and the compiler say; `None` if they do not come to an end.
    async fn cargo_test(&self, target: &[&str], names: &[&str]) -> Outcome<Option<String>> {
        let mut cargo = Command::new("cargo");
        // Cargo's own variables, of the build of this program, would make it build everything again.
        for (name, _) in
            std::env::vars().filter(|(name, _)| name.starts_with("CARGO_") && name != "CARGO_HOME")
        {
            cargo.env_remove(name);
        }
        let child = cargo
            .args(["test", "--locked"])
            .args(target)
            .args(["--", "--exact"])
            .args(names)
            .env("CARGO_TARGET_DIR", &self.built)
            .env("RUST_BACKTRACE", "0")
            .current_dir(&self.copy)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()?;
        let group = child.id();
        if let Ok(output) = tokio::time::timeout(LIMIT, child.wait_with_output()).await {
            let output = output?;
            let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
            // Only what the compiler says is of use; the rest is what the functions logged.
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            text.extend(
                said.lines()
                    .filter(|line| line.starts_with("error"))
                    .flat_map(|line| [line, "\n"]),
            );
            return Ok(Some(text));
        }
        if let Some(group) = group {
            Command::new("kill")
                .args(["-9", "--", &format!("-{group}")])
                .status()
                .await?;
        }
        Ok(None)
    }
}

fn write_if_different(file: &Path, bytes: &[u8]) -> io::Result<()> {
    if fs::read(file).is_ok_and(|found| found == bytes) {
        return Ok(());
    }
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(file, bytes)
}

/// Removes every file below `folder` that is not in `kept`.
fn remove_others(folder: &Path, kept: &BTreeSet<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            remove_others(&path, kept)?;
        } else if !kept.contains(&path) {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}
