//! What the program wants of the signals that faults raise, while the engine's handlers are in
//! place.
//!
//! The kernel has the program's flags and mask beside the engine's handler, so that it does with
//! each signal what it would do for the program: blocks what the mask says, restarts system calls,
//! takes the alternate stack. The program's handler is in a word of ours. What the program ignores
//! the kernel ignores, so that a program that it executes inherits that.

use std::ffi::c_int;
use std::ptr;
use std::sync::atomic::{AtomicI32, Ordering};

use rewire_sync::Once;

use super::program_handlers::{ADDRESS, ON_STACK, RESETS, SIGNALS, TAKES_INFO, UNTOUCHED, WORDS};
use super::{arrival, stacks};
use crate::scan;
use crate::signals::SignalsBlocked;
use crate::signals::sigaction::{__sigaction, current, default_action};

/// The process whose dispositions are in [`WORDS`]: 0 until the handlers are in place. A child that
/// was made by vfork shares the memory, but not the dispositions.
static PROCESS: AtomicI32 = AtomicI32::new(0);

/// The process in which a thread is changing a disposition; 0 if none is. It is the process that is
/// noted, because the child of a fork has no other thread to wait for.
static CHANGING: AtomicI32 = AtomicI32::new(0);

/// While it lives, no other thread changes a disposition, and no handler does on this thread.
struct Change {
    _blocked: SignalsBlocked,
}

impl Change {
    fn new() -> Self {
        let blocked = SignalsBlocked::block();
        // SAFETY: no preconditions.
        let pid = unsafe { libc::getpid() };
        let mut free = 0;
        loop {
            match CHANGING.compare_exchange(free, pid, Ordering::Acquire, Ordering::Relaxed) {
                Ok(_) => return Self { _blocked: blocked },
                Err(holder) if holder != pid => free = holder,
                Err(_) => {
                    free = 0;
                    std::thread::yield_now();
                }
            }
        }
    }
}

impl Drop for Change {
    fn drop(&mut self) {
        CHANGING.store(0, Ordering::Release);
    }
}

fn in_kernel(signal: c_int) -> libc::sigaction {
    current(signal).unwrap_or_else(default_action)
}

/// Puts the engine's handlers in place, for the rest of the process. What is set now, and what is
/// set through [`sigaction`] later, is what happens all the same.
pub fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let _change = Change::new();
        for (place, signal) in SIGNALS.into_iter().enumerate() {
            let now = in_kernel(signal);
            stacks::note(&now);
            set(place, &now);
            if now.sa_sigaction == libc::SIG_DFL && now.sa_flags == 0 {
                WORDS[place].fetch_or(UNTOUCHED, Ordering::Relaxed);
            }
        }
        store_process();
        // SAFETY: the handler is a function that lives as long as the process.
        unsafe { libc::pthread_atfork(None, None, Some(store_process)) };
    });
}

extern "C" fn store_process() {
    // SAFETY: no preconditions.
    PROCESS.store(unsafe { libc::getpid() }, Ordering::Release);
}

/// Whether the engine's handlers are in place.
#[must_use]
pub fn is_installed() -> bool {
    PROCESS.load(Ordering::Relaxed) != 0
}

/// `sigaction` for the program: beside the engine's handlers, what it sets happens, and what it is
/// told is what it has set. The signal of [`scan`](mod@crate::scan) is hidden likewise.
///
/// # Safety
///
/// The caller must ensure that `action` and `former` are each null or valid for a
/// `struct sigaction`, and that the handler that `action` names may be called for the signal.
pub unsafe fn sigaction(
    signal: c_int,
    action: *const libc::sigaction,
    former: *mut libc::sigaction,
) -> c_int {
    // SAFETY: as the caller promises.
    if let Some(action) = unsafe { action.as_ref() } {
        stacks::note(action);
    }
    let Some(place) = SIGNALS.iter().position(|one| *one == signal) else {
        // SAFETY: as the caller promises.
        return unsafe {
            match scan::sigaction_of_program(signal, action, former) {
                Some(result) => result,
                None => __sigaction(signal, action, former),
            }
        };
    };
    let _change = Change::new();
    // SAFETY: as the caller promises.
    unsafe {
        if PROCESS.load(Ordering::Acquire) != libc::getpid() {
            return __sigaction(signal, action, former);
        }
        let was = shown(in_kernel(signal), WORDS[place].load(Ordering::Relaxed));
        if let Some(action) = action.as_ref() {
            set(place, action);
        }
        if let Some(former) = former.as_mut() {
            *former = was;
        }
    }
    0
}

/// What the program has set, of what the kernel has.
fn shown(kernel: libc::sigaction, word: u64) -> libc::sigaction {
    if kernel.sa_sigaction != arrival::handler() {
        return kernel;
    }
    if word & UNTOUCHED != 0 {
        return default_action();
    }
    let mut shown = kernel;
    shown.sa_sigaction = (word & ADDRESS) as libc::sighandler_t;
    shown.sa_flags &= !(libc::SA_SIGINFO | libc::SA_ONSTACK);
    for (bit, flag) in FLAGS {
        if word & bit != 0 {
            shown.sa_flags |= flag;
        }
    }
    shown
}

const FLAGS: [(u64, c_int); 3] = [
    (RESETS, libc::SA_RESETHAND),
    (TAKES_INFO, libc::SA_SIGINFO),
    (ON_STACK, libc::SA_ONSTACK),
];

/// Has an action of the program's happen. Whoever calls holds a [`Change`].
fn set(place: usize, action: &libc::sigaction) {
    let handler = action.sa_sigaction;
    let mut word = handler as u64;
    let mut kernel = *action;
    if handler == libc::SIG_IGN || word > ADDRESS {
        word = libc::SIG_IGN as u64;
    } else {
        for (bit, flag) in FLAGS {
            if action.sa_flags & flag != 0 {
                word |= bit;
            }
        }
        kernel.sa_sigaction = arrival::handler();
        kernel.sa_flags &= !libc::SA_RESETHAND;
        kernel.sa_flags |= libc::SA_SIGINFO;
        if handler == libc::SIG_DFL {
            kernel.sa_flags |= libc::SA_ONSTACK;
        }
    }
    WORDS[place].store(word, Ordering::Release);
    // SAFETY: both handlers are of the type that the flags say.
    unsafe { __sigaction(SIGNALS[place], &raw const kernel, ptr::null_mut()) };
}

#[cfg(test)]
mod tests {
    use super::super::CrashGuard;
    use super::*;

    extern "C" fn nothing(_signal: i32) {}

    fn exchange(action: Option<&libc::sigaction>) -> libc::sigaction {
        let mut former = default_action();
        let action = action.map_or(ptr::null(), ptr::from_ref);
        // SAFETY: the handler exists.
        let result = unsafe { sigaction(libc::SIGFPE, action, &raw mut former) };
        assert_eq!(result, 0);
        former
    }

    #[test]
    fn the_program_is_shown_what_it_has_set() {
        let untouched = exchange(None);
        assert_eq!((untouched.sa_sigaction, untouched.sa_flags), (0, 0));
        let guard = CrashGuard::new(String::new(), 1);
        assert_eq!(exchange(None).sa_sigaction, libc::SIG_DFL);
        assert_eq!(exchange(None).sa_flags, 0);
        let mut action = default_action();
        let handler = nothing as *const () as usize;
        action.sa_sigaction = handler;
        action.sa_flags = libc::SA_RESETHAND | libc::SA_NODEFER;
        // SAFETY: the set is ours.
        unsafe { libc::sigaddset(&raw mut action.sa_mask, libc::SIGUSR1) };
        assert_eq!(exchange(Some(&action)).sa_sigaction, libc::SIG_DFL);
        let check = || {
            const OURS: c_int = 0x0400_0000; // SA_RESTORER: the C library's.
            let now = exchange(None);
            assert_eq!(now.sa_sigaction, handler);
            assert_eq!(now.sa_flags & !OURS, libc::SA_RESETHAND | libc::SA_NODEFER);
            // SAFETY: the set was filled in.
            let blocks = unsafe { libc::sigismember(&raw const now.sa_mask, libc::SIGUSR1) };
            assert_eq!(blocks, 1);
        };
        check();
        drop(guard);
        check();
        action.sa_sigaction = libc::SIG_IGN;
        exchange(Some(&action));
        assert_eq!(in_kernel(libc::SIGFPE).sa_sigaction, libc::SIG_IGN);
        assert_eq!(
            exchange(Some(&default_action())).sa_sigaction,
            libc::SIG_IGN
        );
        assert_eq!(exchange(None).sa_sigaction, libc::SIG_DFL);
        assert_eq!(in_kernel(libc::SIGFPE).sa_sigaction, arrival::handler());
    }
}
