//! What a variable's new definition gets of the former one: its memory, its value, or nothing.

use std::sync::Arc;

use rewire_llvm::{Global, GlobalKind};

use super::users::users_of;
use crate::ledger::{Definition, EntryId, EntryKind, InheritedMemory, Ledger, State};

/// Code is made either for a variable of each thread's or for one of all, whatever its type.
pub(super) fn other_storage(ledger: &Ledger, global: &Global, id: EntryId) -> Option<&'static str> {
    let GlobalKind::Variable { thread_local, .. } = global.kind else {
        return None;
    };
    match (ledger.entry(id).kind, thread_local) {
        (EntryKind::ThreadLocal, false) => {
            Some("each thread has its own, and the new one is shared")
        }
        (EntryKind::Data, true) => Some("it is shared, and of the new one each thread has its own"),
        _ => None,
    }
}

/// Whether a definition of the same type would take over the memory of what a name stands for:
/// both are variables that code may write, and there is memory.
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
    let former = entry.elected.and_then(|(unit, ordinal)| {
        let unit = ledger.unit(unit)?;
        unit.index.globals.get(ordinal.index())
    });
    former.is_some_and(is_written) && is_written(global) && entry.is_present()
}

/// What a definition whose memory doesn't do gets of the former one. Threads have their own values
/// of a thread-local variable, which nobody else can move.
pub(super) fn moved(ledger: &Ledger, id: EntryId) -> InheritedMemory {
    match ledger.entry(id).state {
        State::Present(_) => InheritedMemory::Value,
        _ => InheritedMemory::Nothing,
    }
}

/// The variables that were made with the address of a name's memory. They may hold anything by now,
/// so nobody changes them when the name gets other memory.
pub(super) fn pointers_to(ledger: &Ledger, id: EntryId) -> Vec<Arc<str>> {
    if ledger.entry(id).kind != EntryKind::Data {
        return Vec::new();
    }
    let is_variable = |user: &EntryId| {
        let entry = ledger.entry(*user);
        let Definition::Ir(unit, ordinal) = entry.definition else {
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
