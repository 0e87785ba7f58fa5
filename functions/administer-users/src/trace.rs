//! What happened to a notification, step by step, in words that a support person understands.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::json;
use shared::error::{Error, Result};
use shared::http::{self, Reply, Request};
use shared::id::{DeviceId, NotificationId};
use shared::notification::Notification;
use shared::outcome::{DeviceOutcome, Outcome, Reason, State};
use shared::store::Traced;
use shared::traceparent::TraceParent;

use crate::handler::Handler;

/// One step; what is left out does not apply.
#[derive(Debug, Default, Serialize)]
struct Step {
    /// When, in RFC 3339 form.
    at: Option<String>,
    /// What happened.
    #[serde(rename = "step")]
    name: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    device: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<State>,
    /// A word of `docs/OPERATIONS.md`.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_id: Option<String>,
    /// The producer's trace, by which the lines of all logs are found.
    #[serde(skip_serializing_if = "Option::is_none")]
    traceparent: Option<String>,
    /// A sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
}

/// Answers with the steps, oldest first.
pub async fn trace(handler: &Handler, request: &Request) -> Result<Reply> {
    let user = http::user_id(request, "user")?;
    http::query(request, &[])?;
    let id = http::notification_id(request)?;
    let traced = handler.store.trace(&user, id).await?;
    let steps = steps(id, traced.ok_or(Error::NotFound)?);
    Reply::ok(&json!({"data": steps}))
}

fn steps(id: NotificationId, traced: Traced) -> Vec<Step> {
    let due = |detail: &str| step(Some(id.at()), "scheduled", detail);
    let accepted = || {
        step(
            Some(id.at()),
            "stored",
            "accepted, and in the inbox from then on",
        )
    };
    match traced {
        Traced::Live(notification) => of(&notification),
        Traced::Retracted(at) => vec![
            accepted(),
            step(
                at,
                "retracted",
                "taken back: gone from the inbox, and cleared from the screens that showed it",
            ),
        ],
        Traced::Scheduled(of) => {
            vec![due("waits for this moment; the id is the schedule's").traced(of)]
        }
        Traced::BeingStored(of) => {
            vec![due("its moment has come, and it is being stored").traced(of)]
        }
        Traced::WasStored(at) => vec![
            due("was due at this moment; the id is the schedule's"),
            step(
                at,
                "stored",
                "stored under an id of its own, unless its dedupe key was taken",
            ),
        ],
        Traced::Cancelled(at) => vec![
            due("would have been due at this moment"),
            step(at, "cancelled", "cancelled before it was stored"),
        ],
    }
}

impl Step {
    /// With its producer's trace.
    fn traced(self, of: Option<TraceParent>) -> Step {
        Step {
            traceparent: of.map(|of| of.to_string()),
            ..self
        }
    }
}

fn step(at: Option<Timestamp>, name: &'static str, detail: &str) -> Step {
    Step {
        at: at.map(|at| at.to_string()),
        name,
        detail: Some(detail.to_owned()),
        ..Step::default()
    }
}

fn of(notification: &Notification) -> Vec<Step> {
    let stored = match notification.schedule_id {
        None => "accepted, and in the inbox from then on".to_owned(),
        Some(id) => format!("stored by the schedule {id}, and in the inbox from then on"),
    };
    let first = step(Some(notification.id.at()), "stored", &stored);
    let mut steps = vec![first.traced(notification.content.traceparent)];
    if let Some(at) = notification.carried_at {
        let detail = "a notification for everyone, to be pushed to this user as a member of the push's topic";
        steps.push(step(Some(at), "told", detail));
    }
    let outcome = &notification.outcome;
    let at = Timestamp::from_millisecond(outcome.at).ok();
    let at = at.filter(|_| outcome.at > 0);
    steps.extend(
        outcome
            .devices
            .iter()
            .map(|(id, device)| of_device(at, id, device)),
    );
    if outcome.ambiguous > 0 {
        let detail = format!(
            "{} publish(es) of which SNS did not say whether it took them: a device may have had one twice, and shown it once",
            outcome.ambiguous
        );
        steps.push(step(at, "unclear", &detail));
    }
    steps.push(end(at, outcome));
    let marks = [
        (notification.read_at, "read", "opened by the user"),
        (
            notification.archived_at,
            "archived",
            "hidden from the list by the user",
        ),
    ];
    for (at, name, detail) in marks {
        steps.extend(at.map(|at| step(Some(at), name, detail)));
    }
    steps
}

fn of_device(at: Option<Timestamp>, id: &DeviceId, device: &DeviceOutcome) -> Step {
    let name = match device.state {
        State::Sent => "published",
        State::Unknown => "unclear",
        _ => "refused",
    };
    let detail = match (&device.reason, device.state) {
        (Some(reason), _) => meaning(reason),
        (None, State::Sent) => Some("handed to SNS, which passes it to Google or Apple".to_owned()),
        (None, _) => None,
    };
    Step {
        at: at.map(|at| at.to_string()),
        name,
        device: Some(id.as_str().to_owned()),
        outcome: Some(device.state),
        reason: device.reason.clone(),
        message_id: device.message_id.clone(),
        traceparent: None,
        detail,
    }
}

/// How the push stands.
fn end(at: Option<Timestamp>, outcome: &Outcome) -> Step {
    let (name, detail) = match outcome.state {
        None if outcome.reason.is_some() => (
            "parked",
            "could not be sent yet, and is tried again within minutes",
        ),
        None => (
            "pending",
            "the stream has not brought it to its function yet",
        ),
        Some(State::Deferred) => ("deferred", "waits"),
        Some(State::Sent) => ("ended", "every device was served"),
        Some(State::Partial) => (
            "ended",
            "some devices were served, and the others never will be",
        ),
        Some(State::NoDevice) => ("ended", "the user had no device to push to"),
        Some(State::Skipped) => ("ended", "not wanted"),
        Some(State::Expired) => ("ended", "its time to live was over before it could be sent"),
        Some(State::Dead) => ("ended", "SNS will never take it"),
        Some(State::Unknown) => (
            "ended",
            "sent at most once, and whether SNS took it is not known",
        ),
    };
    let why = outcome.reason.as_deref().and_then(meaning);
    let detail = match why {
        // The reason says what it waits for.
        Some(why) if outcome.is_deferred() => why,
        Some(why) => format!("{detail}: {why}"),
        None => detail.to_owned(),
    };
    Step {
        at: at.map(|at| at.to_string()),
        name,
        outcome: outcome.state,
        reason: outcome.reason.clone(),
        detail: Some(detail),
        ..Step::default()
    }
}

/// What a reason's first word means.
fn meaning(reason: &str) -> Option<String> {
    let word = reason.split(' ').next()?;
    let known = Reason::ALL.iter().find(|reason| reason.word() == word);
    known.map(|reason| reason.meaning().to_owned())
}
