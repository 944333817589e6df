//! Why a run, a session or a look at files can't begin.

use rewire::Error;

/// Why a file could not be loaded.
#[derive(Debug)]
pub(crate) enum Problem {
    /// It is bad input.
    Bad(Error),
    /// Its compiler refused it, or there is no compiler.
    Source { what: String, help: Option<String> },
    /// Its kind is not there yet, or an option asks for what can't be done.
    Usage(String),
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        Self::Bad(error)
    }
}
