//! One event: into the log, and to whom its rule says.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use jiff::Timestamp;
use shared::clock::Clock;
use shared::create::{Receipt, Status, create_held, take_back};
use shared::error::{Error, Result, Violation};
use shared::event::Event;
use shared::id::{NotificationId, UserId};
use shared::metrics::{self, Metric};
use shared::notification::{Draft, Recipient};
use shared::rules::{Nobody, Rendered};
use shared::store::Held;

use crate::handler::Handler;

/// Events of one batch on their way at the same time.
const IN_FLIGHT: usize = 8;
/// No event of a batch is begun after this: what has been begun must end with the invocation.
const BUDGET: Duration = Duration::from_secs(12);

/// How many broken rules of an event are logged.
const MAX_LOGGED: usize = 20;

/// What became of an event.
pub struct Ingested {
    /// Whether it had been accepted before.
    pub replayed: bool,
    /// Its notifications, and what became of them.
    pub notifications: Vec<(Recipient, Receipt)>,
}

/// What is to be done with an event.
struct Plan {
    rendered: Rendered,
    /// How long the log keeps the event, in seconds.
    life: u32,
}

/// Logs an event once, and does once what its rule says, however often and however late it comes. What is
/// refused leaves nothing behind.
pub async fn ingest(handler: &Handler, event: &Event, clock: Clock) -> Result<Ingested> {
    metrics::trace(event.traceparent);
    let plan = plan(handler, event, clock.now()).await?;
    let nonce = NotificationId::draw(clock.now()).to_string();
    let log = handler.store.log(event, plan.life, clock.now(), &nonce);
    let held = log.await?;
    let replayed = held.replayed;
    let notifications = match plan.rendered {
        Rendered::Notify(draft) if !held.is_settled(clock.now()) => {
            notify(handler, event, *draft, held, clock).await?
        }
        Rendered::Retract { dedupe_key, users } => {
            let until = held.guard.accepted().first().copied();
            let until = until.unwrap_or(clock.now());
            let store = &handler.store;
            let taken = take_back(store, &users, &dedupe_key, until, clock.now());
            taken.await?.into_iter().map(retracted).collect()
        }
        Rendered::Notify(_) | Rendered::Nobody(_) => Vec::new(),
    };
    Ok(Ingested {
        replayed,
        notifications,
    })
}

async fn notify(
    handler: &Handler,
    event: &Event,
    mut draft: Draft,
    held: Held,
    clock: Clock,
) -> Result<Vec<(Recipient, Receipt)>> {
    draft.content.traceparent = event.traceparent;
    let drafts = [draft];
    let seed = event.seed();
    let (store, retention) = (&handler.store, handler.retention);
    let stored = create_held(store, clock, &drafts, retention, (held, &seed));
    let receipts = stored.await?.receipts.into_iter().flatten();
    let [draft] = drafts;
    Ok(draft.recipients.into_iter().zip(receipts).collect())
}

fn retracted((user, id): (UserId, NotificationId)) -> (Recipient, Receipt) {
    let status = Status::Retracted;
    (Recipient::User(user), Receipt { id, status })
}

/// What the rule of an event's type makes of it. Without a rule it is logged, and nobody is told.
async fn plan(handler: &Handler, event: &Event, now: Timestamp) -> Result<Plan> {
    let Some(rule) = handler.rulebook.rule(&event.kind, now).await? else {
        return Ok(Plan {
            rendered: Rendered::Nobody(Nobody::NoRule),
            life: handler.event_retention,
        });
    };
    let rendered = rule.render(event, now).map_err(|broken| {
        // Counted by this line: whoever sent it through a queue hears of it in no other way.
        let places = places(&broken);
        metrics::count(Metric::EventsRefused, 1);
        tracing::warn!(
            event_type = event.kind,
            broken = places,
            "an event was refused by its rule"
        );
        Error::Invalid(broken)
    })?;
    Ok(Plan {
        rendered,
        life: rule.retention.unwrap_or(handler.event_retention),
    })
}

/// Where rules are broken and by which code, for the log: the sentences may say what the event says.
pub fn places(broken: &[Violation]) -> String {
    let shown = broken.iter().take(MAX_LOGGED);
    let places: Vec<String> = shown
        .map(|v| format!("{} ({})", v.pointer, v.code))
        .collect();
    places.join("; ")
}

fn late() -> Error {
    Error::Unavailable {
        what: "the table",
        source: "it did not take every event in time".into(),
    }
}

/// Whether another try would end the same.
pub fn is_final(error: &Error) -> bool {
    match error {
        Error::Malformed { .. }
        | Error::Invalid(_)
        | Error::BadQuery(_)
        | Error::TooLarge(_)
        | Error::EventTooLarge(_)
        | Error::UnsupportedMediaType
        | Error::Forbidden(_)
        | Error::NotFound
        | Error::KeyReused => true,
        Error::Conflict(_)
        | Error::Throttled { .. }
        | Error::Unavailable { .. }
        | Error::Internal { .. } => false,
    }
}

/// Ingests the events of a batch, those of one subject one after another; the outcomes are in their order. What
/// follows an event that must come again must come again too: an un-like never overtakes its like.
pub async fn ingest_all(
    handler: &Handler,
    events: &[Event],
    clock: Clock,
) -> Vec<Result<Ingested>> {
    let mut lanes: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (index, event) in events.iter().enumerate() {
        lanes.entry(event.logged_under()).or_default().push(index);
    }
    let lanes = lanes.into_values().map(async |lane| {
        let mut outcomes = Vec::with_capacity(lane.len());
        let mut is_held_up = false;
        for index in lane {
            let outcome = if is_held_up || clock.elapsed() > BUDGET {
                Err(late())
            } else {
                // Each has the time of a request of its own.
                ingest(handler, &events[index], Clock::starting(clock.now())).await
            };
            is_held_up = outcome.as_ref().is_err_and(|error| !is_final(error));
            outcomes.push((index, outcome));
        }
        outcomes
    });
    let outcomes = stream::iter(lanes)
        .buffer_unordered(IN_FLIGHT)
        .collect::<Vec<_>>();
    let mut outcomes: Vec<_> = outcomes.await.into_iter().flatten().collect();
    outcomes.sort_by_key(|(index, _)| *index);
    outcomes.into_iter().map(|(_, outcome)| outcome).collect()
}
