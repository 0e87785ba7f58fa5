//! A template's parameters: their values, and the rules the template has for them.

use crate::error::Error;
use crate::intrinsics::text;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// What a declaration may say. `AllowedPattern` is a Java regular expression and is left to the deployment.
const KEYS: &[&str] = &[
    "AllowedPattern",
    "AllowedValues",
    "ConstraintDescription",
    "Default",
    "Description",
    "MaxLength",
    "MaxValue",
    "MinLength",
    "MinValue",
    "NoEcho",
    "Type",
];

/// Why a value is refused, without the parameter's name.
type Checked<T> = Result<T, String>;

/// The parameters' values: those `given`, else the defaults. A value that breaks a rule of its declaration is an error, as
/// is a parameter without a value and a value without a parameter.
pub fn read(
    declared: &Map<String, Value>,
    given: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, Value>, Error> {
    if let Some(name) = given
        .keys()
        .find(|name| !declared.contains_key(name.as_str()))
    {
        return Err(Error::new(format!("the template has no parameter {name}")));
    }
    declared
        .iter()
        .map(|(name, declaration)| {
            let value = value(declaration, given.get(name))
                .map_err(|reason| Error::new(format!("parameter {name}: {reason}")))?;
            Ok((name.clone(), value))
        })
        .collect()
}

fn value(declaration: &Value, given: Option<&String>) -> Checked<Value> {
    let entries = declaration.as_object().ok_or("must be a mapping")?;
    if let Some(key) = entries.keys().find(|key| !KEYS.contains(&key.as_str())) {
        return Err(format!("{key} is not supported by the local stack"));
    }
    let value = match (given, declaration.get("Default")) {
        (Some(value), _) => value.clone(),
        (None, Some(default)) => text(default).ok_or("its default is not a scalar")?,
        (None, None) => return Err("it has no value".to_owned()),
    };
    match declaration["Type"].as_str() {
        Some("String") => {
            length(declaration, &value)?;
            allowed(declaration, &value)?;
            Ok(json!(value))
        }
        Some("Number") => {
            range(declaration, &value)?;
            allowed(declaration, &value)?;
            Ok(json!(value))
        }
        Some("CommaDelimitedList") => {
            let items: Vec<&str> = value.split(',').map(str::trim).collect();
            items
                .iter()
                .try_for_each(|item| allowed(declaration, item))?;
            Ok(json!(items))
        }
        _ => Err("its type is not supported by the local stack".to_owned()),
    }
}

fn allowed(declaration: &Value, value: &str) -> Checked<()> {
    let Some(values) = declaration.get("AllowedValues") else {
        return Ok(());
    };
    let values = values.as_array().ok_or("AllowedValues must be a list")?;
    if values.iter().filter_map(text).any(|each| each == value) {
        Ok(())
    } else {
        Err(format!("{value} is not one of AllowedValues"))
    }
}

fn range(declaration: &Value, value: &str) -> Checked<()> {
    let value: f64 = (value.parse().ok())
        .filter(|value: &f64| value.is_finite())
        .ok_or_else(|| format!("{value} is not a number"))?;
    let (least, most) = bounds(declaration, "MinValue", "MaxValue")?;
    within(value, least, most)
        .then_some(())
        .ok_or_else(|| format!("{value} is not within MinValue and MaxValue"))
}

fn length(declaration: &Value, value: &str) -> Checked<()> {
    let (least, most) = bounds(declaration, "MinLength", "MaxLength")?;
    // Lengths of text are far below what a float can count.
    #[allow(clippy::cast_precision_loss)]
    let length = value.chars().count() as f64;
    within(length, least, most)
        .then_some(())
        .ok_or_else(|| format!("its {length} characters are not within MinLength and MaxLength"))
}

fn within(value: f64, least: Option<f64>, most: Option<f64>) -> bool {
    least.is_none_or(|least| value >= least) && most.is_none_or(|most| value <= most)
}

fn bounds(declaration: &Value, least: &str, most: &str) -> Checked<(Option<f64>, Option<f64>)> {
    let bound = |key: &str| {
        let number = |value| text(value).and_then(|text| text.parse().ok());
        declaration
            .get(key)
            .map(|value| number(value).ok_or_else(|| format!("{key} must be a number")))
            .transpose()
    };
    Ok((bound(least)?, bound(most)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml;

    fn check(declaration: &str, given: Option<&str>) -> Result<Value, Error> {
        let declared = yaml::parse(&format!("P: {declaration}")).unwrap();
        let given = given.map(|value| ("P".to_owned(), value.to_owned()));
        read(declared.as_object().unwrap(), &given.into_iter().collect())
            .map(|mut values| values.remove("P").unwrap())
    }

    #[test]
    fn a_value_keeps_to_its_declaration() {
        for (declaration, given, expected) in [
            (
                "{Type: String, AllowedValues: [a, 1]}",
                Some("1"),
                json!("1"),
            ),
            (
                "{Type: String, MinLength: 1, MaxLength: 2, Default: ab}",
                None,
                json!("ab"),
            ),
            (
                "{Type: Number, MinValue: 1, MaxValue: 3}",
                Some("3"),
                json!("3"),
            ),
            (
                "{Type: Number, AllowedValues: [1, 3], Default: 3}",
                None,
                json!("3"),
            ),
            (
                "{Type: CommaDelimitedList, AllowedValues: [a, b]}",
                Some("a, b"),
                json!(["a", "b"]),
            ),
            (
                "{Type: String, AllowedPattern: x, NoEcho: true}",
                Some("y"),
                json!("y"),
            ),
        ] {
            assert_eq!(
                check(declaration, given).unwrap(),
                expected,
                "{declaration}"
            );
        }
    }

    #[test]
    fn a_value_that_breaks_a_rule_is_refused_by_name() {
        for (declaration, given, expected) in [
            (
                "{Type: String, AllowedValues: [a]}",
                Some("b"),
                "b is not one of AllowedValues",
            ),
            (
                "{Type: String, AllowedValues: [a], Default: b}",
                None,
                "AllowedValues",
            ),
            ("{Type: String, MinLength: 1}", Some(""), "MinLength"),
            ("{Type: Number, MinValue: 1}", Some("0"), "MinValue"),
            ("{Type: Number, MaxValue: 3}", Some("3.5"), "MaxValue"),
            (
                "{Type: Number, MaxValue: many}",
                Some("3"),
                "MaxValue must be a number",
            ),
            ("{Type: Number}", Some("NaN"), "NaN is not a number"),
            (
                "{Type: CommaDelimitedList, AllowedValues: [a]}",
                Some("a,c"),
                "c is not one",
            ),
            (
                "{Type: String, Allowed: [a]}",
                Some("a"),
                "Allowed is not supported",
            ),
            (
                "{Type: 'List<Number>'}",
                Some("1"),
                "its type is not supported",
            ),
            ("{Type: String}", None, "it has no value"),
        ] {
            let message = check(declaration, given).unwrap_err().to_string();
            assert!(message.starts_with("parameter P: "), "{message}");
            assert!(message.contains(expected), "{declaration}: {message}");
        }
    }
}
