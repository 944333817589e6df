//! The signal's handler where ThreadSanitizer's runtime is part of the process.
//!
//! The runtime is not reentrant, and instrumented code enters it at every step. It defers the
//! handlers that a program sets through `sigaction` for that reason, with the registers as they
//! were then; by the time they run, those are somebody else's, and of no use to a look at a stack.
//! So ours is set past the runtime, and comes in here first. A signal that meets a thread inside
//! the runtime is passed over, and the scanning thread, who waits for the answer, asks again.
//!
//! So is one that meets a thread inside the C library. There the runtime doesn't know a thread yet
//! that begins, or any more one that ends, and it pays no attention to atomics while a function of
//! the C library runs that may wait (its `BlockingCall`).

use std::arch::global_asm;
use std::fs::File;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

use object::{Object as _, ObjectSymbol as _, ReadCache, SymbolKind};

use super::handler::on_signal;
use crate::maps;

/// Where the runtime is, and the C library, and how long they are.
static RUNTIME: [AtomicU64; 2] = [AtomicU64::new(0), AtomicU64::new(0)];
static C_LIBRARY: [AtomicU64; 2] = [AtomicU64::new(0), AtomicU64::new(0)];

/// Where `gregs[REG_RIP]` is in `ucontext_t` (`sys/ucontext.h`).
const RIP: usize = std::mem::offset_of!(libc::ucontext_t, uc_mcontext) + 8 * libc::REG_RIP as usize;

// As `on_signal`, whose arguments it passes on. Nothing here may be instrumented.
global_asm!(
    ".text",
    ".globl rewire_on_signal_outside_tsan",
    ".hidden rewire_on_signal_outside_tsan",
    ".type rewire_on_signal_outside_tsan, @function",
    "rewire_on_signal_outside_tsan:",
    ".cfi_startproc",
    "mov rcx, qword ptr [rdx + {rip}]",
    "mov rax, rcx",
    "sub rax, qword ptr [rip + {runtime}]",
    "cmp rax, qword ptr [rip + {runtime} + 8]",
    "jb 2f",
    "sub rcx, qword ptr [rip + {c_library}]",
    "cmp rcx, qword ptr [rip + {c_library} + 8]",
    "jae {on_signal}",
    "2: ret",
    ".cfi_endproc",
    ".size rewire_on_signal_outside_tsan, . - rewire_on_signal_outside_tsan",
    rip = const RIP,
    runtime = sym RUNTIME,
    c_library = sym C_LIBRARY,
    on_signal = sym on_signal,
);

unsafe extern "C" {
    fn rewire_on_signal_outside_tsan();
}

/// What is set as the handler.
pub(super) fn handler() -> usize {
    let handler = rewire_on_signal_outside_tsan as *const () as usize;
    if RUNTIME[1].load(Ordering::Relaxed) == 0 {
        let note = |place: &[AtomicU64; 2], range: Range<u64>| {
            place[0].store(range.start, Ordering::Relaxed);
            place[1].store(range.end - range.start, Ordering::Relaxed);
        };
        note(&C_LIBRARY, c_library());
        note(&RUNTIME, runtime(handler as u64));
    }
    handler
}

fn c_library() -> Range<u64> {
    let mappings = maps::read().expect("the process has mappings");
    let mut code = mappings
        .iter()
        .filter(|one| one.executable && one.is_libc());
    let code = code.next().expect("the C library is in the process");
    code.start..code.end
}

/// Where the runtime's functions are. They are linked in one piece, from one archive.
/// `handler` is where the handler is, to know what the program's own table of symbols is relative
/// to.
fn runtime(handler: u64) -> Range<u64> {
    let file = File::open("/proc/self/exe").expect("the program can be read");
    // Only the tables are read; the program is large.
    let cache = ReadCache::new(file);
    let file = object::File::parse(&cache).expect("the program is an object");
    let (mut start, mut end, mut base) = (u64::MAX, 0, None);
    // Those that must not lie among the runtime's.
    let mut ours = Vec::new();
    for symbol in file.symbols() {
        if symbol.kind() != SymbolKind::Text || !symbol.is_definition() {
            continue;
        }
        let name = symbol.name_bytes().unwrap_or_default();
        let address = symbol.address();
        if OF_RUNTIME.iter().any(|start| name.starts_with(start)) {
            start = start.min(address);
            end = end.max(address + symbol.size());
        } else if name.starts_with(b"rewire_") || name.starts_with(b"__wrap_") {
            ours.push(address);
            if name == b"rewire_on_signal_outside_tsan" {
                base = Some(handler - address);
            }
        }
    }
    let base = base.expect("the program has its symbols");
    assert!(start < end, "the runtime is in the program");
    assert!(!ours.iter().any(|address| (start..end).contains(address)));
    base + start..base + end
}

/// What names of the runtime's functions start with.
const OF_RUNTIME: [&[u8]; 5] = [
    b"__tsan_",
    b"___interceptor_",
    b"_ZN6__tsan",
    b"_ZN11__sanitizer",
    b"_ZNK11__sanitizer",
];
