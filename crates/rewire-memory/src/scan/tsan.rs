//! The signal's handler where ThreadSanitizer's runtime is part of the process.
//!
//! The runtime is not reentrant, and instrumented code enters it at every step. It defers the
//! handlers that a program sets through `sigaction` for that reason, with the registers as they
//! were then; by the time they run, those are somebody else's, and of no use to a look at a stack.
//! So ours is set past the runtime, and comes in here first. A signal that meets a thread inside
//! the runtime is passed over, and the scanning thread, who waits for the answer, asks again.
//! So is one that meets a thread before the runtime knows it, or when it has forgotten it.

use std::arch::global_asm;
use std::fs::File;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

use object::{Object as _, ObjectSymbol as _, ReadCache, SymbolKind};

use super::handler::on_signal;

/// Where the runtime's code is, and how long it is.
static START: AtomicU64 = AtomicU64::new(0);
static LENGTH: AtomicU64 = AtomicU64::new(0);

/// Where `gregs[REG_RIP]` is in `ucontext_t` (`sys/ucontext.h`).
const RIP: usize = std::mem::offset_of!(libc::ucontext_t, uc_mcontext) + 8 * libc::REG_RIP as usize;

// As `on_signal`, whose arguments it passes on. Nothing here may be instrumented. The first word is
// 1 in threads that the runtime knows (rewire-sync/src/tsan/thread.rs).
global_asm!(
    ".text",
    ".globl rewire_on_signal_outside_tsan",
    ".hidden rewire_on_signal_outside_tsan",
    ".type rewire_on_signal_outside_tsan, @function",
    "rewire_on_signal_outside_tsan:",
    ".cfi_startproc",
    "mov rax, qword ptr [rip + rewire_tsan_thread@gottpoff]",
    "cmp qword ptr fs:[rax], 1",
    "jne 2f",
    "mov rax, qword ptr [rdx + {rip}]",
    "sub rax, qword ptr [rip + {start}]",
    "cmp rax, qword ptr [rip + {length}]",
    "jae {on_signal}",
    "2: ret",
    ".cfi_endproc",
    ".size rewire_on_signal_outside_tsan, . - rewire_on_signal_outside_tsan",
    rip = const RIP,
    start = sym START,
    length = sym LENGTH,
    on_signal = sym on_signal,
);

unsafe extern "C" {
    fn rewire_on_signal_outside_tsan();
}

/// What is set as the handler.
pub(super) fn handler() -> usize {
    let handler = rewire_on_signal_outside_tsan as *const () as usize;
    if LENGTH.load(Ordering::Relaxed) == 0 {
        let runtime = runtime(handler as u64);

        START.store(runtime.start, Ordering::Relaxed);
        LENGTH.store(runtime.end - runtime.start, Ordering::Relaxed);
    }
    handler
}

/// Where the runtime's functions are. They are linked in one piece, from one archive.
/// `handler` is where the handler is, to know what the program's own table of symbols is relative to.
fn runtime(handler: u64) -> Range<u64> {
    let file = File::open("/proc/self/exe").expect("the program can be read");
    // Only the tables are read; the program is large.
    let cache = ReadCache::new(file);
    let file = object::File::parse(&cache).expect("the program is an object");
    let (mut runtime, mut base) = (u64::MAX..0, None);
    // Those that must not lie among the runtime's.
    let mut ours = Vec::new();
    for symbol in file.symbols() {
        if symbol.kind() != SymbolKind::Text || !symbol.is_definition() {
            continue;
        }
        let name = symbol.name_bytes().unwrap_or_default();
        let address = symbol.address();
        if OF_RUNTIME.iter().any(|start| name.starts_with(start)) {
            runtime.start = runtime.start.min(address);
            runtime.end = runtime.end.max(address + symbol.size());
        } else if name.starts_with(b"rewire_") || name.starts_with(b"__wrap_") {
            ours.push(address);
            if name == b"rewire_on_signal_outside_tsan" {
                base = Some(handler - address);
            }
        }
    }
    let base = base.expect("the program has its symbols");
    assert!(!runtime.is_empty(), "the runtime is in the program");
    assert!(!ours.iter().any(|address| runtime.contains(address)));
    base + runtime.start..base + runtime.end
}

/// What names of the runtime's functions start with.
const OF_RUNTIME: [&[u8]; 5] = [
    b"__tsan_",
    b"___interceptor_",
    b"_ZN6__tsan",
    b"_ZN11__sanitizer",
    b"_ZNK11__sanitizer",
];
