//! Turns a crash inside LLVM into an error message and an exit code.
//!
//! LLVM trusts its input: of bitcode files with flipped bits, one in twelve makes it crash. A
//! crash can't be undone, because LLVM's state is lost, but it need not look like the program's:
//! while a [`CrashGuard`] stands on a thread, a fault of that thread prints the guard's message and
//! ends the process with the guard's code. All other signals are the program's, those of the same
//! numbers that somebody has sent included: they arrive once the engine has left the thread.
//!
//! The handlers are in place from [`install`] on, and never change places with the program's: no
//! signal finds the one where it should have found the other. What the program wants of these signals
//! is known beside ([`dispositions`]), and happens as if its handlers were in place themselves
//! ([`arrival`]).

mod arrival;
mod dispositions;
mod stacks;

use std::cell::Cell;
use std::ffi::c_int;
use std::io::Write;
use std::marker::PhantomData;
use std::ptr;

pub use dispositions::{install, sigaction};
pub use stacks::AlternateStack;

/// The signals that a thread's own instructions raise.
pub const SIGNALS: [i32; 6] = [
    libc::SIGSEGV,
    libc::SIGBUS,
    libc::SIGILL,
    libc::SIGFPE,
    libc::SIGABRT,
    libc::SIGTRAP,
];

/// Whether the engine's handlers are in place.
#[must_use]
pub fn is_installed() -> bool {
    dispositions::are_ours()
}

/// What a thread says when it crashes.
struct Crash {
    message: String,
    code: i32,
}

thread_local! {
    static CRASH: Cell<*const Crash> = const { Cell::new(ptr::null()) };
    /// How many [`Working`] stand.
    static WORKING: Cell<usize> = const { Cell::new(0) };
}

/// While it stands on a thread, signals of these numbers that somebody sends there wait until the
/// thread's mask is set again. Whoever makes one blocks them before, and sets the mask of before after
/// its drop.
#[derive(Debug)]
pub struct Working {
    _not_send: PhantomData<*const ()>,
}

impl Working {
    /// The engine works on this thread from here on.
    #[must_use]
    pub fn begin() -> Self {
        WORKING.set(WORKING.get() + 1);
        Self {
            _not_send: PhantomData,
        }
    }
}

impl Drop for Working {
    fn drop(&mut self) {
        WORKING.set(WORKING.get() - 1);
    }
}

/// While it stands, a crash of this thread is reported as `message` and ends the process.
#[derive(Debug)]
pub struct CrashGuard {
    before: *const Crash,
    crash: *mut Crash,
    stack: Option<AlternateStack>,
    /// The mask to set again, where nobody else does.
    mask: Option<libc::sigset_t>,
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
        let mask = (is_first && WORKING.get() == 0).then(|| change_mask(libc::SIG_BLOCK));
        let before = CRASH.replace(crash);
        if mask.is_some() {
            // A fault whose signal is blocked ends the process without a word.
            change_mask(libc::SIG_UNBLOCK);
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

/// Blocks the signals of faults or lets them through; the answer is the mask of before.
fn change_mask(how: c_int) -> libc::sigset_t {
    // SAFETY: these calls change this thread's own mask and fill in plain data.
    unsafe {
        let mut faults: libc::sigset_t = std::mem::zeroed();
        let mut mask: libc::sigset_t = std::mem::zeroed();
        for signal in SIGNALS {
            libc::sigaddset(&raw mut faults, signal);
        }
        libc::pthread_sigmask(how, &raw const faults, &raw mut mask);
        mask
    }
}

impl Drop for CrashGuard {
    fn drop(&mut self) {
        drop(self.stack.take());
        CRASH.set(self.before);
        // SAFETY: made by `new`, and nobody refers to it any more.
        drop(unsafe { Box::from_raw(self.crash) });
        if let Some(mask) = &self.mask {
            // SAFETY: it is the mask that the thread had before.
            unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, mask, ptr::null_mut()) };
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
