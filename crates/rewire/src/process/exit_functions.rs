//! Functions that compiled code has registered for the process's exit: destructors of static
//! objects (`__cxa_atexit`), and what it gave to `atexit`.
//!
//! Each is registered with the C library too, through a record, so that it has its turn among those
//! of the host and of shared libraries. It is called once: by the C library, or earlier, because
//! its unit leaves, its engine is dropped, or the program says so (`__cxa_finalize`).
//!
//! The C library tells the owners of registrations apart by an address (`__dso_handle`, Itanium C++
//! ABI, section 3.3.6.3), and all files of a program have the same. So that a unit can leave alone,
//! whose a registration is follows from where the call comes from ([`super::registering`]); what
//! the program passes as its handle is kept for its own `__cxa_finalize`. The C library knows
//! records by their [`Group`].

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{c_int, c_void};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use rewire_memory::ExecAddr;
use rewire_sync::{Mutex, OnceLock};
use rustc_hash::FxHashMap;

use super::exit::c_library;
use super::fork;
use super::registering::{Registrant, Running};
use crate::core::Core;
use crate::ids::UnitKey;
use crate::registry::engines;
use crate::sync::lock;

/// What the C library calls at exit.
pub(crate) type ExitFunction = extern "C-unwind" fn(*mut c_void);

/// A function that waits for the process's exit.
pub(crate) struct Registration {
    /// Counts up with each registration in an engine.
    number: u64,
    core: Weak<Core>,
    function: ExitFunction,
    argument: *mut c_void,
    /// What the program gave as its handle.
    handle: *mut c_void,
    was_called: AtomicBool,
    /// The body to call, once the function's name stands for something else; else 0.
    body: AtomicU64,
    /// The unit that has to stay for that, though the object isn't its any more.
    keeps: Mutex<Option<UnitKey>>,
    group: Arc<Group>,
}

// SAFETY: the pointers are the program's; they are only passed on to it.
unsafe impl Send for Registration {}
// SAFETY: as above.
unsafe impl Sync for Registration {}

/// What the C library knows some registrations of a unit by: the address of this.
///
/// The C library finds registrations only by walking all of its list. So those that were called
/// early stay there until all of their group was called, and are taken out together.
#[derive(Debug, Default)]
struct Group(Mutex<GroupState>);

#[derive(Debug, Default)]
struct GroupState {
    /// How many weren't called.
    waiting: usize,
    /// How many were, and are still in the C library's list.
    called_early: usize,
    /// All were called; no more join it.
    is_over: bool,
}

/// A registration, and the unit that it was of.
type Taken = (UnitKey, Arc<Registration>);

/// Who calls a registered function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Caller {
    /// The C library, which has taken it out of its list.
    Exit,
    /// The engine.
    Engine,
}

/// The functions of an engine that wait for the process's exit.
#[derive(Default)]
pub(crate) struct ExitFunctions {
    latest: u64,
    /// By number, with the unit each belongs to.
    all: BTreeMap<u64, (UnitKey, Arc<Registration>)>,
    of_unit: FxHashMap<UnitKey, OfUnit>,
}

#[derive(Default)]
struct OfUnit {
    group: Arc<Group>,
    numbers: BTreeSet<u64>,
}

impl Group {
    /// Counts a new member; whether it may join.
    fn join(&self) -> bool {
        let mut state = lock(&self.0);
        state.waiting += usize::from(!state.is_over);
        !state.is_over
    }

    /// Counts a member that was called, and takes all out of the C library's list if it was the
    /// last.
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

    fn address(&self) -> *mut c_void {
        (&raw const *self).cast_mut().cast()
    }
}

impl Registration {
    /// `unit`: whose it is, if it was taken from there.
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
        // Also if it throws.
        let _called = Called(self, caller);
        let Some(core) = self.core.upgrade() else {
            return;
        };
        let (unit, engine) = {
            let _no_fork = fork::enter_engine();
            let known = lock(&core.process.exit_functions).forget(self.number);
            let unit = lock(&self.keeps).or(unit).or(known.map(|it| it.0));
            (unit, core.ledger().engine)
        };
        let _running = Running::new(engine, unit);
        let mut function = self.function;
        let body = self.body.load(Ordering::Acquire);
        if body != 0 {
            // SAFETY: it is a body of the same function, which stays until this was called.
            function = unsafe { std::mem::transmute::<u64, ExitFunction>(body) };
        }
        function(self.argument);
        let kept = lock(&self.keeps).take();
        if let Some(unit) = kept {
            let _no_fork = fork::enter_engine();
            if let Some(record) = core.ledger().record_mut(unit) {
                record.holders -= 1;
            }
        }
    }
}

impl ExitFunctions {
    fn add(
        &mut self,
        unit: UnitKey,
        make: impl FnOnce(u64, Arc<Group>) -> Registration,
    ) -> Arc<Registration> {
        let number = self.latest;
        self.latest += 1;
        let of_unit = self.of_unit.entry(unit).or_default();
        if !of_unit.group.join() {
            of_unit.group = Arc::default();
            of_unit.group.join();
        }
        of_unit.numbers.insert(number);
        let made = Arc::new(make(number, of_unit.group.clone()));
        self.all.insert(number, (unit, made.clone()));
        made
    }

    fn forget(&mut self, number: u64) -> Option<Taken> {
        let (unit, registration) = self.all.remove(&number)?;
        if let Some(of_unit) = self.of_unit.get_mut(&unit) {
            of_unit.numbers.remove(&number);
            if of_unit.numbers.is_empty() {
                self.of_unit.remove(&unit);
            }
        }
        Some((unit, registration))
    }

    /// Whether a unit has registered something.
    pub(super) fn are_of(&self, unit: UnitKey) -> bool {
        self.of_unit.contains_key(&unit)
    }

    /// What a unit has registered: its number, the function's address, and the argument.
    pub(super) fn of_unit(&self, unit: UnitKey) -> Vec<(u64, ExecAddr, ExecAddr)> {
        let numbers = self
            .of_unit
            .get(&unit)
            .into_iter()
            .flat_map(|it| &it.numbers);
        let known = numbers.filter_map(|number| {
            let (_, one) = self.all.get(number)?;
            let function = ExecAddr::new(one.function as usize as u64);
            Some((*number, function, ExecAddr::new(one.argument as u64)))
        });
        known.collect()
    }

    /// Has a body called instead of what a function's name stands for by then; `keeps` is the unit
    /// that has to stay for that, if the registration isn't its own.
    pub(super) fn call_body(&self, number: u64, body: ExecAddr, keeps: Option<UnitKey>) {
        if let Some((_, one)) = self.all.get(&number) {
            // One that keeps a unit goes on to do so.
            let mut kept = lock(&one.keeps);
            if kept.is_none() {
                *kept = keeps;
                one.body.store(body.get(), Ordering::Release);
            }
        }
    }

    /// Has what a function's name stands for called again; the answer is a unit that needn't stay
    /// for it any more.
    pub(super) fn call_by_name(&self, number: u64) -> Option<UnitKey> {
        let (_, one) = self.all.get(&number)?;
        one.body.store(0, Ordering::Release);
        lock(&one.keeps).take()
    }

    /// Gives a registration to another unit: its object is that one's now.
    pub(super) fn give(&mut self, number: u64, to: UnitKey) {
        let Some((unit, _)) = self.all.get_mut(&number) else {
            return;
        };
        let from = std::mem::replace(unit, to);
        if let Some(of_unit) = self.of_unit.get_mut(&from) {
            of_unit.numbers.remove(&number);
            if of_unit.numbers.is_empty() {
                self.of_unit.remove(&from);
            }
        }
        self.of_unit.entry(to).or_default().numbers.insert(number);
    }

    fn take_last(&mut self) -> Option<Taken> {
        let number = *self.all.last_key_value()?.0;
        self.forget(number)
    }

    fn take_last_of(&mut self, unit: UnitKey) -> Option<Taken> {
        let number = *self.of_unit.get(&unit)?.numbers.last()?;
        self.forget(number)
    }

    fn take_last_with(&mut self, handle: *mut c_void) -> Option<Taken> {
        let mut all = self.all.iter().rev();
        let number = *all.find(|(_, (_, one))| one.handle == handle)?.0;
        self.forget(number)
    }
}

/// Calls functions as long as there are any, each taken without any lock held when it is called:
/// they may register others.
fn call_each(core: &Core, take: impl Fn(&mut ExitFunctions) -> Option<Taken>) {
    loop {
        let next = {
            let _no_fork = fork::enter_engine();
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

/// Calls all that an engine's units have registered, the latest first.
pub(crate) fn call_all(core: &Core) {
    call_each(core, ExitFunctions::take_last);
}

type Register = unsafe extern "C" fn(ExitFunction, *mut c_void, *mut c_void) -> c_int;

fn c_library_register() -> Option<Register> {
    static FOUND: OnceLock<Option<Register>> = OnceLock::new();
    // SAFETY: the C library's function has this type.
    *FOUND.get_or_init(|| unsafe { c_library("__cxa_atexit") })
}

/// Registers a function for a unit; for nobody's if that isn't known.
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
        // SAFETY: as its caller, which is no unit of ours, promises.
        return unsafe { register(function, argument, handle) };
    };
    let registration = {
        let _no_fork = fork::enter_engine();
        let mut known = lock(&core.process.exit_functions);
        known.add(unit, |number, group| Registration {
            number,
            core: Arc::downgrade(&core),
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
    // SAFETY: the record is the trampoline's, which the C library calls once.
    let status = unsafe { register(call_registered, record.cast(), owner) };
    if status != 0 {
        // SAFETY: the C library has not taken it.
        let registration = unsafe { Arc::from_raw(record) };
        registration.was_called.store(true, Ordering::Release);
        registration.group.note_called(Caller::Exit);
        let _no_fork = fork::enter_engine();
        lock(&core.process.exit_functions).forget(registration.number);
    }
    status
}

extern "C-unwind" fn call_registered(record: *mut c_void) {
    // SAFETY: `register` made it, and the C library calls it once.
    let registration = unsafe { Arc::from_raw(record.cast::<Registration>().cast_const()) };
    registration.call(Caller::Exit, None);
}

/// `__cxa_finalize` of compiled code: calls what was registered with a handle.
pub(super) extern "C-unwind" fn finalize(handle: *mut c_void) {
    // All there is to call, for null.
    if !handle.is_null() {
        let engines = {
            let _no_fork = fork::enter_engine();
            engines()
        };
        for core in engines {
            call_each(&core, |known| known.take_last_with(handle));
        }
    }
    finalize_with_c_library(handle);
}

/// Has the C library call what it knows by an address, and forget it, and its handlers of forks.
pub(super) fn finalize_with_c_library(owner: *mut c_void) {
    type Finalize = unsafe extern "C-unwind" fn(*mut c_void);
    static FOUND: OnceLock<Option<Finalize>> = OnceLock::new();
    // SAFETY: the C library's function has this type.
    let finalize = FOUND.get_or_init(|| unsafe { c_library("__cxa_finalize") });
    if let Some(finalize) = finalize {
        // SAFETY: what was registered by this address is still there.
        unsafe { finalize(owner) };
    }
}
