//! Ctrl-C: the user's wish that a call ends.
//!
//! The thread that makes the calls has the signal come to it, whichever thread got it. In compiled
//! code it leaves the call there and then. A function of the host's that may hold something returns
//! first; where it waits in a system call, it does so because of the signal. A timer has the thread
//! look again until then, for the function may have gone to other code. Where no call is made, the
//! client is told. A second Ctrl-C before the first was heeded does what it does without us.

use std::ffi::{c_int, c_void};
use std::mem;
use std::ptr;
use std::sync::atomic::{AtomicI32, AtomicPtr, Ordering};

use rewire_object::ExecAddr;

use super::interrupt_request::{self, IS_ASKED, LOOKS, SIGNAL, make_timer, set_timer};
use super::redirect::redirect;
use super::return_point::{current, leave, register};
use super::{Stop, Trace, Way, examine};
use crate::fault;

/// The thread that makes the calls; 0 if nobody watches.
static THREAD: AtomicI32 = AtomicI32::new(0);
static PROCESS: AtomicI32 = AtomicI32::new(0);
/// What is called when no call is under way.
static AT_WORK: AtomicPtr<()> = AtomicPtr::new(ptr::null_mut());

/// How long until it looks again, in nanoseconds.
const PERIOD: i64 = 2_000_000;
/// After how many looks the user is told what is waited for.
const PATIENCE: u32 = 200;

/// From now on, Ctrl-C ends this thread's calls; `at_work` is called, in the handler, when there is
/// none to end. Whatever was asked for before is forgotten. If the program has set what the signal
/// does, it keeps doing that.
pub fn watch(at_work: fn()) {
    AT_WORK.store(at_work as *mut (), Ordering::Relaxed);
    // SAFETY: no preconditions; zeroed bytes are valid for both types, and the handler is one.
    unsafe {
        THREAD.store(libc::gettid(), Ordering::Relaxed);
        PROCESS.store(libc::getpid(), Ordering::Relaxed);
        IS_ASKED.store(false, Ordering::Relaxed);
        set_timer(0);
        let mut now: libc::sigaction = mem::zeroed();
        fault::sigaction(SIGNAL, ptr::null(), &raw mut now);
        if now.sa_sigaction != libc::SIG_DFL {
            return;
        }
        make_timer();
        let mut action: libc::sigaction = mem::zeroed();
        action.sa_sigaction = on_signal as *const () as usize;
        // Not SA_RESTART: what waits is to return.
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
        fault::sigaction(SIGNAL, &raw const action, ptr::null_mut());
    }
}

extern "C" fn on_signal(_signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    // SAFETY: the kernel passes both, and the errno is the thread's own.
    let (info, context, errno) = unsafe {
        (
            &*info,
            &mut *context.cast::<libc::ucontext_t>(),
            &mut *libc::__errno_location(),
        )
    };
    let before = *errno;
    arrived(info, context);
    *errno = before;
}

fn arrived(info: &libc::siginfo_t, context: &mut libc::ucontext_t) {
    let is_look = info.si_code == libc::SI_TIMER;
    let thread = THREAD.load(Ordering::Relaxed);
    // SAFETY: no preconditions.
    let (pid, tid) = unsafe { (libc::getpid(), libc::gettid()) };
    if pid != PROCESS.load(Ordering::Relaxed) {
        return die();
    }
    if tid != thread {
        // SAFETY: the thread is this process's.
        unsafe { libc::syscall(libc::SYS_tgkill, pid, thread, SIGNAL) };
        return;
    }
    if is_look && !IS_ASKED.load(Ordering::Relaxed) {
        return set_timer(0);
    }
    if !is_look && IS_ASKED.swap(true, Ordering::Relaxed) {
        return die();
    }
    let Some(point) = current() else {
        set_timer(0);
        let at_work = AT_WORK.load(Ordering::Relaxed);
        if !is_look && !at_work.is_null() {
            // SAFETY: `watch` stored a function of this type.
            unsafe { mem::transmute::<*mut (), fn()>(at_work)() };
        }
        return;
    };
    let Some(judge) = point.judge else { return };
    let stop = Stop {
        signal: SIGNAL,
        at: ExecAddr::new(register(context, libc::REG_RIP)),
        access: None,
        trace: Trace::default(),
    };
    match examine(point, judge, stop, context) {
        (Way::Now, stop) => {
            interrupt_request::clear();
            leave(point, stop, context);
        }
        (way, stop) => {
            let mut looks = 0;
            if is_look {
                looks = LOOKS.load(Ordering::Relaxed) + 1;
            } else {
                set_timer(PERIOD);
            }
            LOOKS.store(looks, Ordering::Relaxed);
            if looks == PATIENCE {
                super::sheltered(|| judge.waits(&stop));
            }
            if let (Way::Later, Some(caller)) = (way, stop.trace.calls().first().copied()) {
                let at = stop.trace.return_at();
                redirect(point, stop, at, caller);
            }
        }
    }
}

/// Does what the signal does by default.
fn die() {
    // SAFETY: zeroed bytes are the default action; the process may send itself a signal.
    unsafe {
        let default: libc::sigaction = mem::zeroed();
        fault::sigaction(SIGNAL, &raw const default, ptr::null_mut());
        libc::syscall(libc::SYS_tgkill, libc::getpid(), libc::gettid(), SIGNAL);
    }
}
