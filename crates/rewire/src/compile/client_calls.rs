//! Calls of the client's closures: resolvers, and those that make IR.
//!
//! A closure that panics during a first call unwinds into the code that made the call, as if the
//! function that it called had panicked. The panic can't pass through the engine's own frames: they
//! lie on another stack, and what the engine had begun has to be undone. So it is caught, kept, and
//! goes on once the engine has left.

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

/// Calls a closure of the client's for a name. It may run compiled code.
pub(crate) fn call<R>(name: &Arc<str>, work: impl FnOnce() -> R) -> Result<R, Error> {
    PANIC.set(None);
    let result = {
        let _outside = fork_lock::outside();
        workers::as_program(|| catch_unwind(AssertUnwindSafe(work)))
    };
    result.map_err(|payload| {
        PANIC.set(Some(payload));
        Error::Panicked { name: name.clone() }
    })
}

/// Where to go so that a panic that was caught on this thread goes on, from a call that returns to
/// `caller`; `None` if there is none.
pub(crate) fn goes_on(caller: ExecAddr) -> Option<ExecAddr> {
    let payload = PANIC.take()?;
    if give_up::is_given_up(&*payload) {
        give_up::go_on(caller);
    }
    PANIC.set(Some(payload));
    Some(ExecAddr::new(go_on as *const () as u64))
}

/// Gone to instead of the function that was called, with the stack as at its entry.
extern "C-unwind" fn go_on() {
    if let Some(payload) = PANIC.take() {
        resume_unwind(payload);
    }
}
