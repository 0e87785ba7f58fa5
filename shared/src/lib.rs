//! What the functions have in common.
//!
//! The modules stand in one line; each may use what stands before it, never what stands after:
//!
//! `error`, `random` ← `connections` ← `id`, `clock`, `json`, `outgoing`, `traceparent` ← `contract`, `metrics`, `signing` ←
//! `secrets`, `queue` ← `push_options`, `outcome`, `device`, `mutes`,
//! `quiet_hours` ← `preferences`, `notification`, `page` ← `marks`, `filter`, `fold`, `task`, `event` ← `rules` ←
//! `store` ← `broadcast`, `create`, `inbox`, `moving`, `rulebook`, `sns` ← `devices` ← `push`, `stream` ← `http`, `aws`, `telemetry`
//!
//! `clock`, `metrics` and `telemetry` read their variable in `aws`, where the environment is read.

pub mod aws;
pub mod broadcast;
pub mod clock;
pub mod connections;
pub mod contract;
pub mod create;
pub mod device;
pub mod devices;
pub mod error;
pub mod event;
pub mod filter;
pub mod fold;
pub mod http;
pub mod id;
pub mod inbox;
pub mod json;
pub mod marks;
pub mod metrics;
pub mod moving;
pub mod mutes;
pub mod notification;
pub mod outcome;
pub mod outgoing;
pub mod page;
pub mod preferences;
pub mod push;
pub mod push_options;
pub mod queue;
pub mod quiet_hours;
pub mod random;
pub mod rulebook;
pub mod rules;
pub mod secrets;
pub mod signing;
pub mod sns;
pub mod store;
pub mod stream;
pub mod task;
pub mod telemetry;
pub mod traceparent;
