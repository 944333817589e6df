//! Limits of the process's resources (getrlimit(2)).

use std::fs;

/// The largest file that the process may make, in bytes.
pub(crate) fn file_size() -> u64 {
    limit(libc::RLIMIT_FSIZE)
}

/// The limits of the process's memory that are in force: what the shell calls each, and its bytes.
pub fn memory_limits() -> impl Iterator<Item = (&'static str, u64)> {
    let limits = [
        ("ulimit -v", libc::RLIMIT_AS),
        ("ulimit -d", libc::RLIMIT_DATA),
    ];
    let limits = limits.map(|(name, which)| (name, limit(which)));
    limits.into_iter().filter(|one| one.1 != u64::MAX)
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
