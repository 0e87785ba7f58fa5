//! What a template asks of its parameters together: its rules.

use crate::error::{Error, Result};
use crate::intrinsics::{Scope, section};
use serde_json::Value;

/// What a rule and an assertion may say.
const KEYS: &[&str] = &["Assert", "AssertDescription", "Assertions", "RuleCondition"];

/// Every assertion of every rule whose condition holds, as `CloudFormation` has it before anything is made. The error is the
/// assertion's own description.
pub fn check(document: &Value, scope: &Scope) -> Result<()> {
    for (name, rule) in section(document, "Rules")? {
        let place = format!("rule {name}");
        known(&rule, &place)?;
        let applies = match rule.get("RuleCondition") {
            Some(condition) => scope.condition(condition, &place)?,
            None => true,
        };
        let assertions = rule["Assertions"].as_array();
        let assertions =
            assertions.ok_or_else(|| Error::new(format!("{place} has no Assertions")))?;
        for assertion in assertions {
            known(assertion, &place)?;
            if !scope.condition(&assertion["Assert"], &place)? && applies {
                let reason = assertion["AssertDescription"].as_str();
                return Err(Error::new(format!(
                    "{place}: {}",
                    reason.unwrap_or("does not hold")
                )));
            }
        }
    }
    Ok(())
}

fn known(value: &Value, place: &str) -> Result<()> {
    let mut keys = value
        .as_object()
        .into_iter()
        .flat_map(|entries| entries.keys());
    match keys.find(|key| !KEYS.contains(&key.as_str())) {
        None => Ok(()),
        Some(key) => Err(Error::new(format!(
            "{place}: {key} is not supported by the local stack"
        ))),
    }
}
