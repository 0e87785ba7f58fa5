//! Custom resources: whom to ask for them, with what, and where their attributes go.

use super::{CustomSpec, Template};
use crate::error::{Error, Result};
use crate::intrinsics::{PENDING, Scope, function_arn, text};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// What custom resources answered: by logical id, their attributes.
pub type Answers = BTreeMap<String, BTreeMap<String, String>>;

/// Reads one; its function is found when all functions are known.
pub fn read(id: &str, kind: &str, properties: Option<&Value>, scope: &Scope) -> Result<CustomSpec> {
    let place = format!("resource {id}");
    let nothing = Value::Object(Map::new());
    let resolved = scope.resolve(properties.unwrap_or(&nothing), &place)?;
    Ok(CustomSpec {
        logical_id: id.to_owned(),
        kind: kind.to_owned(),
        function: String::new(),
        properties: texts(resolved.unwrap_or(nothing)),
    })
}

/// `CloudFormation` sends every scalar as text.
fn texts(value: Value) -> Value {
    match value {
        Value::Array(items) => items.into_iter().map(texts).collect(),
        Value::Object(entries) => entries
            .into_iter()
            .map(|(key, value)| (key, texts(value)))
            .collect(),
        scalar => Value::String(text(&scalar).unwrap_or_default()),
    }
}

impl Template {
    /// Names the function of every custom resource.
    pub(super) fn find_custom_functions(&mut self) -> Result<()> {
        for spec in &mut self.customs {
            let token = &spec.properties["ServiceToken"];
            let function = self
                .functions
                .iter()
                .find(|function| *token == function_arn(&function.name))
                .ok_or_else(|| {
                    Error::new(format!(
                        "resource {}: its ServiceToken is no function of this template",
                        spec.logical_id
                    ))
                })?;
            spec.function.clone_from(&function.logical_id);
        }
        Ok(())
    }

    /// Puts the custom resources' attributes where the functions' variables ask for them.
    pub fn fill(&mut self, answers: &Answers) -> Result<()> {
        for function in &mut self.functions {
            for (name, value) in &mut function.environment {
                *value = filled(value, answers).map_err(|reference| {
                    Error::new(format!(
                        "resource {}: variable {name}: {reference} has no value",
                        function.logical_id
                    ))
                })?;
            }
        }
        Ok(())
    }
}

/// A text without pending references; an error is one that nobody answered.
fn filled(text: &str, answers: &Answers) -> std::result::Result<String, String> {
    let parts = text.split(PENDING).enumerate();
    let fill = |(index, part): (usize, &str)| {
        // Every second part stands between two marks.
        if index % 2 == 0 {
            return Ok(part.to_owned());
        }
        let value = part
            .split_once('.')
            .and_then(|(id, attribute)| answers.get(id)?.get(attribute));
        value.cloned().ok_or_else(|| part.to_owned())
    };
    parts.map(fill).collect()
}
