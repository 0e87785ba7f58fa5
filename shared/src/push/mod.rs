//! From a stored notification to the screens of its recipient.

mod attempt;
mod deliver;
mod payload;
mod trial;

pub use deliver::{Pusher, Target, Undone};
pub use trial::{Text, Trial, try_out};
