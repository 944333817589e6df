//! [`Unit`]: what was added in one step, and the copies of its IR that threads work on.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use rewire_llvm::{
    CallPlan, Exported, Extracted, GlobalKind, GlobalState, ImportSource, InlineBudget, LlvmError,
    Module, ModuleIndex, Ordinal, Source,
};
use rewire_sync::{Mutex, OnceLock};
use rustc_hash::{FxBuildHasher, FxHashMap, FxHashSet};
use slotmap::Key;

use super::module_pool::ModulePool;
use super::{ArrayPiece, FrameCounts, Standing};
use crate::base::assembly_names::defined_in;
use crate::base::ids::{EngineNumber, EntryId, LibraryId, UnitId, UnitKey};
use crate::base::sync::lock;

/// A description of a unit, at the moment of asking.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct UnitInfo {
    /// The unit's ID.
    pub id: UnitId,
    /// The unit's name in messages: usually a path.
    pub name: Arc<str>,
    /// The library that the unit's names belong to.
    pub library: LibraryId,
    /// Whether the unit is frozen: its functions are never replaced.
    pub is_frozen: bool,
    /// The global names that the unit defines, in the order of the module, whether or not its
    /// definitions are in force.
    pub defines: Vec<Arc<str>>,
}

/// Where a unit is added: its library, and how long it stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct UnitPlace {
    pub(crate) library: LibraryId,
    pub(crate) is_frozen: bool,
    pub(crate) standing: Standing,
}

/// Names that a unit inherits from the units to which its functions belonged before.
#[derive(Debug, Default)]
pub(crate) struct Inherited {
    /// The unit's declarations that refer to locals of those units, sorted.
    pub(crate) declarations: Vec<Ordinal>,
    /// The first of those units.
    pub(crate) origin: Option<UnitKey>,
}

/// One module of IR that was added.
///
/// Its globals are entries of the ledger ([`Unit::entries`]). What the extractor has to know about
/// each global is one byte ([`Unit::states`]), which the ledger keeps up to date, so that
/// extracting a function needs no preparation.
#[derive(Debug)]
pub(crate) struct Unit {
    pub(crate) id: UnitKey,
    engine: EngineNumber,
    pub(crate) name: Arc<str>,
    pub(crate) index: ModuleIndex,
    /// The library that the unit's names belong to.
    pub(crate) library: LibraryId,
    /// Whether the unit is frozen: its functions are never replaced, it is compiled whole, and its
    /// calls may be direct.
    pub(crate) is_frozen: bool,
    /// The entry of each global, by ordinal; `None` for LLVM's intrinsics.
    pub(crate) entries: Vec<Option<EntryId>>,
    states: Vec<AtomicU8>,
    modules: ModulePool,
    /// If it is an object file: its parts of tables, once it is linked.
    pub(crate) tables: OnceLock<Vec<ArrayPiece>>,
    /// Whether its module-level assembly is in memory.
    pub(crate) has_placed_assembly: AtomicBool,
    /// Whether its code has registered fork handlers with the C library.
    pub(crate) has_fork_handlers: AtomicBool,
    pub(crate) inherited: Inherited,
    /// The frame counters of those of its coroutines that the front end has split.
    pub(crate) frame_counts: OnceLock<(EntryId, FrameCounts)>,
    /// Its locals by source name, because inline assembly refers to them by it.
    locals: OnceLock<HashMap<Arc<str>, EntryId, FxBuildHasher>>,
    /// Its globals by entry, for bodies of other units that name some of them.
    ordinals: OnceLock<FxHashMap<EntryId, Ordinal>>,
    /// The globals that its aliases stand for.
    aliased: OnceLock<FxHashSet<Ordinal>>,
    /// The names that assembly in its functions defines; collected when a name is first missing.
    labels: OnceLock<FxHashMap<Arc<str>, Vec<Ordinal>>>,
    /// The targets of aliases whose aliasee lost its name to another unit's definition, by the
    /// aliasee ([`super::own_copies`]).
    own_copies: Mutex<FxHashMap<Ordinal, EntryId>>,
}

impl Unit {
    pub(crate) fn new(
        id: UnitId,
        source: Source,
        module: Option<Module>,
        index: ModuleIndex,
        entries: Vec<Option<EntryId>>,
        place: UnitPlace,
        inherited: Inherited,
    ) -> Self {
        Self {
            id: id.key,
            engine: id.engine,
            name: source.name.clone(),
            states: index.globals.iter().map(|_| AtomicU8::new(0)).collect(),
            index,
            library: place.library,
            is_frozen: place.is_frozen,
            entries,
            modules: ModulePool::new(source, module),
            tables: OnceLock::new(),
            has_placed_assembly: AtomicBool::new(false),
            has_fork_handlers: AtomicBool::new(false),
            inherited,
            frame_counts: OnceLock::new(),
            locals: OnceLock::new(),
            ordinals: OnceLock::new(),
            aliased: OnceLock::new(),
            labels: OnceLock::new(),
            own_copies: Mutex::default(),
        }
    }

    pub(crate) fn entry(&self, ordinal: Ordinal) -> Option<EntryId> {
        if ordinal.is_own_copy() {
            return self.own_copy(ordinal);
        }
        self.entries.get(ordinal.index()).copied().flatten()
    }

    /// Returns the entry of the unit's own copy of a definition whose name another unit has, if it
    /// needs one.
    pub(crate) fn own_copy(&self, ordinal: Ordinal) -> Option<EntryId> {
        lock(&self.own_copies).get(&ordinal.own_copy()).copied()
    }

    pub(crate) fn set_own_copy(&self, ordinal: Ordinal, id: EntryId) {
        lock(&self.own_copies).insert(ordinal.own_copy(), id);
    }

    /// Returns the unit's own copies, in the order of the module.
    pub(crate) fn own_copies(&self) -> Vec<(Ordinal, EntryId)> {
        let copies = lock(&self.own_copies);
        if copies.is_empty() {
            return Vec::new();
        }
        let mut copies: Vec<_> = copies.iter().map(|(ordinal, id)| (*ordinal, *id)).collect();
        copies.sort_unstable();
        copies
    }

    /// Whether the unit is an object file rather than IR.
    pub(crate) fn is_object(&self) -> bool {
        self.index.object.is_some()
    }

    /// Whether the first call of one of its functions brings the whole unit.
    pub(crate) fn comes_whole(&self) -> bool {
        self.is_frozen || self.is_object()
    }

    /// Returns the bytes that were added.
    pub(crate) fn source(&self) -> Result<Source, LlvmError> {
        self.modules.source()
    }

    /// Returns the unit's public ID.
    pub(crate) fn number(&self) -> UnitId {
        UnitId::new(self.engine, self.id)
    }

    pub(crate) fn info(&self) -> UnitInfo {
        let globals = self.index.globals.iter();
        let defines = globals.filter(|one| {
            one.is_definition && one.linkage != rewire_llvm::Linkage::Local && !one.name.is_empty()
        });
        UnitInfo {
            id: self.number(),
            name: self.name.clone(),
            library: self.library,
            is_frozen: self.is_frozen,
            defines: defines.map(|one| one.name.clone()).collect(),
        }
    }

    /// Sets what the extractor is told about a global.
    pub(crate) fn set_state(&self, ordinal: Ordinal, state: GlobalState) {
        // The state of an own copy is passed to the extractor with each extraction.
        if ordinal.is_own_copy() {
            return;
        }
        if let Some(byte) = self.states.get(ordinal.index()) {
            let apart = byte.load(Ordering::Relaxed) & GlobalState::APART;
            byte.store(state.to_byte() | apart, Ordering::Relaxed);
        }
    }

    /// Tells the extractor that callers had better not inline a function.
    pub(crate) fn set_apart(&self, ordinal: Ordinal) {
        if let Some(byte) = self.states.get(ordinal.index()) {
            byte.fetch_or(GlobalState::APART, Ordering::Relaxed);
        }
    }

    /// Whether callers had better not inline a function.
    pub(crate) fn is_apart(&self, ordinal: Ordinal) -> bool {
        let byte = self.states.get(ordinal.index());
        byte.is_some_and(|byte| byte.load(Ordering::Relaxed) & GlobalState::APART != 0)
    }

    /// Returns the global that stands for this entry here. The first call looks at all globals.
    pub(crate) fn ordinal_of(&self, id: EntryId) -> Option<Ordinal> {
        let ordinals = self.ordinals.get_or_init(|| {
            let all = (0..).map(Ordinal::new).zip(&self.entries);
            all.filter_map(|(ordinal, id)| Some(((*id)?, ordinal)))
                .collect()
        });
        ordinals.get(&id).copied()
    }

    /// Whether an alias of this unit's stands for a place in one of its globals. The first call
    /// looks at all globals.
    pub(crate) fn is_aliased(&self, ordinal: Ordinal) -> bool {
        let aliased = self.aliased.get_or_init(|| {
            let globals = self.index.globals.iter();
            globals
                .filter_map(|global| match global.kind {
                    GlobalKind::Alias { target } => target.map(|(ordinal, _)| ordinal),
                    _ => None,
                })
                .collect()
        });
        aliased.contains(&ordinal)
    }

    /// Whether a name is local to this unit, or to a unit that its function belonged to before.
    pub(crate) fn is_own(&self, ordinal: Ordinal) -> bool {
        let global = self.index.globals.get(ordinal.index());
        global.is_some_and(|global| global.is_local())
            || self.inherited.declarations.binary_search(&ordinal).is_ok()
    }

    /// Returns the entry of the local that the source calls `name`.
    pub(crate) fn local(&self, name: &str) -> Option<EntryId> {
        let locals = self.locals.get_or_init(|| {
            let own = self.index.numbered().filter(|(it, _)| self.is_own(*it));
            own.filter_map(|(ordinal, global)| Some((global.name.clone(), self.entry(ordinal)?)))
                .collect()
        });
        locals.get(name).copied()
    }

    /// Whether the unit's IR defines a name.
    pub(crate) fn defines(&self, name: &str) -> bool {
        let mut globals = self.index.globals.iter();
        globals.any(|it| it.is_definition && &*it.name == name)
    }

    /// Returns the functions whose inline assembly seems to define a name. The first call reads all
    /// bodies.
    pub(crate) fn labelled(&self, name: &str) -> Vec<Ordinal> {
        let labels = self.labels.get_or_init(|| {
            let mut labels: FxHashMap<Arc<str>, Vec<Ordinal>> = FxHashMap::default();
            if !self.modules.may_have_assembly() {
                return labels;
            }
            // A body that can't be read is an error when it is called; here it defines no labels.
            let pieces = self.whole_module().map(|module| module.inline_assembly());
            for (function, assembly) in pieces.unwrap_or_default() {
                for name in defined_in(&assembly) {
                    labels.entry(name).or_default().push(function);
                }
            }
            labels
        });
        labels.get(name).cloned().unwrap_or_default()
    }

    /// Whether the unit declares or defines a name.
    pub(crate) fn says(&self, name: &str) -> bool {
        self.index.globals.iter().any(|it| &*it.name == name)
    }

    /// Returns a number that is unique among the engine's units.
    pub(crate) fn order(&self) -> u64 {
        Key::data(&self.id).as_ffi()
    }

    /// Takes a copy of the module that still has the bodies of `roots`, for this thread's exclusive
    /// use.
    pub(crate) fn copy(&self, roots: &[Ordinal]) -> Result<ModuleLease<'_>, LlvmError> {
        Ok(ModuleLease {
            unit: self,
            module: Some(self.modules.take(roots)?),
        })
    }

    /// As [`Unit::copy`], of a module from which no body was moved, so that callees can be inlined.
    pub(crate) fn intact_copy(&self) -> Result<ModuleLease<'_>, LlvmError> {
        Ok(ModuleLease {
            unit: self,
            module: Some(self.modules.take_intact()?),
        })
    }

    /// Returns the text of a definition: see [`Library::ir`](crate::Library::ir).
    pub(crate) fn text(&self, root: Ordinal) -> Result<String, LlvmError> {
        let mut module = self.modules.take_named(&[root])?;
        let states = self.states_for_text(root);
        let text = module.extract_text(root, &states)?.into_text(self.order());
        self.modules.put_named(module);
        Ok(text)
    }

    /// Returns what the extractor is told about a global.
    pub(crate) fn state(&self, ordinal: Ordinal) -> GlobalState {
        if ordinal.is_own_copy() {
            return GlobalState::default();
        }
        let byte = self.states.get(ordinal.index());
        GlobalState::from_byte(byte.map_or(0, |byte| byte.load(Ordering::Relaxed)))
    }

    /// Returns a copy of the module with all bodies, read and verified. The copy isn't put back
    /// into the pool, because copies with unread bodies take less memory.
    pub(crate) fn whole_module(&self) -> Result<Module, LlvmError> {
        let definitions = (0..)
            .map(Ordinal::new)
            .zip(&self.index.globals)
            .filter(|(_, global)| global.is_definition && global.kind == GlobalKind::Function);
        let bodies: Vec<Ordinal> = definitions.map(|(ordinal, _)| ordinal).collect();
        let module = self.modules.take(&bodies)?;
        module.verify_all()?;
        Ok(module)
    }

    /// Frees the copies of the IR of a unit that defines one body and nothing else, once that body
    /// is compiled.
    pub(crate) fn forget_if_done(&self) {
        let definitions = self.index.globals.iter().filter(|one| one.is_definition);
        if definitions.count() == 1 {
            self.modules.clear();
        }
    }

    /// Frees the idle copies of its IR, because the unit was removed and will hardly need them
    /// again.
    pub(crate) fn free_copies(&self) {
        self.modules.clear();
    }

    /// Returns the approximate memory of the unit in bytes, without what was linked from it.
    pub(crate) fn size(&self) -> u64 {
        /// The memory per global, here and in the ledger.
        const GLOBAL: u64 = 512;
        self.modules.size() + self.index.globals.len() as u64 * GLOBAL
    }

    /// As [`Unit::states_for_only`], with what extracting text needs besides.
    fn states_for_text(&self, root: Ordinal) -> Vec<AtomicU8> {
        let mut states = self.states_for_only(&[root]);
        for (state, ordinal) in states.iter_mut().zip((0..).map(Ordinal::new)) {
            if self.is_own(ordinal) {
                *state.get_mut() |= GlobalState::OWN;
            }
        }
        states
    }

    /// The states with which only `roots` are extracted: everything else looks placed.
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

/// Which globals are extracted besides the roots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ExtractScope {
    /// The variables that the roots name and that have no memory yet, with their values.
    Values,
    /// The same variables, for functions of a frozen unit, which may be inlined into one another.
    Whole,
    /// Nothing.
    Alone,
    /// Not the root itself but its prefixed stub.
    PrefixedStub,
}

/// A copy of a unit's module, for one thread's exclusive use. Dropping the lease returns the copy
/// to the pool.
#[derive(Debug)]
pub(crate) struct ModuleLease<'u> {
    pub(crate) unit: &'u Unit,
    module: Option<Module>,
}

impl ModuleLease<'_> {
    /// The module is taken out only by `drop`, so it is there.
    pub(crate) fn module(&mut self) -> Result<&mut Module, LlvmError> {
        let module = self.module.as_mut().filter(|module| !module.is_spent());
        module.ok_or_else(|| LlvmError::Body {
            module: self.unit.name.clone(),
            reason: "its copy was given back".to_owned(),
        })
    }

    /// The module, for reading.
    pub(crate) fn whole(&mut self) -> Result<&Module, LlvmError> {
        Ok(self.module()?)
    }

    /// Extracts definitions. The budget and other units' bodies count for
    /// [`ExtractScope::Values`] only.
    pub(crate) fn extract(
        &mut self,
        roots: &[Ordinal],
        scope: ExtractScope,
        fold: bool,
        budget: InlineBudget,
        imports: &mut dyn ImportSource,
    ) -> Result<Extracted<'_>, LlvmError> {
        let unit = self.unit;
        let module = self.module()?;
        match scope {
            ExtractScope::Values => {
                // A copy with only one body isn't needed again once that body is taken.
                if let [root] = roots
                    && budget.is_none()
                    && module.can_extract_in_place(*root)
                {
                    return module.extract_in_place(*root, &unit.states);
                }
                if budget.is_none() {
                    return module.extract(roots, &unit.states, fold, budget);
                }
                module.extract_importing(roots, &unit.states, fold, budget, imports)
            }
            ExtractScope::Whole => module.extract_whole(roots, &unit.states, fold),
            ExtractScope::Alone => {
                let states = unit.states_for_only(roots);
                module.extract(roots, &states, fold, InlineBudget::NONE)
            }
            ExtractScope::PrefixedStub => {
                let front = roots.first().copied().unwrap_or(Ordinal::new(0));
                module.extract_front(front, &unit.states)
            }
        }
    }

    /// Returns a definition to be copied into code of other units, if it may be.
    pub(crate) fn export(&mut self, definition: Ordinal, most: usize) -> Option<Exported> {
        let states = &self.unit.states;
        self.module().ok()?.export(definition, states, most)
    }

    /// Extracts a function as it is extracted when every variable has memory, or none has.
    pub(crate) fn extract_assuming(
        &mut self,
        root: Ordinal,
        placed: bool,
        (fold, budget): (bool, InlineBudget),
    ) -> Result<Extracted<'_>, LlvmError> {
        let states = self.unit.states.iter().map(|state| {
            let state = GlobalState::from_byte(state.load(Ordering::Relaxed));
            AtomicU8::new(GlobalState { placed, ..state }.to_byte())
        });
        let states: Vec<AtomicU8> = states.collect();
        self.module()?.extract(&[root], &states, fold, budget)
    }

    /// Returns the calls that a function makes for certain. Reads the function's body.
    pub(crate) fn call_plan(&mut self, function: Ordinal) -> CallPlan {
        match self.module() {
            Ok(module) => module.call_plan(function),
            Err(_) => CallPlan::default(),
        }
    }

    /// IR text of an adapter that calls functions of this one's type.
    pub(crate) fn gate(&mut self, function: Ordinal) -> Option<String> {
        self.module().ok()?.call_adapter_text(function)
    }

    /// Whether this unit's body of a function is in force, not compiled yet, and available in this
    /// copy.
    pub(crate) fn has_fresh_body(&self, function: Ordinal) -> bool {
        let fresh = GlobalState {
            elected: true,
            placed: false,
        };
        let module = self.module.as_ref();
        self.unit.state(function) == fresh && module.is_some_and(|one| !one.is_taken(function))
    }
}

impl Drop for ModuleLease<'_> {
    fn drop(&mut self) {
        let module = self.module.take();
        if let Some(module) = module.filter(|one| !one.is_spent() && !one.is_unreadable()) {
            self.unit.modules.put(module);
        }
    }
}

/// The prefix of the unit names that the engine gives to new bodies; the function's name follows.
pub(crate) const NEW_BODY: &str = "new body of ";

/// Returns the unit's label for messages: for a new body, its function's name.
pub(crate) fn label_of(unit: &Arc<str>) -> Arc<str> {
    match unit.strip_prefix(NEW_BODY) {
        Some(function) => function.into(),
        None => unit.clone(),
    }
}
