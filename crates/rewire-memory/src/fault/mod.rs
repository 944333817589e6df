//! Turns a crash inside LLVM into an error message and an exit code.
//!
//! LLVM trusts its input: of bitcode files with flipped bits, one in twelve makes it crash. A
//! crash can't be undone, because LLVM's state is lost, but it need not look like the program's:
//! while a [`CrashGuard`] stands on a thread, a fault of that thread prints the guard's message and
//! ends the process with the guard's code. All other signals are the program's, those of the same
//! numbers that somebody has sent included: they arrive once the engine has left the thread.
//!
//! The handlers are in place from [`install`] on, and never change places with the program's: no
//! signal finds the one where it should have found the other. What the program wants of these
//! signals is known beside (`program_handlers.rs`, `dispositions.rs`), and happens as if its
//! handlers were in place themselves (`arrival.rs`).

mod arrival;
mod dispositions;
mod program_handlers;
mod stacks;
mod thread_state;

use std::io::Write;
use std::marker::PhantomData;

use crate::signals::{self, set_mask};
use thread_state::{CRASH, Crash, IS_OURS, WORKING};

pub use arrival::count_put_off;
pub use dispositions::{install, is_installed, sigaction};
pub use program_handlers::SIGNALS;
pub use stacks::AlternateStack;
pub(crate) use thread_state::EngineWork;
pub use thread_state::own_this_thread;

/// From now on, `look_after` is asked first about a fault of the program's, unless the program sets
/// a handler for it after this.
pub(crate) fn on_faults_of_program(look_after: arrival::LookAfter) {
    install();
    program_handlers::note_hosts();
    arrival::set_look_after(look_after);
}

/// While it lives, a crash of this thread is reported as `message` and ends the process.
#[derive(Debug)]
pub struct CrashGuard {
    before: *const Crash,
    crash: *mut Crash,
    stack: Option<AlternateStack>,
    /// The mask to set again, where nobody else does.
    mask: Option<MaskBeforeGuard>,
    _not_send: PhantomData<*const ()>,
}

impl CrashGuard {
    /// Stands guard. The message is written as it is, to standard error.
    #[must_use]
    pub fn new(message: String, code: i32) -> Self {
        install();
        let crash = Box::into_raw(Box::new(Crash { message, code }));
        let is_first = CRASH.get().is_null();
        // Where the engine works, they are let through already.
        let mask = (is_first && WORKING.get() == 0).then(MaskBeforeGuard::block);
        let before = CRASH.replace(crash);
        if let Some(mask) = &mask {
            mask.open();
        }
        Self {
            before,
            crash,
            stack: is_first.then(AlternateStack::where_none).flatten(),
            mask,
            _not_send: PhantomData,
        }
    }
}

/// The mask of a thread before its guard.
#[derive(Debug)]
struct MaskBeforeGuard(u64);

impl MaskBeforeGuard {
    /// Blocks all signals that the thread doesn't block already.
    fn block() -> Self {
        Self(set_mask(!0))
    }

    /// Lets the signals of faults through: a fault whose signal is blocked ends the process without
    /// a word. What the program blocks stays blocked, for somebody may wait for it.
    fn open(&self) {
        let faults = signals::fault_signals();
        let kept = if IS_OURS.get() {
            self.0 & !faults
        } else {
            self.0
        };
        set_mask(kept);
    }
}

impl Drop for CrashGuard {
    fn drop(&mut self) {
        drop(self.stack.take());
        CRASH.set(self.before);
        // SAFETY: made by `new`, and nobody refers to it any more.
        drop(unsafe { Box::from_raw(self.crash) });
        if let Some(MaskBeforeGuard(mask)) = self.mask {
            set_mask(mask);
        }
    }
}

/// Ends the process as a crash would, for an error that LLVM itself does not survive: with the
/// guard's message and `reason`. Returns when no guard stands on this thread.
pub fn end_by(reason: &str) {
    let crash = CRASH.get();
    if crash.is_null() {
        return;
    }
    // SAFETY: the guard that set it still stands: it is on this thread's stack.
    let crash = unsafe { &*crash };
    let _ = writeln!(std::io::stderr(), "{}  {reason}", crash.message);
    // SAFETY: it ends the process.
    unsafe { libc::_exit(crash.code) };
}
