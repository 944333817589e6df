//! What the globals of a module are to the ledger.

use rewire_llvm::{Global, GlobalKind, Linkage};

use super::EntryKind;

/// How much a definition weighs against others of its name.
pub(super) fn rank(linkage: Linkage) -> u8 {
    match linkage {
        Linkage::Weak | Linkage::LinkOnce => 1,
        Linkage::Common => 2,
        _ => 3,
    }
}

/// What kind of thing it is.
pub(super) fn kind_of(global: &Global) -> EntryKind {
    match global.kind {
        GlobalKind::Function | GlobalKind::Ifunc { .. } => EntryKind::Function,
        GlobalKind::Variable {
            thread_local: true, ..
        } => EntryKind::ThreadLocal,
        GlobalKind::Variable { .. } => EntryKind::Data,
        // Decided by the aliasee.
        GlobalKind::Alias { .. } | GlobalKind::Intrinsic => EntryKind::Unknown,
    }
}

/// Its bytes, if it is a variable; else 0.
pub(super) fn size_of(global: &Global) -> u64 {
    match global.kind {
        GlobalKind::Variable { size, .. } => size,
        _ => 0,
    }
}

/// Whether only its own unit knows the name.
pub(super) fn is_local(global: &Global) -> bool {
    global.is_local()
}
