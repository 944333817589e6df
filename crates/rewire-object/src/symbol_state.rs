//! What a symbol stands for in a link: the graph's definition and the caller's binding together.

use crate::bind::Binding;
use crate::error::{Culprit, LinkError};
use crate::graph::{LinkGraph, Relocation, Section, SymbolId, SymbolKind, SymbolPlace};
use crate::reloc::Formula;

/// What a symbol can be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SymbolState {
    /// It has an address.
    Address,
    /// It has an address, that of a word whose content is known for ever.
    FixedSlot,
    /// Its address is null, and stays so when it is called.
    Null,
    /// It has no address, for its section is discarded.
    Discarded,
    /// The caller didn't bind it.
    Unbound,
    /// It has a module and an offset.
    Thread,
    /// It has an offset from the thread pointer.
    ThreadOffset,
    /// A thread-local variable of this object that the caller didn't bind.
    OwnThread,
    /// A resolver function of this object that the caller didn't run.
    OwnIfunc,
}

/// The state of a symbol wherever it is bound by name. `placed` tells whether the layout gives it
/// an offset.
pub(crate) fn state(
    graph: &LinkGraph<'_>,
    symbol: SymbolId,
    binding: Binding,
    placed: bool,
) -> SymbolState {
    match binding {
        Binding::Own => own_state(graph, symbol, placed),
        Binding::Address(_)
        | Binding::Canonical(_)
        | Binding::Tied(_)
        | Binding::Foreign { .. } => SymbolState::Address,
        Binding::FixedSlot { .. } => SymbolState::FixedSlot,
        Binding::Null => SymbolState::Null,
        Binding::Thread { .. } => SymbolState::Thread,
        Binding::ThreadOffset(_) => SymbolState::ThreadOffset,
        Binding::Unbound => SymbolState::Unbound,
    }
}

/// The state of a symbol where it means what the object itself defines.
pub(crate) fn own_state(graph: &LinkGraph<'_>, symbol: SymbolId, placed: bool) -> SymbolState {
    let Some(symbol) = graph.symbol(symbol) else {
        return SymbolState::Unbound;
    };
    match symbol.place {
        SymbolPlace::Undefined => SymbolState::Unbound,
        SymbolPlace::Absolute(_) | SymbolPlace::GotBase => SymbolState::Address,
        SymbolPlace::Defined { section, .. } => {
            let thread = graph
                .section(section)
                .is_some_and(|section| section.role.is_thread());
            if thread {
                SymbolState::OwnThread
            } else if !placed {
                SymbolState::Discarded
            } else if symbol.kind == SymbolKind::Ifunc {
                SymbolState::OwnIfunc
            } else {
                SymbolState::Address
            }
        }
    }
}

/// Whether a formula can be computed for a symbol in this state; if not, what to tell.
pub(crate) fn check_formula(
    graph: &LinkGraph<'_>,
    section: &Section<'_>,
    relocation: &Relocation,
    state: SymbolState,
) -> Result<(), LinkError> {
    let needed = match relocation.kind.formula() {
        Formula::Absolute
        | Formula::PcRelative
        | Formula::GotEntryPc
        | Formula::GotEntryOffset
        | Formula::GotRelative => SymbolState::Address,
        Formula::ThreadPairPc | Formula::ThreadModulePc | Formula::ThreadBlockOffset => {
            SymbolState::Thread
        }
        Formula::ThreadOffsetEntryPc | Formula::ThreadOffset => SymbolState::ThreadOffset,
        Formula::GotBasePc | Formula::Size => return Ok(()),
    };
    let has_address = matches!(state, SymbolState::Null | SymbolState::FixedSlot);
    if state == needed || (has_address && needed == SymbolState::Address) {
        return Ok(());
    }
    let at = Culprit::new(graph, section, relocation);
    Err(match (state, needed) {
        (SymbolState::Unbound, _) => LinkError::Unbound { at },
        (SymbolState::Discarded, _) => LinkError::Discarded { at },
        (SymbolState::OwnIfunc, SymbolState::Address) => LinkError::Mismatch {
            at,
            need: "the address that the indirect function's resolver returns",
        },
        (_, SymbolState::Thread) => LinkError::Mismatch {
            at,
            need: "a module and an offset of a thread-local variable",
        },
        (SymbolState::Thread | SymbolState::OwnThread, SymbolState::ThreadOffset) => {
            LinkError::StaticThread { at }
        }
        (_, SymbolState::ThreadOffset) => LinkError::Mismatch {
            at,
            need: "an offset from the thread pointer",
        },
        _ => LinkError::Mismatch {
            at,
            need: "an address",
        },
    })
}
