//! Resolves names that no unit defines: in the host process, and by the client's resolvers.
//!
//! A name is looked up when it is needed: a function when it is called, a variable when code that
//! names it is linked. No lock is held meanwhile.

use std::sync::Arc;

use rewire_llvm::Source;

use crate::base::error::Error;
use crate::base::ids::UnitKey;
use crate::base::resolver::{Answer, LazyIr, Request};
use crate::compile::client_calls;
use crate::core::Core;
use crate::core::observations::ObservedLoading;
use crate::core::outside_request::{OutsideAnswer, OutsideRequest};
use crate::host::symbols::HostSymbol;
use crate::ledger::unit::UnitPlace;
use crate::ledger::{Definition, EntryId, EntryKind, Ledger, LibraryId, Standing};

impl Core {
    /// Asks the host, then the library's resolvers; then looks for labels in the inline assembly of
    /// functions that aren't compiled. `from` is a unit that names `id`, if one is known.
    pub(crate) fn ask_outside(
        &self,
        id: EntryId,
        from: Option<UnitKey>,
    ) -> Result<OutsideAnswer, Error> {
        match self.ask_others(id)? {
            OutsideAnswer::Nothing
                if self.find_label(id, from, |function| {
                    // A function that can't be compiled is reported when it is called.
                    let _ = self.materialize(function, None);
                })? =>
            {
                Ok(OutsideAnswer::Entered)
            }
            found => Ok(found),
        }
    }

    fn ask_others(&self, id: EntryId) -> Result<OutsideAnswer, Error> {
        let wanted = OutsideRequest::of(&self.ledger(), id);
        let is_thread_local = wanted.kind == EntryKind::ThreadLocal;
        let host = wanted
            .asks_host
            .then(|| (self.above.host_symbol)(&wanted.name, is_thread_local));
        match host.flatten() {
            Some(symbol) => Ok(OutsideAnswer::Symbol(symbol)),
            None => self.ask_resolvers(&wanted),
        }
    }

    /// Asks the library's resolvers.
    pub(crate) fn ask_resolvers(&self, wanted: &OutsideRequest) -> Result<OutsideAnswer, Error> {
        let OutsideRequest { library, name, .. } = wanted;
        let resolvers = {
            let all = rewire_sync::read(&self.resolvers);
            all.get(library).cloned().unwrap_or_default()
        };
        if resolvers.is_empty() {
            return Ok(OutsideAnswer::Nothing);
        }
        let library_name = self.ledger().library_name(*library).clone();
        let request = Request {
            name,
            kind: wanted.kind,
            type_name: wanted.type_name.as_deref(),
            library: &library_name,
        };
        let ask = || resolvers.iter().find_map(|one| one.resolve(&request));
        let answer = client_calls::call(name, ask)?;
        let is_defined = |ledger: &Ledger| {
            let id = ledger.find(*library, name);
            id.is_some_and(|id| ledger.entry(id).definition() != Definition::None)
        };
        let name = name.clone();
        match answer {
            None => Ok(OutsideAnswer::Nothing),
            Some(Answer::Address(address)) => {
                Ok(OutsideAnswer::Symbol(HostSymbol::Address(address)))
            }
            Some(Answer::Ir {
                name: module,
                bytes,
            }) => {
                self.add_answer(*library, module.into(), bytes)?;
                // Asking again would return the same answer, endlessly.
                if is_defined(&self.ledger()) {
                    return Ok(OutsideAnswer::Entered);
                }
                Err(Error::NotGenerated {
                    name,
                    reason: "the resolver's IR doesn't define it".to_owned(),
                })
            }
            Some(Answer::Failed(reason)) => Err(Error::NotGenerated { name, reason }),
            Some(Answer::Lazy(make)) => {
                let mut ledger = self.ledger();
                if !is_defined(&ledger) {
                    let id = ledger.find_or_enter(*library, &name);
                    ledger.define_lazily(id, make);
                }
                Ok(OutsideAnswer::Entered)
            }
        }
    }

    /// Has the client's closure make the IR of a function that is being called, and adds that IR.
    pub(crate) fn generate(&self, id: EntryId, make: &LazyIr) -> Result<(), Error> {
        let (name, library) = {
            let ledger = self.ledger();
            let entry = ledger.entry(id);
            (entry.name().clone(), entry.library())
        };
        let bytes =
            client_calls::call(&name, || make())?.map_err(|reason| Error::NotGenerated {
                name: name.clone(),
                reason,
            })?;
        let (is_asked, is_new) = {
            let ledger = self.ledger();
            let asked = ledger.lazies.get(&id);
            let is_asked = asked.is_some_and(|lazy| Arc::ptr_eq(&lazy.0, make));
            (is_asked, ledger.entry(id).definition() == Definition::Lazy)
        };
        if !is_asked {
            // The function was defined differently meanwhile.
            return Ok(());
        }
        if !is_new {
            return (self.above.renew)(self, library, &name, &bytes);
        }
        self.add_answer(library, name.clone(), bytes)?;
        match self.ledger().entry(id).definition() {
            Definition::Lazy => Err(Error::NotGenerated {
                name,
                reason: "its IR doesn't define it".to_owned(),
            }),
            _ => Ok(()),
        }
    }

    /// Adds a module that a client made on demand. Nobody asked for the unit to stay, so it leaves
    /// as units of new bodies do: when nothing of it is in force any more.
    fn add_answer(&self, library: LibraryId, name: Arc<str>, bytes: Vec<u8>) -> Result<(), Error> {
        let source = Source::new(name, bytes);
        let place = UnitPlace {
            library,
            is_frozen: false,
            standing: Standing::WhileInForce,
        };
        let unit = self.add(source, place, ObservedLoading::begin(self))?;
        {
            let mut ledger = self.ledger();
            // Assembly is in force as long as its unit is loaded.
            if unit.index.has_assembly {
                ledger.keep_until_removed(unit.id);
            } else {
                ledger.leave_if_idle(unit.id);
            }
        }
        self.finish_loading()
    }
}
