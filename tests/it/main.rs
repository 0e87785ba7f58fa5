//! One integration test binary: everything is tested through the real programs and sockets.

// Some of what the tests share serves the proof harness alone.
#![cfg_attr(not(feature = "proof"), allow(dead_code))]

mod answers;
mod auth;
#[cfg(feature = "proof")]
mod blast;
mod broadcasts;
mod caller;
mod capacity;
mod caps;
mod chance;
mod clearing;
mod crashes;
mod create;
mod cursors;
mod dead;
mod dedupe;
mod devices;
mod docs;
mod ending;
mod event_cost;
mod event_log;
mod events;
#[cfg(feature = "proof")]
mod faults;
mod filters;
mod flow;
#[cfg(feature = "proof")]
mod freezing;
mod ground;
mod groups;
mod hostile;
mod idempotency;
mod inbox;
mod ingest;
#[cfg(feature = "proof")]
mod ingest_crashes;
mod ingest_once;
mod ingest_queue;
mod isolation;
#[cfg(feature = "proof")]
mod kills;
#[cfg(feature = "proof")]
mod lifecycle;
mod machine;
mod marking;
mod marks;
mod months;
mod odd;
mod once;
#[cfg(feature = "proof")]
mod outages;
#[cfg(feature = "proof")]
mod overlaps;
#[cfg(feature = "proof")]
mod parked;
#[cfg(feature = "proof")]
mod patience;
mod paused;
mod payloads;
mod phones;
mod platform_apps;
mod platform_bench;
#[cfg(feature = "proof")]
mod platform_faults;
mod preferences;
mod proxy;
#[cfg(feature = "proof")]
mod publishes;
mod pushes;
mod quiet;
mod redelivery;
#[cfg(feature = "proof")]
mod redrives;
mod removal;
mod retract;
mod rules;
mod schedules;
mod small;
mod stack;
mod story;
#[cfg(feature = "proof")]
mod sweeps;
mod table;
mod tasks;
mod tidy;
mod time;
mod totality;
mod troubles;
mod wire;
