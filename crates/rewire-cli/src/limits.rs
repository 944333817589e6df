//! Limits of resources (getrlimit(2)) that are too small for a compiler.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::ptr;

/// What reading options and loading files may need of a stack, with room to spare.
const STACK: usize = 1 << 20;

/// Does what this program does by itself on a stack of its own, where the process's is limited to
/// less. The program that is run has the process's stack, as it would natively.
pub(crate) fn with_enough_stack<R>(work: impl FnOnce() -> R) -> R {
    match limit(libc::RLIMIT_STACK) {
        Some(most) if most < STACK as u64 => on_own_stack(work),
        _ => work(),
    }
}

/// Works on other memory than the process's stack. Asks nobody where that stack ends: to find out,
/// the C library reads a file, which takes more than a stack of 16 KiB may have left.
fn on_own_stack<R>(work: impl FnOnce() -> R) -> R {
    const READ_WRITE: i32 = libc::PROT_READ | libc::PROT_WRITE;
    const STACK_MEMORY: i32 = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_STACK;
    // SAFETY: new memory, wherever the kernel has some.
    let base = unsafe { libc::mmap(ptr::null_mut(), STACK, READ_WRITE, STACK_MEMORY, -1, 0) };
    if base == libc::MAP_FAILED {
        return work();
    }
    // SAFETY: the memory is nobody else's until it is unmapped, aligned to pages, and large enough;
    // nothing unwinds past the closure.
    let result =
        unsafe { psm::on_stack(base.cast(), STACK, || catch_unwind(AssertUnwindSafe(work))) };
    // SAFETY: nothing on it is in use any more.
    unsafe { libc::munmap(base, STACK) };
    result.unwrap_or_else(|panic| resume_unwind(panic))
}

/// Ends the process because there is no memory to go on with. Allocates none. When several threads
/// find that out, one of them says it.
pub(crate) fn end_without_memory() -> ! {
    // Held until the process has ended.
    let _others_wait = std::io::stderr().lock();
    let limits = MemoryLimits::get();
    let is_limited = limits.addresses.or(limits.data).is_some();
    let help = is_limited.then_some(&limits as &dyn fmt::Display);
    crate::message::error_of(
        format_args!("there is no memory left to compile with"),
        help,
    );
    // SAFETY: it ends the process.
    unsafe { libc::_exit(rewire::EXIT_COMPILE) }
}

/// Limits of memory in bytes, where there are any.
struct MemoryLimits {
    addresses: Option<u64>,
    data: Option<u64>,
}

impl MemoryLimits {
    fn get() -> Self {
        Self {
            addresses: limit(libc::RLIMIT_AS),
            data: limit(libc::RLIMIT_DATA),
        }
    }
}

impl fmt::Display for MemoryLimits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let limits = [("ulimit -v", self.addresses), ("ulimit -d", self.data)];
        let limits = limits.into_iter();
        for (index, (name, bytes)) in limits.filter_map(|(n, b)| Some((n, b?))).enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(f, "{separator}{name} is {} KiB", bytes / 1024)?;
        }
        f.write_str(": LLVM needs more to compile this program")
    }
}

/// A limit that is in force, unless it is infinite.
fn limit(which: libc::__rlimit_resource_t) -> Option<u64> {
    let mut limits = libc::rlimit {
        rlim_cur: libc::RLIM_INFINITY,
        rlim_max: libc::RLIM_INFINITY,
    };
    // SAFETY: the call fills in plain data.
    unsafe { libc::getrlimit(which, &raw mut limits) };
    (limits.rlim_cur != libc::RLIM_INFINITY).then_some(limits.rlim_cur)
}
