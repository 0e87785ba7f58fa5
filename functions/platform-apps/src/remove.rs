//! Delete: what is this stack's, and nothing else.

use serde_json::Map;
use shared::error::{Error, Result};
use shared::sns::applications::platform_name;

use crate::answer::Outcome;
use crate::handler::Handler;
use crate::properties::{self, PLATFORMS, Place};
use crate::request::Request;

/// Removes the applications of the resource; none is fine.
///
/// After a success those that were configured are ours. After a failure, and for any other platform,
/// an application counts as ours if its events go to this stack's topic.
pub async fn remove(handler: &Handler, request: &Request, place: &Place) -> Outcome {
    let given = properties::name(&request.properties).ok();
    let Some(name) = request.created_name().or(given) else {
        return Ok(Map::new());
    };
    let mut left = Vec::new();
    for (platform, secret, _) in PLATFORMS {
        let arn = place.application(platform, name);
        let configured = !properties::text(&request.properties, secret).is_empty();
        let certain = configured && request.created_name().is_some();
        if remove_one(handler, request, &arn, certain).await.is_err() {
            left.push(platform_name(platform));
        }
    }
    if left.is_empty() {
        return Ok(Map::new());
    }
    let left = left.join(", ");
    Err(format!(
        "SNS did not remove the application {name} of {left}: delete the stack again later"
    ))
}

async fn remove_one(handler: &Handler, request: &Request, arn: &str, certain: bool) -> Result<()> {
    let ours = certain
        || match handler.sns.application(arn).await {
            Ok(found) => properties::is_ours(&found, &request.properties),
            Err(Error::NotFound) => false,
            Err(error) => return Err(error),
        };
    if ours {
        handler.sns.delete_application(arn).await?;
    }
    Ok(())
}
