//! [`Recovery`]: returning to the client from a call that crashed or that the user interrupted.
//!
//! `rewire-memory/src/leave` implements the return itself. This module decides which functions may
//! be left ([`signal_safe`]), and what the client is told.

mod signal_safe;
mod stopped;

use std::cell::Cell;
use std::marker::PhantomData;

use rewire_memory::ExecAddr;
use rewire_memory::leave::{self, LeavableCalls, Stop, interrupts};

pub(crate) use stopped::FrameNames;
pub use stopped::{Stopped, StoppedFrame};

/// While a `Recovery` lives on a thread, [`Library::call`](crate::Library::call) on that thread
/// returns [`Error::Stopped`](crate::Error::Stopped) when compiled code would otherwise end the
/// process: when it crashes (its own instructions raise a signal, or it calls `abort`), and when
/// the user presses Ctrl-C, if [`Recovery::watch_interrupts`] was called.
///
/// The frames of the call are dropped without any cleanup, because at an arbitrary instruction it
/// is unknown what there is to clean up. Locks stay held, memory stays allocated, and whatever the
/// call was changing stays half changed. A `Recovery` therefore suits programs in which a person
/// sees what happened, such as a REPL.
///
/// A call can be left only where all its frames are compiled code, or functions of the C library
/// that POSIX calls async-signal-safe (`memcpy`, `strlen`, `read`, `sleep`), because these hold no
/// lock. A crash elsewhere (in another function of the host, on another thread, on another stack
/// such as a coroutine's, or in a forked child) ends the process as it would without a `Recovery`,
/// after the client was told. Ctrl-C in another function of the host waits until that function has
/// returned; a second Ctrl-C before then ends the process. If a signal handler is installed after
/// the `Recovery` began, that handler gets the signal. A handler that was installed before (Rust's
/// own, which reports stack overflows) is called when the call can't be left.
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

/// Why a call can't be left, or can't be left yet.
#[derive(Debug)]
#[non_exhaustive]
pub enum Unable<'a> {
    /// The call crashed where it can't be left: the process ends.
    Crashed(&'a Stopped),
    /// The user interrupted the call while it was in a function that can't be left. The call ends
    /// when that function has returned.
    Waits(&'a Stopped),
    /// A destructor of a removed unit crashed, or the user interrupted it. It was stopped where it
    /// was; the unit is removed nevertheless.
    Destructor(&'a Stopped),
    /// The user pressed Ctrl-C while no call was under way.
    NoCall,
}

thread_local! {
    // Needs no destructor, so that signal handlers may use it.
    static TOLD: Cell<fn(Unable<'_>)> = const { Cell::new(|_| {}) };
}

impl Drop for Recovery {
    fn drop(&mut self) {
        TOLD.set(self.told_before);
    }
}

impl Recovery {
    /// Begins recovery on this thread; it ends when the returned value is dropped. `told` is
    /// called, on this thread and inside a signal handler, when a call can't be left.
    #[must_use]
    pub fn begin(told: fn(Unable<'_>)) -> Self {
        Self {
            _leavable: LeavableCalls::begin(),
            told_before: TOLD.replace(told),
            _not_send: PhantomData,
        }
    }

    /// From now on until the process ends, Ctrl-C (SIGINT) ends this thread's calls, unless the
    /// program or the client has set its own action for SIGINT. If a first Ctrl-C had no effect, a
    /// second one ends the process; each call of this method forgets the first.
    pub fn watch_interrupts(&self) {
        interrupts::watch(|| TOLD.get()(Unable::NoCall));
    }
}

/// Calls a function of compiled code, and returns an error if the call was stopped.
///
/// # Safety
///
/// The caller must meet the contract of [`leave::call`].
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

/// Tells the client about a destructor that was stopped.
pub(crate) fn tell_of(destructor: &Stopped) {
    TOLD.get()(Unable::Destructor(destructor));
}

/// Whether this thread has a [`Recovery`].
pub(crate) fn is_wanted() -> bool {
    leave::are_calls_leavable()
}

struct LeaveJudge<'c> {
    names: &'c dyn FrameNames,
    told: fn(Unable<'_>),
}

/// A signal handler may take the ledger's lock here: the interrupted call contains no frame of the
/// engine's (if it does, `leave` doesn't ask), so this thread can't hold the lock, and any other
/// thread that holds it will release it.
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
