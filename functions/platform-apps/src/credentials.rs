//! Secrets as SNS's attributes. What is wrong is said by the name of its field, never with what the
//! field holds.

use serde_json::{Map, Value};
use shared::device::Platform;
use shared::sns::applications::Attributes;

/// The attributes in the text of a platform's secret, or what is wrong with it.
pub fn read(platform: Platform, secret: &str) -> Result<Attributes, String> {
    let Ok(Value::Object(fields)) = serde_json::from_str(secret) else {
        return Err("is not a JSON object".to_owned());
    };
    match platform {
        Platform::Fcm => service_account(&fields, secret),
        Platform::Apns | Platform::ApnsSandbox if fields.contains_key("certificate") => {
            certificate(&fields)
        }
        Platform::Apns | Platform::ApnsSandbox => token_key(&fields),
    }
}

/// The key of a Google service account, as Google's console gives it.
fn service_account(fields: &Map<String, Value>, secret: &str) -> Result<Attributes, String> {
    if text(fields, "type")? != "service_account" {
        return Err("is not the key of a service account: type is another".to_owned());
    }
    text(fields, "project_id")?;
    text(fields, "client_email")?;
    pem(fields, "private_key", "PRIVATE KEY")?;
    Ok(vec![("PlatformCredential", secret.to_owned())])
}

/// A key that signs tokens for Apple: `key_id`, `team_id`, `bundle_id`, and the .p8 file's text.
fn token_key(fields: &Map<String, Value>) -> Result<Attributes, String> {
    let id = |name: &str| {
        let id = text(fields, name)?;
        if id.len() == 10 && id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            Ok(id)
        } else {
            Err(format!("{name} must be 10 letters and digits"))
        }
    };
    Ok(vec![
        ("PlatformPrincipal", id("key_id")?),
        (
            "PlatformCredential",
            pem(fields, "private_key", "PRIVATE KEY")?,
        ),
        ("ApplePlatformTeamID", id("team_id")?),
        ("ApplePlatformBundleID", text(fields, "bundle_id")?),
    ])
}

/// A certificate of Apple's and its private key.
fn certificate(fields: &Map<String, Value>) -> Result<Attributes, String> {
    Ok(vec![
        (
            "PlatformPrincipal",
            pem(fields, "certificate", "CERTIFICATE")?,
        ),
        (
            "PlatformCredential",
            pem(fields, "private_key", "PRIVATE KEY")?,
        ),
    ])
}

fn text(fields: &Map<String, Value>, name: &str) -> Result<String, String> {
    match fields.get(name) {
        Some(Value::String(text)) if !text.trim().is_empty() => Ok(text.clone()),
        Some(Value::String(_)) => Err(format!("{name} is empty")),
        Some(_) => Err(format!("{name} is not text")),
        None => Err(format!("{name} is missing")),
    }
}

/// A text in PEM form. Its line breaks are what gets lost when it is pasted.
fn pem(fields: &Map<String, Value>, name: &str, label: &str) -> Result<String, String> {
    let text = text(fields, name)?;
    // `EC PRIVATE KEY` and `RSA PRIVATE KEY`, too.
    let first = text.trim().lines().next().unwrap_or_default().trim_end();
    let begins = first.starts_with("-----BEGIN ") && first.ends_with(&format!("{label}-----"));
    let ends = text.trim_end().ends_with(&format!("{label}-----"));
    if begins && ends && text.trim().lines().count() > 2 {
        Ok(text)
    } else {
        Err(format!(
            "{name} is not in PEM form, with its BEGIN and END lines and its line breaks"
        ))
    }
}
