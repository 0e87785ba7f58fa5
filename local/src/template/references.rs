//! Whether everything a template refers to exists, in what means nothing on this machine too: roles, log groups, outputs.

use crate::error::{Error, Result};
use crate::intrinsics::{Scope, section};
use serde_json::{Map, Value};

/// Resolves every property of every resource, the globals and the outputs, and drops what they come to. A reference to
/// nothing and an intrinsic function the local stack does not have are errors that name the place.
pub fn check(document: &Value, scope: &Scope) -> Result<()> {
    for (kind, values) in section(document, "Globals")? {
        check_each(values.as_object(), &format!("Globals {kind}"), scope)?;
    }
    let resources = section(document, "Resources")?;
    for (id, resource) in &resources {
        let place = format!("resource {id}");
        check_each(resource["Properties"].as_object(), &place, scope)?;
        check_order(&resource["DependsOn"], &resources, &place)?;
    }
    for (name, output) in section(document, "Outputs")? {
        let place = format!("output {name}");
        if let Some(condition) = output["Condition"].as_str() {
            scope.holds(condition, &place)?;
        }
        scope.resolve_text(&output["Value"], &format!("{place}: Value"))?;
        scope.resolve(&output["Export"], &format!("{place}: Export"))?;
    }
    Ok(())
}

fn check_each(values: Option<&Map<String, Value>>, place: &str, scope: &Scope) -> Result<()> {
    (values.into_iter().flatten()).try_for_each(|(key, value)| {
        scope
            .resolve(value, &format!("{place}: property {key}"))
            .map(|_| ())
    })
}

fn check_order(before: &Value, resources: &Map<String, Value>, place: &str) -> Result<()> {
    let before = before
        .as_array()
        .map_or(std::slice::from_ref(before), Vec::as_slice);
    match before
        .iter()
        .filter_map(Value::as_str)
        .find(|id| !resources.contains_key(*id))
    {
        None => Ok(()),
        Some(id) => Err(Error::new(format!(
            "{place}: DependsOn: there is no resource {id}"
        ))),
    }
}
