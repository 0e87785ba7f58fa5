//! JSON from outside: strict where fields have names of ours, free inside `data`.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use crate::error::{Error, Result};

/// Parses a body of at most `limit` bytes. A field given twice is refused, except inside `data`,
/// where the last one counts. `serde_json` itself refuses what is nested deeper than 128 levels.
pub fn parse(body: &[u8], limit: usize) -> Result<Value> {
    // Before parsing: megabytes of `1,1,1` take seconds to parse.
    if body.len() > limit {
        return Err(Error::TooLarge(limit));
    }
    let malformed = |error: serde_json::Error| Error::Malformed {
        code: "malformed_json",
        detail: format!("the body is not valid JSON: {error}"),
    };
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let value = Strict { free: false }
        .deserialize(&mut deserializer)
        .map_err(malformed)?;
    deserializer.end().map_err(malformed)?;
    Ok(value)
}

/// The same request in one spelling, by which a repeat is known: fields in the order of their names,
/// numbers of one value as one number, and outside `data`, where it is no value, no `null`.
#[must_use]
pub fn canonical(request: &Value) -> Value {
    spelled(request, false)
}

fn spelled(value: &Value, free: bool) -> Value {
    match value {
        Value::Number(number) => Value::Number(canonical_number(number)),
        Value::Array(items) => items.iter().map(|item| spelled(item, free)).collect(),
        Value::Object(fields) => {
            let given = fields.iter().filter(|(_, value)| free || !value.is_null());
            let spelled =
                given.map(|(name, value)| (name.clone(), spelled(value, free || name == "data")));
            Value::Object(spelled.collect())
        }
        other => other.clone(),
    }
}

/// A number in one spelling: whole ones, as far as 64 bits hold them, as an integer, to the last digit.
#[must_use]
pub fn canonical_number(number: &Number) -> Number {
    let float = number.as_f64().filter(|_| number.is_f64());
    match float.filter(|float| float.fract() == 0.0) {
        // Zero added makes of -0 a 0.
        Some(float) => format!("{:.0}", float + 0.0)
            .parse()
            .unwrap_or_else(|_| number.clone()),
        None => number.clone(),
    }
}

struct Strict {
    free: bool,
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut array = Vec::new();
        while let Some(item) = items.next_element_seed(Strict { free: self.free })? {
            array.push(item);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(name) = fields.next_key::<String>()? {
            if !self.free && object.contains_key(&name) {
                return Err(A::Error::custom(format_args!(
                    "field {name:?} is given twice"
                )));
            }
            let free = self.free || name == "data";
            let value = fields.next_value_seed(Strict { free })?;
            object.insert(name, value);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f46_f48_f49_hostile_json_is_refused_and_data_is_free() {
        let deep = "[".repeat(1_000);
        let bad: [&[u8]; 9] = [
            b"",
            b"\xff",
            b"\xef\xbb\xbf{}",
            br#"{"a":"\ud800"}"#,
            b"NaN",
            b"1e400",
            b"{} x",
            br#"{"title":1,"title":2}"#,
            deep.as_bytes(),
        ];
        for body in bad {
            assert!(parse(body, 100_000).is_err(), "{}", body.escape_ascii());
        }
        let twice = parse(br#"{"data":{"a":1,"a":2}}"#, 100).unwrap();
        assert_eq!(twice, serde_json::json!({"data": {"a": 2}}));
    }

    #[test]
    fn f48_bodies_with_one_meaning_have_one_spelling() {
        let spelled = |body: &str| canonical(&parse(body.as_bytes(), 1_000).unwrap()).to_string();
        let same = [
            (r#"{"a":1,"b":2}"#, r#" { "b" : 2.0, "a" : 1 } "#),
            (r#"{"a":100}"#, r#"{"a":1e2}"#),
            (r#"{"a":1}"#, r#"{"a":1,"b":null}"#),
            (r#"{"a":{}}"#, r#"{"a":{"b":null}}"#),
            (r#"{"a":"e"}"#, r#"{"a":"\u0065"}"#),
            (r#"{"a":[0]}"#, r#"{"a":[-0.0]}"#),
            (
                r#"{"data":{"a":2,"b":1}}"#,
                r#"{"data":{"b":1,"a":1,"a":2}}"#,
            ),
            (
                r#"{"data":{"a":10000000000000000000}}"#,
                r#"{"data":{"a":1e19}}"#,
            ),
            (r#"{"data":{"a":0.5}}"#, r#"{"data":{"a":5e-1}}"#),
            (
                r#"{"n":[{"title":"x"}]}"#,
                r#"{"n":[{"body":null,"title":"x"}]}"#,
            ),
        ];
        for (one, other) in same {
            assert_eq!(spelled(one), spelled(other), "{one} {other}");
        }
        let different = [
            (r#"{"data":{"a":null}}"#, r#"{"data":{}}"#),
            (r#"{"data":{"a":{"b":null}}}"#, r#"{"data":{"a":{}}}"#),
            (r#"{"a":"1"}"#, r#"{"a":1}"#),
            (r#"{"a":[1,2]}"#, r#"{"a":[2,1]}"#),
            (r#"{"a":[null]}"#, r#"{"a":[]}"#),
            (
                r#"{"data":{"a":9007199254740993}}"#,
                r#"{"data":{"a":9007199254740992}}"#,
            ),
            (r#"{"a":1}"#, r#"{"a":1.5}"#),
        ];
        for (one, other) in different {
            assert_ne!(spelled(one), spelled(other), "{one} {other}");
        }
    }

    #[test]
    fn f50_a_body_beyond_the_limit_is_not_parsed() {
        let body = vec![b'1'; 101];
        assert!(matches!(parse(&body, 100), Err(Error::TooLarge(100))));
    }
}
