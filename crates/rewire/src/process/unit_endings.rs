//! Runs the endings of units that leave: the exit functions that they registered, and their
//! destructors.
//!
//! A static object lives as long as the variable that holds it. If a newer version of the unit
//! takes the variable over, the object, with the destructor registered for it, belongs to the newer
//! version. Threads in the former code may still use an object that is gone from the newer version.
//! So it is destroyed when no thread is in the former code any more, before its memory is freed,
//! and at the latest when the process exits or the engine is dropped.
//!
//! By then the unit's names are gone, or stand for newer bodies. So whatever will be called is
//! compiled before the change is put in force, and called by address.

use std::sync::atomic::Ordering;

use rewire_llvm::GlobalKind;
use rewire_memory::ExecAddr;
use rustc_hash::FxHashMap;

use super::{exit_functions, structors};
use crate::base::ids::UnitKey;
use crate::base::sync::lock;
use crate::core::Core;
use crate::ledger::unit::Unit;
use crate::ledger::{EntryId, Ledger, State};
use crate::process::registrations;

/// The maximum number of functions compiled for one ending.
const MOST: usize = 1024;

/// The bodies of a unit's endings, compiled before the change is put in force.
#[derive(Debug, Default)]
pub(crate) struct EndingBodies {
    registered: FxHashMap<u64, RegisteredEnding>,
    destructors: Vec<(EntryId, ExecAddr)>,
    /// The unit's variables, sorted by address.
    variables: Vec<UnitVariable>,
}

/// Restores a unit whose removal was undone: its endings are called by name again.
pub(crate) fn restore_unit(core: &Core, unit: UnitKey) {
    let mut ledger = core.ledger();
    let known = lock(&core.process.exit_functions);
    for (number, ..) in known.of_unit(unit) {
        let released = known.call_by_name(number);
        if let Some(unit) = released {
            ledger.destructor_is_over(unit);
        }
    }
    drop(known);
    lock(&core.process.structors).call_by_name(unit);
}

/// A variable, and its address before the change is put in force.
#[derive(Clone, Copy, Debug)]
struct UnitVariable {
    start: ExecAddr,
    size: u64,
    id: EntryId,
}

/// A registered exit function.
#[derive(Clone, Copy, Debug)]
struct RegisteredEnding {
    function: Option<EntryId>,
    body: Option<ExecAddr>,
    argument: ExecAddr,
}

/// Whether a unit has anything to run before it is freed.
pub(crate) fn has_endings(core: &Core, unit: &Unit) -> bool {
    unit.has_fork_handlers.load(Ordering::Acquire)
        || lock(&core.process.exit_functions).are_of(unit.id)
        || lock(&core.process.structors).has_destructors(unit.id)
}

/// Compiles what a unit that is about to leave still has to run.
pub(crate) fn prepare(core: &Core, unit: &Unit) -> EndingBodies {
    let registered = lock(&core.process.exit_functions).of_unit(unit.id);
    let destructors = lock(&core.process.structors).destructors_of(unit.id);
    let mut bodies = EndingBodies::default();
    if !registered.is_empty() {
        bodies.variables = variables(&core.ledger(), unit);
    }
    for (number, function, argument) in registered {
        let function = core
            .slots
            .at_canonical(function)
            .and_then(|slot| core.ledger().of_slot(slot));
        let body = function.and_then(|id| body_of(core, unit, id));
        let ending = RegisteredEnding {
            function,
            body,
            argument,
        };
        bodies.registered.insert(number, ending);
    }
    for id in destructors {
        let body = body_of(core, unit, id);
        bodies.destructors.extend(body.map(|body| (id, body)));
    }
    bodies
}

/// Returns the body of a function, if this unit defines it.
fn body_of(core: &Core, unit: &Unit, id: EntryId) -> Option<ExecAddr> {
    let is_own = core
        .ledger()
        .entry(id)
        .elected()
        .is_some_and(|it| it.0 == unit.id);
    if !is_own {
        return None;
    }
    core.compile_closure(id, MOST);
    match core.ledger().entry(id).state() {
        State::Present(body) => Some(body.addr()),
        _ => None,
    }
}

/// Distributes a unit's endings after the change was put in force. Endings of what lives on go to
/// the unit that has it now; the others wait for the unit to be freed.
pub(crate) fn hand_over(core: &Core, unit: &Unit, bodies: &EndingBodies) {
    let mut ledger = core.ledger();
    let mut known = lock(&core.process.exit_functions);
    for (number, ending) in &bodies.registered {
        let heir_of_function = ending.function.and_then(|id| heir(&ledger, unit, id));
        let heir = match variable_at(&bodies.variables, ending.argument) {
            Some(variable) => {
                let state = &ledger.entry(variable.id).state();
                let is_there = matches!(state, State::Present(at) if at.addr() == variable.start);
                heir(&ledger, unit, variable.id).filter(|_| is_there)
            }
            // The argument is no variable of the unit: the function is something that the program
            // does at its end.
            None => heir_of_function,
        };
        if let Some(heir) = heir {
            known.give(*number, heir);
        }
        let keeps = heir.map(|_| unit.id);
        let released = match ending.body {
            Some(body) if heir.is_none() || heir_of_function.is_none() => {
                known.call_body(*number, body, keeps);
                // The object outlives the unit whose code destroys it.
                if let Some(unit) = keeps {
                    ledger.expect_destructor(unit);
                }
                None
            }
            _ => known.call_by_name(*number),
        };
        if let Some(unit) = released {
            ledger.destructor_is_over(unit);
        }
    }
    drop(known);
    let mut structors = lock(&core.process.structors);
    for (id, body) in &bodies.destructors {
        if heir(&ledger, unit, *id).is_none() {
            structors.call_body(unit.id, *id, *body);
        }
    }
}

fn variables(ledger: &Ledger, unit: &Unit) -> Vec<UnitVariable> {
    let globals = unit.index.globals.iter().zip(&unit.entries);
    let placed = globals.filter_map(|(global, id)| {
        let GlobalKind::Variable { size, .. } = global.kind else {
            return None;
        };
        let id = (*id).filter(|_| global.is_definition)?;
        match ledger.entry(id).state() {
            State::Present(start) => {
                let start = start.addr();
                Some(UnitVariable { start, size, id })
            }
            _ => None,
        }
    });
    let mut variables: Vec<UnitVariable> = placed.collect();
    variables.sort_unstable_by_key(|one| one.start);
    variables
}

fn variable_at(variables: &[UnitVariable], address: ExecAddr) -> Option<&UnitVariable> {
    let after = variables.partition_point(|one| one.start <= address);
    let before = variables.get(after.checked_sub(1)?)?;
    (address.get() < before.start.get() + before.size.max(1)).then_some(before)
}

/// Returns the unit that defines a name once `leaving` has left.
fn heir(ledger: &Ledger, leaving: &Unit, id: EntryId) -> Option<UnitKey> {
    let entry = ledger.entry(id);
    let stays = |unit: &UnitKey| {
        *unit != leaving.id
            && ledger
                .record(*unit)
                .is_some_and(|record| !record.has_left())
    };
    let elected = entry.elected().map(|one| one.0);
    let others = entry.alternatives().iter().rev().map(|one| one.0);
    elected.into_iter().chain(others).find(stays)
}

/// Runs a unit's endings, with no lock held, because nothing can use its objects any more.
pub(crate) fn run(core: &Core, unit: &Unit) {
    exit_functions::call_of_unit(core, unit.id);
    registrations::forget_fork_handlers(unit);
    structors::destroy(core, unit.id);
}
