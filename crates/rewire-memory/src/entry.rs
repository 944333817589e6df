//! The way from compiled code into the engine.
//!
//! A fresh slot leads to the second half of its stub, which calls here. Whatever calling
//! convention the caller and the callee have agreed on, nothing that it passes or preserves may
//! change, so all of it is saved: the general registers that compiled Rust may change, and the
//! vector state at full width (`xsavec`; x87, SSE, AVX and AVX-512 with its masks; Intel SDM
//! vol. 1, chapter 13). Then the engine works on a stack of its own ([`mod@crate::entry`] uses
//! less than 4 KiB of the caller's), and in the end this returns to the stub, or, when the engine
//! says so, goes somewhere else instead.

use std::arch::global_asm;
use std::arch::x86_64::{__cpuid, __cpuid_count, _xgetbv};
use std::ffi::c_void;
use std::sync::atomic::{AtomicU32, Ordering};

use rewire_object::ExecAddr;
use rewire_sync::OnceLock;

use crate::{signals, stack};

/// A call of a function whose slot leads to the engine.
#[derive(Clone, Copy, Debug)]
pub struct FirstCall {
    /// Where the stub's call returns to; [`Slots::of_first_call`](crate::Slots::of_first_call)
    /// tells the slot.
    pub stub: ExecAddr,
    /// Where the call of the function returns to: in its caller, unless that jumped.
    pub caller: ExecAddr,
}

/// What the engine does on a first call. It returns the address to go to instead of the stub's
/// slot, or `None` once the slot leads somewhere.
pub type Handler = fn(FirstCall) -> Option<ExecAddr>;

static HANDLER: OnceLock<Handler> = OnceLock::new();

/// Sets what first calls do, for the whole process, and returns the address that fresh slots
/// have to lead to. The first handler stays.
///
/// The handler must not unwind.
pub fn install(handler: Handler) -> ExecAddr {
    HANDLER.get_or_init(|| {
        choose_save();
        handler
    });
    ExecAddr::new(rewire_entry as *const () as u64)
}

unsafe extern "C" {
    fn rewire_entry();
}

/// How vectors are saved: 0 `fxsave`, 1 `xsave`, 2 `xsavec`.
static SAVE_BY: AtomicU32 = AtomicU32::new(0);
/// Bytes of the save area.
static SAVE_SIZE: AtomicU32 = AtomicU32::new(512 + 64);
/// Which components, as in XCR0.
static SAVE_MASK: AtomicU32 = AtomicU32::new(0);
/// The state that the engine works in: round to nearest, no trap (psABI, section 3.2.1).
static DEFAULT_MXCSR: u32 = 0x1f80;
static DEFAULT_X87: u16 = 0x037f;

/// x87, SSE, AVX, and AVX-512's masks and upper registers.
const COMPONENTS: u32 = 0b1110_0111;

fn choose_save() {
    let features = __cpuid(1).ecx;
    const OSXSAVE: u32 = 1 << 27;
    if features & OSXSAVE == 0 {
        return;
    }
    // SAFETY: the processor and the system support it, as the feature bit says.
    let mask = unsafe { xcr0() } as u32 & COMPONENTS;
    let compacts = __cpuid_count(0xd, 1).eax & 2 != 0;
    // The legacy region and the header.
    let mut size = 576;
    for component in 2..8 {
        if mask & (1 << component) == 0 {
            continue;
        }
        let about = __cpuid_count(0xd, component);
        size = if compacts {
            let aligned = about.ecx & 2 != 0;
            let at = if aligned { (size + 63) & !63 } else { size };
            at + about.eax
        } else {
            size.max(about.ebx + about.eax)
        };
    }
    SAVE_MASK.store(mask, Ordering::Relaxed);
    SAVE_SIZE.store(size, Ordering::Relaxed);
    SAVE_BY.store(if compacts { 2 } else { 1 }, Ordering::Release);
}

#[target_feature(enable = "xsave")]
fn xcr0() -> u64 {
    // SAFETY: register 0 exists wherever `xsave` does.
    unsafe { _xgetbv(0) }
}

extern "C" fn first_call(stub: u64, caller: u64) -> u64 {
    let call = FirstCall {
        stub: ExecAddr::new(stub),
        caller: ExecAddr::new(caller),
    };
    match HANDLER.get().and_then(|handler| handler(call)) {
        Some(target) => target.get(),
        None => 0,
    }
}

// On entry: the stack holds where the stub's call returns to, then where the function's caller
// wants to be returned to.
//
// First the short way, for functions that have a body already (see slots/mod.rs for the layout):
// the stub's word is taken, by one thread alone; if it holds a body, the first call is counted and
// the slot is stored, unless somebody has stored it meanwhile. `stub + 2` holds the distance from
// `stub + 6` to the slot; the stub's call returns to `stub + 13`, and a new slot holds `stub + 8`.
// One that leads here again holds `stub + 6`, so that it is never stored with a body that was taken
// before it was reset (slots/words.rs, whose `short_path` is what models check: change both). The
// registers used are restored.
//
// Then the long way. The frame is found through %rbp, so that the unwinder passes from the
// engine's stack to the caller's.
//
// A thread may be cancelled at any instruction (pthread_setcanceltype(3)): before the engine has
// begun and after it has ended, where the unwinder passes from here to the caller as from any
// function. Between the two, cancellation waits; the C library may act on it when it is allowed
// again, within the last of the calls below. The type is changed as well as the state, because a
// request that is under way already heeds the type alone.
//
// Signals wait likewise, and come in `end`, on the caller's stack: on one of the engine's, the
// kernel wouldn't see that the caller is handling a signal on its alternate stack, and would have
// the next handler begin over the frames there. Their handlers may leave by `longjmp`, so only the
// type of cancellation is left to be set then.
global_asm!(
    ".text",
    ".p2align 4",
    ".globl rewire_entry",
    ".hidden rewire_entry",
    ".type rewire_entry, @function",
    "rewire_entry:",
    ".cfi_startproc",
    "push rax",
    ".cfi_def_cfa_offset 16",
    "push rcx",
    ".cfi_def_cfa_offset 24",
    "mov rcx, qword ptr [rsp + 16]",
    "mov rax, rcx",
    "and rax, -4096",
    "mov rax, qword ptr [rax + 16]",
    "and ecx, 4095",
    "shr ecx, 4",
    "lea rcx, [rax + rcx * 8]",
    "cmp qword ptr [rcx], 0",
    "je 9f",
    "xor eax, eax",
    "xchg qword ptr [rcx], rax",
    "test rax, rax",
    "jz 9f",
    "push rdx",
    ".cfi_def_cfa_offset 32",
    "mov rdx, rax",
    "mov rcx, qword ptr [rsp + 24]",
    "mov rax, rcx",
    "and rax, -4096",
    "mov rax, qword ptr [rax + 24]",
    "lock inc qword ptr [rax]",
    "movsxd rax, dword ptr [rcx - 11]",
    "lea rax, [rcx + rax - 7]",
    "sub rcx, 5",
    "xchg rax, rcx",
    "lock cmpxchg qword ptr [rcx], rdx",
    "pop rdx",
    ".cfi_def_cfa_offset 24",
    "pop rcx",
    ".cfi_def_cfa_offset 16",
    "pop rax",
    ".cfi_def_cfa_offset 8",
    "ret",
    ".cfi_def_cfa_offset 24",
    "9:",
    "pop rcx",
    ".cfi_def_cfa_offset 16",
    "pop rax",
    ".cfi_def_cfa_offset 8",
    "push rbp",
    ".cfi_def_cfa_offset 16",
    ".cfi_offset rbp, -16",
    "mov rbp, rsp",
    ".cfi_def_cfa_register rbp",
    "push rbx",
    ".cfi_offset rbx, -24",
    "push rax",
    "push rcx",
    "push rdx",
    "push rsi",
    "push rdi",
    "push r8",
    "push r9",
    "push r10",
    "push r11",
    "sub rsp, 32",
    "mov ebx, dword ptr [rip + {save_size}]",
    "sub rsp, rbx",
    "and rsp, -64",
    "mov rbx, rsp",
    // The header has to be zero where xsave doesn't write it.
    "xor eax, eax",
    "mov qword ptr [rbx + 512], rax",
    "mov qword ptr [rbx + 520], rax",
    "mov qword ptr [rbx + 528], rax",
    "mov qword ptr [rbx + 536], rax",
    "mov qword ptr [rbx + 544], rax",
    "mov qword ptr [rbx + 552], rax",
    "mov qword ptr [rbx + 560], rax",
    "mov qword ptr [rbx + 568], rax",
    "xor edx, edx",
    "mov eax, dword ptr [rip + {save_mask}]",
    "mov ecx, dword ptr [rip + {save_by}]",
    "cmp ecx, 1",
    "ja 2f",
    "je 3f",
    "fxsave64 [rbx]",
    "jmp 4f",
    "2: xsavec64 [rbx]",
    "jmp 4f",
    "3: xsave64 [rbx]",
    "4:",
    "ldmxcsr dword ptr [rip + {mxcsr}]",
    "fldcw word ptr [rip + {x87}]",
    "xor edi, edi",
    "lea rsi, [rbp - 88]",
    "call qword ptr [rip + pthread_setcanceltype@GOTPCREL]",
    "mov edi, 1",
    "lea rsi, [rbp - 84]",
    "call qword ptr [rip + pthread_setcancelstate@GOTPCREL]",
    "lea rdi, [rbp - 112]",
    "call {begin}",
    "mov rdi, rsp",
    "call {enter}",
    "test rax, rax",
    "jz 5f",
    "mov rsp, rax",
    "5:",
    "mov rdi, qword ptr [rbp + 8]",
    "mov rsi, qword ptr [rbp + 16]",
    "call {first_call}",
    "mov rsp, rbx",
    // Somewhere else than back to the stub.
    "test rax, rax",
    "jz 6f",
    "mov qword ptr [rbp + 8], rax",
    "6:",
    "call {leave}",
    "mov edi, dword ptr [rbp - 84]",
    "xor esi, esi",
    "call qword ptr [rip + pthread_setcancelstate@GOTPCREL]",
    "lea rdi, [rbp - 112]",
    "call {end}",
    "mov edi, dword ptr [rbp - 88]",
    "xor esi, esi",
    "call qword ptr [rip + pthread_setcanceltype@GOTPCREL]",
    "xor edx, edx",
    "mov eax, dword ptr [rip + {save_mask}]",
    "cmp dword ptr [rip + {save_by}], 0",
    "je 7f",
    "xrstor64 [rbx]",
    "jmp 8f",
    "7: fxrstor64 [rbx]",
    "8:",
    "lea rsp, [rbp - 80]",
    "pop r11",
    "pop r10",
    "pop r9",
    "pop r8",
    "pop rdi",
    "pop rsi",
    "pop rdx",
    "pop rcx",
    "pop rax",
    "pop rbx",
    ".cfi_restore rbx",
    "pop rbp",
    ".cfi_def_cfa rsp, 8",
    ".cfi_restore rbp",
    "ret",
    ".cfi_endproc",
    ".size rewire_entry, . - rewire_entry",
    save_size = sym SAVE_SIZE,
    save_mask = sym SAVE_MASK,
    save_by = sym SAVE_BY,
    mxcsr = sym DEFAULT_MXCSR,
    x87 = sym DEFAULT_X87,
    begin = sym signals::begin,
    end = sym signals::end,
    enter = sym stack::enter,
    leave = sym stack::leave,
    first_call = sym first_call,
);

// rdi: what to pass; rsi: what to call; rdx: the stack to do it on, or 0 to stay.
global_asm!(
    ".text",
    ".p2align 4",
    // Referred to from other crates, where the generic function below ends up.
    ".globl rewire_on_stack",
    ".hidden rewire_on_stack",
    ".type rewire_on_stack, @function",
    "rewire_on_stack:",
    ".cfi_startproc",
    "push rbp",
    ".cfi_def_cfa_offset 16",
    ".cfi_offset rbp, -16",
    "mov rbp, rsp",
    ".cfi_def_cfa_register rbp",
    "test rdx, rdx",
    "jz 2f",
    "mov rsp, rdx",
    "2: call rsi",
    "mov rsp, rbp",
    "pop rbp",
    ".cfi_def_cfa rsp, 8",
    ".cfi_restore rbp",
    "ret",
    ".cfi_endproc",
    ".size rewire_on_stack, . - rewire_on_stack",
);

unsafe extern "C" {
    fn rewire_on_stack(data: *mut c_void, work: extern "C" fn(*mut c_void), stack: usize);
}

/// Does some work on a stack of the engine's, as a first call does: for functions of the engine
/// that compiled code calls like others, and that need more of a stack than it may have.
///
/// The work must not unwind; the process is aborted if it does.
pub fn on_engine_stack<F: FnOnce()>(work: F) {
    extern "C" fn run<F: FnOnce()>(data: *mut c_void) {
        // SAFETY: `data` is the option below, which nobody else uses meanwhile.
        if let Some(work) = unsafe { (*data.cast::<Option<F>>()).take() } {
            work();
        }
    }
    let mut work = Some(work);
    let here = (&raw mut work).cast::<c_void>();
    let stack = stack::enter(here as usize);
    // SAFETY: the stack is this thread's until `leave`, and `run` fits the data.
    unsafe { rewire_on_stack(here, run::<F>, stack) };
    stack::leave();
}

// rdi: what to pass; rsi: what to call.
global_asm!(
    ".text",
    ".p2align 4",
    ".globl rewire_uncancelled",
    ".hidden rewire_uncancelled",
    ".type rewire_uncancelled, @function",
    "rewire_uncancelled:",
    ".cfi_startproc",
    "push rbp",
    ".cfi_def_cfa_offset 16",
    ".cfi_offset rbp, -16",
    "mov rbp, rsp",
    ".cfi_def_cfa_register rbp",
    "push rdi",
    "push rsi",
    "sub rsp, 16",
    "xor edi, edi",
    "lea rsi, [rbp - 24]",
    "call qword ptr [rip + pthread_setcanceltype@GOTPCREL]",
    "mov edi, 1",
    "lea rsi, [rbp - 20]",
    "call qword ptr [rip + pthread_setcancelstate@GOTPCREL]",
    "mov rdi, qword ptr [rbp - 8]",
    "call qword ptr [rbp - 16]",
    "mov edi, dword ptr [rbp - 20]",
    "xor esi, esi",
    "call qword ptr [rip + pthread_setcancelstate@GOTPCREL]",
    "mov edi, dword ptr [rbp - 24]",
    "xor esi, esi",
    "call qword ptr [rip + pthread_setcanceltype@GOTPCREL]",
    "leave",
    ".cfi_def_cfa rsp, 8",
    ".cfi_restore rbp",
    "ret",
    ".cfi_endproc",
    ".size rewire_uncancelled, . - rewire_uncancelled",
);

unsafe extern "C-unwind" {
    fn rewire_uncancelled(data: *mut c_void, work: extern "C" fn(*mut c_void));
}

/// Does some work during which the thread isn't cancelled, as none is during a first call: for
/// functions of the engine that compiled code calls like others. A thread that allows cancellation
/// at any instruction may be unwound from here before and after the work, so the caller must not
/// own anything then, and its own caller must be compiled code. Safe in a signal handler.
///
/// # Safety
///
/// The caller must ensure that `data` is what `work` expects.
pub unsafe fn uncancelled(data: *mut c_void, work: extern "C" fn(*mut c_void)) {
    // SAFETY: as the caller promises.
    unsafe { rewire_uncancelled(data, work) };
}

/// Holds the engine's shared stacks still while the process forks; dropping it, in the parent and
/// in the child, lets go.
#[derive(Debug)]
#[must_use]
pub struct StacksHeld {
    _free: rewire_sync::MutexGuard<'static, Vec<usize>>,
}

/// Waits until no thread takes or gives back a stack, and keeps it so.
pub fn hold_for_fork() -> StacksHeld {
    StacksHeld {
        _free: stack::lock_for_fork(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_done_on_another_stack() {
        let here = 0u8;
        let mut there = 0;
        on_engine_stack(|| {
            let inner = 0u8;
            there = (&raw const inner) as usize;
        });
        assert!(there.abs_diff((&raw const here) as usize) > 1 << 16);
    }
}
