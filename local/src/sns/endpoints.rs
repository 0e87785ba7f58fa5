//! Platform endpoints: one per application and token, with the real conflicts.

use super::Service;
use super::applications::accepts_endpoints;
use super::events::{self, Happened};
use super::message::PLATFORMS;
use super::protocol::{Form, Reply};
use super::refusal::Refusal;
use crate::ids;
use crate::template::{ACCOUNT, REGION};
use rusqlite::{Connection, OptionalExtension, Row, params};

/// The most bytes of a token, except on Apple's platforms.
const MAX_TOKEN: usize = 8192;
/// The most characters of a token on Apple's platforms. There it has to be hexadecimal, too: here readable tokens are
/// taken, because people type them.
const MAX_APPLE_TOKEN: usize = 400;
/// The most bytes of `CustomUserData`.
const MAX_USER_DATA: usize = 2048;

/// A platform endpoint.
#[derive(Debug, Clone)]
pub(super) struct Endpoint {
    pub(super) arn: String,
    /// The platform application's ARN.
    pub(super) application: String,
    pub(super) token: String,
    pub(super) enabled: bool,
    user_data: String,
}

impl Endpoint {
    fn from_row(row: &Row) -> rusqlite::Result<Self> {
        Ok(Self {
            arn: row.get(0)?,
            application: row.get(1)?,
            token: row.get(2)?,
            enabled: row.get(3)?,
            user_data: row.get(4)?,
        })
    }

    /// `GCM`, `APNS`, …
    pub(super) fn platform(&self) -> &str {
        self.application.split('/').nth(1).unwrap_or_default()
    }
}

/// The endpoint with this ARN.
pub(super) fn find(connection: &Connection, arn: &str) -> rusqlite::Result<Option<Endpoint>> {
    connection
        .prepare_cached(
            "SELECT arn, application, token, enabled, user_data FROM endpoints WHERE arn = ?1",
        )?
        .query_row([arn], Endpoint::from_row)
        .optional()
}

fn find_token(
    connection: &Connection,
    application: &str,
    token: &str,
) -> rusqlite::Result<Option<Endpoint>> {
    connection
        .prepare_cached(
            "SELECT arn, application, token, enabled, user_data FROM endpoints WHERE application = ?1 AND token = ?2",
        )?
        .query_row([application, token], Endpoint::from_row)
        .optional()
}

/// Idempotent only if the attributes match; never enables an endpoint again.
pub(super) async fn create(service: &Service, form: &Form) -> Result<Reply, Refusal> {
    let application = form.required("PlatformApplicationArn")?.to_owned();
    let (platform, name) = platform_application(&application)?;
    let token = form.required("Token")?.to_owned();
    check_token(platform, &token)?;
    let attributes = form.attributes();
    let enabled = attributes
        .get("Enabled")
        .map(|value| boolean(value))
        .transpose()?;
    let user_data = form
        .get("CustomUserData")
        .or(attributes.get("CustomUserData").copied());
    let user_data = user_data.unwrap_or_default().to_owned();
    check_user_data(&user_data)?;
    let arn = format!(
        "arn:aws:sns:{REGION}:{ACCOUNT}:endpoint/{platform}/{name}/{}",
        ids::uuid()
    );

    let endpoint = service
        .change(move |connection| {
            if !accepts_endpoints(connection, &application)? {
                return Ok((Err(Refusal::not_found("PlatformApplication")), None));
            }
            let inserted = connection.execute(
                "INSERT OR IGNORE INTO endpoints (arn, application, token, enabled, user_data) VALUES (?1, ?2, ?3, ?4, ?5)",
                params![arn, application, token, enabled.unwrap_or(true), user_data],
            )?;
            let found = find_token(connection, &application, &token)?.ok_or(rusqlite::Error::QueryReturnedNoRows)?;
            let matches = enabled.is_none_or(|enabled| enabled == found.enabled) && found.user_data == user_data;
            let event = match inserted {
                0 => None,
                _ => events::of(connection, &found, Happened::Created)?,
            };
            let answer = if matches { Ok(found.arn) } else { Err(conflict(&found.arn)) };
            Ok((answer, event))
        })
        .await??;
    Ok(Reply::element(
        "CreatePlatformEndpoint",
        "EndpointArn",
        &endpoint,
    ))
}

pub(super) async fn get_attributes(service: &Service, form: &Form) -> Result<Reply, Refusal> {
    let arn = form.required("EndpointArn")?.to_owned();
    let found = (service.state)
        .run(move |connection| find(connection, &arn))
        .await?;
    let endpoint = found.ok_or_else(|| Refusal::not_found("Endpoint"))?;
    let enabled = endpoint.enabled.to_string();
    let mut attributes = vec![("Enabled", enabled.as_str()), ("Token", &endpoint.token)];
    if !endpoint.user_data.is_empty() {
        attributes.push(("CustomUserData", &endpoint.user_data));
    }
    Ok(Reply::attributes("GetEndpointAttributes", &attributes))
}

pub(super) async fn set_attributes(service: &Service, form: &Form) -> Result<Reply, Refusal> {
    let arn = form.required("EndpointArn")?.to_owned();
    let attributes = form.attributes();
    let known = ["CustomUserData", "Enabled", "Token"];
    if let Some(name) = attributes.keys().find(|name| !known.contains(name)) {
        return Err(Refusal::invalid(format!(
            "Attributes Reason: Invalid attribute name: {name}"
        )));
    }
    let enabled = attributes
        .get("Enabled")
        .map(|value| boolean(value))
        .transpose()?;
    let owned = |name| attributes.get(name).map(|value: &&str| (*value).to_owned());
    let (token, user_data) = (owned("Token"), owned("CustomUserData"));
    check_user_data(user_data.as_deref().unwrap_or_default())?;
    let changed = attributes.keys().copied().collect::<Vec<_>>().join(",");
    service
        .change(move |connection| {
            let transaction = connection.transaction()?;
            let Some(endpoint) = find(&transaction, &arn)? else {
                return Ok((Err(Refusal::not_found("Endpoint")), None));
            };
            if let Some(token) = &token {
                if let Err(refusal) = check_token(endpoint.platform(), token) {
                    return Ok((Err(refusal), None));
                }
                let holder = find_token(&transaction, &endpoint.application, token)?;
                if let Some(holder) = holder.filter(|holder| holder.arn != endpoint.arn) {
                    return Ok((Err(conflict(&holder.arn)), None));
                }
            }
            transaction.execute(
                "UPDATE endpoints SET token = coalesce(?2, token), enabled = coalesce(?3, enabled),
                 user_data = coalesce(?4, user_data) WHERE arn = ?1",
                params![arn, token, enabled, user_data],
            )?;
            let event = events::of(&transaction, &endpoint, Happened::Updated(&changed))?;
            transaction.commit()?;
            Ok((Ok(()), event))
        })
        .await??;
    Ok(Reply::empty("SetEndpointAttributes"))
}

/// Deleting what is gone is success.
pub(super) async fn delete(service: &Service, form: &Form) -> Result<Reply, Refusal> {
    let arn = form.required("EndpointArn")?.to_owned();
    service
        .change(move |connection| {
            let transaction = connection.transaction()?;
            let event = match find(&transaction, &arn)? {
                Some(endpoint) => events::of(&transaction, &endpoint, Happened::Deleted)?,
                None => None,
            };
            remove(&transaction, &arn)?;
            transaction.commit()?;
            Ok(((), event))
        })
        .await?;
    Ok(Reply::empty("DeleteEndpoint"))
}

/// Removes an endpoint, if it is there.
pub(super) fn remove(connection: &Connection, arn: &str) -> rusqlite::Result<()> {
    connection
        .execute("DELETE FROM endpoints WHERE arn = ?1", [arn])
        .map(drop)
}

/// Disables an endpoint, if it is there.
pub(super) fn disable(connection: &Connection, arn: &str) -> rusqlite::Result<()> {
    connection
        .execute("UPDATE endpoints SET enabled = 0 WHERE arn = ?1", [arn])
        .map(drop)
}

/// The platform and name in the ARN of an application.
pub(super) fn platform_application(arn: &str) -> Result<(&str, &str), Refusal> {
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    let [_, _, "sns", region, account, resource] = parts[..] else {
        let reason = format!("An ARN must have at least 6 elements, not {}", parts.len());
        return Err(Refusal::invalid(format!(
            "PlatformApplicationArn Reason: {reason}"
        )));
    };
    let resource: Vec<&str> = resource.split('/').collect();
    match resource[..] {
        ["app", platform, name]
            if (region, account) == (REGION, ACCOUNT)
                && PLATFORMS.contains(&platform)
                && !name.is_empty() =>
        {
            Ok((platform, name))
        }
        _ => Err(Refusal::not_found("PlatformApplication")),
    }
}

fn conflict(arn: &str) -> Refusal {
    Refusal::invalid(format!(
        "Token Reason: Endpoint {arn} already exists with the same Token, but different attributes."
    ))
}

fn check_token(platform: &str, token: &str) -> Result<(), Refusal> {
    if platform.starts_with("APNS") && token.chars().count() > MAX_APPLE_TOKEN {
        let reason = "iOS device tokens must be no more than 400 hexadecimal characters";
        return Err(Refusal::invalid(format!("Token Reason: {reason}")));
    }
    if token.is_empty() || token.len() > MAX_TOKEN {
        return Err(Refusal::invalid(
            "Token Reason: must be at most 8192 bytes long in UTF-8 encoding",
        ));
    }
    Ok(())
}

fn check_user_data(text: &str) -> Result<(), Refusal> {
    if text.len() > MAX_USER_DATA {
        let reason = "must be at most 2048 bytes long in UTF-8 encoding";
        return Err(Refusal::invalid(format!("CustomUserData Reason: {reason}")));
    }
    Ok(())
}

fn boolean(text: &str) -> Result<bool, Refusal> {
    match text.to_ascii_lowercase().as_str() {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(Refusal::invalid(
            "Attributes Reason: Invalid value for attribute: Enabled",
        )),
    }
}
