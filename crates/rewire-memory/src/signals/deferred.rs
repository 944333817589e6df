//! Keeps signals away while the engine works on a thread of the program's.

use std::cell::Cell;
use std::ffi::c_int;
use std::marker::PhantomData;

use super::mask::{ALL_OF_PROGRAM, SignalMask, SignalSet, bit, set_mask};
use crate::fault::{self, AlternateStack, EngineWork};

/// What is as it was when [`end`] is called.
#[derive(Debug, Default)]
#[repr(C)]
pub(crate) struct SavedState {
    mask: SignalSet,
    /// [`OF_PROGRAM`], where the engine works within the engine.
    outer: SignalSet,
    errno: c_int,
}

thread_local! {
    /// What the program blocks on this thread, where the engine works.
    static OF_PROGRAM: Cell<SignalSet> = const { Cell::new(0) };
}

/// Has all signals wait until [`end`], and notes the state of before. Called by the entry of a
/// first call, on the program's stack.
pub(crate) extern "C" fn begin(before: &mut SavedState) {
    // SAFETY: the thread's own.
    before.errno = unsafe { *libc::__errno_location() };
    before.mask = set_mask(ALL_OF_PROGRAM);
    before.outer = OF_PROGRAM.replace(before.mask);
    EngineWork::enter();
}

/// Signals that have waited come here, on the stack of the program's that this is called on.
pub(crate) extern "C" fn end(before: &SavedState) {
    EngineWork::leave();
    OF_PROGRAM.set(before.outer);
    set_mask(before.mask);
    // SAFETY: the thread's own.
    unsafe { *libc::__errno_location() = before.errno };
}

/// While it lives, the signals that faults raise may arrive, although [`SignalsDeferred`] has all
/// signals wait: a fault of the engine's, or of what it calls, has to be reported. Signals that the
/// program blocks stay blocked, for the program may wait for them elsewhere. For use on a stack of
/// the engine's.
#[derive(Debug)]
pub struct FaultSignalsUnblocked {
    stack: Option<AlternateStack>,
    _not_send: PhantomData<*const ()>,
}

impl FaultSignalsUnblocked {
    /// Where the engine works, after signals were told to wait.
    #[must_use]
    pub fn begin() -> Self {
        let stack = AlternateStack::where_in_use();
        set_mask(ALL_OF_PROGRAM & !(fault_signals() & !OF_PROGRAM.get()));
        Self {
            stack,
            _not_send: PhantomData,
        }
    }
}

impl Drop for FaultSignalsUnblocked {
    fn drop(&mut self) {
        if let Some(stack) = self.stack.take() {
            // None may come on the program's stack before this thread is there again.
            set_mask(ALL_OF_PROGRAM);
            drop(stack);
        }
    }
}

/// The signals that have to be let through so that a fault is told of.
pub(crate) fn fault_signals() -> SignalSet {
    let all = fault::SIGNALS
        .into_iter()
        .map(bit)
        .fold(0, |set, bit| set | bit);
    if fault::is_installed() {
        // `abort` unblocks its own.
        all & !bit(libc::SIGABRT)
    } else {
        all
    }
}

/// Lets the signals of faults through on this thread; the answer is the former mask.
pub(crate) fn unblock_fault_signals() -> SignalSet {
    let former = SignalMask::current().bits();
    set_mask(former & !fault_signals())
}

/// While it lives on a thread, no signal arrives there but for [`FaultSignalsUnblocked`]. When it
/// is dropped, the mask is as before, and so is `errno`. A first call has the same done by its
/// entry.
#[derive(Debug)]
pub struct SignalsDeferred {
    before: SavedState,
    _not_send: PhantomData<*const ()>,
}

impl SignalsDeferred {
    /// On the program's stack: that is where signals come that have waited.
    #[must_use]
    pub fn begin() -> Self {
        let mut before = SavedState::default();
        begin(&mut before);
        Self {
            before,
            _not_send: PhantomData,
        }
    }
}

impl Drop for SignalsDeferred {
    fn drop(&mut self) {
        end(&self.before);
    }
}

/// While it lives, no signal arrives on this thread, and the threads that it starts begin with all
/// signals blocked. Where the engine's handlers aren't installed, the signals of faults still
/// arrive: the host handles them.
#[derive(Debug)]
pub struct ThreadStartMask {
    mask: SignalSet,
    _not_send: PhantomData<*const ()>,
}

impl ThreadStartMask {
    /// Blocks the signals.
    #[must_use]
    pub fn begin() -> Self {
        let open = if fault::is_installed() {
            0
        } else {
            fault_signals()
        };
        Self {
            mask: set_mask(ALL_OF_PROGRAM & !open),
            _not_send: PhantomData,
        }
    }
}

impl Drop for ThreadStartMask {
    fn drop(&mut self) {
        set_mask(self.mask);
    }
}
