//! Lambda's filter criteria: which records of a stream reach a function.
//!
//! Patterns: exact values, `prefix`, `suffix`, `equals-ignore-case`, `anything-but`, `numeric`, `exists` and `$or`. Any
//! other operator is refused. Numbers inside a `DynamoDB` item are strings in its record, so `numeric` never matches one,
//! as on AWS.

use crate::error::{Error, Result};
use serde_json::{Map, Value};

/// The patterns of an event source mapping, of which one must match; without any, every record passes.
#[derive(Debug, Clone)]
pub struct Filter(Vec<Pattern>);

/// All of these fields must match, and one of the alternatives of each `$or`.
#[derive(Debug, Clone)]
struct Pattern {
    fields: Vec<(String, Rule)>,
    alternatives: Vec<Pattern>,
}

#[derive(Debug, Clone)]
enum Rule {
    Inside(Pattern),
    OneOf(Vec<Matcher>),
}

#[derive(Debug, Clone)]
enum Matcher {
    Equals(Value),
    Prefix(String),
    Suffix(String),
    EqualsIgnoreCase(String),
    AnythingBut(Vec<Matcher>),
    Numeric(Vec<(Comparison, f64)>),
    Exists(bool),
}

#[derive(Debug, Clone, Copy)]
enum Comparison {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Filter {
    /// Reads the patterns; an error names what is not understood.
    pub fn parse(patterns: &[Value]) -> Result<Self> {
        patterns
            .iter()
            .map(pattern)
            .collect::<Result<_>>()
            .map(Self)
    }

    /// Whether a record reaches the function.
    #[must_use]
    pub fn matches(&self, record: &Value) -> bool {
        self.0.is_empty() || self.0.iter().any(|pattern| pattern.matches(Some(record)))
    }
}

fn wrong(what: &str, value: &Value) -> Error {
    Error::new(format!("filter pattern: {what}, found {value}"))
}

fn pattern(value: &Value) -> Result<Pattern> {
    let object = value
        .as_object()
        .ok_or_else(|| wrong("expected an object", value))?;
    let mut pattern = Pattern {
        fields: Vec::new(),
        alternatives: Vec::new(),
    };
    for (name, value) in object {
        match value {
            Value::Array(list) if name == "$or" => {
                pattern.alternatives = list.iter().map(self::pattern).collect::<Result<_>>()?;
                if pattern.alternatives.len() < 2 {
                    return Err(wrong("$or needs two alternatives", value));
                }
            }
            Value::Object(_) if name != "$or" => {
                pattern
                    .fields
                    .push((name.clone(), Rule::Inside(self::pattern(value)?)));
            }
            Value::Array(list) if !list.is_empty() => {
                let matchers = list.iter().map(matcher).collect::<Result<_>>()?;
                pattern.fields.push((name.clone(), Rule::OneOf(matchers)));
            }
            _ => return Err(wrong(&format!("{name} needs a list of values"), value)),
        }
    }
    Ok(pattern)
}

fn matcher(value: &Value) -> Result<Matcher> {
    match value {
        Value::Object(object) => operator(object, value),
        Value::Array(_) => Err(wrong("a list inside a list", value)),
        scalar => Ok(Matcher::Equals(scalar.clone())),
    }
}

fn operator(object: &Map<String, Value>, whole: &Value) -> Result<Matcher> {
    let mut entries = object.iter();
    let (Some((name, value)), None) = (entries.next(), entries.next()) else {
        return Err(wrong("an operator is one name and its value", whole));
    };
    let text = || {
        let text = value
            .as_str()
            .ok_or_else(|| wrong(&format!("{name} needs a string"), value));
        text.map(str::to_owned)
    };
    match name.as_str() {
        "prefix" => text().map(Matcher::Prefix),
        "suffix" => text().map(Matcher::Suffix),
        "equals-ignore-case" => text().map(Matcher::EqualsIgnoreCase),
        "exists" => {
            let flag = value
                .as_bool()
                .ok_or_else(|| wrong("exists needs true or false", value));
            flag.map(Matcher::Exists)
        }
        "numeric" => numeric(value).map(Matcher::Numeric),
        "anything-but" => match value {
            Value::Array(list) => list.iter().map(matcher).collect::<Result<_>>(),
            one => matcher(one).map(|one| vec![one]),
        }
        .map(Matcher::AnythingBut),
        _ => Err(wrong(&format!("unknown operator {name}"), whole)),
    }
}

fn numeric(value: &Value) -> Result<Vec<(Comparison, f64)>> {
    let expected = || wrong("numeric needs comparisons and numbers in turn", value);
    let list = value.as_array().ok_or_else(expected)?;
    if list.is_empty() || list.len() % 2 != 0 {
        return Err(expected());
    }
    list.chunks_exact(2)
        .map(|pair| {
            let comparison = match pair[0].as_str() {
                Some("=") => Comparison::Equal,
                Some("<") => Comparison::Less,
                Some("<=") => Comparison::LessOrEqual,
                Some(">") => Comparison::Greater,
                Some(">=") => Comparison::GreaterOrEqual,
                _ => return Err(expected()),
            };
            Ok((comparison, pair[1].as_f64().ok_or_else(expected)?))
        })
        .collect()
}

impl Pattern {
    fn matches(&self, value: Option<&Value>) -> bool {
        // A list of objects matches if one of them does.
        if let Some(Value::Array(list)) = value {
            return list.iter().any(|one| self.matches(Some(one)));
        }
        self.fields.iter().all(|(name, rule)| {
            let field = value.and_then(|value| value.get(name));
            match rule {
                Rule::Inside(pattern) => pattern.matches(field),
                Rule::OneOf(matchers) => matchers.iter().any(|matcher| matcher.matches(field)),
            }
        }) && (self.alternatives.is_empty()
            || self.alternatives.iter().any(|one| one.matches(value)))
    }
}

impl Matcher {
    fn matches(&self, value: Option<&Value>) -> bool {
        // `exists` speaks of values, not of the objects on the way to them.
        let value = value.filter(|value| !value.is_object());
        match (self, value) {
            (Self::Exists(wanted), _) => value.is_some() == *wanted,
            (_, None) => false,
            (_, Some(Value::Array(list))) => list.iter().any(|one| self.matches(Some(one))),
            (Self::AnythingBut(others), Some(_)) => {
                !others.iter().any(|other| other.matches(value))
            }
            (Self::Equals(wanted), Some(value)) => equal(wanted, value),
            (Self::Numeric(bounds), Some(value)) => value.as_f64().is_some_and(|number| {
                bounds
                    .iter()
                    .all(|(comparison, bound)| comparison.holds(number, *bound))
            }),
            (Self::Prefix(text), Some(value)) => {
                value.as_str().is_some_and(|value| value.starts_with(text))
            }
            (Self::Suffix(text), Some(value)) => {
                value.as_str().is_some_and(|value| value.ends_with(text))
            }
            (Self::EqualsIgnoreCase(text), Some(value)) => value
                .as_str()
                .is_some_and(|value| value.to_lowercase() == text.to_lowercase()),
        }
    }
}

/// Numbers are equal by value: `1` and `1.0` are.
fn equal(wanted: &Value, value: &Value) -> bool {
    match (wanted.as_f64(), value.as_f64()) {
        (Some(wanted), Some(value)) => Comparison::Equal.holds(value, wanted),
        _ => wanted == value,
    }
}

impl Comparison {
    fn holds(self, number: f64, bound: f64) -> bool {
        let order = number.partial_cmp(&bound);
        match self {
            Self::Equal => order.is_some_and(std::cmp::Ordering::is_eq),
            Self::Less => order.is_some_and(std::cmp::Ordering::is_lt),
            Self::LessOrEqual => order.is_some_and(std::cmp::Ordering::is_le),
            Self::Greater => order.is_some_and(std::cmp::Ordering::is_gt),
            Self::GreaterOrEqual => order.is_some_and(std::cmp::Ordering::is_ge),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[track_caller]
    fn check(pattern: &Value, record: &Value, expected: bool) {
        let filter = Filter::parse(std::slice::from_ref(pattern)).unwrap();
        assert_eq!(filter.matches(record), expected, "{pattern} on {record}");
    }

    #[test]
    fn patterns_match_as_lambda_says() {
        let record = json!({"eventName": "INSERT", "dynamodb": {
            "Keys": {"pk": {"S": "U#ana"}, "sk": {"S": "N#01"}}, "SizeBytes": 59, "List": ["a", "b"], "Empty": "", "None": null}});
        let sk = |matcher: Value| json!({"dynamodb": {"Keys": {"sk": {"S": [matcher]}}}});
        let size = |matcher: Value| json!({"dynamodb": {"SizeBytes": [matcher]}});
        let cases = [
            (json!({}), true),
            (json!({"eventName": ["INSERT"]}), true),
            (json!({"eventName": ["MODIFY", "INSERT"]}), true),
            (json!({"eventName": ["REMOVE"]}), false),
            (
                json!({"eventName": ["INSERT"], "dynamodb": {"Keys": {"sk": {"S": [{"prefix": "N#"}]}}}}),
                true,
            ),
            (
                json!({"eventName": ["MODIFY"], "dynamodb": {"Keys": {"sk": {"S": [{"prefix": "N#"}]}}}}),
                false,
            ),
            (sk(json!({"prefix": "T#"})), false),
            (sk(json!({"suffix": "01"})), true),
            (sk(json!({"suffix": "02"})), false),
            (sk(json!({"equals-ignore-case": "n#01"})), true),
            (sk(json!({"anything-but": "N#01"})), false),
            (sk(json!({"anything-but": ["N#02", "N#03"]})), true),
            (sk(json!({"anything-but": {"prefix": "N#"}})), false),
            (sk(json!({"anything-but": {"prefix": "T#"}})), true),
            (json!({"absent": [{"anything-but": "x"}]}), false),
            (size(json!(59.0)), true),
            (size(json!({"numeric": ["=", 59]})), true),
            (size(json!({"numeric": [">", 50, "<=", 59]})), true),
            (size(json!({"numeric": [">=", 10, "<", 59]})), false),
            (size(json!("59")), false),
            (sk(json!({"numeric": [">", 0]})), false),
            (sk(json!({"exists": true})), true),
            (json!({"dynamodb": {"Keys": [{"exists": true}]}}), false),
            (
                json!({"dynamodb": {"NewImage": {"x": {"S": [{"exists": false}]}}}}),
                true,
            ),
            (json!({"dynamodb": {"None": [null]}}), true),
            (json!({"dynamodb": {"Empty": [""]}}), true),
            (json!({"dynamodb": {"List": ["b"]}}), true),
            (json!({"dynamodb": {"List": ["c"]}}), false),
            (
                json!({"$or": [{"eventName": ["REMOVE"]}, {"dynamodb": {"SizeBytes": [59]}}]}),
                true,
            ),
            (
                json!({"$or": [{"eventName": ["REMOVE"]}, {"eventName": ["MODIFY"]}]}),
                false,
            ),
        ];
        for (pattern, expected) in cases {
            check(&pattern, &record, expected);
        }
    }

    #[test]
    fn one_of_several_patterns_is_enough_and_none_lets_all_through() {
        let insert = json!({"eventName": "INSERT"});
        let patterns = [
            json!({"eventName": ["REMOVE"]}),
            json!({"eventName": ["INSERT"]}),
        ];
        assert!(Filter::parse(&patterns).unwrap().matches(&insert));
        assert!(!Filter::parse(&patterns[..1]).unwrap().matches(&insert));
        assert!(Filter::parse(&[]).unwrap().matches(&insert));
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for pattern in [
            json!([]),
            json!({"a": "text"}),
            json!({"a": []}),
            json!({"a": [[1]]}),
            json!({"a": [{"wildcard": "*"}]}),
            json!({"a": [{"prefix": 1}]}),
            json!({"a": [{"prefix": "x", "suffix": "y"}]}),
            json!({"a": [{"numeric": [">"]}]}),
            json!({"a": [{"numeric": ["!=", 1]}]}),
            json!({"a": [{"exists": "yes"}]}),
            json!({"$or": [{"a": [1]}]}),
        ] {
            assert!(
                Filter::parse(std::slice::from_ref(&pattern)).is_err(),
                "{pattern}"
            );
        }
    }
}
