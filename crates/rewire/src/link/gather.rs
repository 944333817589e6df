//! Finds what must be at hand before an object can be linked: data of other units that has no
//! memory yet, and names of the host process.
//!
//! Both are obtained without the ledger's lock, because LLVM or the dynamic loader works meanwhile.

use std::sync::Arc;

use rewire_llvm::Ordinal;
use rewire_object::{SymbolId, SymbolPlace};
use rustc_hash::FxHashSet;

use super::resolve::Parsed;
use super::{Object, View};
use crate::base::addresses::BodyAddr;
use crate::base::error::Error;
use crate::base::ids::UnitKey;
use crate::core::Core;
use crate::core::outside_request::OutsideAnswer;
use crate::host::symbols::HostSymbol;
use crate::ledger::unit::{ExtractScope, Unit};
use crate::ledger::{Definition, EntryId, EntryKind, Ledger, Located, UseAspect};

/// What a batch still needs.
#[derive(Debug, Default)]
pub(crate) struct Needs {
    /// Variables to be extracted and compiled.
    data: Vec<(UnitKey, Ordinal)>,
    /// Functions whose prefixed stub is to be compiled.
    fronts: Vec<(UnitKey, Ordinal)>,
    /// Names to be looked up in the host and by resolvers, each with a unit that names it.
    outside: Vec<(EntryId, UnitKey)>,
}

impl Needs {
    pub(crate) fn is_empty(&self) -> bool {
        self.data.is_empty() && self.fronts.is_empty() && self.outside.is_empty()
    }

    /// Finds what the batch refers to and neither contains nor has in memory. `absent` are the
    /// names that the host was asked for before and doesn't have.
    pub(crate) fn find(
        view: &View<'_, '_>,
        batch: &[Parsed<'_>],
        absent: &FxHashSet<EntryId>,
    ) -> Self {
        let mut needs = Self::default();
        // Most objects contain a function body that names nothing but functions that it calls.
        if !batch.iter().any(|one| one.foreign(view).next().is_some()) {
            return needs;
        }
        let owned = batch.iter().flat_map(|parsed| &parsed.meanings).flatten();
        let owned = owned.filter(|meaning| meaning.is_owner);
        let mut seen: FxHashSet<EntryId> = owned.map(|meaning| meaning.entry).collect();
        for parsed in batch {
            let is_referenced = parsed.graph.referenced_symbols(|_| false);
            for (symbol, target) in parsed.foreign(view) {
                if is_referenced[symbol.index()] && seen.insert(target) && !absent.contains(&target)
                {
                    needs.add(view, target, parsed.object.unit.id);
                }
            }
        }
        needs
    }

    fn add(&mut self, view: &View<'_, '_>, id: EntryId, by: UnitKey) {
        if view.stays_present(id) {
            return;
        }
        match view.definition(id) {
            Definition::Ir(unit, ordinal) if view.entry(id).kind() != EntryKind::Function => {
                self.data.push((unit, ordinal));
            }
            Definition::PrefixedStub(unit, ordinal) => self.fronts.push((unit, ordinal)),
            Definition::None => self.outside.push((id, by)),
            _ => {}
        }
    }

    /// Compiles the variables, unit by unit, and then the prefixed stubs.
    pub(crate) fn extract(&self, core: &Core) -> Result<Vec<Object>, Error> {
        let mut data = self.data.clone();
        data.sort_unstable();
        let variables = data.chunk_by(|one, next| one.0 == next.0).map(|chunk| {
            let unit = core.unit(chunk[0].0)?;
            let roots: Vec<Ordinal> = chunk.iter().map(|(_, ordinal)| *ordinal).collect();
            core.compile_data(&unit, &roots)
        });
        let fronts = self.fronts.iter().map(|(unit, function)| {
            let unit = core.unit(*unit)?;
            core.compile_prefixed_stub(&unit, *function)
        });
        variables.chain(fronts).collect()
    }

    /// Asks the host and the resolvers. What they have enters the ledger; what they don't have is
    /// added to `absent`.
    pub(crate) fn ask_outside(
        &self,
        core: &Core,
        absent: &mut FxHashSet<EntryId>,
    ) -> Result<(), Error> {
        let mut found = Vec::with_capacity(self.outside.len());
        for (id, by) in &self.outside {
            match core.ask_outside(*id, Some(*by))? {
                OutsideAnswer::Symbol(symbol) => found.push((*id, symbol)),
                OutsideAnswer::Entered
                    if core.ledger().entry(*id).definition() != Definition::None => {}
                OutsideAnswer::Entered | OutsideAnswer::Nothing => {
                    absent.insert(*id);
                }
            }
        }
        let mut ledger = core.ledger();
        for (id, symbol) in found {
            // Code expects the engine's own variables within its reach, so they are placed in the
            // engine's memory.
            let symbol = match symbol {
                HostSymbol::Variable(bytes) => HostSymbol::Address(core.place_variable(&bytes)?),
                other => other,
            };
            let entry = ledger.entry(id);
            if entry.is_present() || entry.definition() != Definition::None {
                continue;
            }
            enter_host(core, &mut ledger, id, symbol);
        }
        Ok(())
    }
}

impl Parsed<'_> {
    /// Returns the symbols whose address has to be known before this object is linked, and what
    /// they stand for. A function that is only called is looked up when it is called, except by
    /// frozen code, which calls the host's functions directly.
    fn foreign<'l>(&'l self, ledger: &'l Ledger) -> impl Iterator<Item = (SymbolId, EntryId)> + 'l {
        let meanings = (0..).map(SymbolId).zip(&self.meanings);
        meanings.filter_map(|(symbol, meaning)| {
            let meaning = meaning.filter(|meaning| !meaning.is_owner)?;
            if meaning.aspect != UseAspect::Slot {
                return Some((symbol, ledger.address_target(meaning.entry).0));
            }
            if !self.object.unit.is_frozen {
                return None;
            }
            let (target, _) = ledger.target(meaning.entry);
            let is_undefined = ledger.entry(target).definition() == Definition::None;
            is_undefined.then_some((symbol, target))
        })
    }
}

/// Enters what the host defines for a name.
pub(crate) fn enter_host(core: &Core, ledger: &mut Ledger, id: EntryId, symbol: HostSymbol) {
    let located = match symbol {
        HostSymbol::Address(address) => Located::At(BodyAddr::new(address)),
        HostSymbol::Thread { module, offset } => Located::PerThread { module, offset },
        HostSymbol::Variable(_) => return,
    };
    ledger.supply(id, located, &core.slots);
}

/// Whether the object defines the symbol.
pub(crate) fn is_defined(parsed: &Parsed<'_>, id: SymbolId) -> bool {
    parsed
        .graph
        .symbol(id)
        .is_some_and(|symbol| symbol.place != SymbolPlace::Undefined)
}

impl Core {
    /// Compiles a function's prefixed stub.
    pub(crate) fn compile_prefixed_stub(
        &self,
        unit: &Arc<Unit>,
        function: Ordinal,
    ) -> Result<Object, Error> {
        let bytes = self.emit(unit, &[function], ExtractScope::PrefixedStub)?;
        Ok(Object::of_ir(unit, bytes))
    }

    /// Compiles variables of a unit, together with what their initial values name.
    fn compile_data(&self, unit: &Arc<Unit>, roots: &[Ordinal]) -> Result<Object, Error> {
        self.object_of(unit, roots, ExtractScope::Values)
    }
}
