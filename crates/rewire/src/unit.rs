//! Units: what was added in one step, and the copies of its IR that threads work on.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use rewire_llvm::{Extracted, GlobalState, LlvmError, Module, ModuleIndex, Ordinal, Source};
use rustc_hash::FxBuildHasher;

use crate::ledger::EntryId;
use crate::sync::lock;

/// The number of a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnitId(pub(crate) u32);

/// One module of IR that was added.
///
/// Its globals are entries of the ledger ([`Unit::entries`]); what the extractor has to know of
/// them stands in a byte each ([`Unit::states`]), kept up to date by the ledger, so that nothing
/// has to be collected when a function is extracted.
#[derive(Debug)]
pub(crate) struct Unit {
    pub(crate) id: UnitId,
    pub(crate) name: Arc<str>,
    pub(crate) index: ModuleIndex,
    /// The entry of each global, by ordinal; `None` for LLVM's own.
    pub(crate) entries: Vec<Option<EntryId>>,
    states: Vec<AtomicU8>,
    modules: ModulePool,
    /// Locals by the name that people gave them: inline assembly knows them by no other.
    locals: OnceLock<HashMap<Arc<str>, EntryId, FxBuildHasher>>,
}

impl Unit {
    pub(crate) fn new(
        id: UnitId,
        source: Source,
        module: Module,
        index: ModuleIndex,
        entries: Vec<Option<EntryId>>,
    ) -> Self {
        Self {
            id,
            name: source.name.clone(),
            states: index.globals.iter().map(|_| AtomicU8::new(0)).collect(),
            index,
            entries,
            modules: ModulePool::new(source, module),
            locals: OnceLock::new(),
        }
    }

    pub(crate) fn entry(&self, ordinal: Ordinal) -> Option<EntryId> {
        self.entries.get(ordinal.index()).copied().flatten()
    }

    /// Tells the extractor about a global.
    pub(crate) fn set_state(&self, ordinal: Ordinal, state: GlobalState) {
        if let Some(byte) = self.states.get(ordinal.index()) {
            byte.store(state.to_byte(), Ordering::Relaxed);
        }
    }

    /// The entry of the local global that the source calls `name`.
    pub(crate) fn local(&self, name: &str) -> Option<EntryId> {
        let locals = self.locals.get_or_init(|| {
            let named = self.index.globals.iter().zip(&self.entries);
            named
                .filter(|(global, _)| global.linkage == rewire_llvm::Linkage::Local)
                .filter_map(|(global, entry)| Some((global.name.clone(), (*entry)?)))
                .collect()
        });
        locals.get(name).copied()
    }

    /// Extracts definitions in a copy of the module that is this thread's alone meanwhile.
    pub(crate) fn extract<R>(
        &self,
        roots: &[Ordinal],
        scope: Scope<'_>,
        fold: bool,
        then: impl FnOnce(Extracted<'_>) -> Result<R, LlvmError>,
    ) -> Result<R, LlvmError> {
        // A front needs no body.
        let bodies = if matches!(scope, Scope::Front) {
            &[]
        } else {
            roots
        };
        let mut module = self.modules.take(bodies)?;
        let result = match (scope, roots) {
            (Scope::Company(want), [root]) => {
                let mut all = vec![*root];
                all.extend(module.surely_called(*root, &self.states, want));
                module.extract(&all, &self.states, fold).and_then(then)
            }
            (Scope::Front, [root]) => {
                let front = module.extract_front(*root, &self.states);
                front.and_then(then)
            }
            (Scope::Alone, _) => {
                let states = self.states_for_only(roots);
                module.extract(roots, &states, fold).and_then(then)
            }
            _ => module.extract(roots, &self.states, fold).and_then(then),
        };
        self.modules.put(module);
        result
    }

    /// Extracts the module-level assembly.
    pub(crate) fn extract_assembly<R>(
        &self,
        then: impl FnOnce(Extracted<'_>) -> Result<R, LlvmError>,
    ) -> Result<Option<R>, LlvmError> {
        let mut module = self.modules.take(&[])?;
        let result = module.extract_assembly().map(then).transpose();
        self.modules.put(module);
        result
    }

    /// Frees the IR of a unit that held one body and nothing else, once that is compiled.
    pub(crate) fn forget_if_done(&self) {
        let definitions = self.index.globals.iter().filter(|one| one.is_definition);
        if definitions.count() == 1 {
            lock(&self.modules.free).clear();
        }
    }

    /// Everything but the roots looks placed.
    fn states_for_only(&self, roots: &[Ordinal]) -> Vec<AtomicU8> {
        let placed = GlobalState {
            elected: false,
            placed: true,
        };
        let states: Vec<AtomicU8> = self
            .states
            .iter()
            .map(|state| AtomicU8::new(state.load(Ordering::Relaxed) | placed.to_byte()))
            .collect();
        for root in roots {
            let elected = GlobalState {
                elected: true,
                placed: false,
            };
            states[root.index()].store(elected.to_byte(), Ordering::Relaxed);
        }
        states
    }
}

/// What is extracted besides the roots.
pub(crate) enum Scope<'w> {
    /// The values of variables that they name and that have no memory yet.
    Values,
    /// Those, and the functions that the one root surely calls, of which the closure is asked.
    Company(&'w mut dyn FnMut(Ordinal) -> bool),
    /// Nothing.
    Alone,
    /// Not the one root itself, but what stands at its canonical address.
    Front,
}

/// Copies of a module, each in a context of its own. Whoever takes one has it alone, so that no
/// lock is held while LLVM works; when none is free, another copy is read.
#[derive(Debug)]
struct ModulePool {
    source: Source,
    /// Text is read once; copies come from bitcode, written when the first one is needed.
    bitcode: OnceLock<Source>,
    free: Mutex<Vec<Module>>,
}

impl ModulePool {
    fn new(source: Source, first: Module) -> Self {
        Self {
            source,
            bitcode: OnceLock::new(),
            free: Mutex::new(vec![first]),
        }
    }

    /// A copy that still has the bodies of `roots`.
    fn take(&self, roots: &[Ordinal]) -> Result<Module, LlvmError> {
        let has_all = |module: &Module| !roots.iter().any(|root| module.is_taken(*root));
        let mut free = lock(&self.free);
        if let Some(place) = free.iter().rposition(has_all) {
            return Ok(free.swap_remove(place));
        }
        drop(free);
        if self.source.is_bitcode() {
            return Module::read(&self.source);
        }
        let bitcode = match self.bitcode.get() {
            Some(bitcode) => bitcode,
            None => {
                let bitcode = Module::read(&self.source)?.to_bitcode()?;
                self.bitcode.get_or_init(|| bitcode)
            }
        };
        Module::read(bitcode)
    }

    fn put(&self, module: Module) {
        lock(&self.free).push(module);
    }
}
