//! Binds the symbols of a batch's objects to addresses.

use std::cell::OnceCell;
use std::collections::HashMap;
use std::sync::Arc;

use rewire_memory::ExecAddr;
use rewire_object::{
    Binding, Bindings, LinkGraph, SectionId, Symbol, SymbolBinding, SymbolId, SymbolKind,
    SymbolPlace,
};
use rustc_hash::{FxBuildHasher, FxHashSet};
use smallvec::{SmallVec, smallvec};

use super::definition::{DefinitionKind, LinkedDefinition};
use super::gather::is_defined;
use super::resolve::{Parsed, SymbolMeaning};
use super::staged::absolute;
use super::{Object, Origin, Staged, View};
use crate::base::addresses::BodyAddr;
use crate::base::error::Error;
use crate::core::Core;
use crate::host::thread_local;
use crate::ledger::{Definition, EntryId, EntryKind, State, UseAspect};

/// What kinds of named definitions a section contains.
#[derive(Clone, Copy, Debug, Default)]
struct SectionContents {
    /// Whether one of them stands for its name.
    has_owned: bool,
    /// Whether one of them is a copy: another definition stands for its name.
    has_copies: bool,
}

/// A reference from an object of the batch to a definition in the batch whose address isn't known
/// yet.
#[derive(Clone, Copy, Debug)]
struct PendingReference {
    from: usize,
    symbol: SymbolId,
    target: EntryId,
    offset: i64,
}

/// For each entry, the object of the batch that defines it, and the symbol.
type DefiningObjects = HashMap<EntryId, (usize, SymbolId), FxBuildHasher>;

pub(crate) struct Binder<'c> {
    core: &'c Core,
    absent: &'c FxHashSet<EntryId>,
    /// The defining objects, collected when they are first needed.
    owners: OnceCell<DefiningObjects>,
    pending: Vec<PendingReference>,
    /// The contents of each object's sections.
    contents: SmallVec<[SmallVec<[SectionContents; 8]>; 1]>,
}

impl<'c> Binder<'c> {
    pub(crate) fn new(core: &'c Core, absent: &'c FxHashSet<EntryId>) -> Self {
        Self {
            core,
            absent,
            owners: OnceCell::new(),
            pending: Vec::new(),
            contents: SmallVec::new(),
        }
    }

    /// Clears `is_owner` for all definitions but those that will be put in force: the first of each
    /// name that needs memory.
    pub(crate) fn find_owners(&self, view: &View<'_, '_>, batch: &mut [Parsed<'_>]) {
        let mut seen: FxHashSet<EntryId> = FxHashSet::default();
        let is_alone = batch.len() == 1;
        for parsed in batch {
            let (object, is_ir) = (parsed.object, parsed.object.origin != Origin::Assembly);
            for meaning in parsed.meanings.iter_mut().flatten() {
                // What the name stands for may have changed after the object was compiled.
                let owns = || view.is_owner(&object.unit, meaning.entry);
                meaning.is_owner = meaning.is_owner
                    && (!is_ir || owns())
                    && view.needs_memory(meaning.entry)
                    && (is_alone || seen.insert(meaning.entry));
            }
        }
    }

    /// Enlarges and aligns each variable of the batch to what all its definitions and declarations
    /// require.
    pub(crate) fn make_room(&self, view: &View<'_, '_>, batch: &mut [Parsed<'_>]) {
        // The parts of a named section are placed side by side with the sizes that their objects
        // state.
        let is_alone = |one: &Object| one.origin == Origin::Ir && one.section.is_none();
        for parsed in batch.iter_mut().filter(|one| is_alone(one.object)) {
            let owned: SmallVec<[(SymbolId, EntryId); 4]> = parsed.owned().collect();
            for (symbol, entry) in owned {
                if view.entry(entry).kind() == EntryKind::Function {
                    continue;
                }
                let demand = view.demand(entry);
                parsed.graph.make_room(symbol, demand.size, demand.align);
            }
        }
    }

    fn owner(&self, batch: &[Parsed<'_>], entry: EntryId) -> Option<(usize, SymbolId)> {
        let owners = self.owners.get_or_init(|| {
            let all = batch.iter().enumerate().flat_map(|(place, parsed)| {
                parsed.owned().map(move |(id, entry)| (entry, (place, id)))
            });
            all.collect()
        });
        owners.get(&entry).copied()
    }

    /// Binds the symbols of one object. References to other objects of the batch are filled in
    /// later.
    pub(crate) fn bind(
        &mut self,
        view: &mut View<'_, '_>,
        batch: &[Parsed<'_>],
        place: usize,
    ) -> Result<Bindings, Error> {
        let parsed = &batch[place];
        let mut bindings = parsed.graph.default_bindings();
        let is_file = parsed.object.origin == Origin::File;
        let is_tied = parsed.object.unit.index.object.is_some_and(|it| it.is_tied);
        let mut contents: SmallVec<[SectionContents; 8]> =
            smallvec![SectionContents::default(); parsed.graph.sections.len()];
        for (id, symbol) in parsed.graph.symbol_ids() {
            let Some(meaning) = parsed.meaning(id) else {
                if is_file && is_thread_local(&parsed.graph, symbol) {
                    // Its offset is filled in when it is known.
                    let (module, offset) = (0, 0);
                    bindings.set(id, Binding::Thread { module, offset });
                }
                continue;
            };
            let section = match symbol.place {
                SymbolPlace::Defined { section, .. } => contents.get_mut(section.index()),
                _ => None,
            };
            // An alias within an object file is another name of a body of it.
            let (body, offset) = match is_file {
                true => view.call_target(meaning.entry),
                false => (meaning.entry, 0),
            };
            let is_body = offset == 0 && view.entry(body).address_is_stub();
            let binding = if is_body && let Some(section) = section {
                // A section that contains a body is laid out, whatever else it contains.
                section.has_owned = true;
                // References to the function get its canonical address.
                let canonical = view.canonical(body, &self.core.slots)?.addr();
                let is_plain =
                    symbol.binding == SymbolBinding::Global && symbol.kind == SymbolKind::Func;
                match is_tied && is_plain {
                    true => Binding::Tied(canonical),
                    false => Binding::Canonical(canonical),
                }
            } else if meaning.is_owner {
                if let Some(section) = section {
                    section.has_owned = true;
                }
                self.own(view, id, meaning, place)
            } else {
                if let Some(section) = section {
                    section.has_copies = true;
                }
                self.reference(view, batch, place, id, meaning)?
            };
            bindings.set(id, binding);
        }
        self.contents.push(contents);
        Ok(bindings)
    }

    fn own(
        &mut self,
        view: &View<'_, '_>,
        id: SymbolId,
        meaning: SymbolMeaning,
        place: usize,
    ) -> Binding {
        if view.entry(meaning.entry).kind() != EntryKind::ThreadLocal {
            return Binding::Own;
        }
        self.pending.push(PendingReference {
            from: place,
            symbol: id,
            target: meaning.entry,
            offset: 0,
        });
        Binding::Thread {
            module: 0,
            offset: 0,
        }
    }

    fn reference(
        &mut self,
        view: &mut View<'_, '_>,
        batch: &[Parsed<'_>],
        place: usize,
        id: SymbolId,
        meaning: SymbolMeaning,
    ) -> Result<Binding, Error> {
        let (slots, parsed) = (&self.core.slots, &batch[place]);
        if meaning.aspect == UseAspect::Slot && parsed.object.origin == Origin::File {
            // Code that wasn't made for slots calls the stub.
            let (target, offset) = view.call_target(meaning.entry);
            let stub = slots.canonical(view.slot(target, slots)?);
            return Ok(Binding::Address(
                stub.checked_add_signed(offset).unwrap_or(stub),
            ));
        }
        if meaning.aspect == UseAspect::Slot {
            let (target, offset) = view.call_target(meaning.entry);
            let slot = slots.slot(view.slot(target, slots)?);
            if !parsed.object.unit.is_frozen || offset != 0 {
                return Ok(Binding::Address(slot));
            }
            return Ok(self.frozen_call(view, batch, (place, id), target, slot));
        }
        let (target, offset) = view.address_target(meaning.entry);
        let entry = view.entry(target);
        // A variable that gets other memory in this batch is no longer at its present address.
        let moves = view.is_change() && self.owner(batch, target).is_some();
        match entry.state() {
            State::PerThread { module, offset: at } if !moves => {
                return Ok(Binding::Thread {
                    module: *module,
                    offset: at.wrapping_add_signed(offset),
                });
            }
            State::Present(address) if !entry.address_is_stub() && !moves => {
                let address = address.at_offset(offset);
                let is_foreign =
                    matches!(entry.definition(), Definition::None | Definition::Absolute);
                if is_foreign && entry.kind() != EntryKind::Data {
                    return self.foreign(view, target, address);
                }
                return Ok(Binding::Address(address));
            }
            _ => {}
        }
        if !entry.address_is_stub()
            && let Some((owner, defined)) = self.owner(batch, target)
        {
            if let Some(value) = absolute(&batch[owner], defined) {
                return Ok(Binding::Address(
                    value.checked_add_signed(offset).unwrap_or(value),
                ));
            }
            self.pending.push(PendingReference {
                from: place,
                symbol: id,
                target,
                offset,
            });
            return Ok(match entry.kind() {
                EntryKind::ThreadLocal => Binding::Thread {
                    module: 0,
                    offset: 0,
                },
                // A placeholder within reach, which is all that the layout needs to know.
                _ => Binding::Address(self.core.memory.reach().start),
            });
        }
        if entry.address_is_stub() {
            let canonical = view.canonical(target, slots)?;
            return Ok(Binding::Address(canonical.at_offset(offset).addr()));
        }
        self.missing(view, parsed, id, target)
    }

    /// Returns the binding of a call from frozen code: direct, if the function is never replaced
    /// and its body is in memory or in this batch.
    fn frozen_call(
        &mut self,
        view: &mut View<'_, '_>,
        batch: &[Parsed<'_>],
        (from, symbol): (usize, SymbolId),
        target: EntryId,
        slot: ExecAddr,
    ) -> Binding {
        let entry = view.entry(target);
        let is_frozen = entry.kind() == EntryKind::Function && view.frozen_unit(target).is_some();
        match (&entry.state(), entry.definition()) {
            (State::Present(function), _) if is_frozen => Binding::FixedSlot {
                slot,
                function: function.addr(),
            },
            (State::Present(function), Definition::None)
                if entry.kind() == EntryKind::Function && self.is_near(function.addr()) =>
            {
                let function = function.addr();
                view.note_bound(target);
                Binding::FixedSlot { slot, function }
            }
            _ if is_frozen && self.owner(batch, target).is_some() => {
                self.pending.push(PendingReference {
                    from,
                    symbol,
                    target,
                    offset: 0,
                });
                Binding::FixedSlot {
                    slot,
                    function: self.core.memory.reach().start,
                }
            }
            _ => Binding::Address(slot),
        }
    }

    /// Whether all code of the engine reaches an address by a 32-bit displacement.
    fn is_near(&self, address: ExecAddr) -> bool {
        let reach = self.core.memory.reach();
        const NEAR: u64 = i32::MAX as u64 - 64;
        address.get().abs_diff(reach.start.get()) < NEAR
            && address.get().abs_diff(reach.end.get()) < NEAR
    }

    /// Binds a reference to a function of the host: its own address, and a stub within reach for
    /// calls.
    fn foreign(
        &self,
        view: &mut View<'_, '_>,
        target: EntryId,
        address: ExecAddr,
    ) -> Result<Binding, Error> {
        if self.is_near(address) {
            return Ok(Binding::Address(address));
        }
        let slot = view.slot(target, &self.core.slots)?;
        Ok(Binding::Foreign {
            address,
            call: self.core.slots.canonical(slot),
        })
    }

    /// Binds a reference to a name that nothing defines.
    fn missing(
        &self,
        view: &mut View<'_, '_>,
        parsed: &Parsed<'_>,
        id: SymbolId,
        target: EntryId,
    ) -> Result<Binding, Error> {
        let is_weak = parsed
            .graph
            .symbol(id)
            .is_some_and(|symbol| symbol.binding == SymbolBinding::Weak);
        if is_weak && !is_defined(parsed, id) {
            return Ok(Binding::Null);
        }
        match view.entry(target).kind() {
            // What an object file does more with than call it may be a variable.
            EntryKind::Unknown if parsed.object.origin == Origin::File => Err(Error::MissingData {
                unit: parsed.object.unit.name.clone(),
                name: Arc::from(view.entry(target).label()),
            }),
            // The missing function is an error only when it is called.
            EntryKind::Function | EntryKind::Unknown => {
                debug_assert!(self.absent.contains(&target) || is_defined(parsed, id));
                let slot = view.slot(target, &self.core.slots)?;
                Ok(Binding::Address(self.core.slots.canonical(slot)))
            }
            // It is no error if only discarded copies refer to it.
            EntryKind::Data | EntryKind::ThreadLocal if !self.is_referred_to(parsed, id) => {
                Ok(Binding::Unbound)
            }
            EntryKind::Data | EntryKind::ThreadLocal => Err(Error::MissingData {
                unit: parsed.object.unit.name.clone(),
                name: Arc::from(view.entry(target).label()),
            }),
        }
    }

    fn is_referred_to(&self, parsed: &Parsed<'_>, id: SymbolId) -> bool {
        let mut sections = parsed.graph.section_ids();
        sections.any(|(_, section)| {
            let mut relocations = section.relocations.iter();
            relocations.any(|relocation| relocation.symbol == id)
        })
    }

    /// Whether a section of an object is discarded, because it contains only copies of what has
    /// memory already.
    pub(crate) fn discards(&self, batch: &[Parsed<'_>], place: usize, section: SectionId) -> bool {
        // Copies in an object file are kept, to take over from those that are in force.
        if batch[place].object.origin == Origin::File {
            return false;
        }
        let contents = self.contents[place].get(section.index());
        contents.is_some_and(|contents| contents.has_copies && !contents.has_owned)
    }

    /// Fills in the bindings that depend on where the batch's objects were placed.
    pub(crate) fn locate(
        &mut self,
        view: &View<'_, '_>,
        batch: &[Parsed<'_>],
        staged: &mut [Staged<'_>],
    ) -> Result<(), Error> {
        let is_pending = !self.pending.is_empty();
        let mut found: HashMap<EntryId, DefinitionKind, FxBuildHasher> = HashMap::default();
        for (parsed, one) in batch.iter().zip(staged.iter_mut()) {
            if parsed.object.origin == Origin::File {
                one.locate_file(view, parsed);
            }
            for (symbol, entry) in parsed.owned() {
                let Some(known) = parsed.graph.symbol(symbol) else {
                    continue;
                };
                let is_body = matches!(
                    one.bindings[symbol],
                    Binding::Canonical(_) | Binding::Tied(_)
                );
                let thread = match known.place {
                    SymbolPlace::Defined { section, offset } => {
                        let start = one.layout.thread_offset(section);
                        start.map(|start| start.wrapping_add(offset))
                    }
                    _ => None,
                };
                let kind = match thread {
                    Some(offset) => DefinitionKind::Thread {
                        module: *one
                            .thread_module
                            .get_or_insert_with(thread_local::new_module),
                        offset,
                    },
                    None if is_body => DefinitionKind::Body,
                    None => DefinitionKind::Fixed,
                };
                if is_pending {
                    found.insert(entry, kind);
                }
                one.definitions.push(LinkedDefinition {
                    entry,
                    start: BodyAddr::new(one.address(parsed, symbol).unwrap_or_default()),
                    size: known.size,
                    frame: match kind {
                        DefinitionKind::Body => parsed.frame_of(known),
                        _ => None,
                    },
                    kind,
                });
            }
        }
        for one in staged.iter_mut() {
            one.definitions.sort_by_key(|definition| definition.start);
        }
        for pending in &self.pending {
            let offset = pending.offset;
            let binding = match found.get(&pending.target) {
                Some(DefinitionKind::Thread { module, offset: at }) => Binding::Thread {
                    module: *module,
                    offset: at.wrapping_add_signed(offset),
                },
                Some(_) => {
                    let owner = self.owner(batch, pending.target);
                    let address = owner
                        .and_then(|(place, symbol)| staged[place].address(&batch[place], symbol));
                    let address = address.unwrap_or_default();
                    match staged[pending.from].bindings[pending.symbol] {
                        Binding::FixedSlot { slot, .. } => Binding::FixedSlot {
                            slot,
                            function: address,
                        },
                        _ => {
                            Binding::Address(address.checked_add_signed(offset).unwrap_or(address))
                        }
                    }
                }
                None => Binding::Unbound,
            };
            staged[pending.from].bindings.set(pending.symbol, binding);
        }
        Ok(())
    }
}

/// Whether an object defines a symbol in a thread-local section.
fn is_thread_local(graph: &LinkGraph<'_>, symbol: &Symbol<'_>) -> bool {
    match symbol.place {
        SymbolPlace::Defined { section, .. } => graph
            .section(section)
            .is_some_and(|section| section.role.is_thread()),
        _ => false,
    }
}
