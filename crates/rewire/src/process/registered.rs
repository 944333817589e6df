//! What compiled code registers with the C library, to be called later: functions for the
//! process's exit, a thread's exit, a fork. Each registration is a unit's, so that it leaves with
//! the unit, as that of a shared library does when it is closed.
//!
//! The C library tells the owners of registrations apart by an address, `__dso_handle` (Itanium
//! C++ ABI, section 3.3.6.3). Each unit has its own.

use std::ffi::{c_int, c_void};
use std::ptr;
use std::sync::{Arc, Weak};

use rewire_memory::{ExecAddr, RegionKind};
use rewire_sync::OnceLock;

use super::exit::c_library;
use crate::core::Core;
use crate::error::Error;
use crate::first_call::engines;
use crate::ledger::{Definition, Entry, EntryId, EntryKind, Ledger, State};
use crate::process::fork;
use crate::unit::{Unit, UnitKey};

/// What a unit's registrations are known by.
pub(crate) const HANDLE: &str = "__dso_handle";

/// The entry of a unit's own `__dso_handle`, made when it is first named.
pub(crate) fn handle_of(core: &Core, ledger: &mut Ledger, unit: &Unit) -> Result<EntryId, Error> {
    if let Some((id, _)) = unit.dso_handle.get() {
        return Ok(*id);
    }
    let mut memory = core.memory.allocate(RegionKind::Data, 8, 8)?;
    memory.write(&[0; 8])?;
    let address = memory.keep().start;
    let mut entry = Entry::new(unit.library, Arc::from(HANDLE));
    entry.definition = Definition::Engine;
    entry.kind = EntryKind::Data;
    entry.state = State::Present(address);
    let id = ledger.enter_handle(entry, address, unit.id);
    let _ = unit.dso_handle.set((id, address));
    Ok(id)
}

/// The handle of the unit that defines the function at an address; null for other functions.
fn owner_of(function: u64) -> *mut c_void {
    let address = ExecAddr::new(function);
    let find = |core: &Arc<Core>| -> Option<ExecAddr> {
        let slot = core.slots.at_canonical(address)?;
        let mut ledger = core.ledger();
        let (unit, _) = ledger.entry(ledger.of_slot(slot)?).elected?;
        let unit = ledger.unit(unit)?.clone();
        handle_of(core, &mut ledger, &unit).ok()?;
        unit.dso_handle.get().map(|(_, address)| *address)
    };
    let _inside = fork::hold_off();
    let found = engines().iter().find_map(find);
    found.map_or(ptr::null_mut(), |address| address.get() as *mut c_void)
}

type AtExit = unsafe extern "C" fn(extern "C" fn(*mut c_void), *mut c_void, *mut c_void) -> c_int;

/// `atexit` of compiled code, which the C library has only as a static function.
pub(crate) extern "C" fn at_exit(function: extern "C" fn()) -> c_int {
    static FOUND: OnceLock<Option<AtExit>> = OnceLock::new();
    // SAFETY: the C library's function has this type.
    let register = FOUND.get_or_init(|| unsafe { c_library(c"__cxa_atexit") });
    let Some(register) = register else {
        return -1;
    };
    // SAFETY: the function ignores the argument that it is called with.
    unsafe {
        let taking: extern "C" fn(*mut c_void) = std::mem::transmute(function);
        register(taking, ptr::null_mut(), owner_of(function as usize as u64))
    }
}

type Handler = Option<extern "C" fn()>;
type AtFork = unsafe extern "C" fn(Handler, Handler, Handler, *mut c_void) -> c_int;

/// `pthread_atfork` of compiled code, which the C library has only as a static function.
pub(crate) extern "C" fn at_fork(prepare: Handler, parent: Handler, child: Handler) -> c_int {
    static FOUND: OnceLock<Option<AtFork>> = OnceLock::new();
    // SAFETY: the C library's function has this type.
    let register = FOUND.get_or_init(|| unsafe { c_library(c"__register_atfork") });
    let Some(register) = register else {
        return libc::ENOSYS;
    };
    let first = prepare.or(parent).or(child);
    let owner = first.map_or(ptr::null_mut(), |one| owner_of(one as usize as u64));
    // SAFETY: the handlers are the program's.
    unsafe { register(prepare, parent, child, owner) }
}

/// A destructor of a thread-local object, to run when the thread ends.
struct ThreadDestructor {
    run: extern "C" fn(*mut c_void),
    object: *mut c_void,
    owner: Option<(Weak<Core>, UnitKey)>,
}

/// `__cxa_thread_atexit` of compiled code: the unit stays until the destructor has run.
pub(crate) extern "C" fn at_thread_exit(
    run: extern "C" fn(*mut c_void),
    object: *mut c_void,
    handle: *mut c_void,
) -> c_int {
    static FOUND: OnceLock<Option<AtExit>> = OnceLock::new();
    // SAFETY: the C library's function has this type.
    let register = FOUND.get_or_init(|| unsafe { c_library(c"__cxa_thread_atexit_impl") });
    let Some(register) = register else {
        return -1;
    };
    let owner = hold_unit(ExecAddr::new(handle as u64));
    let record = Box::new(ThreadDestructor { run, object, owner });
    // Any address of ours: the C library crashes on a null one that is a thread's first.
    let ours = run_thread_destructor as *mut c_void;
    // SAFETY: the record is the trampoline's, which runs once.
    unsafe { register(run_thread_destructor, Box::into_raw(record).cast(), ours) }
}

fn hold_unit(handle: ExecAddr) -> Option<(Weak<Core>, UnitKey)> {
    let _inside = fork::hold_off();
    engines().iter().find_map(|core| {
        let mut ledger = core.ledger();
        let unit = ledger.unit_of_handle(handle)?;
        ledger.record_mut(unit)?.holders += 1;
        Some((Arc::downgrade(core), unit))
    })
}

extern "C" fn run_thread_destructor(record: *mut c_void) {
    // SAFETY: `at_thread_exit` made it, and it is run once.
    let record = unsafe { Box::from_raw(record.cast::<ThreadDestructor>()) };
    (record.run)(record.object);
    let Some((core, unit)) = record.owner else {
        return;
    };
    let _inside = fork::hold_off();
    if let Some(core) = core.upgrade()
        && let Some(record) = core.ledger().record_mut(unit)
    {
        record.holders -= 1;
    }
}

/// Runs what a unit has registered for the process's exit, and takes it and its handlers of forks
/// out of the C library's lists (`__cxa_finalize`).
pub(crate) fn finalize(unit: &Unit) {
    type Finalize = unsafe extern "C" fn(*mut c_void);
    static FOUND: OnceLock<Option<Finalize>> = OnceLock::new();
    // SAFETY: the C library's function has this type.
    let finalize = FOUND.get_or_init(|| unsafe { c_library(c"__cxa_finalize") });
    if let (Some(finalize), Some((_, handle))) = (finalize, unit.dso_handle.get()) {
        // SAFETY: the handle is the unit's alone, and its functions are still there.
        unsafe { finalize(handle.get() as *mut c_void) };
    }
}
