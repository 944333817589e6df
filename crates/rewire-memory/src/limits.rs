//! Limits of the process's resources (getrlimit(2)).

use std::fs;

/// The largest file that the process may make, in bytes.
pub(crate) fn file_size() -> u64 {
    limit(libc::RLIMIT_FSIZE)
}

/// How many bytes of addresses the process may still map; `u64::MAX` without a limit.
pub(crate) fn addresses_left() -> u64 {
    match limit(libc::RLIMIT_AS) {
        u64::MAX => u64::MAX,
        most => most.saturating_sub(mapped()),
    }
}

/// How many bytes of addresses the process has mapped (proc(5), `statm`).
fn mapped() -> u64 {
    let pages = fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = pages.split(' ').next().and_then(|pages| pages.parse().ok());
    pages.unwrap_or(0_u64).saturating_mul(crate::page::PAGE)
}

fn limit(which: libc::__rlimit_resource_t) -> u64 {
    let mut limits = libc::rlimit {
        rlim_cur: libc::RLIM_INFINITY,
        rlim_max: libc::RLIM_INFINITY,
    };
    // SAFETY: the call fills in plain data.
    unsafe { libc::getrlimit(which, &raw mut limits) };
    limits.rlim_cur
}
