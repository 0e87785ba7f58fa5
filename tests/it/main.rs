//! One integration test binary: everything is tested through the real programs and sockets.

mod auth;
mod caller;
mod create;
mod devices;
mod docs;
mod events;
mod flow;
mod hostile;
mod inbox;
mod outages;
mod payloads;
mod preferences;
mod pushes;
mod redelivery;
mod stack;
mod tidy;
