//! Platform applications: what SNS sends through, one for each of Google's and Apple's services.

use std::collections::HashMap;

use aws_sdk_sns::error::{ProvideErrorMetadata, SdkError};

use super::Sns;
use crate::device::Platform;
use crate::error::{Error, Result, Source};

/// An application's attributes: name → value.
pub type Attributes = Vec<(&'static str, String)>;

/// What SNS may complain of: a name in its message is told, the message never, because nobody
/// promises that it does not quote a credential.
const COMPLAINTS: &[&str] = &[
    "PlatformPrincipal",
    "PlatformCredential",
    "ApplePlatformTeamID",
    "ApplePlatformBundleID",
    "EventEndpointUpdated",
    "EventDeliveryFailure",
    "SuccessFeedbackRoleArn",
    "FailureFeedbackRoleArn",
    "SuccessFeedbackSampleRate",
    "expired",
    "credentials are invalid",
];

/// What SNS calls a platform.
pub fn platform_name(platform: Platform) -> &'static str {
    match platform {
        Platform::Fcm => "GCM",
        Platform::Apns => "APNS",
        Platform::ApnsSandbox => "APNS_SANDBOX",
    }
}

impl Sns {
    /// The attributes of the application with this ARN; its credentials are not among them.
    pub async fn application(&self, arn: &str) -> Result<HashMap<String, String>> {
        let get = self.client.get_platform_application_attributes();
        let answer = get.platform_application_arn(arn).send().await;
        Ok(answer
            .map_err(|error| failure(&error))?
            .attributes
            .unwrap_or_default())
    }

    /// Creates an application, and returns its ARN.
    pub async fn create_application(
        &self,
        name: &str,
        platform: Platform,
        attributes: &Attributes,
    ) -> Result<String> {
        let create = self.client.create_platform_application().name(name);
        let mut create = create.platform(platform_name(platform));
        for (name, value) in attributes {
            create = create.attributes(*name, value);
        }
        let answer = create.send().await.map_err(|error| failure(&error))?;
        Ok(answer.platform_application_arn.unwrap_or_default())
    }

    /// Gives an application these attributes, and leaves its others.
    pub async fn set_application(&self, arn: &str, attributes: &Attributes) -> Result<()> {
        let set = self.client.set_platform_application_attributes();
        let mut set = set.platform_application_arn(arn);
        for (name, value) in attributes {
            set = set.attributes(*name, value);
        }
        set.send().await.map(drop).map_err(|error| failure(&error))
    }

    /// Removes an application; one that is gone already is fine.
    pub async fn delete_application(&self, arn: &str) -> Result<()> {
        let delete = self.client.delete_platform_application();
        let deleted = delete.platform_application_arn(arn).send().await;
        match deleted.map_err(|error| failure(&error)) {
            Ok(_) | Err(Error::NotFound) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// An answer as one of our errors: `NotFound`, `Malformed` if SNS refuses an attribute, `Internal` if
/// it refuses the call, else `Unavailable`. Of the answer only its code and a known word are kept.
fn failure<E>(error: &SdkError<E>) -> Error
where
    SdkError<E>: ProvideErrorMetadata,
{
    let what = "SNS";
    let message = error.message().unwrap_or_default();
    let refusal = matches!(error, SdkError::ServiceError(_))
        && error
            .raw_response()
            .is_some_and(|answer| answer.status().as_u16() < 500);
    match error.code().unwrap_or_default() {
        "NotFound" => Error::NotFound,
        "InvalidParameter" | "InvalidParameterException" | "ValidationError" => {
            let known = COMPLAINTS.iter().find(|word| message.contains(*word));
            Error::Malformed {
                code: "application",
                detail: known.map_or("an attribute", |word| *word).to_owned(),
            }
        }
        code if code.contains("hrottl") || code == "RequestLimitExceeded" => Error::Unavailable {
            what,
            source: code.into(),
        },
        code if refusal => Error::Internal {
            what,
            source: code.into(),
        },
        "" => Error::Unavailable {
            what,
            source: Source::from("no answer"),
        },
        code => Error::Unavailable {
            what,
            source: code.into(),
        },
    }
}
