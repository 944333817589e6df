//! The signal by which running threads are asked.
//!
//! It is the highest real-time signal that nobody has a handler for, chosen when it is first
//! needed. A program that sets its dispositions through [`crate::fault::sigaction`] doesn't see
//! it; when it sets a handler of its own for that signal, it gets the signal, and the next scan
//! takes another. Elsewhere, each scan looks whether the handler is still ours.

use std::ffi::c_int;
use std::ptr;
use std::sync::atomic::{AtomicI32, Ordering};

use rewire_sync::{Mutex, MutexGuard, lock};

use crate::signals::SignalsBlocked;
use crate::signals::sigaction::{__sigaction, current, default_action, full_mask};

#[cfg(not(rewire_tsan))]
use super::handler::on_signal;
#[cfg(rewire_tsan)]
use super::tsan::handler;

struct Chosen {
    /// 0 while none is.
    signal: c_int,
    /// What the program would have without us.
    shadow: libc::sigaction,
    /// Signals that the program wanted for itself, as bits.
    given_up: u64,
}

// SAFETY: plain data; the handler in it isn't called through it.
unsafe impl Send for Chosen {}

static CHOSEN: Mutex<Chosen> = Mutex::new(Chosen {
    signal: 0,
    shadow: default_action(),
    given_up: 0,
});

/// The signal in [`CHOSEN`], to be seen without the lock.
static SIGNAL: AtomicI32 = AtomicI32::new(0);

fn chosen() -> MutexGuard<'static, Chosen> {
    lock(&CHOSEN)
}

#[cfg(not(rewire_tsan))]
fn handler() -> usize {
    on_signal as *const () as usize
}

/// The signal to ask by, with its handler in place; `None` when all are the program's.
pub(super) fn ready() -> Option<c_int> {
    let _blocked = SignalsBlocked::block();
    let mut chosen = chosen();
    let is_ours = |signal| current(signal).is_some_and(|now| now.sa_sigaction == handler());
    if chosen.signal != 0 && is_ours(chosen.signal) {
        return Some(chosen.signal);
    }
    let free = |signal: &c_int| {
        chosen.given_up >> (signal - 1) & 1 == 0
            && current(*signal).is_some_and(|now| now.sa_sigaction == libc::SIG_DFL)
    };
    let signal = (libc::SIGRTMIN()..=libc::SIGRTMAX()).rev().find(free)?;
    let mut action = default_action();
    action.sa_sigaction = handler();
    action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_RESTART;
    action.sa_mask = full_mask();
    // SAFETY: the handler has the type that SA_SIGINFO asks for.
    if unsafe { __sigaction(signal, &raw const action, &raw mut chosen.shadow) } != 0 {
        return None;
    }
    chosen.signal = signal;
    SIGNAL.store(signal, Ordering::Relaxed);
    Some(signal)
}

/// `sigaction` of the program, if it is about our signal.
///
/// # Safety
///
/// As of [`crate::fault::sigaction`].
pub(crate) unsafe fn sigaction_of_program(
    signal: c_int,
    action: *const libc::sigaction,
    former: *mut libc::sigaction,
) -> Option<c_int> {
    if signal == 0 || SIGNAL.load(Ordering::Relaxed) != signal {
        return None;
    }
    // No handler may come by while the lock is held, nor may this thread be parked.
    let _blocked = SignalsBlocked::block();
    let mut chosen = chosen();
    if chosen.signal != signal {
        return None;
    }
    let was = chosen.shadow;
    // SAFETY: the pointers are as the caller promises.
    if let Some(action) = unsafe { action.as_ref() } {
        if action.sa_sigaction == libc::SIG_DFL {
            chosen.shadow = *action;
        } else {
            chosen.signal = 0;
            SIGNAL.store(0, Ordering::Relaxed);
            chosen.given_up |= 1 << (signal - 1);
            // SAFETY: as the caller promises.
            let failed = unsafe { __sigaction(signal, action, ptr::null_mut()) };
            if failed != 0 {
                return Some(failed);
            }
        }
    }
    // SAFETY: as above.
    if let Some(former) = unsafe { former.as_mut() } {
        *former = was;
    }
    Some(0)
}

/// Where the kernel has handlers return to: the word below each frame of a signal. `None` until a
/// handler of ours is in place.
pub(super) fn restorer() -> Option<u64> {
    /// `struct kernel_sigaction` of x86-64.
    #[repr(C)]
    #[derive(Default)]
    struct Action {
        handler: u64,
        flags: u64,
        restorer: u64,
        mask: u64,
    }
    let signal = ready()?;
    let mut action = Action::default();
    // SAFETY: the structure is what the kernel fills in (rt_sigaction(2)).
    let failed = unsafe {
        let place = &raw mut action;
        libc::syscall(libc::SYS_rt_sigaction, signal, 0usize, place, 8usize)
    };
    (failed == 0 && action.restorer != 0).then_some(action.restorer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault;

    extern "C" fn nothing(_signal: c_int) {}

    #[test]
    fn the_program_does_not_see_our_signal() {
        let signal = ready().unwrap();
        assert_eq!(ready(), Some(signal));
        assert!(restorer().is_some());
        // SAFETY: zeroed bytes are a valid `sigaction`, and the handlers exist.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            let mut former: libc::sigaction = std::mem::zeroed();
            let (action_at, former_at) = (&raw mut action, &raw mut former);
            fault::sigaction(signal, ptr::null(), former_at);
            assert_eq!((*former_at).sa_sigaction, libc::SIG_DFL);
            // Whoever resets all signals doesn't reset ours.
            fault::sigaction(signal, action_at, ptr::null_mut());
            assert_eq!(ready(), Some(signal));
            // A handler of the program's own gets the signal; we take another.
            (*action_at).sa_sigaction = nothing as *const () as usize;
            fault::sigaction(signal, action_at, former_at);
            assert_eq!((*former_at).sa_sigaction, libc::SIG_DFL);
            assert_eq!(
                current(signal).unwrap().sa_sigaction,
                nothing as *const () as usize
            );
            let other = ready().unwrap();
            assert_ne!(other, signal);
            (*action_at).sa_sigaction = libc::SIG_DFL;
            fault::sigaction(signal, action_at, ptr::null_mut());
            assert_eq!(ready(), Some(other));
        }
    }
}
