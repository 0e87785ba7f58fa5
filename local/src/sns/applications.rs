//! Platform applications: one per platform and name, with the attributes they were given.

use super::Service;
use super::message::PLATFORMS;
use super::protocol::{Form, Reply};
use super::refusal::Refusal;
use crate::template::{ACCOUNT, REGION};
use rusqlite::{Connection, OptionalExtension, params};
use std::collections::BTreeMap;

/// The attributes whose value is the topic that hears of an event.
const TOPICS: [&str; 4] = [
    "EventDeliveryFailure",
    "EventEndpointCreated",
    "EventEndpointDeleted",
    "EventEndpointUpdated",
];
/// What else may be set; it means nothing here.
const OTHERS: [&str; 5] = [
    "ApplePlatformBundleID",
    "ApplePlatformTeamID",
    "FailureFeedbackRoleArn",
    "SuccessFeedbackRoleArn",
    "SuccessFeedbackSampleRate",
];
/// What else may be set, and is never shown.
const CREDENTIALS: [&str; 2] = ["PlatformCredential", "PlatformPrincipal"];
/// What a credential contains that no platform takes.
const BAD_CREDENTIAL: &str = "error-credentials";
/// The most letters of a name.
const MAX_NAME: usize = 256;

/// An application's attributes.
type Attributes = BTreeMap<String, String>;

/// The attributes of the application with this ARN.
fn find(connection: &Connection, arn: &str) -> rusqlite::Result<Option<Attributes>> {
    let found: Option<String> = connection
        .prepare_cached("SELECT attributes FROM applications WHERE arn = ?1")?
        .query_row([arn], |row| row.get(0))
        .optional()?;
    Ok(found.map(|text| serde_json::from_str(&text).unwrap_or_default()))
}

/// The ARN of the topic that hears of this kind of event, by the name of the attribute that says so.
pub(super) fn topic(
    connection: &Connection,
    application: &str,
    attribute: &str,
) -> rusqlite::Result<Option<String>> {
    let attributes = find(connection, application)?;
    let topic = attributes.and_then(|mut attributes| attributes.remove(attribute));
    Ok(topic.filter(|topic| !topic.is_empty()))
}

/// Whether this application can have endpoints. As long as none was ever created, every one can: whoever wants an SNS
/// without ceremony has one.
pub(super) fn accepts_endpoints(connection: &Connection, arn: &str) -> rusqlite::Result<bool> {
    connection
        .prepare_cached(
            "SELECT NOT EXISTS (SELECT 1 FROM applications) OR EXISTS (SELECT 1 FROM applications WHERE arn = ?1)",
        )?
        .query_row([arn], |row| row.get(0))
}

fn save(connection: &Connection, arn: &str, attributes: &Attributes) -> rusqlite::Result<()> {
    let text = serde_json::json!(attributes).to_string();
    connection.execute(
        "INSERT OR REPLACE INTO applications (arn, attributes) VALUES (?1, ?2)",
        params![arn, text],
    )?;
    Ok(())
}

/// Idempotent only if the attributes match.
pub(super) async fn create(service: &Service, form: &Form) -> Result<Reply, Refusal> {
    let (name, platform) = (form.required("Name")?, form.required("Platform")?);
    let allowed = |letter: char| letter.is_ascii_alphanumeric() || "_-.".contains(letter);
    if name.len() > MAX_NAME || !name.chars().all(allowed) {
        return Err(Refusal::invalid(
            "Name Reason: must be made up of only uppercase and lowercase ASCII letters, \
             numbers, underscores, hyphens, and periods, and must be between 1 and 256 characters long",
        ));
    }
    if !PLATFORMS.contains(&platform) {
        return Err(Refusal::invalid(format!(
            "Platform Reason: {platform} is not supported"
        )));
    }
    let attributes = given(service, form)?;
    check_credentials(platform, &attributes)?;
    let arn = format!("arn:aws:sns:{REGION}:{ACCOUNT}:app/{platform}/{name}");
    let answer = arn.clone();
    let matches = (service.state)
        .run(move |connection| {
            let transaction = connection.transaction()?;
            let found = find(&transaction, &arn)?;
            if found.is_none() {
                save(&transaction, &arn, &attributes)?;
            }
            transaction.commit()?;
            Ok(found.is_none_or(|found| found == attributes))
        })
        .await?;
    if matches {
        Ok(Reply::element(
            "CreatePlatformApplication",
            "PlatformApplicationArn",
            &answer,
        ))
    } else {
        Err(Refusal::invalid(format!(
            "Attributes Reason: PlatformApplication {answer} already exists with different attributes"
        )))
    }
}

pub(super) async fn get_attributes(service: &Service, form: &Form) -> Result<Reply, Refusal> {
    let arn = form.required("PlatformApplicationArn")?.to_owned();
    let found = service
        .state
        .run(move |connection| find(connection, &arn))
        .await?;
    let mut attributes = found.ok_or_else(|| Refusal::not_found("PlatformApplication"))?;
    attributes.retain(|name, value| !CREDENTIALS.contains(&name.as_str()) && !value.is_empty());
    attributes.insert("Enabled".to_owned(), "true".to_owned());
    let shown: Vec<(&str, &str)> = attributes
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    Ok(Reply::attributes(
        "GetPlatformApplicationAttributes",
        &shown,
    ))
}

/// Sets what is given and leaves the rest.
pub(super) async fn set_attributes(service: &Service, form: &Form) -> Result<Reply, Refusal> {
    let arn = form.required("PlatformApplicationArn")?.to_owned();
    let changes = given(service, form)?;
    let outcome = (service.state)
        .run(move |connection| {
            let transaction = connection.transaction()?;
            let Some(mut attributes) = find(&transaction, &arn)? else {
                return Ok(Err(Refusal::not_found("PlatformApplication")));
            };
            attributes.extend(changes);
            let platform = arn.split('/').nth(1).unwrap_or_default();
            if let Err(refusal) = check_credentials(platform, &attributes) {
                return Ok(Err(refusal));
            }
            save(&transaction, &arn, &attributes)?;
            transaction.commit()?;
            Ok(Ok(()))
        })
        .await?;
    outcome.map(|()| Reply::empty("SetPlatformApplicationAttributes"))
}

/// Deleting what is gone is success.
pub(super) async fn delete(service: &Service, form: &Form) -> Result<Reply, Refusal> {
    let arn = form.required("PlatformApplicationArn")?.to_owned();
    (service.state)
        .run(move |connection| connection.execute("DELETE FROM applications WHERE arn = ?1", [arn]))
        .await?;
    Ok(Reply::empty("DeletePlatformApplication"))
}

/// The attributes in a request, if they are known ones.
fn given(service: &Service, form: &Form) -> Result<Attributes, Refusal> {
    let given = form.attributes();
    for (name, value) in &given {
        let invalid = |what| Err(Refusal::invalid(format!("Attributes Reason: {what}")));
        if TOPICS.contains(name) {
            if !value.is_empty() && !service.topics.exists(value) {
                return invalid(format!("{name}: Topic does not exist"));
            }
        } else if !CREDENTIALS.contains(name) && !OTHERS.contains(name) {
            return invalid(format!("Invalid attribute name: {name}"));
        }
    }
    let owned = given.into_iter();
    Ok(owned
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect())
}

/// Whether a platform can be reached with these: every one wants a credential, Apple's a principal, too.
fn check_credentials(platform: &str, attributes: &Attributes) -> Result<(), Refusal> {
    let text = |name: &str| attributes.get(name).map_or("", String::as_str);
    if text("PlatformCredential").is_empty()
        || (platform.starts_with("APNS") && text("PlatformPrincipal").is_empty())
        || CREDENTIALS
            .iter()
            .any(|name| text(name).contains(BAD_CREDENTIAL))
    {
        return Err(Refusal::invalid(
            "Attributes Reason: Platform credentials are invalid",
        ));
    }
    Ok(())
}
