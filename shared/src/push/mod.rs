//! From a stored notification to the screens of its recipient.

mod attempt;
mod deliver;
mod pace;
mod payload;
mod plan;
mod record;
mod removal;

pub use deliver::{Limits, Pusher, Target, Undone};
