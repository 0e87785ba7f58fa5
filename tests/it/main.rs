//! One integration test binary: everything is tested through the real programs and sockets.

mod auth;
mod caller;
mod capacity;
mod chance;
mod crashes;
mod create;
mod devices;
mod docs;
mod ending;
mod events;
mod faults;
mod flow;
mod ground;
mod hostile;
mod idempotency;
mod inbox;
mod machine;
mod outages;
mod payloads;
mod preferences;
mod proxy;
mod pushes;
mod redelivery;
mod stack;
mod tidy;
