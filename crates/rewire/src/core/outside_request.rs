//! What somebody outside is asked for, and what comes of it.

use std::sync::Arc;

use crate::base::ids::{EntryId, EntryKind, LibraryId};
use crate::host::symbols::HostSymbol;
use crate::ledger::Ledger;

/// What came of asking.
pub(crate) enum OutsideAnswer {
    /// This.
    Symbol(HostSymbol),
    /// The ledger knows more now than before: look again.
    Entered,
    /// Nobody has it.
    Nothing,
}

/// What somebody outside is asked for.
#[derive(Clone, Debug)]
pub(crate) struct OutsideRequest {
    pub(crate) library: LibraryId,
    pub(crate) name: Arc<str>,
    pub(crate) kind: EntryKind,
    pub(crate) type_name: Option<Arc<str>>,
    pub(crate) asks_host: bool,
}

impl OutsideRequest {
    /// A name as code knows it.
    pub(crate) fn of(ledger: &Ledger, id: EntryId) -> Self {
        let entry = ledger.entry(id);
        Self {
            library: entry.library,
            name: entry.name.clone(),
            kind: entry.kind,
            type_name: entry.type_name().cloned(),
            asks_host: ledger.asks_host(entry.library),
        }
    }
}
