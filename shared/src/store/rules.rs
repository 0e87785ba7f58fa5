//! Rules, each as it was put, under the type of its events.

use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::keys::{Key, RULES};
use super::row::Item;
use super::{Store, decode, failure, item_key, s};
use crate::error::{Error, Result};

/// A rule as it stands in the table.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredRule {
    /// The type of its events.
    pub kind: String,
    /// The rule as it was put.
    pub rule: Value,
    /// When it was put.
    pub updated_at: Timestamp,
}

#[derive(Serialize, Deserialize)]
struct Row {
    pk: String,
    sk: String,
    #[serde(rename = "t")]
    kind: String,
    /// JSON as one text, which is as long as it was when it was measured, and has no depth.
    #[serde(rename = "ru")]
    rule: String,
    /// In milliseconds.
    at: i64,
}

impl StoredRule {
    fn of(item: Item) -> Result<StoredRule> {
        let row: Row = decode(item, "a rule could not be read")?;
        let rule = serde_json::from_str(&row.rule).map_err(|source| Error::Internal {
            what: "a rule could not be read",
            source: source.into(),
        })?;
        Ok(StoredRule {
            kind: row.kind,
            rule,
            updated_at: Timestamp::from_millisecond(row.at).unwrap_or_default(),
        })
    }
}

impl Store {
    /// Puts a rule, in place of the one that its type has; whether there was none.
    pub async fn put_rule(&self, rule: &StoredRule) -> Result<bool> {
        let key = Key::Rule(rule.kind.clone());
        let row = Row {
            pk: key.pk(),
            sk: key.sk(),
            kind: rule.kind.clone(),
            rule: rule.rule.to_string(),
            at: rule.updated_at.as_millisecond(),
        };
        let item = serde_dynamo::to_item(row).map_err(|source| Error::Internal {
            what: "a rule could not be written",
            source: source.into(),
        })?;
        let put = self.client.put_item().table_name(&self.table);
        let put = put.set_item(Some(item)).return_values(ReturnValue::AllOld);
        let put = put.send().await;
        let answer = put.map_err(|error| failure("a rule", error))?;
        Ok(answer.attributes.is_none_or(|old| old.is_empty()))
    }

    /// The rule of a type.
    pub async fn rule(&self, kind: &str) -> Result<Option<StoredRule>> {
        let found = self.get(&Key::Rule(kind.to_owned()), "a rule").await?;
        found.map(StoredRule::of).transpose()
    }

    /// Removes the rule of a type; one that is gone already is gone.
    pub async fn delete_rule(&self, kind: &str) -> Result<()> {
        let delete = self.client.delete_item().table_name(&self.table);
        let key = item_key(&Key::Rule(kind.to_owned()));
        let deleted = delete.set_key(Some(key)).send().await;
        deleted.map(drop).map_err(|error| failure("a rule", error))
    }

    /// Up to `limit` rules after the type `after`, in the order of their types' keys, and whether more follow.
    pub async fn rules(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> Result<(Vec<StoredRule>, bool)> {
        let query = self.client.query().table_name(&self.table);
        let mut query = query
            .key_condition_expression("pk = :pk")
            .expression_attribute_values(":pk", s(RULES))
            .limit(i32::try_from(limit).unwrap_or(i32::MAX))
            .consistent_read(true);
        if let Some(after) = after {
            let after: AttributeValue = s(Key::Rule(after.to_owned()).sk());
            query = query
                .key_condition_expression("pk = :pk AND sk > :after")
                .expression_attribute_values(":after", after);
        }
        let answer = query.send().await;
        let answer = answer.map_err(|error| failure("the rules", error))?;
        let more = answer.last_evaluated_key.is_some();
        let items = answer.items.unwrap_or_default().into_iter();
        let rules = items.map(StoredRule::of).collect::<Result<_>>()?;
        Ok((rules, more))
    }
}
