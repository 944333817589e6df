//! What happens when one of the signals arrives.

use std::arch::global_asm;
use std::ffi::{c_int, c_void};
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering};

use super::program_handlers::{self, Disposition};
use super::thread_state::{CRASH, Crash, WORKING};

// The kernel calls it as it would call the program's handler, and the program's handler is gone to
// as if the kernel had called it: with the same registers and stack. So what looks at frames, or
// unwinds them, finds what it would find without us.
global_asm!(
    ".text",
    ".p2align 4",
    ".globl rewire_on_signal",
    ".hidden rewire_on_signal",
    ".type rewire_on_signal, @function",
    "rewire_on_signal:",
    ".cfi_startproc",
    "push rdi",
    ".cfi_def_cfa_offset 16",
    "push rsi",
    ".cfi_def_cfa_offset 24",
    "push rdx",
    ".cfi_def_cfa_offset 32",
    "call {decide}",
    "pop rdx",
    ".cfi_def_cfa_offset 24",
    "pop rsi",
    ".cfi_def_cfa_offset 16",
    "pop rdi",
    ".cfi_def_cfa_offset 8",
    "test rax, rax",
    "jz 2f",
    "mov r11, rax",
    "xor eax, eax",
    "jmp r11",
    "2: ret",
    ".cfi_endproc",
    ".size rewire_on_signal, . - rewire_on_signal",
    decide = sym decide,
);

unsafe extern "C" {
    fn rewire_on_signal();
}

/// The address of the handler.
pub(super) fn handler() -> usize {
    rewire_on_signal as *const () as usize
}

/// Returns the program's handler, or 0 if none is to be called. A thread may be cancelled within,
/// so nothing here has to be dropped.
extern "C-unwind" fn decide(
    signal: c_int,
    info: *mut libc::siginfo_t,
    context: *mut c_void,
) -> usize {
    // SAFETY: the kernel passes both, and the errno is the thread's own.
    let (info, context, errno) = unsafe {
        (
            &*info,
            &mut *context.cast::<libc::ucontext_t>(),
            libc::__errno_location(),
        )
    };
    // SAFETY: as above.
    let before = unsafe { *errno };
    let handler = decide_keeping_nothing(signal, info, context);
    // SAFETY: as above.
    unsafe { *errno = before };
    handler
}

fn decide_keeping_nothing(
    signal: c_int,
    info: &libc::siginfo_t,
    context: &mut libc::ucontext_t,
) -> usize {
    let crash = CRASH.get();
    if !crash.is_null() || WORKING.get() > 0 {
        if !is_raised_here(signal, info, context) {
            put_off(signal, info, context);
            return 0;
        }
        // SAFETY: the guard that set it still stands: it is on this thread's stack.
        if let Some(crash) = unsafe { crash.as_ref() } {
            report(crash);
        }
        // What the client's own code does within the engine's, or a fault of the engine's.
    }
    let is_fault = WORKING.get() == 0 && is_raised_here(signal, info, context);
    if is_fault && program_handlers::is_hosts(signal) && is_looked_after(signal, info, context) {
        return 0;
    }
    match program_handlers::of(signal) {
        Disposition::Handled(handler) => handler,
        Disposition::Ignored => 0,
        Disposition::Default => {
            program_handlers::reset(signal);
            send(signal, info, Target::Thread);
            0
        }
    }
}

/// Asked about a fault of the program's. It may change where the handler returns to; it returns
/// whether it dealt with the fault.
pub(crate) type LookAfter = fn(c_int, &libc::siginfo_t, &mut libc::ucontext_t) -> bool;

/// The function that is asked about faults of the program's; null if none is.
static LOOK_AFTER: AtomicPtr<()> = AtomicPtr::new(ptr::null_mut());

pub(super) fn set_look_after(function: LookAfter) {
    LOOK_AFTER.store(function as *mut (), Ordering::Release);
}

fn is_looked_after(signal: c_int, info: &libc::siginfo_t, context: &mut libc::ucontext_t) -> bool {
    let function = LOOK_AFTER.load(Ordering::Acquire);
    // SAFETY: `set_look_after` stored a function of this type.
    !function.is_null()
        && unsafe { std::mem::transmute::<*mut (), LookAfter>(function)(signal, info, context) }
}

fn report(crash: &Crash) -> ! {
    // SAFETY: both calls are safe in a signal handler (signal-safety(7)).
    unsafe {
        libc::write(2, crash.message.as_ptr().cast(), crash.message.len());
        libc::_exit(crash.code);
    }
}

/// Whether the interrupted instructions raised the signal: by a fault, or by the system call with
/// which `abort` and `raise` send one to their own thread.
fn is_raised_here(signal: c_int, info: &libc::siginfo_t, context: &libc::ucontext_t) -> bool {
    if info.si_code != libc::SI_TKILL {
        // The kernel's own codes are positive (sigaction(2)).
        return info.si_code > 0;
    }
    let register = |place: c_int| context.uc_mcontext.gregs[place as usize];
    // SAFETY: no preconditions.
    let (pid, tid) = unsafe { (libc::getpid(), libc::gettid()) };
    register(libc::REG_RDI) == i64::from(pid)
        && register(libc::REG_RSI) == i64::from(tid)
        && register(libc::REG_RDX) == i64::from(signal)
        && register(libc::REG_RAX) == 0
}

/// How many signals that were sent have been put off.
static PUT_OFF: AtomicU64 = AtomicU64::new(0);

/// Returns how many signals threads of the engine have received and sent on, because they came
/// while the engine or LLVM was at work. A thread that waits for such a signal may be interrupted.
pub fn count_put_off() -> u64 {
    PUT_OFF.load(Ordering::Acquire)
}

/// Has a signal that was sent wait until the engine has left this thread: blocked here, and sent
/// once more as it was. If it was sent to the process, another thread may take it now.
fn put_off(signal: c_int, info: &libc::siginfo_t, context: &mut libc::ucontext_t) {
    // SAFETY: the mask that is in force when the handler returns, of this thread.
    unsafe { libc::sigaddset(&raw mut context.uc_sigmask, signal) };
    PUT_OFF.fetch_add(1, Ordering::Release);
    let target = if info.si_code == libc::SI_TKILL {
        Target::Thread
    } else {
        Target::Process
    };
    send(signal, info, target);
}

enum Target {
    Thread,
    Process,
}

/// Sends a signal with the information that it came with.
fn send(signal: c_int, info: &libc::siginfo_t, target: Target) {
    let info: *const libc::siginfo_t = info;
    // SAFETY: a process may send itself any information (rt_sigqueueinfo(2)).
    unsafe {
        let pid = libc::getpid();
        match target {
            Target::Thread => {
                let tid = libc::gettid();
                libc::syscall(libc::SYS_rt_tgsigqueueinfo, pid, tid, signal, info)
            }
            Target::Process => libc::syscall(libc::SYS_rt_sigqueueinfo, pid, signal, info),
        }
    };
}
