//! What is measured: the functions as they are released, and the programs beside them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::cloud::Cloud;
use crate::runtime::{How, Run, Work, run};
use crate::{Outcome, events};

/// Everything that was built, and the services it calls.
pub struct Programs {
    /// The repository.
    pub root: PathBuf,
    /// The names of the functions.
    pub functions: Vec<String>,
    /// Programs that cannot be run on this machine, and why.
    pub skipped: Vec<String>,
    built: PathBuf,
    cloud: Cloud,
    /// With boto3.
    python: Option<PathBuf>,
}

/// Builds the functions, and then the Rust programs beside them, optimized: together each would have in it what only the
/// others need.
pub fn build() -> Outcome<Programs> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut functions = Vec::new();
    for folder in fs::read_dir(root.join("functions"))? {
        functions.push(folder?.file_name().to_string_lossy().into_owned());
    }
    functions.sort();
    let packages = functions.iter().flat_map(|function| ["-p", function]);
    compile(&root, packages)?;
    compile(&root, ["-p", "bench", "--features", "peers"])?;
    let built = match std::env::var_os("CARGO_TARGET_DIR") {
        Some(target) => root.join(target),
        None => root.join("target"),
    };
    let mut programs = Programs {
        functions,
        skipped: Vec::new(),
        built: built.join("release"),
        cloud: Cloud::start()?,
        python: python(),
        root,
    };
    if programs.python.is_none() {
        let why = "Python with boto3, which is not installed";
        programs.skipped.push(why.to_owned());
    }
    programs
        .skipped
        .push("Node with the AWS SDK, and the build of AWS's tutorial: not written yet".to_owned());
    Ok(programs)
}

fn compile<'p>(root: &Path, packages: impl IntoIterator<Item = &'p str>) -> Outcome<()> {
    let mut cargo = Command::new("cargo");
    // The variables of the cargo that runs this would make it build everything again.
    let kept = ["CARGO_HOME", "CARGO_TARGET_DIR"];
    for (name, _) in std::env::vars() {
        let foreign = name.starts_with("CARGO") || name == "RUSTUP_TOOLCHAIN";
        if foreign && !kept.contains(&name.as_str()) {
            cargo.env_remove(name);
        }
    }
    cargo.args(["build", "--release", "--locked"]);
    if cargo.args(packages).current_dir(root).status()?.success() {
        return Ok(());
    }
    Err("the programs do not compile".into())
}

/// The interpreter itself, which may stand behind a script that looks for it.
fn python() -> Option<PathBuf> {
    let mut command = Command::new("python3");
    command.args(["-c", "import boto3, sys; print(sys.executable)"]);
    let output = command.stderr(Stdio::null()).output().ok()?;
    let path = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    output.status.success().then(|| PathBuf::from(path))
}

impl Programs {
    /// A program by its name.
    pub fn file(&self, name: &str) -> PathBuf {
        self.built.join(name)
    }

    /// Gives a program its event so many times.
    pub fn run(&self, work: &Work, invocations: usize, how: How) -> Outcome<Run> {
        run(work, invocations, how, &self.cloud)
    }

    fn work(&self, name: &'static str, event: Vec<u8>, expected: &'static str) -> Work {
        Work {
            name,
            program: self.file(name),
            script: None,
            event,
            expected,
            is_secure: false,
        }
    }

    /// A program that answers a request to create one notification: ours, or one beside it.
    pub fn creating(&self, name: &'static str) -> Outcome<Work> {
        self.creating_for(name, 1, None)
    }

    /// The same for more recipients, and with a key.
    pub fn creating_for(
        &self,
        name: &'static str,
        recipients: u64,
        key: Option<&str>,
    ) -> Outcome<Work> {
        let event = events::create(&self.root, recipients, key)?;
        Ok(self.work(name, event, "\"statusCode\":201"))
    }

    /// The function that answers with a page of the inbox.
    pub fn reading(&self) -> Outcome<Work> {
        let event = events::page(&self.root)?;
        Ok(self.work("read-inbox", event, "\"statusCode\":200"))
    }

    /// A program that pushes a batch: ours, or the bare loop.
    pub fn pushing(&self, name: &'static str) -> Outcome<Work> {
        let event = events::batch(&self.root)?;
        Ok(self.work(name, event, "\"batchItemFailures\":[]"))
    }

    /// A script that does what a program does, if it can be run here.
    pub fn python(&self, script: &str, of: &Work) -> Option<Work> {
        let program = self.python.clone()?;
        Some(Work {
            name: "Python + boto3",
            program,
            script: Some(self.root.join("bench/peers").join(script)),
            ..of.clone()
        })
    }
}
