//! Functions that compiled code registers with the C library, to be called at the process's exit,
//! at a thread's exit, or around a fork. Each registration belongs to a unit and leaves with it, as
//! registrations of a shared library do when it is closed.
//!
//! The return address of the call tells which unit registers, so no such call is compiled as a tail
//! call (`keepCallers` in `shim/lower.cpp`), unless the IR demands it. Otherwise the unit is the
//! one whose constructor is running, or whose function is registered. A function without an
//! argument (`atexit`) always belongs to the unit that defines it, because it can't be called once
//! that unit is gone.

use std::arch::naked_asm;
use std::ffi::{c_int, c_void};
use std::ptr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};

use rewire_sync::OnceLock;

use super::exit_functions;
use super::quick_exit::{at_quick_exit_from, on_exit_from};
use super::registrant::Registrant;
use crate::base::ids::UnitKey;
use crate::core::Core;
use crate::core::exit_functions::ExitFunction;
use crate::host::at_exit::c_library;
use crate::host::fork_lock;
use crate::ledger::unit::Unit;

/// Defines a function that forwards its three arguments, and its return address as a fourth.
macro_rules! with_return_address {
    ($(#[$about:meta])* $name:ident => $to:ident) => {
        $(#[$about])*
        #[unsafe(naked)]
        pub(super) extern "C" fn $name() {
            // psABI, section 3.2.2: on entry, the return address is on top of the stack. Section
            // 3.2.3: the fourth argument is in rcx.
            naked_asm!("mov rcx, [rsp]", "jmp {}", sym $to)
        }
    };
}

with_return_address! {
    /// `__cxa_atexit` for compiled code.
    cxa_atexit => cxa_atexit_from
}

extern "C" fn cxa_atexit_from(
    function: ExitFunction,
    argument: *mut c_void,
    handle: *mut c_void,
    returns_to: u64,
) -> c_int {
    let registrant = Registrant::calling(returns_to, function as usize as u64);
    exit_functions::register(registrant, function, argument, handle)
}

with_return_address! {
    /// `atexit` for compiled code; the C library has it only as a static function.
    atexit => atexit_from
}

extern "C" fn atexit_from(function: ExitFunction, _: u64, _: u64, returns_to: u64) -> c_int {
    let registrant = Registrant::of_function(function as usize as u64, returns_to);
    let handle = registrant
        .as_ref()
        .map_or(ptr::null_mut(), Registrant::handle);
    exit_functions::register(registrant, function, ptr::null_mut(), handle)
}

with_return_address! {
    /// `at_quick_exit` and `__cxa_at_quick_exit` for compiled code.
    at_quick_exit => at_quick_exit_from
}

with_return_address! {
    /// `on_exit` for compiled code.
    on_exit => on_exit_from
}

type ForkHandler = Option<extern "C" fn()>;
type AtFork = unsafe extern "C" fn(ForkHandler, ForkHandler, ForkHandler, *mut c_void) -> c_int;

with_return_address! {
    /// `pthread_atfork` for compiled code; the C library has it only as a static function.
    pthread_atfork => pthread_atfork_from
}

extern "C" fn pthread_atfork_from(
    prepare: ForkHandler,
    parent: ForkHandler,
    child: ForkHandler,
    returns_to: u64,
) -> c_int {
    static FOUND: OnceLock<Option<AtFork>> = OnceLock::new();
    // SAFETY: the C library's function has this type.
    let register = FOUND.get_or_init(|| unsafe { c_library("__register_atfork") });
    let Some(register) = register else {
        return libc::ENOSYS;
    };
    let first = prepare
        .or(parent)
        .or(child)
        .map_or(0, |one| one as usize as u64);
    let unit = Registrant::of_function(first, returns_to).and_then(|it| {
        let _no_fork = fork_lock::enter_engine();
        let ledger = it.core.ledger();
        ledger.unit(it.unit).cloned()
    });
    let owner = unit.map_or(ptr::null_mut(), |unit| {
        unit.has_fork_handlers.store(true, Ordering::Release);
        owner_of_fork_handlers(&unit)
    });
    // SAFETY: the handlers are the program's.
    unsafe { register(prepare, parent, child, owner) }
}

/// Returns the address by which the C library identifies a unit's fork handlers.
fn owner_of_fork_handlers(unit: &Unit) -> *mut c_void {
    (&raw const *unit).cast_mut().cast()
}

/// Removes a unit's fork handlers from the C library's list.
pub(super) fn forget_fork_handlers(unit: &Unit) {
    if unit.has_fork_handlers.swap(false, Ordering::AcqRel) {
        exit_functions::finalize_with_c_library(owner_of_fork_handlers(unit));
    }
}

/// A destructor of a thread-local object, which runs when the thread ends.
struct ThreadDestructor {
    run: extern "C-unwind" fn(*mut c_void),
    object: *mut c_void,
    owner: Option<(Weak<Core>, UnitKey)>,
}

with_return_address! {
    /// `__cxa_thread_atexit` for compiled code. The unit stays in memory until the destructor has
    /// run.
    cxa_thread_atexit => cxa_thread_atexit_from
}

extern "C" fn cxa_thread_atexit_from(
    run: extern "C-unwind" fn(*mut c_void),
    object: *mut c_void,
    _handle: *mut c_void,
    returns_to: u64,
) -> c_int {
    type RegisterThreadExit =
        unsafe extern "C" fn(extern "C-unwind" fn(*mut c_void), *mut c_void, *mut c_void) -> c_int;
    static FOUND: OnceLock<Option<RegisterThreadExit>> = OnceLock::new();
    // SAFETY: the C library's function has this type.
    let register = FOUND.get_or_init(|| unsafe { c_library("__cxa_thread_atexit_impl") });
    let Some(register) = register else {
        return -1;
    };
    let registrant = Registrant::calling(returns_to, run as usize as u64);
    let owner = registrant.map(|registrant| {
        let _no_fork = fork_lock::enter_engine();
        let mut ledger = registrant.core.ledger();
        ledger.expect_destructor(registrant.unit);
        drop(ledger);
        (Arc::downgrade(&registrant.core), registrant.unit)
    });
    let record = Box::new(ThreadDestructor { run, object, owner });
    // An address in the host's code; the C library crashes on null if it is a thread's first
    // registration.
    let ours = run_thread_destructor as *mut c_void;
    // SAFETY: the record belongs to the trampoline, which runs once.
    unsafe { register(run_thread_destructor, Box::into_raw(record).cast(), ours) }
}

extern "C-unwind" fn run_thread_destructor(record: *mut c_void) {
    // SAFETY: `cxa_thread_atexit_from` made the record, and this runs once for it.
    let record = unsafe { Box::from_raw(record.cast::<ThreadDestructor>()) };
    let Some((core, unit)) = record.owner else {
        (record.run)(record.object);
        return;
    };
    // The thread has outlived the engine, and with it the object.
    let Some(core) = core.upgrade() else {
        return;
    };
    (record.run)(record.object);
    let _no_fork = fork_lock::enter_engine();
    core.ledger().destructor_is_over(unit);
}
