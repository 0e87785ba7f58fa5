//! Builds the functions' programs with the cargo that built this one.

use local::template::FunctionSpec;
use local::{Error, Result};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tokio::process::Command;

/// What cargo sets for a program it runs. Build scripts of dependencies watch some of them: inherited, they would have
/// those dependencies built again in every run.
const SET_BY_CARGO: &[&str] = &[
    "CARGO_BIN_",
    "CARGO_CRATE_",
    "CARGO_MANIFEST_",
    "CARGO_PKG_",
    "CARGO_PRIMARY_",
    "CARGO_RUSTC_CURRENT_DIR",
    "CARGO_TARGET_TMPDIR",
];

/// Builds the functions' programs, with the progress on standard error; answers the folder they are in. Dropped, it ends
/// the build.
pub async fn build(root: &Path, functions: &[FunctionSpec], release: bool) -> Result<PathBuf> {
    let own = std::env::current_exe()?;
    let own_folder = own
        .parent()
        .ok_or_else(|| Error::new("this program is in no folder"))?;
    let target = own_folder
        .parent()
        .ok_or_else(|| Error::new("this program is in no target folder"))?;
    let release = release || own_folder.ends_with("release");
    local::say("building the functions; the first time takes minutes");

    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    // The whole workspace, as the tests build it, so that both share the dependencies they compile.
    command
        .args(["build", "--workspace", "--target-dir"])
        .arg(target)
        .current_dir(root);
    for function in functions {
        command.args(["--bin", &function.binary]);
    }
    if release {
        command.arg("--release");
    }
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if SET_BY_CARGO.iter().any(|prefix| text.starts_with(prefix)) {
            command.env_remove(&name);
        }
    }
    // Standard output may be read by a program: nothing but the one line of JSON belongs there.
    let status = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .status()
        .await
        .map_err(|error| Error::new(format!("cargo does not start: {error}")))?;
    if !status.success() {
        return Err(Error::new("the functions do not build"));
    }
    Ok(target.join(if release { "release" } else { "debug" }))
}
