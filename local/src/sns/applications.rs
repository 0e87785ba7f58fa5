//! Platform applications: every well-formed ARN is one; a row holds what was set on it.

use super::Service;
use super::endpoints::platform_application;
use super::protocol::{Form, Reply};
use super::refusal::Refusal;
use rusqlite::{Connection, OptionalExtension, params};
use std::collections::BTreeMap;

/// The attributes whose value is the topic that hears of an event.
const TOPICS: [&str; 4] = [
    "EventDeliveryFailure",
    "EventEndpointCreated",
    "EventEndpointDeleted",
    "EventEndpointUpdated",
];
/// What else may be set, and is never shown.
const SECRETS: [&str; 2] = ["PlatformCredential", "PlatformPrincipal"];
/// What else may be set; it means nothing here.
const OTHERS: [&str; 5] = [
    "ApplePlatformBundleID",
    "ApplePlatformTeamID",
    "FailureFeedbackRoleArn",
    "SuccessFeedbackRoleArn",
    "SuccessFeedbackSampleRate",
];

type Attributes = BTreeMap<String, String>;

/// Sets the given attributes and leaves the others.
pub(super) async fn set_attributes(service: &Service, form: &Form) -> Result<Reply, Refusal> {
    let arn = form.required("PlatformApplicationArn")?.to_owned();
    platform_application(&arn)?;
    let given = form.attributes();
    for (name, value) in &given {
        let invalid = |what| Err(Refusal::invalid(format!("Attributes Reason: {what}")));
        if TOPICS.contains(name) {
            if !value.is_empty() && !service.topics.exists(value) {
                return invalid(format!("{name}: Topic does not exist"));
            }
        } else if !SECRETS.contains(name) && !OTHERS.contains(name) {
            return invalid(format!("Invalid attribute name: {name}"));
        }
    }
    let given: Attributes = (given.into_iter())
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let store = move |connection: &mut Connection| {
        let transaction = connection.transaction()?;
        let mut attributes = find(&transaction, &arn)?;
        attributes.extend(given);
        transaction.execute(
            "INSERT OR REPLACE INTO applications (arn, attributes) VALUES (?1, ?2)",
            params![arn, serde_json::json!(attributes).to_string()],
        )?;
        transaction.commit()
    };
    service.state.run(store).await?;
    Ok(Reply::empty("SetPlatformApplicationAttributes"))
}

/// What was set, without the secrets.
pub(super) async fn get_attributes(service: &Service, form: &Form) -> Result<Reply, Refusal> {
    let arn = form.required("PlatformApplicationArn")?.to_owned();
    platform_application(&arn)?;
    let attributes = (service.state)
        .run(move |connection| find(connection, &arn))
        .await?;
    let shown = (attributes.iter())
        .filter(|(name, value)| !SECRETS.contains(&name.as_str()) && !value.is_empty())
        .map(|(name, value)| (name.as_str(), value.as_str()));
    let shown: Vec<_> = std::iter::once(("Enabled", "true")).chain(shown).collect();
    Ok(Reply::attributes(
        "GetPlatformApplicationAttributes",
        &shown,
    ))
}

/// The ARN of the topic that hears of this kind of event, by the name of the attribute that says so.
pub(super) fn topic(
    connection: &Connection,
    application: &str,
    attribute: &str,
) -> rusqlite::Result<Option<String>> {
    let mut attributes = find(connection, application)?;
    Ok(attributes
        .remove(attribute)
        .filter(|topic| !topic.is_empty()))
}

/// What was set on an application; nothing if it has no row.
fn find(connection: &Connection, arn: &str) -> rusqlite::Result<Attributes> {
    let text: Option<String> = connection
        .prepare_cached("SELECT attributes FROM applications WHERE arn = ?1")?
        .query_row([arn], |row| row.get(0))
        .optional()?;
    // Only `set_attributes` writes it.
    Ok(text
        .and_then(|text| serde_json::from_str(&text).ok())
        .unwrap_or_default())
}
