//! To whom a notification goes: users, the members of a topic, or everyone.

use std::collections::HashSet;

use serde_json::Value;

use super::{MAX_RECIPIENTS, Recipient};
use crate::contract::Fields;
use crate::error::Violation;
use crate::id::{ID_RULE, TopicId, UserId};

/// `recipients`, `topic`, or `"everyone": true`: one of the three.
pub fn parse(fields: &mut Fields) -> Vec<Recipient> {
    let ways = ["recipients", "topic", "everyone"];
    let given: Vec<&str> = ways.into_iter().filter(|way| fields.has(way)).collect();
    if let [first, others @ ..] = &given[..] {
        for other in others {
            let detail = format!("cannot be given beside {first}");
            fields.refuse(other, "exclusive", detail);
        }
    }
    let everyone = fields.flag("everyone");
    let topic = fields.take("topic");
    match (fields.take("recipients"), topic, everyone) {
        (Some(recipients), _, _) => {
            let users = parse_recipients(fields, recipients);
            users.into_iter().map(Recipient::User).collect()
        }
        (None, Some(topic), _) => {
            let topic = topic.as_str().and_then(TopicId::parse);
            if topic.is_none() {
                fields.refuse("topic", "format", format!("must have {ID_RULE}"));
            }
            topic.into_iter().map(Recipient::Topic).collect()
        }
        (None, None, Some(true)) => vec![Recipient::Everyone],
        (None, None, _) => {
            fields.refuse("recipients", "required", "is required");
            Vec::new()
        }
    }
}

fn parse_recipients(fields: &mut Fields, value: Value) -> Vec<UserId> {
    let Value::Array(items) = value else {
        fields.refuse("recipients", "type", "must be an array of user ids");
        return Vec::new();
    };
    if !(1..=MAX_RECIPIENTS).contains(&items.len()) {
        let detail = format!("must have 1 to {MAX_RECIPIENTS} user ids");
        fields.refuse("recipients", "length", detail);
        return Vec::new();
    }
    let mut seen = HashSet::new();
    let mut recipients = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        match item.as_str().and_then(UserId::parse) {
            None => {
                let at = format!("{}/{index}", fields.at("recipients"));
                let detail = format!("must have {ID_RULE}");
                fields
                    .violations()
                    .push(Violation::new(at, "format", detail));
            }
            Some(user) => {
                if !seen.insert(user.clone()) {
                    let at = format!("{}/{index}", fields.at("recipients"));
                    let detail = "is a recipient already";
                    fields
                        .violations()
                        .push(Violation::new(at, "duplicate", detail));
                }
                recipients.push(user);
            }
        }
    }
    recipients
}
