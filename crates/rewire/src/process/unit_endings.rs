//! What units that leave have still to run: functions that they have registered for the process's
//! exit, and their destructors.
//!
//! A static object lives as long as the variable that it is in. When a newer version takes the
//! variable over, the object, with the destructor that was registered for it, is that one's. What
//! is gone may still be in use by threads in the former code; it is destroyed when no thread is in
//! it any more, before its memory is given back, and at the latest when the process exits or the
//! engine is dropped.
//!
//! By then the unit's names are gone, or stand for newer bodies. So what will be called is compiled
//! before the names move, and called by address.

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

/// So many functions are compiled at most for one that has still to run.
const MOST: usize = 1024;

/// The bodies that a unit's endings have before its names move.
#[derive(Debug, Default)]
pub(crate) struct EndingBodies {
    registered: FxHashMap<u64, RegisteredEnding>,
    destructors: Vec<(EntryId, ExecAddr)>,
    /// The unit's variables, by address.
    variables: Vec<UnitVariable>,
}

/// A unit that had left is there again, and its names stand for its functions.
pub(crate) fn restore_unit(core: &Core, unit: UnitKey) {
    let mut ledger = core.ledger();
    let known = lock(&core.process.exit_functions);
    for (number, ..) in known.of_unit(unit) {
        let released = known.call_by_name(number);
        if let Some(record) = released.and_then(|unit| ledger.record_mut(unit)) {
            record.pending_thread_dtors -= 1;
        }
    }
    drop(known);
    lock(&core.process.structors).call_by_name(unit);
}

/// A variable, where it is before the names move.
#[derive(Clone, Copy, Debug)]
struct UnitVariable {
    start: ExecAddr,
    size: u64,
    id: EntryId,
}

/// A function that was registered.
#[derive(Clone, Copy, Debug)]
struct RegisteredEnding {
    function: Option<EntryId>,
    body: Option<ExecAddr>,
    argument: ExecAddr,
}

/// Whether a unit has something to run before it is given back.
pub(crate) fn has_endings(core: &Core, unit: &Unit) -> bool {
    unit.has_fork_handlers.load(Ordering::Acquire)
        || lock(&core.process.exit_functions).are_of(unit.id)
        || lock(&core.process.structors).has_destructors(unit.id)
}

/// Compiles what a unit that is about to leave has still to run.
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

/// The body that a function has by a unit's definition.
fn body_of(core: &Core, unit: &Unit, id: EntryId) -> Option<ExecAddr> {
    let is_own = core
        .ledger()
        .entry(id)
        .elected
        .is_some_and(|it| it.0 == unit.id);
    if !is_own {
        return None;
    }
    core.compile_closure(id, MOST);
    match core.ledger().entry(id).state {
        State::Present(body) => Some(body.addr()),
        _ => None,
    }
}

/// A unit's names have moved: what lives on is the units' that have it now, the rest waits for the
/// unit to be given back.
pub(crate) fn hand_over(core: &Core, unit: &Unit, bodies: &EndingBodies) {
    let mut ledger = core.ledger();
    let mut known = lock(&core.process.exit_functions);
    for (number, ending) in &bodies.registered {
        let heir_of_function = ending.function.and_then(|id| heir(&ledger, unit, id));
        let heir = match variable_at(&bodies.variables, ending.argument) {
            Some(variable) => {
                let state = &ledger.entry(variable.id).state;
                let is_there = matches!(state, State::Present(at) if at.addr() == variable.start);
                heir(&ledger, unit, variable.id).filter(|_| is_there)
            }
            // It is about nothing of the unit's: what the program does at its end.
            None => heir_of_function,
        };
        if let Some(heir) = heir {
            known.give(*number, heir);
        }
        let keeps = heir.map(|_| unit.id);
        let released = match ending.body {
            Some(body) if heir.is_none() || heir_of_function.is_none() => {
                known.call_body(*number, body, keeps);
                // The object outlives the code that destroys it.
                let kept = keeps.and_then(|unit| ledger.record_mut(unit));
                if let Some(record) = kept {
                    record.pending_thread_dtors += 1;
                }
                None
            }
            _ => known.call_by_name(*number),
        };
        if let Some(record) = released.and_then(|unit| ledger.record_mut(unit)) {
            record.pending_thread_dtors -= 1;
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
        match ledger.entry(id).state {
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

/// The unit that a name stands for a definition of, when another one leaves.
fn heir(ledger: &Ledger, leaving: &Unit, id: EntryId) -> Option<UnitKey> {
    let entry = ledger.entry(id);
    let stays = |unit: &UnitKey| {
        *unit != leaving.id
            && ledger
                .record(*unit)
                .is_some_and(|record| !record.has_left())
    };
    let elected = entry.elected.map(|one| one.0);
    let others = entry.alternatives.iter().rev().map(|one| one.0);
    elected.into_iter().chain(others).find(stays)
}

/// Nothing can use a unit's objects any more: runs what it has still to run, with no lock held.
pub(crate) fn run(core: &Core, unit: &Unit) {
    exit_functions::call_of_unit(core, unit.id);
    registrations::forget_fork_handlers(unit);
    structors::destroy(core, unit.id);
}
