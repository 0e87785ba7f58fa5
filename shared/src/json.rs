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
    fn f50_a_body_beyond_the_limit_is_not_parsed() {
        let body = vec![b'1'; 101];
        assert!(matches!(parse(&body, 100), Err(Error::TooLarge(100))));
    }
}
