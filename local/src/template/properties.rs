//! A mapping of the template that is read key by key; a key nobody took is refused by name.

use crate::error::{Error, Result};
use crate::intrinsics::{Scope, text};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::ops::RangeInclusive;

/// The properties of one resource, or one mapping inside them.
pub struct Properties<'a> {
    scope: &'a Scope,
    /// What errors call it: `resource X`, then the path inside.
    place: String,
    rest: Map<String, Value>,
}

impl<'a> Properties<'a> {
    /// The mapping `value`; absent is empty.
    pub fn new(scope: &'a Scope, place: &str, value: Option<&Value>) -> Result<Self> {
        let rest = match value {
            None | Some(Value::Null) => Map::new(),
            Some(Value::Object(entries)) => entries.clone(),
            Some(_) => return Err(Error::new(format!("{place} must be a mapping"))),
        };
        Ok(Self {
            scope,
            place: place.to_owned(),
            rest,
        })
    }

    /// What errors call this mapping.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// An error about `key`.
    pub fn error(&self, key: &str, what: &str) -> Error {
        Error::new(format!("{}: {what}", self.name(key)))
    }

    /// Takes the value of `key`, resolved; `None` if absent or `AWS::NoValue`.
    pub fn take(&mut self, key: &str) -> Result<Option<Value>> {
        match self.rest.remove(key) {
            None => Ok(None),
            Some(value) => self.scope.resolve(&value, &self.name(key)),
        }
    }

    /// Takes a scalar as text.
    pub fn text(&mut self, key: &str) -> Result<Option<String>> {
        self.take(key)?
            .map(|value| text(&value).ok_or_else(|| self.error(key, "must be text")))
            .transpose()
    }

    /// Takes a scalar as text that must be there.
    pub fn required(&mut self, key: &str) -> Result<String> {
        self.text(key)?
            .ok_or_else(|| self.error(key, "must have a value"))
    }

    /// Takes a scalar that must be one of `values`.
    pub fn one_of(&mut self, key: &str, values: &[&str]) -> Result<Option<String>> {
        match self.text(key)? {
            Some(text) if !values.contains(&text.as_str()) => {
                Err(self.error(key, &format!("must be one of {}", values.join(", "))))
            }
            text => Ok(text),
        }
    }

    /// Takes a whole number.
    pub fn number(&mut self, key: &str) -> Result<Option<i64>> {
        let number = |text: String| {
            text.parse()
                .map_err(|_| self.error(key, "must be a whole number"))
        };
        match self.rest.get(key) {
            None => Ok(None),
            Some(value) => {
                let value = self.scope.resolve(value, &self.name(key))?;
                let number = value.as_ref().and_then(text).map(number).transpose()?;
                self.rest.remove(key);
                Ok(number)
            }
        }
    }

    /// Takes a whole number that must be in `range`.
    pub fn within(&mut self, key: &str, range: RangeInclusive<i64>) -> Result<Option<i64>> {
        match self.number(key)? {
            Some(number) if !range.contains(&number) => Err(self.error(
                key,
                &format!("must be {} to {}", range.start(), range.end()),
            )),
            number => Ok(number),
        }
    }

    /// Takes a boolean; absent is `false`.
    pub fn flag(&mut self, key: &str) -> Result<bool> {
        match self.text(key)?.as_deref() {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(self.error(key, "must be true or false")),
        }
    }

    /// Takes a list of texts; absent is empty.
    pub fn texts(&mut self, key: &str) -> Result<Vec<String>> {
        match self.take(key)? {
            None => Ok(Vec::new()),
            Some(Value::Array(items)) => items
                .iter()
                .map(|item| text(item).ok_or_else(|| self.error(key, "must be a list of texts")))
                .collect(),
            Some(_) => Err(self.error(key, "must be a list")),
        }
    }

    /// Takes the mapping under `key`; absent is empty.
    pub fn inner(&mut self, key: &str) -> Result<Self> {
        let value = self.rest.remove(key);
        Self::new(self.scope, &self.name(key), value.as_ref())
    }

    /// Takes everything, unresolved, each under its name: for mappings whose keys the template chooses.
    pub fn entries(self) -> Vec<(String, Self)> {
        let Self { scope, place, rest } = self;
        rest.into_iter()
            .map(|(key, value)| {
                let rest = match value {
                    Value::Object(entries) => entries,
                    // Kept under an impossible name, so that whoever reads it refuses it by its place.
                    other => Map::from_iter([(String::new(), other)]),
                };
                (
                    key.clone(),
                    Self {
                        scope,
                        place: format!("{place} {key}"),
                        rest,
                    },
                )
            })
            .collect()
    }

    /// Takes every entry as text under its name.
    pub fn all_texts(mut self) -> Result<BTreeMap<String, String>> {
        let keys: Vec<_> = self.rest.keys().cloned().collect();
        let mut texts = BTreeMap::new();
        for key in keys {
            if let Some(value) = self.text(&key)? {
                texts.insert(key, value);
            }
        }
        Ok(texts)
    }

    /// Whether `key` is still to be taken.
    pub fn has(&self, key: &str) -> bool {
        self.rest.contains_key(key)
    }

    /// Skips keys that mean nothing on this machine.
    pub fn ignore(&mut self, keys: &[&str]) {
        for key in keys {
            self.rest.remove(*key);
        }
    }

    /// Refuses what nobody took.
    pub fn finish(self) -> Result<()> {
        match self.rest.keys().next() {
            None => Ok(()),
            Some(key) => Err(self.error(key, "is not supported by the local stack")),
        }
    }

    fn name(&self, key: &str) -> String {
        if self.place.contains(':') {
            format!("{}.{key}", self.place)
        } else {
            format!("{}: property {key}", self.place)
        }
    }
}
