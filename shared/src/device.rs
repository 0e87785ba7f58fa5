//! A device: an app installation that can get pushes.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::contract::Fields;
use crate::error::{Error, Result};
use crate::id::{DeviceId, fingerprint, is_blank};

/// The most devices of one user; one more drops the one that was silent for longest.
pub const MAX_DEVICES: usize = 20;

/// Which service delivers to the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Platform {
    /// Firebase Cloud Messaging.
    Fcm,
    /// Apple's service for released apps.
    Apns,
    /// Apple's service for development builds.
    ApnsSandbox,
}

/// A registered device, as it is kept with its user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    /// Which service delivers.
    #[serde(rename = "p")]
    pub platform: Platform,
    /// Which of the team's apps it is.
    #[serde(rename = "a")]
    pub app: String,
    /// The ARN of its SNS endpoint.
    #[serde(rename = "e")]
    pub endpoint: String,
    /// A hash of the token the endpoint was made from. The token itself is not kept.
    #[serde(rename = "h")]
    pub token_hash: String,
    /// When the app last registered, in milliseconds since 1970.
    #[serde(rename = "s")]
    pub last_seen: i64,
    /// The language of the device.
    #[serde(rename = "l", skip_serializing_if = "Option::is_none", default)]
    pub locale: Option<String>,
    /// Whether it shows the number of unread notifications.
    #[serde(rename = "b")]
    pub badge: bool,
}

/// What an app says of the device it runs on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announcement {
    /// Which service delivers.
    pub platform: Platform,
    /// The token that service gave the app.
    pub token: String,
    /// Which of the team's apps it is.
    pub app: String,
    /// The language of the device.
    pub locale: Option<String>,
    /// Whether it shows the number of unread notifications.
    pub badge: bool,
}

/// A device as the API shows it: neither its token nor its endpoint.
#[derive(Debug, Serialize)]
pub struct View<'d> {
    id: &'d str,
    platform: Platform,
    app: &'d str,
    locale: Option<&'d str>,
    badge: bool,
    last_seen_at: String,
}

impl Announcement {
    /// Reads the body of a registration.
    pub fn parse(body: Value) -> Result<Announcement> {
        let mut violations = Vec::new();
        let announced = Fields::of(body, "", &mut violations).and_then(read);
        match announced {
            Some(announced) if violations.is_empty() => Ok(announced),
            _ => Err(Error::Invalid(violations)),
        }
    }

    /// What is kept of the token: two registrations with the same hash name the same endpoint.
    pub fn token_hash(&self) -> String {
        fingerprint(&self.token)
    }
}

fn read(mut fields: Fields) -> Option<Announcement> {
    let platforms = [
        ("fcm", Platform::Fcm),
        ("apns", Platform::Apns),
        ("apns_sandbox", Platform::ApnsSandbox),
    ];
    let missing = !fields.has("platform");
    let platform = fields.choice("platform", &platforms);
    if missing {
        fields.refuse("platform", "required", "is required");
    }
    // SNS: at most 8,192 bytes (FCM), 400 hexadecimal characters (APNs).
    let token = fields.required_text("token", 4_096);
    if token.as_ref().is_some_and(|t| t.chars().any(is_blank)) {
        fields.refuse(
            "token",
            "format",
            "may not have white space or control characters",
        );
    }
    let app = fields.text("app", 64);
    if app.as_ref().is_some_and(|app| app != "default") {
        fields.refuse("app", "value", "must be \"default\"");
    }
    let (locale, badge) = (fields.text("locale", 35), fields.flag("badge"));
    fields.finish();
    Some(Announcement {
        platform: platform?,
        token: token?,
        app: app.unwrap_or_else(|| "default".to_owned()),
        locale,
        badge: badge.unwrap_or(true),
    })
}

impl Device {
    /// What its user is shown.
    pub fn view<'d>(&'d self, id: &'d DeviceId) -> View<'d> {
        let seen = Timestamp::from_millisecond(self.last_seen).unwrap_or_default();
        View {
            id: id.as_str(),
            platform: self.platform,
            app: &self.app,
            locale: self.locale.as_deref(),
            badge: self.badge,
            last_seen_at: seen.to_string(),
        }
    }

    /// The last part of the endpoint's ARN, which names it.
    pub fn endpoint_id(&self) -> &str {
        endpoint_id(&self.endpoint)
    }
}

/// The last part of an endpoint's ARN.
pub fn endpoint_id(arn: &str) -> &str {
    arn.rsplit('/').next().unwrap_or(arn)
}
