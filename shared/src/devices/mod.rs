//! The life of a device: registered, given up, found dead.

mod erase;
mod event;
mod register;
mod removal;

pub use erase::erase;
pub use event::Notice;
pub use register::{Arrival, register};
pub use removal::{Removal, clean, remove, remove_dead, remove_silent};
