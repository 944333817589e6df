//! What a symbol stands for in a link: the graph's definition and the caller's binding together.

use crate::bind::Binding;
use crate::error::{Culprit, LinkError};
use crate::graph::{LinkGraph, Relocation, Section, SymbolId, SymbolKind, SymbolPlace};
use crate::reloc::Formula;

/// What a symbol can be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// It has an address.
    Address,
    /// It has an address, that of a word whose content is known for ever.
    FixedSlot,
    /// Its address is null, and stays so when it is called.
    Null,
    /// It has no address, for its section is discarded.
    Discarded,
    /// Nobody knows.
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
) -> State {
    match binding {
        Binding::Own => own_state(graph, symbol, placed),
        Binding::Address(_) | Binding::Canonical(_) | Binding::Foreign { .. } => State::Address,
        Binding::FixedSlot { .. } => State::FixedSlot,
        Binding::Null => State::Null,
        Binding::Thread { .. } => State::Thread,
        Binding::ThreadOffset(_) => State::ThreadOffset,
        Binding::Unbound => State::Unbound,
    }
}

/// The state of a symbol where it means what the object itself defines.
pub(crate) fn own_state(graph: &LinkGraph<'_>, symbol: SymbolId, placed: bool) -> State {
    let Some(symbol) = graph.symbol(symbol) else {
        return State::Unbound;
    };
    match symbol.place {
        SymbolPlace::Undefined => State::Unbound,
        SymbolPlace::Absolute(_) | SymbolPlace::GotBase => State::Address,
        SymbolPlace::Defined { section, .. } => {
            let thread = graph
                .section(section)
                .is_some_and(|section| section.role.is_thread());
            if thread {
                State::OwnThread
            } else if !placed {
                State::Discarded
            } else if symbol.kind == SymbolKind::Ifunc {
                State::OwnIfunc
            } else {
                State::Address
            }
        }
    }
}

/// Whether a formula can be computed for a symbol in this state; if not, what to tell.
pub(crate) fn check(
    graph: &LinkGraph<'_>,
    section: &Section<'_>,
    relocation: &Relocation,
    state: State,
) -> Result<(), LinkError> {
    let needed = match relocation.kind.formula() {
        Formula::Absolute
        | Formula::PcRelative
        | Formula::GotEntryPc
        | Formula::GotEntryOffset
        | Formula::GotRelative => State::Address,
        Formula::ThreadPairPc | Formula::ThreadModulePc | Formula::ThreadBlockOffset => {
            State::Thread
        }
        Formula::ThreadOffsetEntryPc | Formula::ThreadOffset => State::ThreadOffset,
        Formula::GotBasePc | Formula::Size => return Ok(()),
    };
    let has_address = matches!(state, State::Null | State::FixedSlot);
    if state == needed || (has_address && needed == State::Address) {
        return Ok(());
    }
    let at = Culprit::new(graph, section, relocation);
    Err(match (state, needed) {
        (State::Unbound, _) => LinkError::Unbound { at },
        (State::Discarded, _) => LinkError::Discarded { at },
        (State::OwnIfunc, State::Address) => LinkError::Mismatch {
            at,
            need: "the address that the indirect function's resolver returns",
        },
        (_, State::Thread) => LinkError::Mismatch {
            at,
            need: "a module and an offset of a thread-local variable",
        },
        (_, State::ThreadOffset) => LinkError::Mismatch {
            at,
            need: "an offset from the thread pointer",
        },
        _ => LinkError::Mismatch {
            at,
            need: "an address",
        },
    })
}
