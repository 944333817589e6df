//! Requests for names to the host and the resolvers, and the answers.

use std::sync::Arc;

use crate::base::ids::{EntryId, EntryKind, LibraryId};
use crate::host::symbols::HostSymbol;
use crate::ledger::Ledger;

/// The answer to a request.
pub(crate) enum OutsideAnswer {
    /// The host or a resolver has this.
    Symbol(HostSymbol),
    /// A definition was entered in the ledger: look again.
    Entered,
    /// Neither the host nor a resolver has it.
    Nothing,
}

/// A request for a name.
#[derive(Clone, Debug)]
pub(crate) struct OutsideRequest {
    pub(crate) library: LibraryId,
    pub(crate) name: Arc<str>,
    pub(crate) kind: EntryKind,
    pub(crate) type_name: Option<Arc<str>>,
    pub(crate) asks_host: bool,
}

impl OutsideRequest {
    /// Makes the request for a name, as declarations describe it.
    pub(crate) fn of(ledger: &Ledger, id: EntryId) -> Self {
        let entry = ledger.entry(id);
        Self {
            library: entry.library(),
            name: entry.name().clone(),
            kind: entry.kind(),
            type_name: entry.type_name().cloned(),
            asks_host: ledger.asks_host(entry.library()),
        }
    }
}
