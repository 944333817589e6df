//! Blocks signals on the calling thread.

use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::ptr;

/// Every signal, those that the C library keeps for itself included: they unwind a thread that is
/// being cancelled, and a handler of ours is no place for that.
pub(crate) fn all_signals() -> libc::sigset_t {
    // SAFETY: every bit pattern is a valid set.
    unsafe {
        let mut all = MaybeUninit::<libc::sigset_t>::uninit();
        all.as_mut_ptr()
            .cast::<u8>()
            .write_bytes(0xff, size_of::<libc::sigset_t>());
        all.assume_init()
    }
}

/// While it stands, no signal arrives on this thread, and a cancellation waits. Safe in a signal
/// handler.
#[derive(Debug)]
pub struct SignalsBlocked {
    before: libc::sigset_t,
    _not_send: PhantomData<*const ()>,
}

impl SignalsBlocked {
    /// Blocks them.
    #[must_use]
    pub fn block() -> Self {
        let all = all_signals();
        // SAFETY: changes this thread's own mask. The kernel is asked directly: the C library
        // would leave its own signals unblocked.
        unsafe {
            let mut before: libc::sigset_t = std::mem::zeroed();
            set_mask(&raw const all, &raw mut before);
            Self {
                before,
                _not_send: PhantomData,
            }
        }
    }
}

impl Drop for SignalsBlocked {
    fn drop(&mut self) {
        // SAFETY: it is the mask that the thread had before.
        unsafe { set_mask(&raw const self.before, ptr::null_mut()) };
    }
}

unsafe fn set_mask(mask: *const libc::sigset_t, former: *mut libc::sigset_t) {
    // SAFETY: the kernel reads and writes the first 8 bytes (rt_sigprocmask(2)).
    unsafe {
        libc::syscall(
            libc::SYS_rt_sigprocmask,
            libc::SIG_SETMASK,
            mask,
            former,
            8usize,
        )
    };
}
