//! Compiles everything before anything runs.
//!
//! Code is placed in the order in which it is compiled, and slots in the order in which they are
//! first named. Functions that call one after the other run faster if they lie side by side, and
//! their slots too. With 16,384 functions called in random order, a call took 1.8 times as long as
//! natively when functions were compiled in the order of their module, and less in the order
//! described here.
//!
//! The calls of a function are known once it is compiled. So a stack holds the functions that
//! compiled functions call and that aren't compiled themselves, the first call on top. When the
//! stack is empty, it is refilled from the ends of the units, because a source mostly defines
//! functions before it uses them.

use std::sync::Arc;
use std::thread;

use rewire_llvm::Ordinal;
use rewire_sync::Mutex;
use rustc_hash::{FxHashMap, FxHashSet};

use rewire_memory::signals::ThreadStartMask;

use super::uncompiled::{not_inlined, wanted};
use super::workers;
use crate::base::error::Error;
use crate::base::events::Why;
use crate::base::ids::UnitKey;
use crate::base::sync::lock;
use crate::core::Core;
use crate::host::fork_lock;
use crate::ledger::unit::{ExtractScope, Unit};
use crate::ledger::{Definition, EntryId, EntryKind, Ledger, State};
use crate::link::{self, Object, Purpose};

/// How many functions are compiled together where all will be needed: the cost per object is then
/// paid once per batch.
const BATCH: usize = 16;

/// How many entries of the stack are searched for functions of one unit.
const LOOKED_AT: usize = 4 * BATCH;

impl Core {
    /// Compiles everything that isn't compiled yet, with as many threads as the options allow.
    pub(crate) fn compile_all(&self) -> Result<(), Error> {
        let units: Vec<Arc<Unit>> = self.ledger().units();
        let (frozen, units): (Vec<_>, Vec<_>) =
            units.into_iter().partition(|unit| unit.comes_whole());
        self.compile_frozen(&frozen)?;
        let plan = Mutex::new(EagerPlan::new(&self.ledger(), units));
        let work = || {
            loop {
                let next = {
                    let ledger = self.ledger();
                    lock(&plan).next(&ledger)
                };
                let Some((unit, roots)) = next else {
                    return Ok(());
                };
                let compiled = self.observed(
                    &unit,
                    &roots,
                    || Why::Eager,
                    || self.compile(&unit, &roots, Purpose::Load),
                );
                match compiled {
                    Ok(linked) => lock(&plan).stack.extend(linked.calls.iter().rev()),
                    Err(error) => {
                        // The other threads stop after their present batch.
                        lock(&plan).is_over = true;
                        return Err(error);
                    }
                }
            }
        };
        let helpers = self.workers.most();
        thread::scope(|scope| {
            let blocked = ThreadStartMask::begin();
            let helpers: Vec<_> = (0..helpers)
                .filter_map(|_| {
                    let work = || {
                        workers::work_alone();
                        let _no_fork = fork_lock::enter_engine();
                        work()
                    };
                    thread::Builder::new().spawn_scoped(scope, work).ok()
                })
                .collect();
            drop(blocked);
            let mut result = work();
            let _outside = fork_lock::outside();
            for helper in helpers {
                let panicked = || Error::Internal("a compile thread panicked".to_owned());
                let helped = helper.join().unwrap_or_else(|_| Err(panicked()));
                result = result.and(helped);
            }
            result
        })?;
        self.compile_those_with_levels()?;
        self.compile_not_inlined()
    }

    /// Compiles the functions for which the client has set a level, each alone.
    fn compile_those_with_levels(&self) -> Result<(), Error> {
        let functions = self.ledger().with_fixed_level();
        for id in functions {
            let is_there = matches!(self.ledger().entry(id).definition(), Definition::Ir(..));
            if is_there {
                self.materialize(id, None)?;
                self.ledger().lead_past_engine(id, &self.slots);
            }
        }
        Ok(())
    }

    /// Compiles the functions that were to be inlined everywhere, and are named all the same: their
    /// address is taken, or they couldn't be inlined.
    fn compile_not_inlined(&self) -> Result<(), Error> {
        let units: Vec<Arc<Unit>> = self.ledger().units();
        let mut is_done = false;
        // Those functions may name more of the kind.
        while !is_done {
            is_done = true;
            for unit in &units {
                let roots = not_inlined(&self.ledger(), unit);
                if roots.is_empty() {
                    continue;
                }
                is_done = false;
                let scope = match unit.is_frozen {
                    true => ExtractScope::Whole,
                    false => ExtractScope::Values,
                };
                self.observed(
                    unit,
                    &roots,
                    || Why::Eager,
                    || {
                        let object = Object::of_ir(unit, self.emit(unit, &roots, scope)?);
                        link::link(self, &[object], Purpose::Load).map(|_| ())
                    },
                )?;
            }
        }
        Ok(())
    }

    /// Compiles all frozen units in one step, so that they call one another directly, whichever was
    /// added first.
    fn compile_frozen(&self, units: &[Arc<Unit>]) -> Result<(), Error> {
        let mut wholes = Vec::new();
        for unit in units {
            let roots = wanted(&self.ledger(), unit);
            if !roots.is_empty() {
                wholes.push((unit, roots));
            }
        }
        let Some((first, roots)) = wholes.first() else {
            return Ok(());
        };
        self.observed(
            first,
            roots,
            || Why::Eager,
            || {
                let mut objects = Vec::with_capacity(wholes.len());
                for (unit, roots) in &wholes {
                    objects.push(self.object_of(unit, roots, ExtractScope::Whole)?);
                }
                link::link(self, &objects, Purpose::Load).map(|_| ())
            },
        )
    }
}

/// What is to be compiled, and in which order.
struct EagerPlan {
    /// Functions that compiled functions call; the last one is next. A function may be in it
    /// several times.
    stack: Vec<EntryId>,
    /// The units that may have functions left; the last one is next.
    units: Vec<Arc<Unit>>,
    /// The remaining functions by unit; the last one is next.
    rest: FxHashMap<UnitKey, Vec<Ordinal>>,
    /// What threads were given to compile.
    given: FxHashSet<(UnitKey, Ordinal)>,
    /// Whether something failed, so that no more is given out.
    is_over: bool,
}

impl EagerPlan {
    fn new(ledger: &Ledger, units: Vec<Arc<Unit>>) -> Self {
        let rest = units.iter().map(|unit| (unit.id, wanted(ledger, unit)));
        let rest = rest.collect();
        Self {
            stack: Vec::new(),
            units,
            rest,
            given: FxHashSet::default(),
            is_over: false,
        }
    }

    /// Returns the next functions to be compiled together, or `None` when all are.
    fn next(&mut self, ledger: &Ledger) -> Option<(Arc<Unit>, Vec<Ordinal>)> {
        if self.is_over {
            return None;
        }
        let mut roots = self.called(ledger);
        let id = match roots.first() {
            Some((unit, _)) => *unit,
            None => self.unfinished(ledger)?,
        };
        let unit = ledger.unit(id)?.clone();
        while roots.len() < BATCH
            && let Some(ordinal) = self.rest.get_mut(&id).and_then(Vec::pop)
        {
            let root = (id, ordinal);
            let entry = unit.entry(ordinal);
            let is_absent = entry.and_then(|id| absent(ledger, id)) == Some(root);
            if is_absent && self.given.insert(root) {
                roots.push(root);
            }
        }
        let roots = roots.into_iter().map(|(_, ordinal)| ordinal);
        Some((unit, roots.collect()))
    }

    /// Pops functions of one unit off the stack.
    fn called(&mut self, ledger: &Ledger) -> Vec<(UnitKey, Ordinal)> {
        let mut roots: Vec<(UnitKey, Ordinal)> = Vec::with_capacity(BATCH);
        let mut others = Vec::new();
        while roots.len() < BATCH && others.len() < LOOKED_AT {
            let Some(id) = self.stack.pop() else {
                break;
            };
            let Some(root) = absent(ledger, id).filter(|root| !self.given.contains(root)) else {
                continue;
            };
            if roots.first().is_some_and(|first| first.0 != root.0) {
                others.push(id);
            } else {
                self.given.insert(root);
                roots.push(root);
            }
        }
        self.stack.extend(others.iter().rev());
        roots
    }

    /// Returns the last unit that has a function left, and drops finished functions, so that the
    /// one left is at the end of the unit's list.
    fn unfinished(&mut self, ledger: &Ledger) -> Option<UnitKey> {
        loop {
            let unit = self.units.last()?;
            let rest = self.rest.entry(unit.id).or_default();
            let Some(ordinal) = rest.last() else {
                self.units.pop();
                continue;
            };
            let root = (unit.id, *ordinal);
            let is_absent = unit.entry(*ordinal).and_then(|id| absent(ledger, id)) == Some(root);
            if is_absent && !self.given.contains(&root) {
                return Some(unit.id);
            }
            rest.pop();
        }
    }
}

/// Returns the unit and ordinal of a function that isn't compiled yet and isn't frozen.
fn absent(ledger: &Ledger, id: EntryId) -> Option<(UnitKey, Ordinal)> {
    let entry = ledger.entry(id);
    match (entry.definition(), &entry.state()) {
        (Definition::Ir(unit, ordinal), State::Absent)
            if entry.kind() == EntryKind::Function && !ledger.is_stale(id) =>
        {
            let is_frozen = ledger.unit(unit).is_none_or(|unit| unit.comes_whole());
            let is_alone = ledger.fixed_level(id).is_some();
            (!is_frozen && !is_alone).then_some((unit, ordinal))
        }
        _ => None,
    }
}
