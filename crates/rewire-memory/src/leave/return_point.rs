//! Where a thread comes back to when it leaves a call.

use std::cell::{Cell, UnsafeCell};
use std::ffi::c_int;
use std::ptr;

use rewire_object::ExecAddr;

use super::entry;
use super::walk::Trace;

/// Where a signal stopped a call.
#[derive(Clone, Debug)]
pub struct Stop {
    /// The signal.
    pub signal: c_int,
    /// The interrupted instruction.
    pub at: ExecAddr,
    /// What the instruction did with memory that it may not use.
    pub access: Option<(Access, ExecAddr)>,
    /// The frames, innermost first.
    pub trace: Trace,
}

/// What is done with memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// It is read.
    Read,
    /// It is written.
    Write,
    /// It is executed.
    Execute,
}

/// Decides which calls of the host's functions may be left: a function that holds a lock would hold
/// it for ever.
pub trait Judge {
    /// Whether the functions that were called from these places (each a return address in compiled
    /// code) may be left at any instruction. Called in a signal handler that interrupted one of
    /// them.
    fn may_be_left(&self, calls: &[ExecAddr]) -> bool;

    /// Whether the function that was called from this place looks at no frames of its callers
    /// before it returns. Called likewise.
    fn minds_its_own(&self, call: ExecAddr) -> bool;

    /// Told of a crash from which there is no coming back, in a signal handler.
    fn cannot_leave(&self, stop: &Stop);

    /// Told of an interrupt that waits for a function of the host's to end, in a signal handler.
    fn waits(&self, stop: &Stop);
}

/// Where a thread comes back to when it leaves a call.
pub(super) struct ReturnPoint<'j> {
    /// The stack pointer there.
    pub(super) stack: usize,
    /// The signals that were blocked there.
    pub(super) mask: u64,
    /// The child of a fork has another life.
    pub(super) process: i32,
    /// Nobody, if every fault is to come back here.
    pub(super) judge: Option<&'j dyn Judge>,
    pub(super) stop: UnsafeCell<Option<Stop>>,
}

thread_local! {
    // No destructor: compiled code runs until the very end of a thread.
    pub(super) static RETURN_POINT: Cell<*const ReturnPoint<'static>> = const { Cell::new(ptr::null()) };
}

/// This thread's return point, if this process made it.
pub(super) fn current() -> Option<&'static ReturnPoint<'static>> {
    // SAFETY: it is further up on this thread's stack.
    let point = unsafe { RETURN_POINT.get().as_ref() }?;
    // SAFETY: no preconditions.
    (point.process == unsafe { libc::getpid() }).then_some(point)
}

/// Has the thread go on at the place, when the handler returns.
pub(super) fn leave(point: &ReturnPoint<'_>, stop: Stop, context: &mut libc::ucontext_t) {
    // SAFETY: this thread alone uses it, and is in a handler.
    unsafe { point.stop.get().write(Some(stop)) };
    let registers = &mut context.uc_mcontext.gregs;
    registers[libc::REG_RIP as usize] = entry::landing() as i64;
    registers[libc::REG_RSP as usize] = point.stack as i64;
    // SAFETY: the kernel takes the first 8 bytes (rt_sigreturn(2)).
    unsafe {
        (&raw mut context.uc_sigmask)
            .cast::<u64>()
            .write(point.mask);
    };
}

pub(super) fn register(context: &libc::ucontext_t, place: c_int) -> u64 {
    context.uc_mcontext.gregs[place as usize] as u64
}
