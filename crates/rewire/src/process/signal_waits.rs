//! Waiting for signals, for compiled code.
//!
//! While LLVM works, a thread of the engine lets the signals of faults arrive, because a fault of
//! LLVM's has to be reported. The kernel may give it such a signal although another thread waits
//! for it. The thread sends it on, but by then the kernel may have woken the waiting thread, which
//! finds nothing and is told that it was interrupted (EINTR). Natively nobody interrupts it, so it
//! waits on.

use std::ffi::c_int;
use std::time::{Duration, Instant};

use rewire_memory::ExecAddr;
use rewire_memory::fault::count_put_off;

/// Returns the function that compiled code gets under the name of a function that waits for
/// signals. `sigwait` waits on by itself.
pub(crate) fn find(name: &str) -> Option<ExecAddr> {
    let address = match name {
        "sigwaitinfo" => sigwaitinfo as *const () as u64,
        "sigtimedwait" => sigtimedwait as *const () as u64,
        _ => return None,
    };
    Some(ExecAddr::new(address))
}

/// A signal that was taken is sent on at once, unless the thread that took it isn't run meanwhile.
const ON_ITS_WAY: Duration = Duration::from_millis(20);

/// `sigwaitinfo` for compiled code.
///
/// # Safety
///
/// The caller must meet the contract of the C library's function of this name.
unsafe extern "C-unwind" fn sigwaitinfo(
    set: *const libc::sigset_t,
    info: *mut libc::siginfo_t,
) -> c_int {
    loop {
        let before = count_put_off();
        // SAFETY: as the caller promises.
        let signal = unsafe { libc::sigwaitinfo(set, info) };
        // SAFETY: as the caller promises.
        if let Some(result) = unsafe { after_wait(signal, before, set, info, ON_ITS_WAY) } {
            return result;
        }
    }
}

/// `sigtimedwait` for compiled code.
///
/// # Safety
///
/// The caller must meet the contract of the C library's function of this name.
unsafe extern "C-unwind" fn sigtimedwait(
    set: *const libc::sigset_t,
    info: *mut libc::siginfo_t,
    timeout: *const libc::timespec,
) -> c_int {
    // SAFETY: as the caller promises.
    let Some(given) = (unsafe { timeout.as_ref() }) else {
        // SAFETY: as the caller promises; without an end, both are the same.
        return unsafe { sigwaitinfo(set, info) };
    };
    let end = length(given).and_then(|length| Instant::now().checked_add(length));
    let mut left = *given;
    loop {
        let before = count_put_off();
        // SAFETY: as the caller promises.
        let signal = unsafe { libc::sigtimedwait(set, info, &raw const left) };
        let rest = end.map_or(Duration::MAX, |end| {
            end.saturating_duration_since(Instant::now())
        });
        let most = ON_ITS_WAY.min(rest);
        // SAFETY: as the caller promises.
        if let Some(result) = unsafe { after_wait(signal, before, set, info, most) } {
            return result;
        }
        if let Some(end) = end {
            left = timespec(end.saturating_duration_since(Instant::now()));
        }
    }
}

/// What a wait that has ended returns; `None` if it goes on, because the engine has interrupted it.
///
/// # Safety
///
/// As for the C library's `sigtimedwait`.
unsafe fn after_wait(
    signal: c_int,
    before: u64,
    set: *const libc::sigset_t,
    info: *mut libc::siginfo_t,
    most: Duration,
) -> Option<c_int> {
    if signal >= 0 || errno() != libc::EINTR {
        return Some(signal);
    }
    if count_put_off() != before {
        return None;
    }
    // A handler of the program's has interrupted it, or the signal is on its way.
    let most = timespec(most);
    // SAFETY: as the caller promises.
    let signal = unsafe { libc::sigtimedwait(set, info, &raw const most) };
    if signal >= 0 {
        return Some(signal);
    }
    if count_put_off() != before {
        return None;
    }
    // SAFETY: the thread's own.
    unsafe { *libc::__errno_location() = libc::EINTR };
    Some(signal)
}

fn errno() -> c_int {
    // SAFETY: the thread's own.
    unsafe { *libc::__errno_location() }
}

/// `None` for what is no time.
fn length(time: &libc::timespec) -> Option<Duration> {
    let seconds = u64::try_from(time.tv_sec).ok()?;
    let nanoseconds = u32::try_from(time.tv_nsec).ok()?;
    (nanoseconds < 1_000_000_000).then(|| Duration::new(seconds, nanoseconds))
}

fn timespec(length: Duration) -> libc::timespec {
    libc::timespec {
        tv_sec: i64::try_from(length.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: length.subsec_nanos().into(),
    }
}
