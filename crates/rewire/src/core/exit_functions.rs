//! The functions of an engine that wait for the process's exit
//! ([`crate::process::exit_functions`]).

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::c_void;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use rewire_memory::ExecAddr;
use rewire_sync::Mutex;
use rustc_hash::FxHashMap;

use crate::base::ids::{EngineNumber, UnitKey};
use crate::base::sync::lock;

/// What the C library calls at exit.
pub(crate) type ExitFunction = extern "C-unwind" fn(*mut c_void);

/// A function that waits for the process's exit.
pub(crate) struct Registration {
    /// Counts up with each registration in an engine.
    pub(crate) number: u64,
    /// The engine that it was registered with.
    pub(crate) engine: EngineNumber,
    pub(crate) function: ExitFunction,
    pub(crate) argument: *mut c_void,
    /// What the program gave as its handle.
    pub(crate) handle: *mut c_void,
    pub(crate) was_called: AtomicBool,
    /// The body to call, once the function's name stands for something else; else 0.
    pub(crate) body: AtomicU64,
    /// The unit that has to stay for that, though the object isn't its any more.
    pub(crate) keeps: Mutex<Option<UnitKey>>,
    pub(crate) group: Arc<Group>,
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
pub(crate) struct Group(pub(crate) Mutex<GroupState>);

#[derive(Debug, Default)]
pub(crate) struct GroupState {
    /// How many weren't called.
    pub(crate) waiting: usize,
    /// How many were, and are still in the C library's list.
    pub(crate) called_early: usize,
    /// All were called; no more join it.
    pub(crate) is_over: bool,
}

/// A registration, and the unit that it was of.
pub(crate) type Taken = (UnitKey, Arc<Registration>);

/// Who calls a registered function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Caller {
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
    pub(crate) group: Arc<Group>,
    numbers: BTreeSet<u64>,
}

impl Group {
    /// Counts a new member; whether it may join.
    pub(crate) fn join(&self) -> bool {
        let mut state = lock(&self.0);
        state.waiting += usize::from(!state.is_over);
        !state.is_over
    }

    pub(crate) fn address(&self) -> *mut c_void {
        (&raw const *self).cast_mut().cast()
    }
}

impl ExitFunctions {
    pub(crate) fn add(
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

    pub(crate) fn forget(&mut self, number: u64) -> Option<Taken> {
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
    pub(crate) fn are_of(&self, unit: UnitKey) -> bool {
        self.of_unit.contains_key(&unit)
    }

    /// What a unit has registered: its number, the function's address, and the argument.
    pub(crate) fn of_unit(&self, unit: UnitKey) -> Vec<(u64, ExecAddr, ExecAddr)> {
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
    pub(crate) fn call_body(&self, number: u64, body: ExecAddr, keeps: Option<UnitKey>) {
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
    pub(crate) fn call_by_name(&self, number: u64) -> Option<UnitKey> {
        let (_, one) = self.all.get(&number)?;
        one.body.store(0, Ordering::Release);
        lock(&one.keeps).take()
    }

    /// Gives a registration to another unit: its object is that one's now.
    pub(crate) fn give(&mut self, number: u64, to: UnitKey) {
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

    pub(crate) fn take_last(&mut self) -> Option<Taken> {
        let number = *self.all.last_key_value()?.0;
        self.forget(number)
    }

    pub(crate) fn take_last_of(&mut self, unit: UnitKey) -> Option<Taken> {
        let number = *self.of_unit.get(&unit)?.numbers.last()?;
        self.forget(number)
    }

    pub(crate) fn take_last_with(&mut self, handle: *mut c_void) -> Option<Taken> {
        let mut all = self.all.iter().rev();
        let number = *all.find(|(_, (_, one))| one.handle == handle)?.0;
        self.forget(number)
    }
}
