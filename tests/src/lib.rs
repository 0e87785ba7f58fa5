//! The integration tests live in `it/`; here is what is read off them.

pub mod reliability;
pub mod supply;
