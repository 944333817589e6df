//! One kind of error: a sentence for the person at the terminal, with what to do about it.

use std::fmt;

/// What went wrong, and where there is something to do, what to do.
#[derive(Debug)]
pub(crate) struct Error {
    what: String,
    help: Option<String>,
}

/// The result of everything here that can fail.
pub(crate) type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// An error that says what went wrong.
    pub(crate) fn new(what: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            help: None,
        }
    }

    /// Adds what the reader can do.
    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", self.what)?;
        match &self.help {
            Some(help) => write!(f, "\nhelp: {help}"),
            None => Ok(()),
        }
    }
}

/// Turns an error of the system into a sentence that names what was being done.
pub(crate) trait Context<T> {
    /// `doing` ends the sentence "could not ...".
    fn context(self, doing: impl FnOnce() -> String) -> Result<T>;
}

impl<T, E: fmt::Display> Context<T> for std::result::Result<T, E> {
    fn context(self, doing: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|error| Error::new(format!("could not {}: {error}", doing())))
    }
}
