//! Looks a name up as code of a library would find it: in the library, along its search order, in
//! the host process, and by asking the resolvers.

use rewire_memory::ExecAddr;

use crate::base::error::Error;
use crate::base::events::Why;
use crate::core::Core;
use crate::core::outside_request::{OutsideAnswer, OutsideRequest};
use crate::host::symbols::HostSymbol;
use crate::ledger::{Definition, EntryId, EntryKind, Ledger, LibraryId, State};
use crate::link::{self, Purpose, enter_host};

/// How often to retry when a definition that a resolver supplied is removed before it is used.
const MOST_ROUNDS: usize = 100;

impl Core {
    /// Returns the canonical address of a name, wherever it is defined. A variable without memory
    /// is linked first. Resolvers are told `kind` and `type_name` as what the name is wanted as.
    ///
    /// Definitions found in the host don't enter the ledger, because that would keep units from
    /// defining the name.
    pub(crate) fn lookup(
        &self,
        library: LibraryId,
        name: &str,
        kind: EntryKind,
        type_name: Option<&str>,
    ) -> Result<ExecAddr, Error> {
        let unknown = || Error::Unknown { name: name.into() };
        for _ in 0..MOST_ROUNDS {
            if let Some(address) = self.lookup_defined(library, name)? {
                return Ok(address);
            }
            let wanted = self.wanted(library, name, kind, type_name);
            let wanted = wanted.ok_or_else(unknown)?;
            let is_thread_local = wanted.kind == EntryKind::ThreadLocal;
            let host = wanted
                .asks_host
                .then(|| (self.above.host_symbol)(name, is_thread_local));
            let symbol = match host.flatten() {
                Some(HostSymbol::Address(address)) => return Ok(address),
                Some(symbol) => symbol,
                None => match self.ask_resolvers(&wanted)? {
                    OutsideAnswer::Symbol(symbol) => symbol,
                    OutsideAnswer::Entered => continue,
                    OutsideAnswer::Nothing => return Err(unknown()),
                },
            };
            self.enter_found(&wanted, symbol)?;
        }
        Err(unknown())
    }

    /// Returns the request for resolvers: by the name's declaration if there is one, otherwise by
    /// what the caller wants. `None` if the library was removed.
    fn wanted(
        &self,
        library: LibraryId,
        name: &str,
        kind: EntryKind,
        type_name: Option<&str>,
    ) -> Option<OutsideRequest> {
        let ledger = self.ledger();
        if !ledger.is_library(library) {
            return None;
        }
        let declared = ledger.find(library, name);
        let declared = declared.map(|id| OutsideRequest::of(&ledger, id));
        Some(match declared {
            Some(wanted) if wanted.kind != EntryKind::Unknown => wanted,
            _ => OutsideRequest {
                library,
                name: name.into(),
                kind,
                type_name: type_name.map(Into::into),
                asks_host: ledger.asks_host(library),
            },
        })
    }

    /// Enters what was found, as if code had named it.
    fn enter_found(&self, wanted: &OutsideRequest, symbol: HostSymbol) -> Result<(), Error> {
        let symbol = match symbol {
            HostSymbol::Variable(bytes) => HostSymbol::Address(self.place_variable(&bytes)?),
            other => other,
        };
        let mut ledger = self.ledger();
        let id = ledger.find_or_enter(wanted.library, &wanted.name);
        let entry = ledger.entry(id);
        if !entry.is_present() && entry.definition() == Definition::None {
            ledger.note_kind(id, wanted.kind);
            enter_host(self, &mut ledger, id, symbol);
        }
        Ok(())
    }

    /// As [`Core::lookup`], but only among the engine's own names, including the libraries of the
    /// search order.
    pub(crate) fn lookup_defined(
        &self,
        library: LibraryId,
        name: &str,
    ) -> Result<Option<ExecAddr>, Error> {
        for _ in 0..MOST_ROUNDS {
            let mut ledger = self.ledger();
            let Some(id) = ledger.found_by_code(library, name) else {
                return Ok(None);
            };
            let (target, offset) = ledger.address_target(id);
            ledger.note_escaped(target);
            if ledger.entry(target).address_is_stub() {
                return Ok(Some(ledger.canonical(target, &self.slots)?.addr()));
            }
            match ledger.entry(target).state() {
                State::Present(address) => {
                    return Ok(Some(address.at_offset(offset)));
                }
                State::PerThread { .. } => {
                    return Err(Error::WrongType {
                        name: name.into(),
                        found: type_of(&ledger, target),
                        wanted: "something that isn't each thread's own".to_owned(),
                    });
                }
                _ => {}
            }
            drop(ledger);
            if !self.place(target)? {
                return Ok(None);
            }
            // By now the name may stand for something else, such as a function, whose address is
            // its stub's. So look it up again.
        }
        Ok(None)
    }

    /// Links a variable or prefixed stub that needs memory before it has an address. Returns
    /// `false` if the entry is neither, or was removed.
    fn place(&self, id: EntryId) -> Result<bool, Error> {
        let (definition, unit) = {
            let ledger = self.ledger();
            let entry = ledger.entry(id);
            let unit = match (entry.definition(), &entry.state()) {
                (Definition::PrefixedStub(unit, _) | Definition::Ir(unit, _), State::Absent) => {
                    unit
                }
                _ => return Ok(false),
            };
            let unit = ledger.unit(unit).cloned().ok_or(Error::NoUnit)?;
            (entry.definition(), unit)
        };
        match definition {
            Definition::PrefixedStub(_, ordinal) => {
                let front = self.compile_prefixed_stub(&unit, ordinal)?;
                link::link(self, &[front], Purpose::Load)?;
            }
            Definition::Ir(_, ordinal) => {
                let work = || self.compile(&unit, &[ordinal], Purpose::Load).map(|_| ());
                self.observed(&unit, &[ordinal], || Why::Data, work)?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }
}

/// Returns the type of what a name stands for.
fn type_of(ledger: &Ledger, id: EntryId) -> std::sync::Arc<str> {
    let known = ledger.entry(id).type_name().cloned();
    known.unwrap_or_else(|| "unknown".into())
}
