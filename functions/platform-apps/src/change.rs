//! Create and update: every configured platform has its application, with its secret's credentials.
//!
//! First everything is looked at, then written; so most failures have changed nothing. What a failed
//! request has added is removed again.

use jiff::Timestamp;
use shared::device::Platform;
use shared::error::Error;
use shared::sns::applications::{Attributes, platform_name};

use crate::answer::Outcome;
use crate::credentials;
use crate::handler::Handler;
use crate::properties::{self, PLATFORMS, Place};
use crate::request::{Kind, Request};

/// What is to be done for one platform.
struct Step<'r> {
    platform: Platform,
    arn: String,
    /// The property with the secret, and its value; empty for none.
    property: &'static str,
    secret: &'r str,
    /// The secret before an update.
    before: &'r str,
    exists: bool,
    credentials: Attributes,
}

/// Does a create or an update.
pub async fn apply(handler: &Handler, request: &Request, place: &Place, now: Timestamp) -> Outcome {
    let name = properties::name(&request.properties)?;
    properties::topic(&request.properties)?;
    if request.kind == Some(Kind::Update) && request.created_name() != Some(name) {
        return Err("Name cannot change: it is the name of what exists".to_owned());
    }
    let mut steps = plan(handler, request, place, name).await?;
    read_secrets(handler, request, &mut steps, now).await?;
    let mut added = Vec::new();
    let written = write(handler, request, name, &steps, &mut added).await;
    match written {
        Ok(()) => Ok(properties::data(&request.properties, place, name)),
        Err(reason) => Err(undo(handler, &added, reason).await),
    }
}

/// Looks at what there is.
async fn plan<'r>(
    handler: &Handler,
    request: &'r Request,
    place: &Place,
    name: &str,
) -> Result<Vec<Step<'r>>, String> {
    let mut steps = Vec::new();
    for (platform, property, _) in PLATFORMS {
        let mut step = Step {
            platform,
            arn: place.application(platform, name),
            property,
            secret: properties::text(&request.properties, property),
            before: properties::text(&request.old, property),
            exists: false,
            credentials: Vec::new(),
        };
        if !step.secret.is_empty() {
            let found = handler.sns.application(&step.arn).await;
            step.exists = match found {
                Err(Error::NotFound) => false,
                Err(error) => return Err(step.refused(&error)),
                Ok(found) if !step.before.is_empty() => {
                    drop(found);
                    true
                }
                Ok(found) if properties::is_ours(&found, &request.properties) => true,
                Ok(_) => {
                    let arn = &step.arn;
                    return Err(format!(
                        "{arn} exists and is not this stack's: delete it, or choose another stack name"
                    ));
                }
            };
        }
        steps.push(step);
    }
    Ok(steps)
}

/// Reads the credentials that are to be set; what is wrong with any of them is said at once.
///
/// A rollback comes as an update to a lower `CredentialsVersion`: there the credentials that SNS has
/// stay, because the secret may be the very one that failed.
async fn read_secrets(
    handler: &Handler,
    request: &Request,
    steps: &mut [Step<'_>],
    now: Timestamp,
) -> Result<(), String> {
    let raised = properties::version(&request.properties)?
        > properties::version(&request.old).unwrap_or_default();
    let mut wrong = Vec::new();
    for step in steps.iter_mut().filter(|step| !step.secret.is_empty()) {
        if step.exists && step.before == step.secret && !raised {
            continue;
        }
        let read = match handler.secrets.text(step.secret, now).await {
            Ok(text) => credentials::read(step.platform, &text),
            Err(Error::NotFound) => Err("does not exist, or is about to be deleted".to_owned()),
            Err(Error::Forbidden(_)) => Err(
                "may not be read: the function's role needs its ARN as Secrets Manager shows it, \
                 and kms:Decrypt if the secret has a key of its own"
                    .to_owned(),
            ),
            Err(Error::Malformed { detail, .. }) => Err(detail),
            Err(_) => Err("cannot be read: Secrets Manager does not answer".to_owned()),
        };
        match read {
            Ok(credentials) => step.credentials = credentials,
            Err(what) => wrong.push(format!("{} ({}): {what}", step.property, step.secret)),
        }
    }
    if wrong.is_empty() {
        Ok(())
    } else {
        Err(wrong.join("; "))
    }
}

/// Creates, changes, removes. `added` gets the ARNs of what may have been created.
async fn write(
    handler: &Handler,
    request: &Request,
    name: &str,
    steps: &[Step<'_>],
    added: &mut Vec<String>,
) -> Result<(), String> {
    for step in steps.iter().filter(|step| !step.secret.is_empty()) {
        if step.before.is_empty() {
            added.push(step.arn.clone());
        }
        let mut attributes = step.credentials.clone();
        let written = if step.exists {
            attributes.extend(properties::plain_attributes(
                &request.properties,
                &request.old,
            ));
            handler.sns.set_application(&step.arn, &attributes).await
        } else {
            let nothing = serde_json::Value::Null;
            attributes.extend(properties::plain_attributes(&request.properties, &nothing));
            let created = handler
                .sns
                .create_application(name, step.platform, &attributes);
            created.await.map(drop)
        };
        written.map_err(|error| step.refused(&error))?;
    }
    let unwanted = |step: &&Step| step.secret.is_empty() && !step.before.is_empty();
    for step in steps.iter().filter(unwanted) {
        let deleted = handler.sns.delete_application(&step.arn).await;
        deleted.map_err(|error| step.refused(&error))?;
    }
    Ok(())
}

/// Removes what a failed request has added; the reason says what could not be removed.
async fn undo(handler: &Handler, added: &[String], mut reason: String) -> String {
    for arn in added {
        if handler.sns.delete_application(arn).await.is_err() {
            reason.push_str("; ");
            reason.push_str(arn);
            reason.push_str(" may be left: the rollback removes it");
        }
    }
    reason
}

impl Step<'_> {
    /// Why SNS did not do what it was asked to, and what to look at.
    fn refused(&self, error: &Error) -> String {
        let application = platform_name(self.platform);
        match error {
            Error::Malformed { detail, .. } => format!(
                "SNS refuses the {application} application ({detail}): look at the secret of {}",
                self.property
            ),
            Error::Internal { source, .. } => format!(
                "SNS refuses the call for the {application} application: {source}; look at the function's role"
            ),
            _ => format!("SNS does not answer for the {application} application: try again later"),
        }
    }
}
