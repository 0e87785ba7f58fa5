//! Runs a SAM template on this machine: the real function binaries over the Lambda Runtime API, and narrow stand-ins
//! for the managed services around them, in one process and on 127.0.0.1 only.

// Both panic when nobody reads any more; what is said goes through `say`.
#![deny(clippy::print_stderr, clippy::print_stdout)]

mod asynchronous;
mod clock;
mod control;
mod cors;
mod custom;
mod door;
mod error;
pub mod filter;
pub mod function;
mod gateway;
mod http_event;
mod http_reply;
mod ids;
mod instance;
mod intrinsics;
pub mod mapping;
pub mod outbox;
mod output;
mod parameters;
pub mod queue;
mod routes;
mod runtime_api;
mod schedule;
pub mod secrets;
pub mod sns;
mod stack;
pub mod state;
pub mod table;
pub mod template;
mod throttle;
mod tokens;
pub mod topics;
pub mod yaml;

pub use clock::Clock;
pub use error::{Error, Result};
pub use output::{log as function_log, say, watch_log};
pub use stack::{Options, Stack, listen};
pub use tokens::Signer;
