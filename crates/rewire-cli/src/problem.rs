//! Why a run, a session or a look at files can't begin.

use rewire::Error;

/// Why a file could not be loaded.
#[derive(Debug)]
pub(crate) enum Problem {
    /// It is bad input.
    Bad(Error),
    /// It is bad input in another way, or its compiler is missing.
    Source { what: String, help: Option<String> },
    /// Its compiler refused it, and said why.
    Refused { what: String, said: String },
    /// Its kind is not there yet, or an option asks for what can't be done.
    Usage { what: String, help: Option<String> },
}

impl Problem {
    /// Something that is not there yet, or can't be done.
    pub(crate) fn usage(what: impl Into<String>, help: impl Into<String>) -> Self {
        Self::Usage {
            what: what.into(),
            help: Some(help.into()),
        }
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        Self::Bad(error)
    }
}
