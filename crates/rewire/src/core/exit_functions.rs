//! The registered exit functions of an engine ([`crate::process::exit_functions`]).

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::c_void;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use rewire_memory::ExecAddr;
use rewire_sync::Mutex;
use rustc_hash::FxHashMap;

use crate::base::ids::{EngineNumber, UnitKey};
use crate::base::sync::lock;

/// A function that the C library calls at exit.
pub(crate) type ExitFunction = extern "C-unwind" fn(*mut c_void);

/// A registered exit function.
pub(crate) struct Registration {
    /// The position among all registrations of the engine.
    pub(crate) number: u64,
    /// The engine that it was registered with.
    pub(crate) engine: EngineNumber,
    pub(crate) function: ExitFunction,
    pub(crate) argument: *mut c_void,
    /// The handle (`__dso_handle`) that the program passed.
    pub(crate) handle: *mut c_void,
    pub(crate) was_called: AtomicBool,
    /// The body to call, if the function's name stands for something else by now; otherwise 0.
    pub(crate) body: AtomicU64,
    /// The unit that has to stay in memory for that body, although the object belongs to another
    /// unit now.
    pub(crate) keeps: Mutex<Option<UnitKey>>,
    pub(crate) group: Arc<Group>,
}

// SAFETY: the pointers are the program's, and are only passed back to it.
unsafe impl Send for Registration {}
// SAFETY: as above.
unsafe impl Sync for Registration {}

/// A group of registrations of one unit. Its address identifies them to the C library.
///
/// The C library finds registrations only by walking its whole list. So registrations that were
/// called early stay in that list until all of their group were called, and are removed together.
#[derive(Debug, Default)]
pub(crate) struct Group(pub(crate) Mutex<GroupState>);

#[derive(Debug, Default)]
pub(crate) struct GroupState {
    /// The number of registrations that weren't called.
    pub(crate) waiting: usize,
    /// The number that were called early and are still in the C library's list.
    pub(crate) called_early: usize,
    /// Whether all were called; no more may join then.
    pub(crate) is_over: bool,
}

/// A registration, and the unit that it belonged to.
pub(crate) type Taken = (UnitKey, Arc<Registration>);

/// Who calls a registered function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Caller {
    /// The C library, which has removed it from its list.
    Exit,
    /// The engine.
    Engine,
}

/// The registered exit functions of an engine.
#[derive(Default)]
pub(crate) struct ExitFunctions {
    latest: u64,
    /// All registrations by number, with the unit each belongs to.
    all: BTreeMap<u64, (UnitKey, Arc<Registration>)>,
    of_unit: FxHashMap<UnitKey, OfUnit>,
}

#[derive(Default)]
struct OfUnit {
    pub(crate) group: Arc<Group>,
    numbers: BTreeSet<u64>,
}

impl Group {
    /// Counts a new member; returns whether it may join.
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

    /// Whether a unit has registered functions.
    pub(crate) fn are_of(&self, unit: UnitKey) -> bool {
        self.of_unit.contains_key(&unit)
    }

    /// Returns what a unit has registered: number, function and argument.
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

    /// Sets the body to be called instead of what the function's name stands for by then. `keeps`
    /// is the unit that has to stay in memory for that, if the registration belongs to another
    /// unit.
    pub(crate) fn call_body(&self, number: u64, body: ExecAddr, keeps: Option<UnitKey>) {
        if let Some((_, one)) = self.all.get(&number) {
            // A registration that keeps a unit already goes on doing so.
            let mut kept = lock(&one.keeps);
            if kept.is_none() {
                *kept = keeps;
                one.body.store(body.get(), Ordering::Release);
            }
        }
    }

    /// Lets whatever the function's name stands for be called again. Returns a unit that needn't
    /// stay in memory for it any more.
    pub(crate) fn call_by_name(&self, number: u64) -> Option<UnitKey> {
        let (_, one) = self.all.get(&number)?;
        one.body.store(0, Ordering::Release);
        lock(&one.keeps).take()
    }

    /// Makes a registration belong to another unit, which has its object now.
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
