//! Exit functions of compiled code: destructors of static objects (`__cxa_atexit`), and functions
//! registered with `atexit`.
//!
//! Each is registered with the C library too, through a record, so that it is called in order with
//! those of the host and of shared libraries. It is called once: by the C library, or earlier,
//! because its unit leaves, its engine is dropped, or the program calls `__cxa_finalize`.
//!
//! The C library distinguishes the owners of registrations by an address (`__dso_handle`, Itanium
//! C++ ABI, section 3.3.6.3), which is the same for all files of a program. To let a unit leave
//! alone, the engine determines the owner from where the call comes from
//! ([`super::registrations`]). The handle that the program passes is kept for the program's own
//! `__cxa_finalize`. The C library identifies records by their [`Group`].

use std::ffi::{c_int, c_void};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use rewire_memory::ExecAddr;
use rewire_sync::{Mutex, OnceLock};

use super::registrant::Registrant;
use crate::base::ids::UnitKey;
use crate::base::recovery;
use crate::base::sync::lock;
use crate::core::Core;
use crate::core::exit_functions::{
    Caller, ExitFunction, ExitFunctions, Group, Registration, Taken,
};
use crate::core::registry::{self, engines};
use crate::host::at_exit::c_library;
use crate::host::fork_lock;
use crate::host::running_code::Running;

impl Group {
    /// Counts a member that was called. If it was the last, removes the group from the C library's
    /// list.
    fn note_called(&self, caller: Caller) {
        let mut state = lock(&self.0);
        state.waiting -= 1;
        state.called_early += usize::from(caller == Caller::Engine);
        state.is_over = state.waiting == 0;
        let are_left = state.is_over && state.called_early > 0;
        drop(state);
        if are_left {
            finalize_with_c_library(self.address());
        }
    }
}

impl Registration {
    /// Calls the function once. `unit` is the unit that the registration was taken from, if it was.
    fn call(&self, caller: Caller, unit: Option<UnitKey>) {
        struct Called<'r>(&'r Registration, Caller);
        impl Drop for Called<'_> {
            fn drop(&mut self) {
                self.0.group.note_called(self.1);
            }
        }
        if self.was_called.swap(true, Ordering::AcqRel) {
            return;
        }
        // Counted even if the function throws.
        let _called = Called(self, caller);
        let Some(core) = registry::engine_numbered(self.engine) else {
            return;
        };
        let (unit, engine) = {
            let _no_fork = fork_lock::enter_engine();
            let known = lock(&core.process.exit_functions).forget(self.number);
            let unit = lock(&self.keeps).or(unit).or(known.map(|it| it.0));
            (unit, core.ledger().engine)
        };
        let _running = Running::new(engine, unit);
        let mut function = self.function;
        let body = self.body.load(Ordering::Acquire);
        if body != 0 {
            // SAFETY: it is a body of the same function, which stays in memory until it was called
            // here.
            function = unsafe { std::mem::transmute::<u64, ExitFunction>(body) };
        }
        if caller == Caller::Engine && recovery::is_wanted() {
            let address = ExecAddr::new(function as usize as u64);
            // SAFETY: it is a function of one argument, which ignores the other two.
            let left = unsafe { recovery::call(&*core, address, [self.argument as u64, 0, 0]) };
            if let Err(stopped) = left {
                recovery::tell_of(&stopped);
            }
        } else {
            function(self.argument);
        }
        let kept = lock(&self.keeps).take();
        if let Some(unit) = kept {
            let _no_fork = fork_lock::enter_engine();
            core.ledger().destructor_is_over(unit);
        }
    }
}

/// Calls functions as long as there are any. Each is taken and called without a lock held, because
/// it may register others.
fn call_each(core: &Core, take: impl Fn(&mut ExitFunctions) -> Option<Taken>) {
    loop {
        let next = {
            let _no_fork = fork_lock::enter_engine();
            take(&mut lock(&core.process.exit_functions))
        };
        match next {
            Some((unit, registration)) => registration.call(Caller::Engine, Some(unit)),
            None => return,
        }
    }
}

/// Calls what a unit has registered, the latest first.
pub(crate) fn call_of_unit(core: &Core, unit: UnitKey) {
    call_each(core, |known| known.take_last_of(unit));
}

/// Calls everything that an engine's units have registered, the latest first.
pub(crate) fn call_all(core: &Core) {
    call_each(core, ExitFunctions::take_last);
}

type RegisterExitFunction = unsafe extern "C" fn(ExitFunction, *mut c_void, *mut c_void) -> c_int;

fn c_library_register() -> Option<RegisterExitFunction> {
    static FOUND: OnceLock<Option<RegisterExitFunction>> = OnceLock::new();
    // SAFETY: the C library's function has this type.
    *FOUND.get_or_init(|| unsafe { c_library("__cxa_atexit") })
}

/// Registers a function for a unit, or, if the unit isn't known, directly with the C library.
pub(super) fn register(
    registrant: Option<Registrant>,
    function: ExitFunction,
    argument: *mut c_void,
    handle: *mut c_void,
) -> c_int {
    let Some(register) = c_library_register() else {
        return -1;
    };
    let Some(Registrant { core, unit }) = registrant else {
        // SAFETY: as promised by the caller, which is no code of an engine.
        return unsafe { register(function, argument, handle) };
    };
    let registration = {
        let _no_fork = fork_lock::enter_engine();
        let mut known = lock(&core.process.exit_functions);
        known.add(unit, |number, group| Registration {
            number,
            engine: core.number,
            function,
            argument,
            handle,
            was_called: AtomicBool::new(false),
            body: AtomicU64::new(0),
            keeps: Mutex::new(None),
            group,
        })
    };
    let owner = registration.group.address();
    let record = Arc::into_raw(registration).cast_mut();
    // SAFETY: the record belongs to the trampoline, which the C library calls once.
    let status = unsafe { register(call_registered, record.cast(), owner) };
    if status != 0 {
        // SAFETY: the C library has not taken the record.
        let registration = unsafe { Arc::from_raw(record) };
        registration.was_called.store(true, Ordering::Release);
        registration.group.note_called(Caller::Exit);
        let _no_fork = fork_lock::enter_engine();
        lock(&core.process.exit_functions).forget(registration.number);
    }
    status
}

extern "C-unwind" fn call_registered(record: *mut c_void) {
    // SAFETY: `register` made the record, and the C library calls this once for it.
    let registration = unsafe { Arc::from_raw(record.cast::<Registration>().cast_const()) };
    registration.call(Caller::Exit, None);
}

/// `__cxa_finalize` for compiled code: calls what was registered with a handle.
pub(super) extern "C-unwind" fn finalize(handle: *mut c_void) {
    // A null handle means all registrations; the C library calls those.
    if !handle.is_null() {
        let engines = {
            let _no_fork = fork_lock::enter_engine();
            engines()
        };
        for core in engines {
            call_each(&core, |known| known.take_last_with(handle));
        }
    }
    finalize_with_c_library(handle);
}

/// Makes the C library call and forget the registrations with this owner, and forget its fork
/// handlers.
pub(super) fn finalize_with_c_library(owner: *mut c_void) {
    type Finalize = unsafe extern "C-unwind" fn(*mut c_void);
    static FOUND: OnceLock<Option<Finalize>> = OnceLock::new();
    // SAFETY: the C library's function has this type.
    let finalize = FOUND.get_or_init(|| unsafe { c_library("__cxa_finalize") });
    if let Some(finalize) = finalize {
        // SAFETY: the functions registered with this owner are still in memory.
        unsafe { finalize(owner) };
    }
}
