//! Coming back from calls that crash, or that the user ends.
//!
//! `rewire-memory/src/leave` does it; here is who may be left ([`signal_safe`]), and what the
//! client is told.

mod signal_safe;
mod stopped;

use std::cell::Cell;
use std::marker::PhantomData;

use rewire_memory::ExecAddr;
use rewire_memory::leave::{self, LeavableCalls, Stop, interrupts};

pub(crate) use stopped::FrameNames;
pub use stopped::{Stopped, StoppedFrame};

/// While it stands on a thread, [`Library::call`](crate::Library::call), and constructors and
/// destructors that this thread runs, come back there from what would end the process: compiled
/// code that crashes (a signal that its own instructions raise, or `abort`), and Ctrl-C, if
/// [`Recovery::watch_interrupts`] was called. The call's result is
/// [`Error::Stopped`](crate::Error::Stopped) then.
///
/// The frames of the call are left as they are: nothing is cleaned up, because at an arbitrary
/// instruction nobody knows what there is to clean up. Locks stay held, memory stays allocated, and
/// what the call was changing is half changed. It is for programs in which a person sees what
/// happened, such as a REPL.
///
/// Only frames of compiled code are left, and those of functions of the C library that POSIX calls
/// async-signal-safe (`memcpy`, `strlen`, `read`, `sleep`), for these hold no lock. A crash in
/// other functions of the host's, on another thread, on another stack (a coroutine's), or in a
/// child of a fork ends the process as it would without, once the client was told. Ctrl-C in such a
/// function waits until the function has returned; pressed once more before that, it ends the
/// process. A signal for which a handler was set since is the handler's; one that was set before
/// (Rust's own, which tells of overflows of the stack) is called when the call can't be left.
///
/// ```
/// # use rewire::{Engine, Error, Options, Recovery};
/// # let engine = Engine::new(Options::default())?;
/// let main = engine.main();
/// main.add_ir("crash.ll", b"define i32 @peek(ptr %p) {
///     %x = load i32, ptr %p
///     ret i32 %x
/// }")?;
/// let _recovery = Recovery::begin(|_| {});
/// let nowhere = rewire::Value::Pointer(rewire::ExecAddr::new(16));
/// // SAFETY: the crash does no harm.
/// let error = unsafe { main.call("peek", &[nowhere]) }.unwrap_err();
/// let Error::Stopped { stopped } = &error else { panic!("{error}") };
/// assert!(stopped.what.ends_with(", reading address 0x10"), "{}", stopped.what);
/// assert_eq!(&*stopped.frames[0].function, "peek");
/// # Ok::<(), rewire::Error>(())
/// ```
#[derive(Debug)]
pub struct Recovery {
    _leavable: LeavableCalls,
    told_before: fn(Unable<'_>),
    _not_send: PhantomData<*const ()>,
}

/// Why there is no coming back from a call, or not yet; or what was left beside it.
#[derive(Debug)]
#[non_exhaustive]
pub enum Unable<'a> {
    /// It has crashed where it can't be left: the process ends.
    Crashed(&'a Stopped),
    /// The user wants it to end, and it is in a function that can't be left: when that has
    /// returned, the call ends.
    Waits(&'a Stopped),
    /// A destructor of a unit that was removed has crashed, or the user has ended it: it was left
    /// where it was, and the unit is removed all the same.
    Destructor(&'a Stopped),
    /// The user pressed Ctrl-C, and no call is under way.
    NoCall,
}

thread_local! {
    // No destructor: it is used in handlers.
    static TOLD: Cell<fn(Unable<'_>)> = const { Cell::new(|_| {}) };
}

impl Drop for Recovery {
    fn drop(&mut self) {
        TOLD.set(self.told_before);
    }
}

impl Recovery {
    /// From now on. `told` is called, on this thread and, except for [`Unable::Destructor`], within
    /// a signal's handler, when it can't come back.
    #[must_use]
    pub fn begin(told: fn(Unable<'_>)) -> Self {
        Self {
            _leavable: LeavableCalls::begin(),
            told_before: TOLD.replace(told),
            _not_send: PhantomData,
        }
    }

    /// From now on, until the process ends, Ctrl-C (SIGINT) ends this thread's calls, unless the
    /// program or the client has set what that signal does. A second Ctrl-C ends the process if the
    /// first wasn't heeded; each call of this function forgets the first.
    pub fn watch_interrupts(&self) {
        interrupts::watch(|| TOLD.get()(Unable::NoCall));
    }
}

/// Calls a function of compiled code, as the thread wants it.
///
/// # Safety
///
/// As of [`leave::call`].
pub(crate) unsafe fn call(
    names: &dyn FrameNames,
    function: ExecAddr,
    arguments: [u64; 3],
) -> Result<(), Box<Stopped>> {
    let judge = LeaveJudge {
        names,
        told: TOLD.get(),
    };
    // SAFETY: as the caller promises.
    unsafe { leave::call(function, arguments, &judge) }
        .map_err(|stop| Box::new(Stopped::new(names, &stop)))
}

/// Tells the client of a destructor that was left.
pub(crate) fn tell_of(destructor: &Stopped) {
    TOLD.get()(Unable::Destructor(destructor));
}

/// Whether this thread's calls come back.
pub(crate) fn is_wanted() -> bool {
    leave::are_calls_leavable()
}

struct LeaveJudge<'c> {
    names: &'c dyn FrameNames,
    told: fn(Unable<'_>),
}

/// The ledger's lock may be taken in a handler, because no frame of the engine's is in the call
/// that was interrupted (where one is, nobody is asked): another thread that has it gives it back.
impl leave::Judge for LeaveJudge<'_> {
    fn may_be_left(&self, calls: &[ExecAddr]) -> bool {
        calls.iter().all(|call| {
            let name = self.names.called_at(*call);
            name.is_some_and(|name| signal_safe::holds_nothing(&name))
        })
    }

    fn minds_its_own(&self, call: ExecAddr) -> bool {
        let name = self.names.called_at(call);
        name.is_some_and(|name| !signal_safe::unwinds(&name))
    }

    fn cannot_leave(&self, stop: &Stop) {
        (self.told)(Unable::Crashed(&self.describe(stop)));
    }

    fn waits(&self, stop: &Stop) {
        (self.told)(Unable::Waits(&self.describe(stop)));
    }
}

impl LeaveJudge<'_> {
    fn describe(&self, stop: &Stop) -> Stopped {
        if stop.trace.is_barred() {
            return Stopped::without_names(stop);
        }
        Stopped::new(self.names, stop)
    }
}
