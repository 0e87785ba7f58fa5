//! The programs beside ours that are not built with them: in Python, in Node, and as AWS's tutorial makes one. What they need
//! is installed below the target folder; one whose needs cannot be had is left out, and said to be.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::Outcome;
use crate::programs::{RELEASE, cargo};
use crate::runtime::Work;

/// What they are called.
pub const PYTHON: &str = "Python + boto3";
/// The same.
pub const NODE: &str = "Node + SDK v3";
/// The same.
pub const TUTORIAL: &str = "AWS's tutorial";

/// The emulators that a stack in Python stands on, and its SDK.
const MOTO: &str = "moto[dynamodb,server,sns]==5.2.5";
const BOTO: &str = "boto3==1.44.8";

/// What can be run here, and where it is.
pub struct Peers {
    /// What cannot, and why.
    pub skipped: Vec<String>,
    scripts: PathBuf,
    python: Option<PathBuf>,
    node: Option<(PathBuf, PathBuf)>,
    tutorial: Option<PathBuf>,
    /// A Python with moto.
    moto: Option<PathBuf>,
}

/// Finds them, and makes what is to be made below `target`.
pub fn find(root: &Path, target: &Path) -> Peers {
    let mut skipped = Vec::new();
    let mut skip = |name: &str, error: &dyn std::fmt::Display| {
        skipped.push(format!("{name}: {error}"));
    };
    let python = python().inspect_err(|error| skip(PYTHON, error)).ok();
    let node = node(root, target).inspect_err(|error| skip(NODE, error));
    let tutorial = tutorial(root, target).inspect_err(|error| skip(TUTORIAL, error));
    let moto = moto(target).inspect_err(|error| skip("Python over moto", error));
    Peers {
        python,
        node: node.ok(),
        tutorial: tutorial.ok(),
        moto: moto.ok(),
        scripts: root.join("bench/peers"),
        skipped,
    }
}

/// What a program writes; an error if it is not there or fails.
fn output(command: &mut Command) -> Outcome<String> {
    let name = command.get_program().display().to_string();
    let output = command.stderr(Stdio::null()).output();
    let output = output.map_err(|error| format!("{name}: {error}"))?;
    if !output.status.success() {
        return Err(format!("`{name}` fails").into());
    }
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

/// The interpreter itself, which may stand behind a script that looks for it.
fn python() -> Outcome<PathBuf> {
    let mut python = Command::new("python3");
    let program = python.args(["-c", "import boto3, sys; print(sys.executable)"]);
    Ok(output(program)?.into())
}

/// Node, and the folder with its scripts, each bundled into one file as a package for Lambda is.
fn node(root: &Path, target: &Path) -> Outcome<(PathBuf, PathBuf)> {
    let node = output(Command::new("node").args(["-p", "process.execPath"]))?;
    let (sources, folder) = (root.join("bench/peers/node"), target.join("peers/node"));
    let (wanted, installed) = (sources.join("package.json"), folder.join("package.json"));
    let modules = folder.join("node_modules");
    let is_there =
        fs::read(&installed).is_ok_and(|there| fs::read(&wanted).is_ok_and(|w| w == there));
    if !(is_there && modules.is_dir()) {
        fs::create_dir_all(&folder)?;
        let mut npm = Command::new("npm");
        npm.args(["install", "--silent", "--no-audit", "--no-fund"]);
        npm.args(["--no-package-lock", "--prefix"]).arg(&folder);
        fs::copy(&wanted, &installed)?;
        if let Err(error) = output(&mut npm) {
            fs::remove_file(&installed)?;
            return Err(error);
        }
    }
    for script in ["put", "publish"] {
        let mut esbuild = Command::new(modules.join(".bin/esbuild"));
        esbuild.arg(sources.join(script).with_extension("js"));
        esbuild.args(["--bundle", "--minify", "--platform=node"]);
        esbuild.args(["--loader:.json=text", "--log-level=error"]);
        esbuild.arg(format!("--outfile={}/{script}.js", folder.display()));
        output(esbuild.env("NODE_PATH", &modules))?;
    }
    Ok((node.into(), folder))
}

/// The tutorial's function, built for itself.
fn tutorial(root: &Path, target: &Path) -> Outcome<PathBuf> {
    let manifest = root.join("bench/peers/tutorial/Cargo.toml");
    let folder = target.join("peers/tutorial");
    let mut cargo = cargo();
    cargo.args(RELEASE).arg("--manifest-path").arg(manifest);
    cargo.arg("--target-dir").arg(&folder);
    if cargo.current_dir(root).status()?.success() {
        return Ok(folder.join("release/peer-tutorial"));
    }
    Err("it does not compile".into())
}

/// A Python of its own with moto's servers.
fn moto(target: &Path) -> Outcome<PathBuf> {
    let folder = target.join("peers/moto");
    let (python, is_there) = (folder.join("bin/python"), folder.join(MOTO));
    if !is_there.exists() {
        output(Command::new("python3").args(["-m", "venv"]).arg(&folder))?;
        let mut pip = Command::new(&python);
        output(pip.args(["-m", "pip", "install", "--quiet", MOTO, BOTO]))?;
        fs::write(is_there, "")?;
    }
    Ok(python)
}

impl Peers {
    /// The command that starts a service in Python over emulators, if it can be had.
    pub fn stack(&self) -> Option<Command> {
        let mut command = Command::new(self.moto.as_ref()?);
        command.arg(self.scripts.join("stack.py"));
        Some(command)
    }

    /// The programs that do the same as `work` and can be run here: the script of that name in each language, and the tutorial's
    /// function if it is `put`.
    pub fn doing(&self, script: &str, work: &Work) -> Vec<Work> {
        let beside = |name, program: &PathBuf, script| Work {
            name,
            program: program.clone(),
            script,
            ..work.clone()
        };
        let python = self.python.as_ref().map(|python| {
            let script = self.scripts.join(script).with_extension("py");
            beside(PYTHON, python, Some(script))
        });
        let node = self.node.as_ref().map(|(node, folder)| {
            let script = folder.join(script).with_extension("js");
            beside(NODE, node, Some(script))
        });
        let tutorial = self.tutorial.as_ref().filter(|_| script == "put");
        let tutorial = tutorial.map(|program| beside(TUTORIAL, program, None));
        [python, node, tutorial].into_iter().flatten().collect()
    }
}
