//! The state of the program that runs in an engine.

use std::io::Write;

use rewire_sync::Mutex;

use super::exit_functions::ExitFunctions;
use super::structors::Structors;
use crate::base::escape::escape_control;
use crate::base::sync::lock;

/// The state of the program that runs in an engine.
#[derive(Default)]
pub(crate) struct Process {
    pub(crate) structors: Mutex<Structors>,
    pub(crate) exit_functions: Mutex<ExitFunctions>,
    /// The hooks that are called before the process ends because a function could not be compiled.
    at_failure: Mutex<Vec<Box<dyn FnMut() + Send>>>,
}

impl Process {
    pub(crate) fn add_at_failure(&self, hook: Box<dyn FnMut() + Send>) {
        lock(&self.at_failure).push(hook);
    }

    /// Ends the process with a message and [`EXIT_COMPILE`](crate::EXIT_COMPILE). The program's own
    /// output is flushed first. Its destructors don't run, because the program may be in the middle
    /// of anything.
    pub(crate) fn fail(&self, message: &str) -> ! {
        // SAFETY: C's streams may be flushed at any time.
        unsafe { libc::fflush(std::ptr::null_mut()) };
        let _ = write!(std::io::stderr(), "{}", escape_control(message));
        let hooks = std::mem::take(&mut *lock(&self.at_failure));
        for mut hook in hooks {
            hook();
        }
        // SAFETY: it ends the process.
        unsafe { libc::_exit(crate::EXIT_COMPILE) }
    }
}
