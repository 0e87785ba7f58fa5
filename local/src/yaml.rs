//! YAML with `CloudFormation`'s short tags, as JSON with the long form of every intrinsic function.

use crate::error::{Error, Result};
use saphyr::{LoadableYamlNode, Scalar, Yaml};
use serde_json::{Map, Value, json};

/// Reads one document. `!Ref X` becomes `{"Ref": "X"}`, `!Sub x` becomes `{"Fn::Sub": "x"}`.
pub fn parse(text: &str) -> Result<Value> {
    let documents = Yaml::load_from_str(text)
        .map_err(|error| Error::new(format!("the template is not YAML: {error}")))?;
    match documents.as_slice() {
        [document] => to_json(document),
        _ => Err(Error::new("the template must be one YAML document")),
    }
}

fn to_json(node: &Yaml) -> Result<Value> {
    Ok(match node {
        Yaml::Value(Scalar::Null) => Value::Null,
        Yaml::Value(Scalar::Boolean(value)) => json!(value),
        Yaml::Value(Scalar::Integer(value)) => json!(value),
        Yaml::Value(Scalar::FloatingPoint(value)) => json!(value.into_inner()),
        Yaml::Value(Scalar::String(value)) => json!(value),
        Yaml::Sequence(items) => Value::Array(items.iter().map(to_json).collect::<Result<_>>()?),
        Yaml::Mapping(entries) => {
            let mut object = Map::new();
            for (key, value) in entries {
                object.insert(key_text(key)?, to_json(value)?);
            }
            Value::Object(object)
        }
        Yaml::Tagged(tag, inner) => long_form(&tag.suffix, to_json(inner)?),
        Yaml::Representation(..) | Yaml::Alias(_) | Yaml::BadValue => {
            return Err(Error::new(format!(
                "the template holds a value that cannot be read: {node:?}"
            )));
        }
    })
}

fn key_text(key: &Yaml) -> Result<String> {
    match to_json(key)? {
        Value::String(text) => Ok(text),
        number @ Value::Number(_) => Ok(number.to_string()),
        other => Err(Error::new(format!(
            "the template has a key that is not text: {other}"
        ))),
    }
}

fn long_form(tag: &str, value: Value) -> Value {
    let (name, value) = match (tag, value) {
        ("Ref" | "Condition", value) => (tag.to_owned(), value),
        // `!GetAtt A.B` is text; only its long form is a list.
        ("GetAtt", Value::String(text)) => {
            let parts = text
                .split_once('.')
                .map_or_else(|| json!([text]), |(id, name)| json!([id, name]));
            ("Fn::GetAtt".to_owned(), parts)
        }
        (_, value) => (format!("Fn::{tag}"), value),
    };
    Value::Object(Map::from_iter([(name, value)]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_tags_become_long_forms() {
        let document =
            parse("a: !Ref T\nb: !GetAtt T.StreamArn\nc: !If [C, !Sub '${T}', 3]\nd: '2012-10-17'")
                .unwrap();
        let expected = json!({
            "a": {"Ref": "T"},
            "b": {"Fn::GetAtt": ["T", "StreamArn"]},
            "c": {"Fn::If": ["C", {"Fn::Sub": "${T}"}, 3]},
            "d": "2012-10-17",
        });
        assert_eq!(document, expected);
    }

    #[test]
    fn what_is_not_yaml_is_an_error() {
        assert!(parse("a: [").is_err());
        assert!(parse("a: 1\n---\nb: 2").is_err());
    }
}
