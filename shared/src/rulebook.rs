//! The rules as one instance of a function knows them: what it reads, it goes on with for 10 seconds.
//!
//! An event would cost a read more otherwise. So a rule that is put or removed counts everywhere after 10
//! seconds at most, and at once in the instance that did it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

use crate::error::{Error, Result};
use crate::rules::Rule;
use crate::store::Store;

/// How long a function goes on with what it read.
pub const KEPT: Duration = Duration::from_secs(10);
/// The most types that are remembered. Producers choose them, so there is no end to them.
const MAX_KNOWN: usize = 500;

/// When a type was asked for, and its rule, if it has one.
type Known = HashMap<String, (Timestamp, Option<Arc<Rule>>)>;

/// The rules that an instance has read.
pub struct Rulebook {
    store: Store,
    known: Mutex<Known>,
}

impl Rulebook {
    /// With nothing read yet.
    pub fn new(store: Store) -> Rulebook {
        Rulebook {
            store,
            known: Mutex::default(),
        }
    }

    /// The rule for events of this type, as it was 10 seconds ago or later.
    pub async fn rule(&self, kind: &str, now: Timestamp) -> Result<Option<Arc<Rule>>> {
        if let Some((at, rule)) = self.known().get(kind)
            && now.duration_since(*at).unsigned_abs() < KEPT
        {
            return Ok(rule.clone());
        }
        // Not under the lock: while the table is slow, events of other types do not wait for this one.
        let rule = match self.store.rule(kind).await? {
            Some(stored) => Some(Arc::new(compiled(kind, stored.rule)?)),
            None => None,
        };
        let mut known = self.known();
        if known.len() >= MAX_KNOWN {
            known.clear();
        }
        known.insert(kind.to_owned(), (now, rule.clone()));
        Ok(rule)
    }

    /// Reads the rule of this type again when it is needed next.
    pub fn forget(&self, kind: &str) {
        self.known().remove(kind);
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        // Nothing panics while it holds the lock, and what it guards is whole at any time.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A rule was checked when it was put. If it no longer passes, its events are neither refused nor told
/// wrongly: they are asked for again until somebody has mended the rule.
fn compiled(kind: &str, rule: serde_json::Value) -> Result<Rule> {
    Rule::parse(kind, rule).map_err(|broken| Error::Internal {
        what: "a stored rule breaks the rules",
        source: format!("{kind}: {broken:?}").into(),
    })
}
