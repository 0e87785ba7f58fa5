//! One request of `CloudFormation`: do it, and answer, whatever came of it.

use std::time::Duration;

use jiff::Timestamp;
use lambda_runtime::Context;
use serde_json::Value;
use shared::error::{Error, Result};
use shared::secrets::Secrets;
use shared::sns::Sns;
use shared::{aws, clock};

use crate::answer::{self, Outcome};
use crate::properties::Place;
use crate::request::{Kind, Request};
use crate::{change, remove};

/// What is kept of the function's time for the answer.
const FOR_THE_ANSWER: Duration = Duration::from_secs(15);

/// What every request needs.
pub struct Handler {
    pub sns: Sns,
    pub secrets: Secrets,
}

impl Handler {
    /// Does what the event asks for and puts the answer where the event says; returns it, too. An
    /// error if the answer did not get there, so that Lambda tries the whole again: every step is
    /// repeatable.
    pub async fn handle(&self, event: &Value, context: &Context) -> Result<Value> {
        let now = clock::wall();
        let budget = clock::left(context.deadline());
        let Some(request) = Request::read(event) else {
            return Err(Error::Malformed {
                code: "event",
                detail: "the event has no ResponseURL, so nobody waits for an answer".to_owned(),
            });
        };
        let place = Place::of_function(&context.invoked_function_arn);
        let budget = budget.saturating_sub(FOR_THE_ANSWER);
        let acted = self.act(&request, place.as_ref(), now);
        let outcome = match tokio::time::timeout(budget, acted).await {
            Ok(outcome) => outcome,
            Err(_) => Err("SNS or Secrets Manager answers too slowly: try again later".to_owned()),
        };
        let answer = answer::body(&request, &outcome);
        match &outcome {
            Ok(_) => tracing::info!(request_type = request.kind_text, "done"),
            Err(reason) => tracing::warn!(request_type = request.kind_text, reason, "failed"),
        }
        let outgoing = aws::outgoing(&request.response_url)?;
        answer::put(&outgoing, &request.response_url, &answer).await?;
        Ok(answer)
    }

    async fn act(&self, request: &Request, place: Option<&Place>, now: Timestamp) -> Outcome {
        let place = place.ok_or("the function does not know its own ARN")?;
        match request.kind {
            Some(Kind::Create | Kind::Update) => change::apply(self, request, place, now).await,
            Some(Kind::Delete) => remove::remove(self, request, place).await,
            None => Err("RequestType must be Create, Update or Delete".to_owned()),
        }
    }
}
