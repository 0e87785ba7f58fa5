//! Contracts: a JSON Schema that the data of an event must keep.
//!
//! A schema is trusted with neither time nor memory: what it refers to stands in itself, never in a
//! circle, and its size with every reference written out is bounded. Patterns are matched in linear time.

use jsonschema::{PatternOptions, ValidationError, Validator};
use serde_json::{Map, Value};

use super::fill::values;
use crate::error::Violation;

/// The largest schema, in bytes of JSON without white space.
const MAX_BYTES: usize = 16_384;
/// The most values of a schema, with every reference written out.
const MAX_VALUES: usize = 10_000;
/// The largest compiled pattern, in bytes.
const MAX_PATTERN: usize = 262_144;
/// The most values of a schema times values of an event for which every broken rule is collected: they are all made
/// before the first one is told, of a kilobyte and more each.
const MAX_COLLECTED: u64 = 100_000;
/// How many broken rules of a contract are told.
const MAX_TOLD: usize = 20;
/// Keywords that make a reference mean something else than its words, or follow it into a circle.
const REFUSED: [&str; 7] = [
    "$id",
    "$anchor",
    "$dynamicAnchor",
    "$dynamicRef",
    "$recursiveAnchor",
    "$recursiveRef",
    "$vocabulary",
];
/// The versions of JSON Schema that a schema may name; the first one if it names none.
const VERSIONS: [&str; 2] = [
    "https://json-schema.org/draft/2020-12/schema",
    "http://json-schema.org/draft-07/schema#",
];
/// The deepest schema, with every reference written out.
const MAX_DEPTH: usize = 100;

/// A compiled contract.
#[derive(Debug)]
pub struct Schema {
    validator: Validator,
    /// How many values it has, with every reference written out.
    values: u64,
    /// Whether it offers several ways: an error then holds those of every way.
    has_ways: bool,
}

impl Schema {
    /// Compiles the schema that stands at `pointer`. Every broken rule is noted in `violations`.
    pub fn parse(schema: &Value, pointer: &str, violations: &mut Vec<Violation>) -> Option<Schema> {
        let mut refuse = |at: &str, code, detail: String| {
            violations.push(Violation::new(format!("{pointer}{at}"), code, detail));
        };
        let bytes = schema.to_string().len();
        if bytes > MAX_BYTES {
            refuse(
                "",
                "length",
                format!("has {bytes} bytes, and may have {MAX_BYTES}"),
            );
            return None;
        }
        let mut walk = Walk {
            root: schema,
            left: MAX_VALUES,
            depth: 0,
            has_ways: false,
            open: Vec::new(),
        };
        if let Err((at, code, detail)) = walk.visit(schema, "") {
            refuse(&at, code, detail);
            return None;
        }
        let values = (MAX_VALUES - walk.left) as u64;
        let has_ways = walk.has_ways;
        let options = jsonschema::options().with_pattern_options(
            PatternOptions::regex()
                .size_limit(MAX_PATTERN)
                .dfa_size_limit(MAX_PATTERN),
        );
        match options.build(schema) {
            Ok(validator) => Some(Schema {
                validator,
                values,
                has_ways,
            }),
            Err(error) => {
                // A schema is itself checked by a schema, so the place is the instance's.
                refuse(error.instance_path().as_str(), "schema", error.to_string());
                None
            }
        }
    }

    /// What `data` breaks: where, as a pointer into it, by which keyword, and a sentence. Of large data it is the
    /// first alone.
    pub fn check(&self, data: &Map<String, Value>) -> Vec<(String, String)> {
        let data = Value::Object(data.clone());
        // What was sent is not told again: it may be long, or nobody's business.
        let told = |error: ValidationError<'_>| {
            let at = error.instance_path().as_str().to_owned();
            (at, error.masked().to_string())
        };
        if self.values.saturating_mul(values(&data)) <= MAX_COLLECTED {
            let errors = self.validator.iter_errors(&data).take(MAX_TOLD);
            return errors.map(told).collect();
        }
        if !self.has_ways {
            return self
                .validator
                .validate(&data)
                .err()
                .map(told)
                .into_iter()
                .collect();
        }
        if self.validator.is_valid(&data) {
            return Vec::new();
        }
        let detail = "breaks the contract, and is too large to be told where";
        vec![(String::new(), detail.to_owned())]
    }
}

/// A walk over a schema with every reference written out.
struct Walk<'s> {
    root: &'s Value,
    left: usize,
    depth: usize,
    /// Whether a keyword that offers several ways was met.
    has_ways: bool,
    /// The references on the way here.
    open: Vec<&'s str>,
}

type Refused = (String, &'static str, String);

impl<'s> Walk<'s> {
    fn visit(&mut self, value: &'s Value, at: &str) -> Result<(), Refused> {
        let Some(left) = self.left.checked_sub(1) else {
            let detail =
                format!("has more than {MAX_VALUES} values when its references are written out");
            return Err((at.to_owned(), "length", detail));
        };
        self.left = left;
        if self.depth >= MAX_DEPTH {
            let detail =
                format!("is nested {MAX_DEPTH} levels deep when references are written out");
            return Err((at.to_owned(), "depth", detail));
        }
        self.depth += 1;
        self.visit_nested(value, at)?;
        self.depth -= 1;
        Ok(())
    }

    fn visit_nested(&mut self, value: &'s Value, at: &str) -> Result<(), Refused> {
        match value {
            Value::Array(items) => {
                let mut items = items.iter().enumerate();
                items.try_for_each(|(index, item)| self.visit(item, &format!("{at}/{index}")))
            }
            Value::Object(fields) => fields.iter().try_for_each(|(name, value)| {
                self.has_ways |= name == "anyOf" || name == "oneOf";
                let at = format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"));
                // A property may have any name; a keyword's value tells them apart.
                match value {
                    Value::String(target) if name == "$ref" => self.follow(target, &at),
                    Value::String(version) if name == "$schema" => {
                        if VERSIONS.contains(&version.as_str()) {
                            return Ok(());
                        }
                        Err((
                            at,
                            "not_supported",
                            format!("must be {}", VERSIONS.join(" or ")),
                        ))
                    }
                    Value::String(_) | Value::Bool(_) if REFUSED.contains(&name.as_str()) => {
                        let detail =
                            "is not supported: refer to what stands in the schema, as #/$defs/…";
                        Err((at, "not_supported", detail.to_owned()))
                    }
                    value => self.visit(value, &at),
                }
            }),
            _ => Ok(()),
        }
    }

    fn follow(&mut self, target: &'s str, at: &str) -> Result<(), Refused> {
        let refuse = |code, detail: &str| Err((at.to_owned(), code, detail.to_owned()));
        let Some(pointer) = target.strip_prefix('#') else {
            return refuse(
                "not_supported",
                "must stand in the schema itself, as #/$defs/…: nothing is fetched",
            );
        };
        if pointer.contains('%') {
            // The crate decodes it, so it would lead elsewhere than it does here.
            let detail = "must be written without %: a name that needs an escape is not supported";
            return refuse("not_supported", detail);
        }
        if self.open.contains(&target) || pointer.is_empty() {
            return refuse("circular", "leads back to itself");
        }
        let Some(value) = self.root.pointer(pointer) else {
            return refuse("unknown", "leads nowhere");
        };
        self.open.push(target);
        let visited = self.visit(value, at);
        self.open.pop();
        visited
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse(schema: &Value) -> Result<Schema, (String, &'static str)> {
        let mut violations = Vec::new();
        let schema = Schema::parse(schema, "", &mut violations);
        assert!(violations.len() <= 1, "{violations:?}");
        schema.ok_or_else(|| {
            let broken = violations.remove(0);
            (broken.pointer, broken.code)
        })
    }

    #[test]
    fn a_schema_fetches_nothing_and_leads_into_no_circle() {
        let of = "not_supported";
        let circle = json!({"$defs": {"a": {"items": {"$ref": "#/$defs/a"}}}, "$ref": "#/$defs/a"});
        // Here `a%25` is harmless; decoded it leads to `a%`, which leads back to itself.
        let back = json!({"items": {"$ref": "#/$defs/a%25"}});
        let decoded = json!({"$defs": {"a%25": {}, "a%": back}, "$ref": "#/$defs/a%25"});
        let cases = [
            (json!({"$ref": "https://example.com/s.json"}), "/$ref", of),
            (json!({"$ref": "file:///etc/passwd"}), "/$ref", of),
            (json!({"$ref": "#/$defs/gone"}), "/$ref", "unknown"),
            (decoded, "/$defs/a%/items/$ref", of),
            (json!({"$ref": "#"}), "/$ref", "circular"),
            (circle, "/$defs/a/items/$ref/items/$ref", "circular"),
            (json!({"$id": "https://example.com/"}), "/$id", of),
            (json!({"$dynamicRef": "#x"}), "/$dynamicRef", of),
            (
                json!({"$schema": "https://example.com/own"}),
                "/$schema",
                of,
            ),
            (json!({"type": "text"}), "/type", "schema"),
            (json!({"description": "x".repeat(16_384)}), "", "length"),
            (
                json!({"items": {"pattern": "(a"}}),
                "/items/pattern",
                "schema",
            ),
        ];
        for (schema, at, code) in cases {
            assert_eq!(
                parse(&schema).unwrap_err(),
                (at.to_owned(), code),
                "{schema}"
            );
        }
        for version in VERSIONS {
            assert!(parse(&json!({"$schema": version, "type": "object"})).is_ok());
        }
    }

    #[test]
    fn a_schema_costs_little_whatever_it_says() {
        let deep = (0..100).fold(json!({}), |deep, _| json!({"not": deep}));
        assert_eq!(parse(&deep).unwrap_err().1, "depth");
        let large = json!({"items": {"pattern": "(a{1000}){1000}"}});
        assert_eq!(parse(&large).unwrap_err().1, "schema");
        let mut defs: Map<String, Value> = (0..30)
            .map(|n| {
                let next = json!({"$ref": format!("#/$defs/d{}", n + 1)});
                (format!("d{n}"), json!({"allOf": [next, next]}))
            })
            .collect();
        defs.insert("d30".to_owned(), json!({}));
        let bomb = json!({"$defs": defs, "$ref": "#/$defs/d0"});
        assert_eq!(parse(&bomb).unwrap_err().1, "length");

        // A pattern that takes exponential time where it is tried step by step.
        let schema = parse(&json!({"properties": {"x": {"pattern": "^(a|a)*$"}}})).unwrap();
        let data = json!({"x": "a".repeat(60_000) + "b"});
        let broken = schema.check(data.as_object().unwrap());
        assert_eq!((broken[0].0.as_str(), broken.len()), ("/x", 1));
        assert!(broken[0].1.len() < 200, "what was sent is told again");
        let schema = parse(&json!({"additionalProperties": {"type": "integer"}})).unwrap();
        let data = (0..100).map(|n| (format!("p{n}"), json!("x"))).collect();
        assert_eq!(schema.check(&data).len(), MAX_TOLD);
    }

    #[test]
    fn large_data_breaks_one_rule_alone() {
        let required: Vec<String> = (0..20).map(|n| format!("p{n}")).collect();
        let item = json!({"type": "object", "required": required});
        let either = json!({"anyOf": [item, {"type": "string"}]});
        let found = |item: &Value, length: usize| {
            let schema = parse(&json!({"properties": {"all": {"items": item}}})).unwrap();
            let data = json!({"all": vec![json!({}); length]});
            schema.check(data.as_object().unwrap())
        };
        assert_eq!(found(&item, 1_000).len(), MAX_TOLD);
        assert_eq!(found(&either, 30).len(), MAX_TOLD);
        let broken = found(&item, 20_000);
        assert_eq!((broken[0].0.as_str(), broken.len()), ("/all/0", 1));
        let broken = found(&either, 20_000);
        assert_eq!((broken[0].0.as_str(), broken.len()), ("", 1));
        let loose = json!({"anyOf": [{"type": "object"}, {"enum": vec![1; 10]}]});
        assert_eq!(found(&loose, 20_000), []);
    }
}
