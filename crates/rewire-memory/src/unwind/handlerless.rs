//! The frames that a thread is giving up: they are described to the unwinder without their
//! handlers.

use std::cell::Cell;
use std::ffi::c_void;
use std::ptr;

/// A thread on its way back.
pub(super) struct GivingUp {
    /// The stack pointer where it is going.
    pub(super) target: usize,
    /// The frames that would stop it, by an address in the call that they are at.
    pub(super) frames: Vec<HandlerlessFrame>,
}

/// The description of a frame without its handlers.
pub(super) struct HandlerlessFrame {
    pub(super) pc: u64,
    pub(super) start: u64,
    pub(super) bytes: Box<[u8]>,
    pub(super) place: usize,
}

thread_local! {
    // No destructor: compiled code runs until the very end of a thread.
    pub(super) static GIVING_UP: Cell<*mut GivingUp> = const { Cell::new(ptr::null_mut()) };
}

/// What the unwinder is told of a frame that a thread gives up: the start of its function, and a
/// description without handlers.
pub(super) fn find(pc: u64) -> Option<(u64, *const c_void)> {
    // SAFETY: only this thread changes it, and frees it in `drop`, when it has arrived.
    let giving_up = unsafe { GIVING_UP.get().as_ref() }?;
    let frame = giving_up.frames.iter().find(|one| one.pc == pc)?;
    Some((frame.start, (&raw const frame.bytes[frame.place]).cast()))
}
