//! Keeps the program's own affairs out of the engine while the engine works on one of its
//! threads, and the engine's traces out of the program. Cancellation has to be kept out where the
//! engine is entered ([`rewire_memory::entry`]): a thread may be unwound when it is allowed again.

use std::marker::PhantomData;
use std::ptr;

use rewire_memory::fault::{self, AlternateStack, Working};

/// Which signals a thread blocks.
#[derive(Clone, Copy)]
pub(crate) struct Mask(libc::sigset_t);

impl Mask {
    /// The calling thread's.
    pub(crate) fn current() -> Self {
        // SAFETY: the call fills in plain data.
        unsafe {
            let mut mask: libc::sigset_t = std::mem::zeroed();
            libc::pthread_sigmask(libc::SIG_BLOCK, ptr::null(), &raw mut mask);
            Self(mask)
        }
    }

    /// Makes it the calling thread's.
    pub(crate) fn set(&self) {
        // SAFETY: changes this thread's own mask.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const self.0, ptr::null_mut()) };
    }
}

impl std::fmt::Debug for Mask {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mask").finish_non_exhaustive()
    }
}

/// While it stands on a thread, no signal arrives there, and threads that it starts begin so.
#[derive(Debug)]
pub(crate) struct BlockedSignals {
    mask: Mask,
    _not_send: PhantomData<*const ()>,
}

impl BlockedSignals {
    pub(crate) fn new() -> Self {
        // A fault of the engine's is the host's to handle, where the engine has no handlers.
        Self {
            mask: block(!fault::is_installed()),
            _not_send: PhantomData,
        }
    }
}

impl Drop for BlockedSignals {
    fn drop(&mut self) {
        self.mask.set();
    }
}

/// Blocks all signals, or those that don't come of a thread's own instructions; the answer is the
/// former mask.
fn block(but_faults: bool) -> Mask {
    // SAFETY: these calls change this thread's own mask and fill in plain data.
    unsafe {
        let mut held: libc::sigset_t = std::mem::zeroed();
        let mut mask: libc::sigset_t = std::mem::zeroed();
        libc::sigfillset(&raw mut held);
        if but_faults {
            for signal in fault::SIGNALS {
                libc::sigdelset(&raw mut held, signal);
            }
        }
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const held, &raw mut mask);
        Mask(mask)
    }
}

/// While it stands on a thread: no signal but those that instructions of the engine's, or of what it
/// calls, raise. When it is dropped, the mask is as before, and so is `errno`.
#[derive(Debug)]
pub(crate) struct Quiet {
    errno: i32,
    mask: Mask,
    stack: Option<AlternateStack>,
    working: Option<Working>,
}

impl Quiet {
    pub(crate) fn new() -> Self {
        // SAFETY: the thread's own.
        let errno = unsafe { *libc::__errno_location() };
        let has_handlers = fault::is_installed();
        // All at first: what the program has blocked stays so, also where it is pending.
        let mask = block(!has_handlers);
        let working = Some(Working::begin());
        if has_handlers {
            block(true);
        }
        Self {
            errno,
            mask,
            working,
            stack: AlternateStack::where_in_use(),
        }
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        drop(self.stack.take());
        drop(self.working.take());
        self.mask.set();
        // SAFETY: as in `new`.
        unsafe { *libc::__errno_location() = self.errno };
    }
}
