//! One integration test binary: everything is tested through the real programs and sockets.

// Some of what the tests share serves the proof harness alone.
#![cfg_attr(not(feature = "proof"), allow(dead_code, unused_imports))]

mod answers;
mod apps;
#[cfg(feature = "proof")]
mod audiences;
mod auth;
#[cfg(feature = "proof")]
mod blast;
#[cfg(feature = "proof")]
mod broadcast_ends;
#[cfg(feature = "proof")]
mod broadcast_kills;
#[cfg(feature = "proof")]
mod broadcast_pushes;
#[cfg(feature = "proof")]
mod broadcasts;
mod caller;
#[cfg(feature = "proof")]
mod canaries;
mod capacity;
#[cfg(feature = "proof")]
mod caps;
mod chance;
#[cfg(feature = "proof")]
mod clearing;
mod codes;
mod crashes;
mod create;
mod cursors;
mod dashboard;
#[cfg(feature = "proof")]
mod dead;
mod dedupe;
mod deployment;
mod devices;
mod docs;
mod doctor;
mod document;
mod documented;
#[cfg(feature = "proof")]
mod ending;
mod engine;
#[cfg(feature = "proof")]
mod erase;
#[cfg(feature = "proof")]
mod erase_kills;
#[cfg(feature = "proof")]
mod erase_waits;
#[cfg(feature = "proof")]
mod event_cost;
mod event_log;
mod events;
#[cfg(feature = "proof")]
mod export;
#[cfg(feature = "proof")]
mod fan_out;
#[cfg(feature = "proof")]
mod fan_out_kills;
#[cfg(feature = "proof")]
mod fan_out_memory;
#[cfg(feature = "proof")]
mod fan_out_pace;
#[cfg(feature = "proof")]
mod faults;
mod filters;
mod flow;
#[cfg(feature = "proof")]
mod foreign;
mod forge;
#[cfg(feature = "proof")]
mod freezing;
mod fuzz;
mod ground;
#[cfg(feature = "proof")]
mod groups;
mod hostile;
#[cfg(feature = "proof")]
mod idempotency;
#[cfg(feature = "proof")]
mod import;
mod inbox;
mod ingest;
#[cfg(feature = "proof")]
mod ingest_crashes;
#[cfg(feature = "proof")]
mod ingest_once;
mod ingest_queue;
mod isolation;
#[cfg(feature = "proof")]
mod kills;
#[cfg(feature = "proof")]
mod lifecycle;
mod log_lines;
mod machine;
#[cfg(feature = "proof")]
mod mark_kills;
mod marking;
mod marks;
#[cfg(feature = "proof")]
mod months;
#[cfg(feature = "proof")]
mod moving;
mod odd;
#[cfg(feature = "proof")]
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
#[cfg(feature = "proof")]
mod payloads;
mod phones;
#[cfg(feature = "proof")]
mod platform_apps;
mod platform_bench;
#[cfg(feature = "proof")]
mod platform_faults;
#[cfg(feature = "proof")]
mod poison;
mod preferences;
mod proxy;
#[cfg(feature = "proof")]
mod publishes;
mod pushes;
#[cfg(feature = "proof")]
mod quiet;
#[cfg(feature = "proof")]
mod redelivery;
#[cfg(feature = "proof")]
mod redrives;
mod reliability;
#[cfg(feature = "proof")]
mod removal;
mod retract;
mod rules;
mod sample;
#[cfg(feature = "proof")]
mod schedules;
#[cfg(feature = "proof")]
mod simulation;
mod small;
mod stack;
mod story;
#[cfg(feature = "proof")]
mod sums;
mod supply;
#[cfg(feature = "proof")]
mod sweeps;
mod table;
mod tasks;
mod telemetry;
mod template_controls;
mod template_rules;
mod tidy;
#[cfg(feature = "proof")]
mod time;
#[cfg(feature = "proof")]
mod topics;
#[cfg(feature = "proof")]
mod totality;
#[cfg(feature = "proof")]
mod traces;
#[cfg(feature = "proof")]
mod troubles;
mod versions;
mod wire;
