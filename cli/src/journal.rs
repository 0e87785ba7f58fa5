//! State files: how far a command is, so that it goes on there after whatever ended it.

use local::{Error, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// `file` with an ending more.
pub fn beside(file: &Path, ending: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// What a state file says; `None` if there is none.
pub fn load<S: DeserializeOwned>(file: &Path) -> Result<Option<S>> {
    let text = match std::fs::read(file) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(at(file, &error)),
    };
    serde_json::from_slice(&text).map(Some).map_err(|error| {
        let file = file.display();
        Error::new(format!("{file} is no state file of this command: {error}"))
    })
}

/// Writes a state file as a whole or not at all, on the disk when this returns.
pub fn save(file: &Path, state: &impl Serialize) -> Result<()> {
    let new = beside(file, ".new");
    let write = || {
        let mut out = File::create(&new)?;
        out.write_all(&serde_json::to_vec(state)?)?;
        out.sync_all()?;
        std::fs::rename(&new, file)
    };
    write().map_err(|error| at(file, &error))
}

/// An error that names its file.
pub fn at(file: &Path, error: &std::io::Error) -> Error {
    Error::new(format!("{}: {error}", file.display()))
}
