//! Turns a crash inside LLVM into an error message and an exit code.
//!
//! LLVM trusts its input: of bitcode files with flipped bits, one in twelve makes it crash. A
//! crash can't be undone, because LLVM's state is lost, but it need not look like the program's:
//! while a [`CrashGuard`] stands on a thread, a fatal signal raised on that thread prints the
//! guard's message and ends the process with the guard's code. At all other times, and on all
//! other threads, signals do what the program wants of them.

use std::cell::Cell;
use std::ffi::c_int;
use std::io::Write;
use std::marker::PhantomData;
use std::ptr;

use rewire_sync::Mutex;

use crate::scan;

/// The signals that a thread's own instructions raise.
pub const SIGNALS: [i32; 6] = [
    libc::SIGSEGV,
    libc::SIGBUS,
    libc::SIGILL,
    libc::SIGFPE,
    libc::SIGABRT,
    libc::SIGTRAP,
];

/// What a thread says when it crashes.
struct Crash {
    message: String,
    code: i32,
}

thread_local! {
    static CRASH: Cell<*const Crash> = const { Cell::new(ptr::null()) };
}

/// The dispositions that ours replaced, while any guard stands.
struct Installed {
    guards: usize,
    before: [libc::sigaction; SIGNALS.len()],
}

// SAFETY: plain data; the handlers' addresses in it are never called through it by us alone.
unsafe impl Send for Installed {}

static INSTALLED: Mutex<Option<Installed>> = Mutex::new(None);

/// While it stands, a crash of this thread is reported as `message` and ends the process.
#[derive(Debug)]
pub struct CrashGuard {
    before: *const Crash,
    crash: *mut Crash,
    stack: Option<AlternateStack>,
    _not_send: PhantomData<*const ()>,
}

impl CrashGuard {
    /// Stands guard. The message is written as it is, to standard error.
    #[must_use]
    pub fn new(message: String, code: i32) -> Self {
        let crash = Box::into_raw(Box::new(Crash { message, code }));
        let before = CRASH.replace(crash);
        let stack = if before.is_null() {
            install();
            AlternateStack::new()
        } else {
            None
        };
        Self {
            before,
            crash,
            stack,
            _not_send: PhantomData,
        }
    }
}

impl Drop for CrashGuard {
    fn drop(&mut self) {
        CRASH.set(self.before);
        // SAFETY: made by `new`, and nobody refers to it any more.
        drop(unsafe { Box::from_raw(self.crash) });
        if self.before.is_null() {
            drop(self.stack.take());
            uninstall();
        }
    }
}

/// Ends the process as a crash would, for an error that LLVM itself does not survive: with the
/// guard's message and `reason`. Returns when no guard stands on this thread.
pub fn end_by(reason: &str) {
    let crash = CRASH.get();
    if crash.is_null() {
        return;
    }
    // SAFETY: the guard that set it still stands: it is on this thread's stack.
    let crash = unsafe { &*crash };
    let _ = writeln!(std::io::stderr(), "{}  {reason}", crash.message);
    // SAFETY: it ends the process.
    unsafe { libc::_exit(crash.code) };
}

unsafe extern "C" {
    /// The C library's `sigaction` under its other name: a program may export one of its own that
    /// leads to [`sigaction`].
    fn __sigaction(
        signal: c_int,
        action: *const libc::sigaction,
        former: *mut libc::sigaction,
    ) -> c_int;
}

/// `sigaction` for the program: while guards stand (another thread may be compiling at any time),
/// what it sets and what it is told are the dispositions that will be in force without them. The
/// signal of [`scan`](mod@crate::scan) is hidden likewise.
///
/// # Safety
///
/// As of the C library's.
pub unsafe fn sigaction(
    signal: c_int,
    action: *const libc::sigaction,
    former: *mut libc::sigaction,
) -> c_int {
    let place = SIGNALS.iter().position(|one| *one == signal);
    let Some(place) = place else {
        // SAFETY: as the caller promises.
        return unsafe {
            match scan::sigaction_of_program(signal, action, former) {
                Some(result) => result,
                None => __sigaction(signal, action, former),
            }
        };
    };
    // SAFETY: these calls change this thread's own mask and fill in plain data; the pointers are
    // as the caller promises. No handler may come by while the lock is held.
    unsafe {
        let mut all: libc::sigset_t = std::mem::zeroed();
        let mut mask: libc::sigset_t = std::mem::zeroed();
        libc::sigfillset(&raw mut all);
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const all, &raw mut mask);
        let mut installed = INSTALLED
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        let result = match installed.as_mut() {
            Some(state) => {
                let before = &mut state.before[place];
                let was = *before;
                if let Some(action) = action.as_ref() {
                    *before = *action;
                }
                if let Some(former) = former.as_mut() {
                    *former = was;
                }
                0
            }
            None => __sigaction(signal, action, former),
        };
        drop(installed);
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const mask, ptr::null_mut());
        result
    }
}

fn install() {
    let mut installed = INSTALLED
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner());
    if let Some(installed) = installed.as_mut() {
        installed.guards += 1;
        return;
    }
    // SAFETY: zeroed bytes are a valid `sigaction`; the handler has the type that SA_SIGINFO asks.
    unsafe {
        let mut before: [libc::sigaction; SIGNALS.len()] = std::mem::zeroed();
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = on_signal as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_NODEFER;
        for (signal, before) in SIGNALS.iter().zip(&mut before) {
            __sigaction(*signal, &raw const action, before);
        }
        *installed = Some(Installed { guards: 1, before });
    }
}

fn uninstall() {
    let mut installed = INSTALLED
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner());
    let Some(state) = installed.as_mut() else {
        return;
    };
    state.guards -= 1;
    if state.guards > 0 {
        return;
    }
    for (signal, before) in SIGNALS.iter().zip(&state.before) {
        // SAFETY: as in `install`.
        unsafe {
            let mut now: libc::sigaction = std::mem::zeroed();
            __sigaction(*signal, before, &raw mut now);
            if now.sa_sigaction != on_signal as *const () as usize {
                // The program set its own on another thread meanwhile; that stays.
                __sigaction(*signal, &raw const now, ptr::null_mut());
            }
        }
    }
    *installed = None;
}

/// A stack for the handler, because a crash may be an overflow of the thread's own.
#[derive(Debug)]
struct AlternateStack {
    memory: Vec<u8>,
    before: libc::stack_t,
}

/// Stacks that no guard uses. Not one for each thread: a guard may stand while a thread, or the
/// process, is ending, when its thread-local variables are gone.
static STACKS: Mutex<Vec<Vec<u8>>> = Mutex::new(Vec::new());

impl AlternateStack {
    /// `None` when the thread has one already.
    fn new() -> Option<Self> {
        const SIZE: usize = 64 << 10;
        // SAFETY: zeroed bytes are a valid `stack_t`; the new stack lives until `drop` has put
        // back the former state.
        unsafe {
            let mut before: libc::stack_t = std::mem::zeroed();
            libc::sigaltstack(ptr::null(), &raw mut before);
            if before.ss_flags & libc::SS_DISABLE == 0 {
                return None;
            }
            let free = STACKS
                .lock()
                .unwrap_or_else(|poisoned| poisoned.into_inner())
                .pop();
            let mut memory = free.unwrap_or_else(|| vec![0; SIZE]);
            let stack = libc::stack_t {
                ss_sp: memory.as_mut_ptr().cast(),
                ss_flags: 0,
                ss_size: SIZE,
            };
            libc::sigaltstack(&raw const stack, ptr::null_mut());
            Some(Self { memory, before })
        }
    }
}

impl Drop for AlternateStack {
    fn drop(&mut self) {
        // SAFETY: it is what the thread had before.
        unsafe { libc::sigaltstack(&raw const self.before, ptr::null_mut()) };
        let memory = std::mem::take(&mut self.memory);
        STACKS
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
            .push(memory);
    }
}

extern "C" fn on_signal(signal: i32, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    let crash = CRASH.get();
    if !crash.is_null() {
        // SAFETY: the guard that set it still stands: it is on this thread's stack.
        let crash = unsafe { &*crash };
        // SAFETY: both calls are safe in a signal handler (signal-safety(7)).
        unsafe {
            libc::write(2, crash.message.as_ptr().cast(), crash.message.len());
            libc::_exit(crash.code);
        }
    }
    pass_on(signal, info, context);
}

/// Another thread's signal: what the program wants of it.
fn pass_on(signal: i32, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    let before = {
        let installed = INSTALLED.try_lock();
        let place = SIGNALS.iter().position(|one| *one == signal);
        match (installed, place) {
            (Ok(installed), Some(place)) => installed.as_ref().map(|state| state.before[place]),
            // The dispositions are being put back: the fault comes again and meets them.
            _ => return,
        }
    };
    let Some(before) = before else { return };
    match before.sa_sigaction {
        libc::SIG_DFL => {
            // SAFETY: as in `install`. The fault, or the raised signal, comes again.
            unsafe {
                __sigaction(signal, &raw const before, ptr::null_mut());
                libc::raise(signal);
            }
        }
        libc::SIG_IGN => {}
        handler => {
            // SAFETY: the program installed a handler of the type that its flags say.
            unsafe {
                if before.sa_flags & libc::SA_SIGINFO != 0 {
                    let handler: extern "C" fn(i32, *mut libc::siginfo_t, *mut libc::c_void) =
                        std::mem::transmute(handler);
                    handler(signal, info, context);
                } else {
                    let handler: extern "C" fn(i32) = std::mem::transmute(handler);
                    handler(signal);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    extern "C" fn nothing(_signal: i32) {}

    fn disposition(action: *const libc::sigaction) -> usize {
        // SAFETY: zeroed bytes are a valid `sigaction`.
        unsafe {
            let mut former: libc::sigaction = std::mem::zeroed();
            assert_eq!(sigaction(libc::SIGFPE, action, &raw mut former), 0);
            former.sa_sigaction
        }
    }

    #[test]
    fn the_program_does_not_see_guards() {
        assert_eq!(disposition(ptr::null()), libc::SIG_DFL);
        let guard = CrashGuard::new(String::new(), 1);
        assert_eq!(disposition(ptr::null()), libc::SIG_DFL);
        // SAFETY: zeroed bytes are a valid `sigaction`.
        let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
        let handler = nothing as *const () as usize;
        action.sa_sigaction = handler;
        assert_eq!(disposition(&raw const action), libc::SIG_DFL);
        assert_eq!(disposition(ptr::null()), handler);
        drop(guard);
        assert_eq!(disposition(ptr::null()), handler, "what was set stays");
        action.sa_sigaction = libc::SIG_DFL;
        assert_eq!(disposition(&raw const action), handler);
    }
}
