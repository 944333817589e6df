//! Whether the runtime knows the calling thread.
//!
//! A thread begins and ends in the C library, where the runtime doesn't know it yet, or any more;
//! instrumented code that runs there, in a signal handler, finds the runtime without a state for
//! it. Nobody tells when that is, so a thread counts as known from the first lock that it takes
//! until its thread-local variables are dropped.

use std::arch::global_asm;

const KNOWN: u64 = 1;
const OVER: u64 = 2;

// A word of each thread's. Assembly, so that reading it isn't instrumented; the signal handler of
// rewire-memory reads it by its name.
global_asm!(
    ".section .tbss, \"awT\", @nobits",
    ".p2align 3",
    ".globl rewire_tsan_thread",
    ".hidden rewire_tsan_thread",
    ".type rewire_tsan_thread, @object",
    "rewire_tsan_thread: .zero 8",
    ".size rewire_tsan_thread, 8",
    ".text",
    ".globl rewire_tsan_thread_state",
    ".hidden rewire_tsan_thread_state",
    ".type rewire_tsan_thread_state, @function",
    "rewire_tsan_thread_state:",
    ".cfi_startproc",
    "mov rax, qword ptr [rip + rewire_tsan_thread@gottpoff]",
    "mov rax, qword ptr fs:[rax]",
    "ret",
    ".cfi_endproc",
    ".size rewire_tsan_thread_state, . - rewire_tsan_thread_state",
    ".globl rewire_tsan_set_thread",
    ".hidden rewire_tsan_set_thread",
    ".type rewire_tsan_set_thread, @function",
    "rewire_tsan_set_thread:",
    ".cfi_startproc",
    "mov rax, qword ptr [rip + rewire_tsan_thread@gottpoff]",
    "mov qword ptr fs:[rax], rdi",
    "ret",
    ".cfi_endproc",
    ".size rewire_tsan_set_thread, . - rewire_tsan_set_thread",
);

unsafe extern "C" {
    safe fn rewire_tsan_thread_state() -> u64;
    safe fn rewire_tsan_set_thread(state: u64);
}

/// Dropped when the thread ends.
struct Life;

impl Drop for Life {
    fn drop(&mut self) {
        rewire_tsan_set_thread(OVER);
    }
}

thread_local! {
    static LIFE: Life = const { Life };
}

/// The calling thread has begun.
pub(super) fn is_known() {
    if rewire_tsan_thread_state() == 0 && LIFE.try_with(|_| ()).is_ok() {
        rewire_tsan_set_thread(KNOWN);
    }
}
