//! Leaving a call of compiled code that crashed, or that is to end.
//!
//! [`call`] enters compiled code and notes where that was. A signal's handler may have the thread
//! go on there instead of where it was interrupted (`leave`): the frames between are forgotten,
//! not unwound, because at an arbitrary instruction nobody knows what there is to clean up. So only
//! frames of compiled code are left, and those of functions of the host's that say they hold
//! nothing ([`Judge`]): a lock that the C library's allocator holds would be held for ever. Where
//! that isn't so, what happens is what happens without us; or the call is left when the function
//! has returned (`redirect.rs`).
//!
//! Crashes come here from [`crate::fault`]; [`interrupts`] has Ctrl-C do the same.

mod entry;
mod image;
mod interrupt_request;
pub mod interrupts;
mod redirect;
mod return_point;
mod walk;

use std::cell::{Cell, UnsafeCell};
use std::ffi::c_int;

use rewire_object::ExecAddr;

use crate::fault::{self, AlternateStack};
use crate::signals::{self, SignalMask, set_mask};

pub use return_point::{Access, Judge, Stop};
pub use walk::Trace;

use return_point::{RETURN_POINT, ReturnPoint, current, leave, register};

thread_local! {
    // No destructor: compiled code runs until the very end of a thread.
    static LEAVABLE_CALLS: Cell<usize> = const { Cell::new(0) };
}

/// While it lives on a thread, calls of the client's are made by [`call`].
#[derive(Debug)]
pub struct LeavableCalls(std::marker::PhantomData<*const ()>);

impl LeavableCalls {
    /// From now on.
    #[must_use]
    pub fn begin() -> Self {
        fault::on_faults_of_program(crashed);
        LEAVABLE_CALLS.set(LEAVABLE_CALLS.get() + 1);
        Self(std::marker::PhantomData)
    }
}

impl Drop for LeavableCalls {
    fn drop(&mut self) {
        LEAVABLE_CALLS.set(LEAVABLE_CALLS.get() - 1);
    }
}

/// Whether this thread's calls can be left.
#[must_use]
pub fn are_calls_leavable() -> bool {
    LEAVABLE_CALLS.get() > 0
}

/// Calls a function of compiled code with up to three arguments.
///
/// # Errors
///
/// It was left.
///
/// # Safety
///
/// The caller must ensure that `function` is a function of compiled code that takes these arguments
/// and returns nothing, and that its behaviour is defined for them.
pub unsafe fn call(
    function: ExecAddr,
    arguments: [u64; 3],
    judge: &dyn Judge,
) -> Result<(), Box<Stop>> {
    // A fault may be an overflow of the stack.
    let _stack = AlternateStack::where_small();
    let _ = image::own();
    // SAFETY: as the caller promises.
    unsafe { enter(function, arguments, Some(judge)) }
}

/// # Safety
///
/// As of [`call`].
unsafe fn enter(
    function: ExecAddr,
    arguments: [u64; 3],
    judge: Option<&dyn Judge>,
) -> Result<(), Box<Stop>> {
    /// Takes the place out again, however it is left.
    struct FormerReturnPoint(*const ReturnPoint<'static>);
    impl Drop for FormerReturnPoint {
        fn drop(&mut self) {
            RETURN_POINT.set(self.0);
        }
    }
    let mut point = ReturnPoint {
        stack: 0,
        mask: SignalMask::current().bits(),
        // SAFETY: no preconditions.
        process: unsafe { libc::getpid() },
        judge,
        stop: UnsafeCell::new(None),
    };
    let here: *mut ReturnPoint<'_> = &raw mut point;
    let _taken = FormerReturnPoint(RETURN_POINT.replace(here.cast_const().cast()));
    // SAFETY: as the caller promises; the place stays where it is until this returns.
    let was_left =
        unsafe { entry::rewire_leavable(arguments, function.get(), &raw mut (*here).stack) };
    redirect::forget();
    // SAFETY: the handler that writes it runs on this thread, before the call has come back.
    let stop = unsafe { (*here).stop.get().replace(None) };
    match stop {
        Some(stop) if was_left => Err(Box::new(stop)),
        _ => Ok(()),
    }
}

/// Does some work in a signal handler; false if it faulted. What faults must hold nothing.
fn sheltered<F: FnOnce()>(work: F) -> bool {
    extern "C" fn run<F: FnOnce()>(data: *mut Option<F>) {
        // SAFETY: it is the option below.
        if let Some(work) = unsafe { (*data).take() } {
            work();
        }
    }
    let mut work = Some(work);
    let data = &raw mut work;
    let function = ExecAddr::new(run::<F> as *const () as u64);
    let before = signals::unblock_fault_signals();
    // SAFETY: `run` fits the data.
    let result = unsafe { enter(function, [data as u64, 0, 0], None) };
    set_mask(before);
    result.is_ok()
}

/// A signal has come by a fault of this thread's: has the thread go on at its place, if it may.
/// Otherwise says why it can't, if anybody wants to know.
fn crashed(signal: c_int, info: &libc::siginfo_t, context: &mut libc::ucontext_t) -> bool {
    let Some(point) = current() else {
        return false;
    };
    let stop = Stop {
        signal,
        at: ExecAddr::new(register(context, libc::REG_RIP)),
        access: access(signal, info, context),
        trace: Trace::default(),
    };
    let Some(judge) = point.judge else {
        leave(point, stop, context);
        return true;
    };
    match examine(point, judge, stop, context) {
        (Way::Now, stop) => {
            leave(point, stop, context);
            true
        }
        (_, stop) => {
            if has_room(context) {
                sheltered(|| judge.cannot_leave(&stop));
            }
            false
        }
    }
}

/// When a call may be left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Now,
    /// When the function of the host's has returned.
    Later,
    Never,
}

/// Looks at the frames between an interrupted instruction and the place, and says when they may be
/// left.
fn examine(
    point: &ReturnPoint<'_>,
    judge: &dyn Judge,
    mut stop: Stop,
    context: &mut libc::ucontext_t,
) -> (Way, Stop) {
    redirect::restore(point);
    if !has_room(context) {
        return (Way::Never, stop);
    }
    let (ip, sp) = (libc::REG_RIP as usize, libc::REG_RSP as usize);
    let before = (context.uc_mcontext.gregs[ip], context.uc_mcontext.gregs[sp]);
    let mut way = Way::Never;
    let trace = &mut stop.trace;
    let is_call_of_nothing = matches!(stop.access, Some((Access::Execute, _)));
    sheltered(|| {
        if is_call_of_nothing {
            // It is as if the call hadn't been made: of what is there no frame is known.
            // SAFETY: a fault comes back from here.
            let caller = unsafe { (before.1 as *const i64).read_volatile() };
            context.uc_mcontext.gregs[ip] = caller - 1;
            context.uc_mcontext.gregs[sp] = before.1 + 8;
        }
        trace.take(point.stack);
        way = when(judge, trace);
    });
    (context.uc_mcontext.gregs[ip], context.uc_mcontext.gregs[sp]) = before;
    (way, stop)
}

/// Whether there is room to look at frames: the program may have set a small stack for its
/// handlers.
fn has_room(context: &libc::ucontext_t) -> bool {
    const NEEDED: usize = 32 << 10;
    let stack = &context.uc_stack;
    let here = (&raw const context).addr();
    let is_there = here.wrapping_sub(stack.ss_sp.addr()) < stack.ss_size;
    !is_there || stack.ss_size >= NEEDED
}

fn when(judge: &dyn Judge, trace: &Trace) -> Way {
    let calls = trace.calls();
    if !trace.is_known() {
        return Way::Never;
    }
    if calls.is_empty() || judge.may_be_left(calls) {
        return Way::Now;
    }
    let (first, others) = (calls[0], &calls[1..]);
    let is_in_first = trace.is_outside() && judge.minds_its_own(first);
    if is_in_first && (others.is_empty() || judge.may_be_left(others)) {
        return Way::Later;
    }
    Way::Never
}

/// What an instruction did that a page fault tells of (Intel SDM vol. 3, "Page-Fault Exceptions").
fn access(
    signal: c_int,
    info: &libc::siginfo_t,
    context: &libc::ucontext_t,
) -> Option<(Access, ExecAddr)> {
    const PAGE_FAULT: u64 = 14;
    if !matches!(signal, libc::SIGSEGV | libc::SIGBUS)
        || register(context, libc::REG_TRAPNO) != PAGE_FAULT
    {
        return None;
    }
    let error = register(context, libc::REG_ERR);
    let access = match error {
        _ if error & 0x10 != 0 => Access::Execute,
        _ if error & 2 != 0 => Access::Write,
        _ => Access::Read,
    };
    // SAFETY: faults have an address.
    let address = unsafe { info.si_addr() };
    // Without a bit of its own for it, a fetch is one that reads where the instruction is.
    if address as u64 == register(context, libc::REG_RIP) {
        return Some((Access::Execute, ExecAddr::new(address as u64)));
    }
    Some((access, ExecAddr::new(address as u64)))
}
