//! Properties of a module's globals as the ledger sees them.

use rewire_llvm::{Global, GlobalKind, Linkage};

use super::EntryKind;

/// Ranks definitions of the same name: the highest rank is elected.
pub(super) fn rank(linkage: Linkage) -> u8 {
    match linkage {
        Linkage::Weak | Linkage::LinkOnce => 1,
        Linkage::Common => 2,
        _ => 3,
    }
}

/// Returns the kind of entry that a global makes.
pub(super) fn kind_of(global: &Global) -> EntryKind {
    match global.kind {
        GlobalKind::Function | GlobalKind::Ifunc { .. } => EntryKind::Function,
        GlobalKind::Variable {
            thread_local: true, ..
        } => EntryKind::ThreadLocal,
        GlobalKind::Variable { .. } => EntryKind::Data,
        // Decided by the aliasee.
        GlobalKind::Alias { .. } | GlobalKind::Intrinsic | GlobalKind::Untyped => {
            EntryKind::Unknown
        }
    }
}

/// Returns the size in bytes of a variable; 0 for anything else.
pub(super) fn size_of(global: &Global) -> u64 {
    match global.kind {
        GlobalKind::Variable { size, .. } => size,
        _ => 0,
    }
}

/// Whether only the global's own unit knows the name.
pub(super) fn is_local(global: &Global) -> bool {
    global.is_local()
}
