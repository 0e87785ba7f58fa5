//! From a stored notification to the screens of its recipient.

mod attempt;
mod deliver;
mod payload;
mod removal;

pub use deliver::{Pusher, Target, Undone};
