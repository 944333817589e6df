//! Keeps the program's own affairs out of the engine while the engine works on one of its
//! threads, and the engine's traces out of the program.

use std::marker::PhantomData;
use std::ptr;

use rewire_memory::fault;

unsafe extern "C" {
    fn pthread_setcancelstate(state: libc::c_int, old: *mut libc::c_int) -> libc::c_int;
}

const PTHREAD_CANCEL_DISABLE: libc::c_int = 1;

/// While it stands on a thread, no signal arrives there, and threads that it starts begin so.
#[derive(Debug)]
pub(crate) struct BlockedSignals {
    mask: libc::sigset_t,
    _not_send: PhantomData<*const ()>,
}

impl BlockedSignals {
    pub(crate) fn new() -> Self {
        Self {
            mask: block_all_but_faults(),
            _not_send: PhantomData,
        }
    }
}

impl Drop for BlockedSignals {
    fn drop(&mut self) {
        // SAFETY: it is the mask that the thread had before.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const self.mask, ptr::null_mut()) };
    }
}

/// Blocks the signals that don't come of a thread's own instructions; the answer is the former
/// mask.
fn block_all_but_faults() -> libc::sigset_t {
    // SAFETY: these calls change this thread's own mask and fill in plain data.
    unsafe {
        let mut held: libc::sigset_t = std::mem::zeroed();
        let mut mask: libc::sigset_t = std::mem::zeroed();
        libc::sigfillset(&raw mut held);
        for signal in fault::SIGNALS {
            libc::sigdelset(&raw mut held, signal);
        }
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const held, &raw mut mask);
        mask
    }
}

/// While it stands on a thread: no cancellation, and no signal but those that the engine's own
/// instructions raise. When it is dropped, both are as before, and so is `errno`.
#[derive(Debug)]
pub(crate) struct Quiet {
    errno: i32,
    cancel: libc::c_int,
    mask: libc::sigset_t,
    _not_send: PhantomData<*const ()>,
}

impl Quiet {
    pub(crate) fn new() -> Self {
        // SAFETY: these calls change this thread's own settings and fill in plain data.
        unsafe {
            let errno = *libc::__errno_location();
            let mut cancel = 0;
            pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &raw mut cancel);
            Self {
                errno,
                cancel,
                mask: block_all_but_faults(),
                _not_send: PhantomData,
            }
        }
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        // SAFETY: as in `new`.
        unsafe {
            libc::pthread_sigmask(libc::SIG_SETMASK, &raw const self.mask, ptr::null_mut());
            pthread_setcancelstate(self.cancel, ptr::null_mut());
            *libc::__errno_location() = self.errno;
        }
    }
}
