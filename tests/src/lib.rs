//! The integration tests live in `it/`; here is what is read off them, and the API's document.

pub mod api;
pub mod reliability;
pub mod supply;
