//! A function that could not be compiled or resolved when it was called.

use std::fmt;
use std::sync::Arc;

use rewire_memory::ExecAddr;

use crate::demangle::demangle;
use crate::error::Error;

/// What failed. The caller can't be told: it expects the function to run.
#[derive(Debug)]
#[non_exhaustive]
pub struct Failure<'a> {
    /// The function that was called; `None` if not even that is known.
    pub function: Option<&'a str>,
    /// Why it can't run.
    pub error: &'a Error,
    /// The functions that led to the call, innermost first.
    pub callers: &'a [String],
}

/// As people read it: functions are called by the names that their sources have.
impl fmt::Display for Failure<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "error: {}", self.error)?;
        if let Some(function) = self.function {
            writeln!(f, "  in the first call of {}", demangle(function))?;
        }
        for caller in self.callers {
            writeln!(f, "  called by {}", demangle(caller))?;
        }
        if let Some(help) = self.error.help() {
            writeln!(f, "help: {help}")?;
        }
        Ok(())
    }
}

/// Says where to go instead of a function that failed; see
/// [`Engine::on_failure`](crate::Engine::on_failure).
pub(crate) type FailureHandler = dyn Fn(&Failure<'_>) -> Option<ExecAddr> + Send + Sync;

/// The handler in force.
pub(crate) type Handler = Option<Arc<FailureHandler>>;
