//! What the kernel says of this process.

use std::fs;

use crate::Outcome;

/// Resident memory, in KiB (`proc_pid_status(5)`).
pub(crate) fn resident_kib() -> Outcome<i64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.trim().strip_suffix(" kB"));
    Ok(number.ok_or("no VmRSS in /proc/self/status")?.parse()?)
}

/// How many mappings there are.
pub(crate) fn count_maps() -> Outcome<usize> {
    Ok(fs::read_to_string("/proc/self/maps")?.lines().count())
}
