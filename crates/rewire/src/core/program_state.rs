//! What an engine remembers of the program that runs in it.

use std::io::Write;

use rewire_sync::Mutex;

use super::exit_functions::ExitFunctions;
use super::structors::Structors;
use crate::base::escape::escape_control;
use crate::base::sync::lock;

/// What an engine remembers of the program that runs in it.
#[derive(Default)]
pub(crate) struct Process {
    pub(crate) structors: Mutex<Structors>,
    pub(crate) exit_functions: Mutex<ExitFunctions>,
    /// Called before the process ends because a function could not be compiled.
    at_failure: Mutex<Vec<Box<dyn FnMut() + Send>>>,
}

impl Process {
    pub(crate) fn add_at_failure(&self, hook: Box<dyn FnMut() + Send>) {
        lock(&self.at_failure).push(hook);
    }

    /// Ends the process with a message and the code for what failed at run time. The program's
    /// own output comes first; its destructors don't run, for it is in the middle of something.
    pub(crate) fn fail(&self, message: &str) -> ! {
        // SAFETY: flushing all of C's streams is always possible.
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
