//! Where the template and the data folder are.

use local::{Error, Result};
use std::path::{Path, PathBuf};

/// The file that describes the system.
pub const TEMPLATE: &str = "template.yaml";

/// The nearest folder with a template, from the current one upwards; else the one this program was built in.
pub fn root() -> Result<PathBuf> {
    let current = std::env::current_dir()?;
    let built_in = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    current
        .ancestors()
        .chain(built_in)
        .find(|folder| folder.join(TEMPLATE).is_file())
        .map(Path::to_path_buf)
        .ok_or_else(|| Error::new(format!("there is no {TEMPLATE} in this folder or above it")))
}

/// The data folder: the one given, else `.local` beside the template.
pub fn data_folder(given: Option<&Path>) -> Result<PathBuf> {
    given.map_or_else(
        || Ok(root()?.join(".local")),
        |folder| Ok(folder.to_path_buf()),
    )
}
