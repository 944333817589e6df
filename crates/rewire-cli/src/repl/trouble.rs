//! Why an input failed.

use std::sync::Arc;

use rewire::Error;

use super::lexer::quote;
use super::stop;
use crate::problem::Problem;

/// An input that failed. It has changed nothing, unless it was a call.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// The engine says so.
    Engine(Error),
    /// The program itself says so.
    Said {
        /// What is wrong.
        what: String,
        /// What to do about it.
        help: Option<String>,
    },
    /// A compiler refused a source, and said why.
    Refused {
        /// What was refused.
        what: String,
        /// The compiler's messages.
        said: String,
    },
    /// As [`Trouble::Said`], at a place of the input: its line, from 1.
    At {
        /// The line of the input.
        line: usize,
        /// The column, from 1.
        column: usize,
        /// What is wrong.
        what: String,
        /// What to do about it.
        help: Option<String>,
    },
}

impl Trouble {
    /// The same as what is wrong with the function that a bridge calls, if it is the bridge that
    /// LLVM doesn't accept: the user knows of none.
    pub(crate) fn about(self, name: &str) -> Self {
        let text = match &self {
            Self::Engine(error) => error.to_string(),
            Self::Said { what, .. } => what.clone(),
            _ => return self,
        };
        let Some((_, rest)) = text.rsplit_once(stop::PREFIX) else {
            return self;
        };
        let reason = rest.trim_start_matches(|c: char| c.is_ascii_digit());
        let Some(reason) = reason.strip_prefix(": ") else {
            return self;
        };
        let reason = reason.lines().next().unwrap_or_default();
        Self::with_help(
            format!("{} can't be called here: {reason}", quote(name)),
            "define a function of plain parameters that calls it",
        )
    }

    /// What is wrong, without a place and what to do.
    pub(crate) fn what(self) -> String {
        match self {
            Self::Engine(error) => error.to_string(),
            Self::Said { what, .. } | Self::Refused { what, .. } | Self::At { what, .. } => what,
        }
    }

    /// Something that is wrong, with nothing to do about it.
    pub(crate) fn said(what: impl Into<String>) -> Self {
        Self::Said {
            what: what.into(),
            help: None,
        }
    }

    /// Something that is wrong, and what to do.
    pub(crate) fn with_help(what: impl Into<String>, help: impl Into<String>) -> Self {
        Self::Said {
            what: what.into(),
            help: Some(help.into()),
        }
    }

    /// Why a call came back. The REPL's own frames, those below the bridge, are left out.
    pub(super) fn of_call(error: Error) -> Self {
        if let Error::Stopped { stopped } = &error {
            return Self::Said {
                what: stop::describe(stopped),
                help: error.help(),
            };
        }
        let Error::Call {
            error: cause,
            callers,
            ..
        } = &error
        else {
            return error.into();
        };
        let mut what = cause.to_string();
        let is_ours = |name: &&Arc<str>| name.starts_with(stop::PREFIX);
        for caller in callers.iter().take_while(|name| !is_ours(name)) {
            what.push_str("\n  called by ");
            what.push_str(&rewire::demangle(caller));
        }
        Self::Said {
            what,
            help: error.help(),
        }
    }
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self::Engine(error)
    }
}

impl From<Problem> for Trouble {
    fn from(problem: Problem) -> Self {
        match problem {
            Problem::Bad(error) => Self::Engine(error),
            Problem::Source { what, help } => Self::Said { what, help },
            Problem::Refused { what, said } => Self::Refused { what, said },
            Problem::Usage { what, help } => Self::Said { what, help },
        }
    }
}
