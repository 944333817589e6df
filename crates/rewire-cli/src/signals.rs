//! The C library's functions that set what happens to signals, as the program sees them.
//!
//! Handlers for LLVM's crashes are installed. The program, and the libraries that it loads, shall
//! neither see nor remove them: this executable's functions come before the C library's for all of
//! them. Each does what signal(2), sysv_signal(3), sigset(3) and siginterrupt(3) say.

use std::ffi::c_int;
use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering};

use libc::{SIG_ERR, sighandler_t};

/// The largest number of a signal, and one more.
const SIGNALS: c_int = 65;

/// `SIG_HOLD` of `sigset`.
const SIG_HOLD: sighandler_t = 2;

/// Signals, as bits, that are to interrupt system calls (`siginterrupt`).
static INTERRUPTING: AtomicU64 = AtomicU64::new(0);

/// The C library's, beside the crash guards.
///
/// # Safety
///
/// As of the C library's.
#[unsafe(no_mangle)]
unsafe extern "C" fn sigaction(
    signal: c_int,
    action: *const libc::sigaction,
    former: *mut libc::sigaction,
) -> c_int {
    // SAFETY: as the caller promises.
    unsafe { rewire::sigaction(signal, action, former) }
}

fn is_valid(signal: c_int, handler: sighandler_t) -> bool {
    if handler != SIG_ERR && (1..SIGNALS).contains(&signal) {
        return true;
    }
    // SAFETY: the thread's own.
    unsafe { *libc::__errno_location() = libc::EINVAL };
    false
}

/// The set of one signal.
fn only(signal: c_int) -> libc::sigset_t {
    let mut set = none();
    // SAFETY: the set is ours.
    unsafe { libc::sigaddset(&raw mut set, signal) };
    set
}

fn none() -> libc::sigset_t {
    // SAFETY: zeroed bytes are an empty set.
    unsafe { std::mem::zeroed() }
}

/// Sets a handler; the answer is the former one, or `SIG_ERR`.
///
/// # Safety
///
/// The handler is one for this signal.
unsafe fn set(
    signal: c_int,
    handler: sighandler_t,
    flags: c_int,
    mask: libc::sigset_t,
) -> sighandler_t {
    // SAFETY: zeroed bytes are a valid `sigaction`; the handler is as the caller promises.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        let mut former: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = handler;
        action.sa_flags = flags;
        action.sa_mask = mask;
        if rewire::sigaction(signal, &raw const action, &raw mut former) == 0 {
            former.sa_sigaction
        } else {
            SIG_ERR
        }
    }
}

fn bit(signal: c_int) -> u64 {
    1 << (signal - 1)
}

/// The C library's, with the meaning that it has by default: handlers stay, and system calls go on
/// after them.
///
/// # Safety
///
/// As of the C library's.
#[unsafe(no_mangle)]
unsafe extern "C" fn signal(signal: c_int, handler: sighandler_t) -> sighandler_t {
    if !is_valid(signal, handler) {
        return SIG_ERR;
    }
    let interrupts = INTERRUPTING.load(Ordering::Relaxed) & bit(signal) != 0;
    let flags = if interrupts { 0 } else { libc::SA_RESTART };
    // SAFETY: as the caller promises.
    unsafe { set(signal, handler, flags, only(signal)) }
}

/// Another name of [`signal`].
///
/// # Safety
///
/// As of the C library's.
#[unsafe(no_mangle)]
unsafe extern "C" fn bsd_signal(number: c_int, handler: sighandler_t) -> sighandler_t {
    // SAFETY: as the caller promises.
    unsafe { signal(number, handler) }
}

/// Another name of [`signal`].
///
/// # Safety
///
/// As of the C library's.
#[unsafe(no_mangle)]
unsafe extern "C" fn ssignal(number: c_int, handler: sighandler_t) -> sighandler_t {
    // SAFETY: as the caller promises.
    unsafe { signal(number, handler) }
}

/// The C library's: the handler is called once, with nothing blocked.
///
/// # Safety
///
/// As of the C library's.
#[unsafe(no_mangle)]
unsafe extern "C" fn sysv_signal(signal: c_int, handler: sighandler_t) -> sighandler_t {
    if !is_valid(signal, handler) {
        return SIG_ERR;
    }
    /// `SA_INTERRUPT`, which nothing heeds and programs may see.
    const SA_INTERRUPT: c_int = 0x2000_0000;
    let flags = libc::SA_RESETHAND | libc::SA_NODEFER | SA_INTERRUPT;
    // SAFETY: as the caller promises.
    unsafe { set(signal, handler, flags, none()) }
}

/// Another name of [`sysv_signal`], which `signal` stands for in strict C.
///
/// # Safety
///
/// As of the C library's.
#[unsafe(no_mangle)]
unsafe extern "C" fn __sysv_signal(signal: c_int, handler: sighandler_t) -> sighandler_t {
    // SAFETY: as the caller promises.
    unsafe { sysv_signal(signal, handler) }
}

/// The C library's: sets a handler and unblocks the signal, or blocks it (`SIG_HOLD`).
///
/// # Safety
///
/// As of the C library's.
#[unsafe(no_mangle)]
unsafe extern "C" fn sigset(signal: c_int, handler: sighandler_t) -> sighandler_t {
    if !is_valid(signal, handler) {
        return SIG_ERR;
    }
    let this = only(signal);
    let mut mask = none();
    // SAFETY: the sets are ours; the handler is as the caller promises.
    unsafe {
        let former = if handler == SIG_HOLD {
            libc::pthread_sigmask(libc::SIG_BLOCK, &raw const this, &raw mut mask);
            let mut now: libc::sigaction = std::mem::zeroed();
            rewire::sigaction(signal, ptr::null(), &raw mut now);
            now.sa_sigaction
        } else {
            let former = set(signal, handler, 0, none());
            if former == SIG_ERR {
                return SIG_ERR;
            }
            libc::pthread_sigmask(libc::SIG_UNBLOCK, &raw const this, &raw mut mask);
            former
        };
        match libc::sigismember(&raw const mask, signal) {
            1 => SIG_HOLD,
            _ => former,
        }
    }
}

/// The C library's.
///
/// # Safety
///
/// As of the C library's.
#[unsafe(no_mangle)]
unsafe extern "C" fn sigignore(signal: c_int) -> c_int {
    // SAFETY: no handler is set.
    let former = unsafe { set(signal, libc::SIG_IGN, 0, none()) };
    if former == SIG_ERR { -1 } else { 0 }
}

/// The C library's: whether system calls that the signal interrupts end or go on.
///
/// # Safety
///
/// As of the C library's.
#[unsafe(no_mangle)]
unsafe extern "C" fn siginterrupt(signal: c_int, interrupts: c_int) -> c_int {
    // SAFETY: zeroed bytes are a valid `sigaction`; the handler is the one that is set.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        if rewire::sigaction(signal, ptr::null(), &raw mut action) != 0 {
            return -1;
        }
        if interrupts == 0 {
            INTERRUPTING.fetch_and(!bit(signal), Ordering::Relaxed);
            action.sa_flags |= libc::SA_RESTART;
        } else {
            INTERRUPTING.fetch_or(bit(signal), Ordering::Relaxed);
            action.sa_flags &= !libc::SA_RESTART;
        }
        rewire::sigaction(signal, &raw const action, ptr::null_mut())
    }
}
