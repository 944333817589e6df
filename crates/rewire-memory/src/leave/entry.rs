//! The frame that a call is left to.

use std::arch::global_asm;

// rdi, rsi, rdx: what to pass; rcx: what to call; r8: where to say what the stack pointer is.
// Returns 0, or 1 if it was left. No frame of Rust's is between this and the function, so that none
// is forgotten.
//
// Whoever leaves sets the stack pointer and jumps to the landing, which has nothing else of this
// frame. The state of x87 and SSE is then what it was before the call (psABI, section 3.2.1).
global_asm!(
    ".text",
    ".p2align 4",
    ".globl rewire_leavable_entry",
    ".hidden rewire_leavable_entry",
    ".type rewire_leavable_entry, @function",
    "rewire_leavable_entry:",
    ".cfi_startproc",
    "push rbp",
    ".cfi_def_cfa_offset 16",
    ".cfi_offset rbp, -16",
    "mov rbp, rsp",
    ".cfi_def_cfa_register rbp",
    "push rbx",
    "push r12",
    "push r13",
    "push r14",
    "push r15",
    ".cfi_offset rbx, -24",
    ".cfi_offset r12, -32",
    ".cfi_offset r13, -40",
    ".cfi_offset r14, -48",
    ".cfi_offset r15, -56",
    "sub rsp, 8",
    "stmxcsr dword ptr [rsp]",
    "fnstcw word ptr [rsp + 4]",
    "mov qword ptr [r8], rsp",
    "call rcx",
    "xor eax, eax",
    "2: add rsp, 8",
    "pop r15",
    "pop r14",
    "pop r13",
    "pop r12",
    "pop rbx",
    "pop rbp",
    ".cfi_remember_state",
    ".cfi_def_cfa rsp, 8",
    "ret",
    ".cfi_restore_state",
    ".globl rewire_leavable_landing",
    ".hidden rewire_leavable_landing",
    "rewire_leavable_landing:",
    "lea rbp, [rsp + 48]",
    "cld",
    "fninit",
    "fldcw word ptr [rsp + 4]",
    "ldmxcsr dword ptr [rsp]",
    "mov eax, 1",
    "jmp 2b",
    ".cfi_endproc",
    ".size rewire_leavable_entry, . - rewire_leavable_entry",
);

unsafe extern "C-unwind" {
    fn rewire_leavable_entry(
        first: u64,
        second: u64,
        third: u64,
        function: u64,
        stack: *mut usize,
    ) -> u32;
}

unsafe extern "C" {
    pub(super) fn rewire_leavable_landing();
}

/// Where a thread goes on that leaves.
pub(super) fn landing() -> u64 {
    rewire_leavable_landing as *const () as u64
}

/// Calls the function; whether it was left.
///
/// # Safety
///
/// As of [`super::call`]; the caller must also ensure that `stack` may be written during the call.
pub(super) unsafe fn rewire_leavable(
    arguments: [u64; 3],
    function: u64,
    stack: *mut usize,
) -> bool {
    let [first, second, third] = arguments;
    // SAFETY: as the caller promises.
    unsafe { rewire_leavable_entry(first, second, third, function, stack) != 0 }
}
