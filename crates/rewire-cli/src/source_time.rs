//! How long the compilers of sources (clang, rustc) ran, for the report.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

static NANOSECONDS: AtomicU64 = AtomicU64::new(0);

/// Adds the time that a compiler took, from its start to its end.
pub(crate) fn add(time: Duration) {
    NANOSECONDS.fetch_add(time.as_nanos() as u64, Ordering::Relaxed);
}

/// What was added so far.
pub(crate) fn total() -> Duration {
    Duration::from_nanos(NANOSECONDS.load(Ordering::Relaxed))
}
