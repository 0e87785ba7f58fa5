//! One event: into the log, and to whom its rule says.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use shared::clock::Clock;
use shared::create::{Receipt, create_held};
use shared::error::{Error, Result};
use shared::event::Event;
use shared::id::NotificationId;
use shared::notification::{Draft, Recipient};

use crate::handler::Handler;

/// Events of one batch on their way at the same time.
const IN_FLIGHT: usize = 8;
/// No event of a batch is begun after this: what has been begun must end with the invocation.
const BUDGET: Duration = Duration::from_secs(12);

/// What became of an event.
pub struct Ingested {
    /// Whether it had been accepted before.
    pub replayed: bool,
    /// Its notifications, and what became of them.
    pub notifications: Vec<(Recipient, Receipt)>,
}

/// What the rule of an event's type makes of it.
struct Plan {
    drafts: Vec<Draft>,
    /// How long the log keeps the event, in seconds.
    life: u32,
}

/// Logs an event once, and creates its notifications once, however often and however late it comes. What is
/// refused leaves nothing behind.
pub async fn ingest(handler: &Handler, event: &Event, clock: Clock) -> Result<Ingested> {
    let plan = plan(handler, event);
    let nonce = NotificationId::draw(clock.now()).to_string();
    let held = handler
        .store
        .log(event, plan.life, clock.now(), &nonce)
        .await?;
    let replayed = held.replayed;
    if plan.drafts.is_empty() || held.is_settled(clock.now()) {
        return Ok(Ingested {
            replayed,
            notifications: Vec::new(),
        });
    }
    let seed = event.seed();
    let stored = create_held(
        &handler.store,
        clock,
        &plan.drafts,
        handler.retention,
        (held, &seed),
    );
    let accepted = stored.await?;
    let recipients = plan.drafts.iter().flat_map(|draft| &draft.recipients);
    let receipts = accepted.receipts.into_iter().flatten();
    Ok(Ingested {
        replayed,
        notifications: recipients.cloned().zip(receipts).collect(),
    })
}

/// No rules yet: every event is logged, and nobody is told.
fn plan(handler: &Handler, _event: &Event) -> Plan {
    Plan {
        drafts: Vec::new(),
        life: handler.event_retention,
    }
}

fn late() -> Error {
    Error::Unavailable {
        what: "the table",
        source: "it did not take every event in time".into(),
    }
}

/// Ingests the events of a batch, those of one subject one after another; the outcomes are in their order.
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
        for index in lane {
            let outcome = if clock.elapsed() > BUDGET {
                Err(late())
            } else {
                // Each has the time of a request of its own.
                ingest(handler, &events[index], Clock::starting(clock.now())).await
            };
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
