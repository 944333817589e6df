//! `sigaction` and `signal` as the program sees them.
//!
//! While LLVM works, on whichever thread, handlers for its crashes are installed. The program, and
//! the libraries that it loads, shall neither see nor remove them: this executable's functions come
//! before the C library's for all of them.

use std::ffi::c_int;

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

/// The C library's, with the meaning that it has by default: handlers stay, and system calls go on
/// after them (signal(2), "Portability").
///
/// # Safety
///
/// As of the C library's.
#[unsafe(no_mangle)]
unsafe extern "C" fn signal(signal: c_int, handler: libc::sighandler_t) -> libc::sighandler_t {
    // SAFETY: zeroed bytes are a valid `sigaction`; the handler is as the caller promises.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        let mut former: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = handler;
        action.sa_flags = libc::SA_RESTART;
        libc::sigemptyset(&raw mut action.sa_mask);
        libc::sigaddset(&raw mut action.sa_mask, signal);
        if rewire::sigaction(signal, &raw const action, &raw mut former) == 0 {
            former.sa_sigaction
        } else {
            libc::SIG_ERR
        }
    }
}
