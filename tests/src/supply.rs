//! What the programs are made of: whether it may be (the rules of `deny.toml`, for who has no `cargo deny`), and the bill
//! of materials.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

/// The registry that cargo comes with, as cargo names it.
const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

type Outcome<T> = Result<T, Box<dyn Error>>;

/// What `deny.toml` allows and bans.
pub struct Rules {
    licences: BTreeSet<String>,
    banned: BTreeSet<String>,
}

impl Rules {
    /// Reads the two lists from the text of `deny.toml`.
    pub fn read(text: &str) -> Rules {
        let list = |start: &str, end: &str| {
            let body = text
                .split_once(start)
                .and_then(|(_, rest)| rest.split_once(end));
            let words = body.map_or("", |(body, _)| body).split('"');
            words.skip(1).step_by(2).map(str::to_owned).collect()
        };
        Rules {
            licences: list("\nallow = [", "]"),
            banned: list("\ndeny = [", "\n]"),
        }
    }

    /// Whether an SPDX expression can be met by licences that are allowed. Older crates write `/` for `OR`.
    pub fn allow(&self, licence: &str) -> bool {
        let licence = licence.replace('/', " OR ");
        let spaced = licence.replace('(', " ( ").replace(')', " ) ");
        let words: Vec<&str> = spaced.split_whitespace().collect();
        let mut at = 0;
        self.either(&words, &mut at) && at == words.len()
    }

    fn either(&self, words: &[&str], at: &mut usize) -> bool {
        let mut allowed = self.both(words, at);
        while words.get(*at) == Some(&"OR") {
            *at += 1;
            allowed |= self.both(words, at);
        }
        allowed
    }

    fn both(&self, words: &[&str], at: &mut usize) -> bool {
        let mut allowed = self.one(words, at);
        while words.get(*at) == Some(&"AND") {
            *at += 1;
            allowed &= self.one(words, at);
        }
        allowed
    }

    fn one(&self, words: &[&str], at: &mut usize) -> bool {
        let word = words.get(*at).copied().unwrap_or_default();
        *at += 1;
        if word == "(" {
            let allowed = self.either(words, at);
            *at += 1;
            return allowed && words.get(*at - 1) == Some(&")");
        }
        // A licence with an exception is another licence.
        if words.get(*at) == Some(&"WITH") {
            *at += 2;
            return false;
        }
        self.licences.contains(word)
    }
}

/// What cargo says of the workspace and all it is built of on this machine's platform.
pub fn metadata(root: &Path) -> Outcome<Value> {
    let rustc = Command::new("rustc").arg("-vV").output()?;
    let said = String::from_utf8(rustc.stdout)?;
    let host = said.lines().find_map(|line| line.strip_prefix("host: "));
    let output = Command::new("cargo")
        .args(["metadata", "--format-version", "1", "--locked", "--offline"])
        .args(["--filter-platform", host.ok_or("rustc names no host")?])
        .current_dir(root)
        .output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_default()
}

fn packages(metadata: &Value) -> impl Iterator<Item = &Value> {
    metadata["packages"].as_array().into_iter().flatten()
}

/// What breaks the rules: a licence, a place, a name. Our own crates have a path for a place.
pub fn problems(metadata: &Value, rules: &Rules) -> Vec<String> {
    let members = metadata["workspace_members"].as_array();
    let mut problems = Vec::new();
    for package in packages(metadata) {
        let name = format!("{} {}", text(package, "name"), text(package, "version"));
        let licence = text(package, "license");
        if !rules.allow(licence) {
            problems.push(format!("{name} has the licence {licence:?}"));
        }
        let ours = members.is_some_and(|ours| ours.contains(&package["id"]));
        let source = text(package, "source");
        if !ours && source != REGISTRY {
            problems.push(format!("{name} comes from {source:?}"));
        }
        if rules.banned.contains(text(package, "name")) {
            problems.push(format!("{name} is banned"));
        }
    }
    problems
}

/// Packages of `Cargo.lock` for every platform that come from elsewhere than the registry.
pub fn strangers(lock: &str) -> Vec<String> {
    let sources = lock.lines().filter(|line| line.starts_with("source = "));
    let ours = format!("source = \"{REGISTRY}\"");
    sources
        .filter(|line| **line != ours)
        .map(str::to_owned)
        .collect()
}

/// The checksums of `Cargo.lock`, by name and version.
fn checksums(lock: &str) -> BTreeMap<(String, String), String> {
    let field = |part: &str, name: &str| {
        let start = format!("{name} = \"");
        let line = part.lines().find_map(|line| line.strip_prefix(&start))?;
        Some(line.trim_end_matches('"').to_owned())
    };
    let parts = lock.split("[[package]]").skip(1);
    let known = |part| {
        Some((
            (field(part, "name")?, field(part, "version")?),
            field(part, "checksum")?,
        ))
    };
    parts.filter_map(known).collect()
}

/// The packages that a node's programs are built of, without what only its tests need.
fn needs(node: &Value) -> impl Iterator<Item = &str> {
    let is_built_in = |dependency: &&Value| {
        let kinds = dependency["dep_kinds"].as_array();
        kinds.is_some_and(|kinds| kinds.iter().any(|kind| kind["kind"] != "dev"))
    };
    let dependencies = node["deps"].as_array().into_iter().flatten();
    dependencies
        .filter(is_built_in)
        .map(|dependency| text(dependency, "pkg"))
}

/// The bill of materials of the functions and of the program `tidings`, in the form of `CycloneDX` 1.6. The same sources give
/// the same bill.
pub fn bill(root: &Path) -> Outcome<Value> {
    let metadata = metadata(root)?;
    let checksums = checksums(&fs::read_to_string(root.join("Cargo.lock"))?);
    let by_id: BTreeMap<&str, &Value> = packages(&metadata).map(|p| (text(p, "id"), p)).collect();
    let nodes = metadata["resolve"]["nodes"]
        .as_array()
        .into_iter()
        .flatten();
    let nodes: BTreeMap<&str, &Value> = nodes.map(|node| (text(node, "id"), node)).collect();
    let purl = |id: &str| {
        let package = by_id[id];
        format!(
            "pkg:cargo/{}@{}",
            text(package, "name"),
            text(package, "version")
        )
    };
    let is_shipped = |id: &&str| {
        let path = text(by_id[id], "manifest_path");
        path.contains("/functions/") || path.ends_with("/cli/Cargo.toml")
    };
    let ours = metadata["workspace_members"]
        .as_array()
        .into_iter()
        .flatten();
    let roots: Vec<&str> = ours.filter_map(Value::as_str).filter(is_shipped).collect();
    let (mut found, mut open) = (BTreeSet::new(), roots.clone());
    while let Some(id) = open.pop() {
        if found.insert(id) {
            open.extend(nodes.get(id).into_iter().flat_map(|node| needs(node)));
        }
    }
    let component = |id: &&str| {
        let package = by_id[id];
        let (name, version) = (text(package, "name"), text(package, "version"));
        let licence = text(package, "license").replace('/', " OR ");
        let mut component = json!({
            "type": if roots.contains(id) { "application" } else { "library" },
            "bom-ref": purl(id), "purl": purl(id), "name": name, "version": version,
            "licenses": [{"expression": licence}],
        });
        if let Some(sum) = checksums.get(&(name.to_owned(), version.to_owned())) {
            component["hashes"] = json!([{"alg": "SHA-256", "content": sum}]);
        }
        component
    };
    let edges = |id: &&str| {
        let wanted = nodes.get(id).into_iter().flat_map(|node| needs(node));
        let wanted: BTreeSet<String> = wanted.map(purl).collect();
        json!({"ref": purl(id), "dependsOn": wanted})
    };
    Ok(json!({
        "bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1,
        "metadata": {"component": {"type": "application", "name": "tidings", "version": text(by_id[roots[0]], "version")}},
        "components": found.iter().map(component).collect::<Vec<_>>(),
        "dependencies": found.iter().map(edges).collect::<Vec<_>>(),
    }))
}
