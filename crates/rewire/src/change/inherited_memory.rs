//! Decides what a variable's new definition gets from the former one: its memory, its value, or
//! nothing.

use std::sync::Arc;

use rewire_llvm::{Global, GlobalKind};

use super::users::users_of;
use crate::ledger::{Definition, EntryId, EntryKind, InheritedMemory, Ledger, State};

/// Returns the reason if the storage differs: code is compiled either for a thread-local variable
/// or for a shared one, whatever the type.
pub(super) fn other_storage(ledger: &Ledger, global: &Global, id: EntryId) -> Option<&'static str> {
    let GlobalKind::Variable { thread_local, .. } = global.kind else {
        return None;
    };
    match (ledger.entry(id).kind(), thread_local) {
        (EntryKind::ThreadLocal, false) => {
            Some("each thread has its own, and the new one is shared")
        }
        (EntryKind::Data, true) => Some("it is shared, and of the new one each thread has its own"),
        _ => None,
    }
}

/// Whether a definition of the same type takes over the memory of what a name stands for: both are
/// variables that code may write, and the former one is in memory.
pub(super) fn takes_over(ledger: &Ledger, global: &Global, id: EntryId) -> bool {
    let is_written = |global: &Global| {
        matches!(
            global.kind,
            GlobalKind::Variable {
                constant: false,
                ..
            }
        )
    };
    let entry = ledger.entry(id);
    let former = entry.elected().and_then(|(unit, ordinal)| {
        let unit = ledger.unit(unit)?;
        unit.index.globals.get(ordinal.index())
    });
    former.is_some_and(is_written) && is_written(global) && entry.is_present()
}

/// What a new definition gets from a former one whose memory is too small for it. A thread-local
/// variable's values can't be copied, because each thread has its own.
pub(super) fn moved(ledger: &Ledger, id: EntryId) -> InheritedMemory {
    match ledger.entry(id).state() {
        State::Present(_) => InheritedMemory::Value,
        _ => InheritedMemory::Nothing,
    }
}

/// Returns the variables whose initial values contain the address of a name's memory. Their present
/// values may be anything, so the engine doesn't change them when the name gets other memory.
pub(super) fn pointers_to(ledger: &Ledger, id: EntryId) -> Vec<Arc<str>> {
    if ledger.entry(id).kind() != EntryKind::Data {
        return Vec::new();
    }
    let is_variable = |user: &EntryId| {
        let entry = ledger.entry(*user);
        let Definition::Ir(unit, ordinal) = entry.definition() else {
            return false;
        };
        let unit = ledger.unit(unit);
        let kind = unit.map(|unit| &unit.index.globals[ordinal.index()].kind);
        matches!(
            kind,
            Some(GlobalKind::Variable {
                constant: false,
                ..
            })
        )
    };
    let users = users_of(ledger, id).into_iter().filter(is_variable);
    users
        .map(|user| ledger.entry(user).label().into())
        .collect()
}
