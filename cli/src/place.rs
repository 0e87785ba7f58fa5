//! Which table a command works on: that of the running local stack, or one that is named.

use crate::options::Place;
use crate::workspace;
use local::{Error, Result};
use serde_json::Value;
use shared::store::Store;
use std::path::Path;

/// Where a running stack says where its services answer.
const RUNNING: &str = "stack.json";

/// A table, and what it is called in a state file.
pub struct Target {
    pub store: Store,
    /// The same for the same table, whatever port it has today.
    pub name: String,
    /// Whether it is on this machine.
    pub is_local: bool,
}

/// Leaves word in the data folder of where the stack answers.
pub fn announce(data: &Path, line: &Value) -> Result<()> {
    Ok(std::fs::write(data.join(RUNNING), line.to_string())?)
}

/// The stack has ended. A word that remains after a kill leads to a closed door, which is said then.
pub fn forget(data: &Path) {
    std::fs::remove_file(data.join(RUNNING)).ok();
}

/// Finds the table.
pub fn target(place: &Place) -> Result<Target> {
    let (table, url, name) = match &place.table {
        Some(table) => {
            let whereabouts = place.endpoint.as_deref().unwrap_or("AWS");
            (
                table.clone(),
                place.endpoint.clone(),
                format!("{table} at {whereabouts}"),
            )
        }
        None => running(&workspace::data_folder(place.data.as_deref())?)?,
    };
    let is_local = url.as_deref().is_some_and(|url| url.starts_with("http://"));
    let store = shared::aws::patient_store(table, url, None).map_err(|error| failed(&error))?;
    Ok(Target {
        store,
        name,
        is_local,
    })
}

/// What the stack that keeps its data here has left word of; `None` if none runs.
pub fn running_stack(data: &Path) -> Option<Value> {
    let text = std::fs::read(data.join(RUNNING)).ok()?;
    serde_json::from_slice(&text).ok()
}

/// The table, the address and the name of the stack that keeps its data here.
fn running(data: &Path) -> Result<(String, Option<String>, String)> {
    let none = || {
        Error::new(format!(
            "no stack runs with {}: start one with `cargo run`, or name a table with --table",
            data.display()
        ))
    };
    let running = running_stack(data).ok_or_else(none)?;
    let text = |name: &str| running[name].as_str().map(str::to_owned);
    let (table, url) = text("table").zip(text("dynamodb")).ok_or_else(none)?;
    let folder = data.canonicalize()?;
    let name = format!("{table} in {}", folder.display());
    Ok((table, Some(url), name))
}

/// What went wrong, with its causes.
pub fn failed(error: &shared::error::Error) -> Error {
    Error::new(error.chain())
}
