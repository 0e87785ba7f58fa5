//! What stops the local stack.

use std::fmt;

/// What stops the local stack, in words for the person at the terminal.
#[derive(Debug)]
pub struct Error(String);

/// The result of everything that can stop the local stack.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// An error that says `message`, a whole sentence without its full stop.
    pub fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl std::error::Error for Error {}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        Self(error.to_string())
    }
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        Self(format!("the state file: {error}"))
    }
}
