//! What is built in may be: its licence, where it comes from, what it is. And that the gate is shut to what may not.

use std::collections::BTreeSet;
use std::fs;

use serde_json::{Value, json};
use tests::supply::{Rules, bill, metadata, problems, strangers};

use crate::stack::root;

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap()
}

#[test]
fn f61_whatever_is_built_in_has_an_allowed_licence_and_comes_from_the_registry() {
    let metadata = metadata(&root()).unwrap();
    let count = metadata["packages"].as_array().unwrap().len();
    assert!(count > 200, "{count} packages");
    assert_eq!(
        problems(&metadata, &Rules::read(&read("deny.toml"))),
        [""; 0]
    );
    assert_eq!(strangers(&read("Cargo.lock")), [""; 0]);
}

#[test]
fn f61_an_expression_of_licences_is_allowed_if_it_can_be_met() {
    let rules = Rules::read(&read("deny.toml"));
    for good in [
        "MIT",
        "MIT/Apache-2.0",
        "GPL-3.0-only OR MIT",
        "(Apache-2.0 OR MIT) AND BSD-3-Clause",
        "Apache-2.0 WITH LLVM-exception OR MIT",
    ] {
        assert!(rules.allow(good), "{good}");
    }
    for bad in [
        "",
        "GPL-3.0-only",
        "MIT AND GPL-3.0-only",
        "MIT OR Apache-2.0) AND GPL-3.0-only",
        "(MIT OR Apache-2.0) AND (GPL-3.0-only OR AGPL-3.0-only)",
        "GPL-2.0-only WITH Classpath-exception-2.0",
        "MIT GPL-3.0-only",
        "(MIT",
    ] {
        assert!(!rules.allow(bad), "{bad}");
    }
}

#[test]
fn f61_a_bad_licence_a_strange_place_and_a_banned_crate_are_found() {
    let rules = Rules::read(&read("deny.toml"));
    let good = json!({
        "id": "a", "name": "a", "version": "1.0.0", "license": "MIT",
        "source": "registry+https://github.com/rust-lang/crates.io-index",
    });
    let found = |field: &str, value: Value| {
        let mut package = good.clone();
        package[field] = value;
        problems(
            &json!({"packages": [package], "workspace_members": []}),
            &rules,
        )
    };
    assert_eq!(found("id", json!("b")), [""; 0]);
    assert_eq!(
        found("license", json!("GPL-3.0-only")),
        ["a 1.0.0 has the licence \"GPL-3.0-only\""]
    );
    assert_eq!(
        found("license", Value::Null),
        ["a 1.0.0 has the licence \"\""]
    );
    for source in [
        json!("git+https://example.com/a"),
        json!("registry+https://example.com/index"),
        Value::Null,
    ] {
        assert_eq!(found("source", source.clone()).len(), 1, "{source}");
    }
    for name in ["openssl-sys", "native-tls", "aws-lc-sys"] {
        assert_eq!(
            found("name", json!(name)),
            [format!("{name} 1.0.0 is banned")]
        );
    }
    let lock = read("Cargo.lock");
    let line = lock
        .lines()
        .find(|line| line.starts_with("source = "))
        .unwrap();
    let other = lock.replacen(line, "source = \"git+https://example.com/a#0\"", 1);
    assert_eq!(strangers(&other).len(), 1);
}

#[cfg(feature = "proof")]
#[test]
fn the_bill_of_materials_has_everything_that_is_shipped_and_is_whole() {
    let bill = bill(&root()).unwrap();
    let components = bill["components"].as_array().unwrap();
    let is = |name: &str| {
        components
            .iter()
            .find(|component| component["name"] == name)
    };
    for name in [
        "create-notifications",
        "tidings",
        "shared",
        "aws-sdk-dynamodb",
        "tokio",
    ] {
        assert!(is(name).is_some(), "{name}");
    }
    assert!(
        is("tests").is_none() && is("reqwest").is_none(),
        "only the tests need it"
    );
    let refs: BTreeSet<&str> = components
        .iter()
        .map(|c| c["bom-ref"].as_str().unwrap())
        .collect();
    assert_eq!(refs.len(), components.len());
    for component in components {
        let ours = component["version"] == "0.1.0" && component["hashes"].is_null();
        let sum = component["hashes"][0]["content"]
            .as_str()
            .unwrap_or_default();
        assert!(ours || sum.len() == 64, "{component}");
    }
    for edges in bill["dependencies"].as_array().unwrap() {
        for wanted in edges["dependsOn"].as_array().unwrap() {
            assert!(refs.contains(wanted.as_str().unwrap()), "{wanted}");
        }
    }
}
