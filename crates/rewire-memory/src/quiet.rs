//! Keeps signals away while the engine works on a thread of the program's.

use std::cell::Cell;
use std::ffi::{c_int, c_void};
use std::marker::PhantomData;
use std::ptr;

use crate::fault::{self, AlternateStack, Working};

/// A set of signals as the kernel has it: a bit for each, from 1.
type Set = u64;

/// All but those that the C library keeps for itself: it has to reach every thread when one of them
/// changes the process's user, say (nptl(7)).
const ALL: Set = !(1 << (32 - 1) | 1 << (33 - 1));

const fn bit(signal: c_int) -> Set {
    1 << (signal - 1)
}

/// What is as it was when [`end`] is called.
#[derive(Debug, Default)]
#[repr(C)]
pub(crate) struct Before {
    mask: Set,
    /// [`OF_PROGRAM`], where the engine works within the engine.
    outer: Set,
    errno: c_int,
}

thread_local! {
    /// What the program blocks on this thread, where the engine works.
    static OF_PROGRAM: Cell<Set> = const { Cell::new(0) };
}

/// From here on all signals wait, until [`end`].
pub(crate) extern "C" fn begin(before: &mut Before) {
    // SAFETY: the thread's own.
    before.errno = unsafe { *libc::__errno_location() };
    before.mask = set_mask(ALL);
    before.outer = OF_PROGRAM.replace(before.mask);
    Working::enter();
}

/// Signals that have waited come here, on the stack of the program's that this is called on.
pub(crate) extern "C" fn end(before: &Before) {
    Working::leave();
    OF_PROGRAM.set(before.outer);
    set_mask(before.mask);
    // SAFETY: the thread's own.
    unsafe { *libc::__errno_location() = before.errno };
}

/// While it stands, on a stack of the engine's, the signals come through by which instructions of
/// the engine's, or of what it calls, tell of their faults, unless the program blocks them: it may
/// wait for them elsewhere.
#[derive(Debug)]
pub struct OpenToFaults {
    stack: Option<AlternateStack>,
    _not_send: PhantomData<*const ()>,
}

impl OpenToFaults {
    /// Where the engine works, after signals were told to wait.
    #[must_use]
    pub fn begin() -> Self {
        let stack = AlternateStack::where_in_use();
        set_mask(ALL & !(open_to_faults() & !OF_PROGRAM.get()));
        Self {
            stack,
            _not_send: PhantomData,
        }
    }
}

impl Drop for OpenToFaults {
    fn drop(&mut self) {
        if let Some(stack) = self.stack.take() {
            // None may come on the program's stack before this thread is there again.
            set_mask(ALL);
            drop(stack);
        }
    }
}

/// The signals that have to be let through so that a fault is told of.
pub(crate) fn open_to_faults() -> Set {
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
pub(crate) fn open_faults() -> Set {
    let former = Mask::current().0;
    set_mask(former & !open_to_faults())
}

/// Sets the thread's mask; the answer is the former one.
pub(crate) fn set_mask(mask: Set) -> Set {
    let mut former: Set = 0;
    // SAFETY: changes this thread's own mask; the sets are as large as the kernel is told.
    unsafe {
        libc::syscall(
            libc::SYS_rt_sigprocmask,
            libc::SIG_SETMASK,
            &raw const mask,
            (&raw mut former).cast::<c_void>(),
            size_of::<Set>(),
        )
    };
    former
}

/// While it stands on a thread, no signal arrives there but for [`OpenToFaults`]. When it is
/// dropped, the mask is as before, and so is `errno`. A first call has the same done by its entry.
#[derive(Debug)]
pub struct Quiet {
    before: Before,
    _not_send: PhantomData<*const ()>,
}

impl Quiet {
    /// On the program's stack: that is where signals come that have waited.
    #[must_use]
    pub fn begin() -> Self {
        let mut before = Before::default();
        begin(&mut before);
        Self {
            before,
            _not_send: PhantomData,
        }
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        end(&self.before);
    }
}

/// While it stands on a thread, no signal arrives there, and threads that it starts begin so. A
/// fault is the host's to handle where the engine has no handlers.
#[derive(Debug)]
pub struct SilentStart {
    mask: Set,
    _not_send: PhantomData<*const ()>,
}

impl SilentStart {
    /// Blocks the signals.
    #[must_use]
    pub fn begin() -> Self {
        let open = if fault::is_installed() {
            0
        } else {
            open_to_faults()
        };
        Self {
            mask: set_mask(ALL & !open),
            _not_send: PhantomData,
        }
    }
}

impl Drop for SilentStart {
    fn drop(&mut self) {
        set_mask(self.mask);
    }
}

/// Which signals a thread blocks.
#[derive(Clone, Copy, Debug)]
pub struct Mask(Set);

impl Mask {
    /// The calling thread's.
    #[must_use]
    pub fn current() -> Self {
        let mut mask: Set = 0;
        // SAFETY: the call fills in the set.
        unsafe {
            libc::syscall(
                libc::SYS_rt_sigprocmask,
                libc::SIG_BLOCK,
                ptr::null::<Set>(),
                &raw mut mask,
                size_of::<Set>(),
            )
        };
        Self(mask)
    }

    /// A bit for each signal, from 1.
    pub(crate) fn bits(self) -> u64 {
        self.0
    }

    /// Makes it the calling thread's.
    pub fn set(self) {
        set_mask(self.0);
    }
}
