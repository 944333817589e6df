//! Waiting for one child with `wait4`, which also tells the child's peak memory; std does not.

#![expect(unsafe_code, reason = "wait4 and kill have no safe wrapper in std")]

use std::io;
use std::mem::MaybeUninit;

use crate::process::Ended;

/// What `wait4` says of a child.
pub(crate) struct Reaped {
    /// How it ended.
    pub(crate) ended: Ended,
    /// Its largest resident set, in KiB.
    pub(crate) peak_kib: u64,
}

/// Waits for a child that nobody else waits for.
pub(crate) fn wait(pid: u32) -> io::Result<Reaped> {
    let pid = libc::pid_t::try_from(pid).map_err(io::Error::other)?;
    let mut status = 0;
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    loop {
        // SAFETY: both pointers are to live memory of the right type, and the kernel writes no
        // more.
        let reaped = unsafe { libc::wait4(pid, &mut status, 0, usage.as_mut_ptr()) };
        if reaped == pid {
            break;
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
    // SAFETY: zeroed, and a struct of integers: every bit pattern is a value.
    let usage = unsafe { usage.assume_init() };
    let ended = if libc::WIFSIGNALED(status) {
        Ended::Signal(libc::WTERMSIG(status))
    } else {
        Ended::Code(libc::WEXITSTATUS(status))
    };
    Ok(Reaped {
        ended,
        peak_kib: u64::try_from(usage.ru_maxrss).unwrap_or(0),
    })
}

/// Kills a child that ran past its limit.
pub(crate) fn kill(pid: u32) {
    if let Ok(pid) = libc::pid_t::try_from(pid) {
        // SAFETY: touches no memory. The caller's child is reaped only by `wait`, whose caller
        // stops the watcher afterwards; in the tiny gap the number can't have been given anew,
        // because the kernel hands them out in turn.
        unsafe {
            libc::kill(pid, libc::SIGKILL);
        }
    }
}
