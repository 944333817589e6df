//! The frames of a call that a signal has interrupted.

use std::ffi::{c_int, c_void};

use rewire_object::ExecAddr;

use super::image;
use crate::unwind::is_compiled;
use crate::unwind::library::{_Unwind_Backtrace, _Unwind_GetCFA, _Unwind_GetIPInfo};

/// How many frames are kept, from the innermost.
const FRAMES: usize = 16;
/// The most frames that a walk looks at: on a damaged stack, frames may form a cycle.
const DEEPEST: usize = 1 << 24;
/// How many functions of the host's may have been called one below the other.
const CALLS: usize = 4;

/// The frames of compiled code, innermost first. It has its memory with it: it is filled in by a
/// signal handler.
#[derive(Clone, Debug)]
pub struct Trace {
    frames: [ExecAddr; FRAMES],
    /// How many frames there are, kept or not.
    depth: usize,
    calls: [ExecAddr; CALLS],
    called: usize,
    /// Where the return address of the first of these calls lies.
    return_at: usize,
    /// Whether the innermost frame is the host's.
    is_outside: bool,
    /// Whether the frame before was the host's.
    was_host: bool,
    has_begun: bool,
    /// Whether the walk has come to where compiled code was entered.
    arrives: bool,
    /// Whether frames are in between that nobody may leave, of the engine say.
    is_barred: bool,
    target: usize,
}

impl Default for Trace {
    fn default() -> Self {
        Self {
            frames: [ExecAddr::NULL; FRAMES],
            depth: 0,
            calls: [ExecAddr::NULL; CALLS],
            called: 0,
            return_at: 0,
            is_outside: false,
            was_host: false,
            has_begun: false,
            arrives: false,
            is_barred: false,
            target: 0,
        }
    }
}

impl Trace {
    /// An address in each frame of compiled code, innermost first, as far as they were kept.
    #[must_use]
    pub fn frames(&self) -> &[ExecAddr] {
        &self.frames[..self.depth.min(FRAMES)]
    }

    /// How many frames of compiled code there are beyond those.
    #[must_use]
    pub fn more(&self) -> usize {
        self.depth - self.frames().len()
    }

    /// Where compiled code has called the host's, innermost first: return addresses.
    #[must_use]
    pub fn calls(&self) -> &[ExecAddr] {
        &self.calls[..self.called.min(CALLS)]
    }

    /// Where the first of these return addresses lies.
    pub(super) fn return_at(&self) -> usize {
        self.return_at
    }

    /// Whether it was the host's code that was interrupted.
    #[must_use]
    pub fn is_outside(&self) -> bool {
        self.is_outside
    }

    /// Whether frames are in between that nobody may leave or look into: the engine's, or what a
    /// handler of the program's has interrupted.
    #[must_use]
    pub fn is_barred(&self) -> bool {
        self.is_barred
    }

    /// Whether all frames are of compiled code, or of functions that it has called.
    pub(super) fn is_known(&self) -> bool {
        self.arrives && !self.is_barred && self.called <= CALLS && self.depth > 0
    }

    /// Fills it in, from the frame that a signal handler has interrupted up to the one whose stack
    /// pointer is `target`.
    pub(super) fn take(&mut self, target: usize) {
        self.target = target;
        // SAFETY: the callback doesn't unwind, and the data outlives the call.
        unsafe { _Unwind_Backtrace(step, (&raw mut *self).cast()) };
    }

    /// Looks at one frame; `None` if it is the last.
    fn look(&mut self, address: u64, stack: usize, is_interrupted: bool) -> Option<()> {
        if !self.has_begun && !is_interrupted {
            return Some(());
        }
        if stack == self.target {
            self.arrives = true;
            return None;
        }
        if self.depth >= DEEPEST {
            return None;
        }
        let pc = if is_interrupted { address } else { address - 1 };
        let is_first = !self.has_begun;
        self.has_begun = true;
        // A handler of the program's may have interrupted anything.
        self.is_barred |= is_interrupted && !is_first;
        if is_compiled(pc) {
            if let Some(frame) = self.frames.get_mut(self.depth) {
                *frame = ExecAddr::new(pc);
            }
            self.depth += 1;
            if self.was_host {
                if let Some(call) = self.calls.get_mut(self.called) {
                    *call = ExecAddr::new(address);
                }
                if self.called == 0 {
                    // Just below the frame that it returns to (psABI, section 3.2.2).
                    self.return_at = stack - size_of::<u64>();
                }
                self.called += 1;
            }
            self.was_host = false;
        } else {
            self.is_barred |= image::own().contains(&pc);
            self.is_outside |= is_first;
            self.was_host = true;
        }
        Some(())
    }
}

extern "C" fn step(context: *mut c_void, data: *mut c_void) -> c_int {
    const NORMAL_STOP: c_int = 4;
    let mut is_interrupted = 0;
    // SAFETY: the unwinder passes its context and the pointer that goes with it.
    let (trace, address, stack) = unsafe {
        (
            &mut *data.cast::<Trace>(),
            _Unwind_GetIPInfo(context, &raw mut is_interrupted) as u64,
            _Unwind_GetCFA(context),
        )
    };
    match trace.look(address, stack, is_interrupted != 0) {
        Some(()) => 0,
        None => NORMAL_STOP,
    }
}
