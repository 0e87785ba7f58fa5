//! What is measured: the functions as they are released, and the programs beside them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::cloud::Cloud;
use crate::peers::{self, Peers};
use crate::runtime::{How, Run, Work, run};
use crate::{Outcome, events};

/// Everything that was built, and the services it calls.
pub struct Programs {
    /// The repository.
    pub root: PathBuf,
    /// The names of the functions.
    pub functions: Vec<String>,
    /// The programs beside ours in other languages.
    pub peers: Peers,
    /// Rows of the large table.
    pub rows: u64,
    built: PathBuf,
    cloud: Cloud,
}

/// Builds the functions, and then the Rust programs beside them, optimized: together each would have in it what only the
/// others need.
pub fn build(rows: u64) -> Outcome<Programs> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut functions = Vec::new();
    for folder in fs::read_dir(root.join("functions"))? {
        functions.push(folder?.file_name().to_string_lossy().into_owned());
    }
    functions.sort();
    let packages = functions.iter().flat_map(|function| ["-p", function]);
    compile(&root, packages)?;
    compile(&root, ["-p", "bench", "--features", "peers"])?;
    let target = match std::env::var_os("CARGO_TARGET_DIR") {
        Some(target) => root.join(target),
        None => root.join("target"),
    };
    Ok(Programs {
        functions,
        peers: peers::find(&root, &target),
        rows,
        built: target.join("release"),
        cloud: Cloud::start()?,
        root,
    })
}

fn compile<'p>(root: &Path, packages: impl IntoIterator<Item = &'p str>) -> Outcome<()> {
    let mut cargo = cargo();
    cargo.args(RELEASE);
    if cargo.args(packages).current_dir(root).status()?.success() {
        return Ok(());
    }
    Err("the programs do not compile".into())
}

/// What builds something as it is released.
pub const RELEASE: [&str; 3] = ["build", "--release", "--locked"];

/// Cargo, as a user calls it.
pub fn cargo() -> Command {
    let mut cargo = Command::new("cargo");
    // The variables of the cargo that runs this would make it build everything again.
    let kept = ["CARGO_HOME", "CARGO_TARGET_DIR"];
    for (name, _) in std::env::vars() {
        let foreign = name.starts_with("CARGO") || name == "RUSTUP_TOOLCHAIN";
        if foreign && !kept.contains(&name.as_str()) {
            cargo.env_remove(name);
        }
    }
    cargo
}

impl Programs {
    /// Builds the local stack, and the table by itself.
    pub fn build_stack(&self) -> Outcome<()> {
        let engine = [
            "-p",
            "bench",
            "--features",
            "bench/engine",
            "--bin",
            "engine",
        ];
        let stack = ["-p", "tidings", "--bin", "tidings"];
        compile(&self.root, engine.into_iter().chain(stack))
    }

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
            events: vec![event],
            expected,
            is_secure: false,
            table: None,
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
}
