//! From a stored notification to the screens of its recipient.

mod attempt;
mod clear;
mod deliver;
mod pace;
mod payload;
mod plan;
mod quiet;
mod record;
mod trial;
mod turns;
mod wait;

pub use deliver::{Limits, Pusher, Target, Undone};
pub use pace::Pace;
pub use quiet::Summary;
pub use trial::{Text, Trial, try_out};
