//! Calls the client's closures: resolvers, closures that make IR, listeners.
//!
//! If a closure panics during a first call, the panic unwinds into the code that made the call, as
//! if the called function had panicked. The panic can't unwind through the engine's own frames,
//! because they are on another stack, and because the engine has to undo what it began. So the
//! engine catches the panic, keeps it, and resumes it once it has left its own frames.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;

use rewire_memory::ExecAddr;
use rewire_memory::unwind::give_up;

use super::workers;
use crate::base::error::Error;
use crate::host::fork_lock;

thread_local! {
    static PANIC: Cell<Option<Box<dyn Any + Send>>> = const { Cell::new(None) };
}

/// Calls a closure of the client's for a name. The closure may run compiled code.
pub(crate) fn call<R>(name: &Arc<str>, work: impl FnOnce() -> R) -> Result<R, Error> {
    call_or(|| Error::Panicked { name: name.clone() }, work)
}

/// As [`call`], with the error that a panic becomes.
pub(crate) fn call_or<R>(
    error: impl FnOnce() -> Error,
    work: impl FnOnce() -> R,
) -> Result<R, Error> {
    PANIC.set(None);
    let result = outside(|| catch_unwind(AssertUnwindSafe(work)));
    result.map_err(|payload| {
        PANIC.set(Some(payload));
        error()
    })
}

/// Runs code of the client's, which doesn't panic. No lock may be held.
pub(crate) fn outside<R>(work: impl FnOnce() -> R) -> R {
    let _outside = fork_lock::outside();
    workers::as_program(work)
}

/// Returns the address that resumes a panic that was caught on this thread, for a call that returns
/// to `caller`; `None` if there is no such panic.
pub(crate) fn goes_on(caller: ExecAddr) -> Option<ExecAddr> {
    let payload = PANIC.take()?;
    if give_up::is_given_up(&*payload) {
        give_up::go_on(caller);
    }
    PANIC.set(Some(payload));
    Some(ExecAddr::new(go_on as *const () as u64))
}

/// Runs instead of the called function, with the stack as at that function's entry, and resumes the
/// panic.
extern "C-unwind" fn go_on() {
    if let Some(payload) = PANIC.take() {
        resume_unwind(payload);
    }
}
