//! Decides what happens when a called function could not be compiled or resolved.
//!
//! The caller can't be given an error, because it expects the function to run. So the engine does
//! the first of these that is possible: it runs the function that the client's handler names
//! instead; it unwinds the thread to where the client entered compiled code, if the client did so
//! by [`Library::call`](crate::Library::call) or [`Engine::run_main`](crate::Engine::run_main) and
//! all frames in between can be unwound (`rewire-memory/src/unwind/give_up.rs`); it ends the
//! process.

use std::cell::Cell;
use std::ptr;
use std::sync::Arc;

use rewire_memory::ExecAddr;
use rewire_memory::unwind::give_up;

use crate::base::error::{Error, Failure};
use crate::core::Core;

/// The reason why a call by the client is being abandoned.
type AbandonReason = Cell<Option<Error>>;

thread_local! {
    /// Where the innermost call by the client waits for the reason. It has no destructor, because
    /// functions may be called for the first time while a thread's variables are being destroyed.
    static REASON: Cell<*const AbandonReason> = const { Cell::new(ptr::null()) };
}

/// Runs compiled code for a client; if the call is abandoned, returns the reason as the error.
pub(crate) fn catch<R>(work: impl FnOnce() -> Result<R, Error>) -> Result<R, Error> {
    /// Restores the place of the next outer call.
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

/// Handles a function that can't run, whose call returns to `caller`. Returns the address to go to
/// instead, or ends the process.
pub(crate) fn fail(
    core: &Core,
    caller: ExecAddr,
    function: Option<String>,
    error: Error,
    callers: Vec<String>,
) -> ExecAddr {
    let failure = Failure {
        function: function.as_deref(),
        // The client sees the original error, not a repetition of it.
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
    // SAFETY: `prepare` has found the client's call on this thread's stack, so the place that it
    // set is still valid.
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
