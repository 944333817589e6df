//! Functions that compiled code registers with `at_quick_exit` and `on_exit`. The C library can't
//! remove anything from these lists, so functions of a unit that has left stay there and aren't
//! called any more.

use std::ffi::{c_int, c_void};
use std::sync::{Arc, Weak};

use rewire_sync::{Mutex, OnceLock};

use super::registrant::Registrant;
use crate::base::ids::UnitKey;
use crate::base::sync::lock;
use crate::core::Core;
use crate::host::at_exit::c_library;
use crate::host::fork_lock;

unsafe extern "C" {
    fn at_quick_exit(function: extern "C-unwind" fn()) -> c_int;
}

/// The unit that a function belongs to; `None` if it belongs to no engine's code.
type OwningUnit = Option<(Weak<Core>, UnitKey)>;

fn owner_of(function: u64, returns_to: u64) -> OwningUnit {
    let registrant = Registrant::of_function(function, returns_to)?;
    Some((Arc::downgrade(&registrant.core), registrant.unit))
}

/// Returns the engine that a function belongs to, to keep the function callable, or `Err` if its
/// unit has left.
fn still_there(owner: &OwningUnit) -> Result<Option<Arc<Core>>, ()> {
    let Some((core, unit)) = owner else {
        return Ok(None);
    };
    let core = core.upgrade().ok_or(())?;
    let _no_fork = fork_lock::enter_engine();
    let is_there = core.ledger().record(*unit).is_some_and(|it| !it.has_left());
    if is_there { Ok(Some(core)) } else { Err(()) }
}

/// The functions of `quick_exit`, in the order of registration. The C library passes no argument to
/// these, so the engine registers the same function each time, and the order tells which one is to
/// be called.
static AT_QUICK_EXIT: Mutex<Vec<(extern "C-unwind" fn(), OwningUnit)>> = Mutex::new(Vec::new());

pub(super) extern "C" fn at_quick_exit_from(
    function: extern "C-unwind" fn(),
    _: u64,
    _: u64,
    returns_to: u64,
) -> c_int {
    let owner = owner_of(function as usize as u64, returns_to);
    let _no_fork = fork_lock::enter_engine();
    let mut known = lock(&AT_QUICK_EXIT);
    // SAFETY: the function takes no arguments and lives as long as the process.
    let status = unsafe { at_quick_exit(call_last) };
    if status == 0 {
        known.push((function, owner));
    }
    status
}

extern "C-unwind" fn call_last() {
    let last = lock(&AT_QUICK_EXIT).pop();
    if let Some((function, owner)) = last
        && let Ok(_core) = still_there(&owner)
    {
        function();
    }
}

/// A function that was registered with `on_exit`.
struct OnExit {
    function: extern "C-unwind" fn(c_int, *mut c_void),
    argument: *mut c_void,
    owner: OwningUnit,
}

pub(super) extern "C" fn on_exit_from(
    function: extern "C-unwind" fn(c_int, *mut c_void),
    argument: *mut c_void,
    _: u64,
    returns_to: u64,
) -> c_int {
    type RegisterOnExit =
        unsafe extern "C" fn(extern "C-unwind" fn(c_int, *mut c_void), *mut c_void) -> c_int;
    static FOUND: OnceLock<Option<RegisterOnExit>> = OnceLock::new();
    // SAFETY: the C library's function has this type.
    let register = FOUND.get_or_init(|| unsafe { c_library("on_exit") });
    let Some(register) = register else {
        return -1;
    };
    let owner = owner_of(function as usize as u64, returns_to);
    let record = Box::new(OnExit {
        function,
        argument,
        owner,
    });
    // SAFETY: the record is the trampoline's, which the C library calls once.
    unsafe { register(call_on_exit, Box::into_raw(record).cast()) }
}

extern "C-unwind" fn call_on_exit(status: c_int, record: *mut c_void) {
    // SAFETY: `on_exit_from` made it, and the C library calls it once.
    let record = unsafe { Box::from_raw(record.cast::<OnExit>()) };
    if let Ok(_core) = still_there(&record.owner) {
        (record.function)(status, record.argument);
    }
}
