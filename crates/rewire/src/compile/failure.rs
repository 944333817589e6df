//! A function that could not be compiled or resolved when it was called.
//!
//! Its caller can't be told: it expects the function to run. So, in this order: the client's
//! handler may say where to go instead; the thread goes back to where the client entered compiled
//! code, if it did so by [`Library::call`](crate::Library::call) and all frames between can be
//! unwound (`rewire-memory/src/unwind/give_up.rs`); the process ends.

use std::cell::Cell;
use std::ptr;
use std::sync::Arc;

use rewire_memory::ExecAddr;
use rewire_memory::unwind::give_up;

use crate::base::error::{Error, Failure};
use crate::core::Core;

/// Why a call by the client is being given up.
type AbandonReason = Cell<Option<Error>>;

thread_local! {
    /// Where the innermost call by the client wants to know it. No destructor: functions are called
    /// for the first time also while a thread's variables are destroyed.
    static REASON: Cell<*const AbandonReason> = const { Cell::new(ptr::null()) };
}

/// Runs compiled code for a client that takes an error for an answer.
pub(crate) fn catch<R>(work: impl FnOnce() -> Result<R, Error>) -> Result<R, Error> {
    /// Gives the place back to the next outer call.
    struct RestoreReason(*const AbandonReason);
    impl Drop for RestoreReason {
        fn drop(&mut self) {
            REASON.set(self.0);
        }
    }
    let reason = AbandonReason::default();
    let _leave = RestoreReason(REASON.replace(&raw const reason));
    match give_up::catch(work) {
        Some(result) => result,
        None => {
            let unknown = || Error::Internal("a call was given up without a reason".to_owned());
            Err(reason.take().unwrap_or_else(unknown))
        }
    }
}

/// What to do about a function that can't run, whose call returns to `caller`: the address to go to
/// instead. The process ends, if there is none.
pub(crate) fn fail(
    core: &Core,
    caller: ExecAddr,
    function: Option<String>,
    error: Error,
    callers: Vec<String>,
) -> ExecAddr {
    let failure = Failure {
        function: function.as_deref(),
        // A client asks which error it is.
        error: error.cause(),
        callers: &callers,
    };
    let handler = rewire_sync::read(&core.failure_handler).clone();
    if let Some(instead) = handler.and_then(|handler| handler(&failure)) {
        return instead;
    }
    if !give_up::prepare(caller) {
        core.process.fail(&failure.to_string());
    }
    // SAFETY: the call that it belongs to is on this thread's stack, for `prepare` has found it.
    if let Some(reason) = unsafe { REASON.get().as_ref() } {
        reason.set(Some(Error::Call {
            error: match error {
                Error::Again(error) => error,
                other => Arc::new(other),
            },
            function: function.map(Into::into),
            callers: callers.into_iter().map(Into::into).collect(),
        }));
    }
    give_up::give_up()
}
