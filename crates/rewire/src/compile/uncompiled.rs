//! Finds the functions of a unit that aren't compiled.

use rewire_llvm::Ordinal;

use crate::ledger::unit::Unit;
use crate::ledger::{Definition, EntryKind, Ledger, State};

/// Returns the functions of a unit that have no body in memory, except those that are inlined into
/// all their callers.
pub(crate) fn wanted(ledger: &Ledger, unit: &Unit) -> Vec<Ordinal> {
    let globals = unit.index.numbered();
    let needed = globals
        .filter(|(ordinal, global)| !global.is_inlined_away || unit.index.used.contains(ordinal));
    let copies = unit.own_copies().into_iter().map(|(ordinal, _)| ordinal);
    let all = needed.map(|(ordinal, _)| ordinal).chain(copies);
    all.filter(|ordinal| is_absent(ledger, unit, *ordinal))
        .collect()
}

/// Returns the functions that were to be inlined into all their callers, and that linked code names
/// all the same.
pub(crate) fn not_inlined(ledger: &Ledger, unit: &Unit) -> Vec<Ordinal> {
    let globals = unit.index.numbered();
    let to_inline = globals.filter(|(_, global)| global.is_inlined_away);
    let named = to_inline.filter(|(ordinal, _)| {
        let entry = unit.entry(*ordinal).map(|id| ledger.entry(id));
        entry.is_some_and(|entry| !entry.users().is_empty()) && is_absent(ledger, unit, *ordinal)
    });
    named.map(|(ordinal, _)| ordinal).collect()
}

/// Whether a definition is in force and is a function without a body in memory.
pub(crate) fn is_absent(ledger: &Ledger, unit: &Unit, ordinal: Ordinal) -> bool {
    let id = unit.entry(ordinal).filter(|id| !ledger.is_stale(*id));
    let entry = id.map(|id| ledger.entry(id));
    entry.is_some_and(|entry| {
        entry.kind() == EntryKind::Function
            && entry.definition() == Definition::Ir(unit.id, ordinal)
            && matches!(entry.state(), State::Absent)
    })
}
