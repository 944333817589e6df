//! Binds the symbols of a batch's objects.

use std::collections::HashMap;
use std::sync::Arc;

use rewire_memory::ExecAddr;
use rewire_object::{Binding, Bindings, SectionId, SymbolBinding, SymbolId, SymbolPlace};
use rustc_hash::{FxBuildHasher, FxHashSet};

use super::gather::is_defined;
use super::resolve::{Meaning, Parsed, is_owner};
use super::{Origin, Staged};
use crate::core::Core;
use crate::error::Error;
use crate::ledger::{Definition as Defined, EntryId, EntryKind, Ledger, Planned, State, UseAspect};
use crate::process::thread_local;

/// A definition that the batch brings.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Definition {
    pub(crate) entry: EntryId,
    pub(crate) start: ExecAddr,
    pub(crate) size: u64,
    pub(crate) kind: DefinitionKind,
}

/// What kind of definition, as far as publishing differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DefinitionKind {
    /// A body whose slot will lead to it.
    Body,
    /// Bytes that stay where they are.
    Fixed,
    /// A thread-local variable, in this module at this offset.
    Thread { module: u64, offset: u64 },
}

/// A reference from one object of the batch to a definition in it whose address isn't known yet.
#[derive(Clone, Copy, Debug)]
struct Pending {
    from: usize,
    symbol: SymbolId,
    target: EntryId,
    offset: i64,
}

pub(crate) struct Binder<'c> {
    core: &'c Core,
    absent: &'c FxHashSet<EntryId>,
    planned: Option<&'c Planned>,
    /// Which object defines what, as which symbol.
    owners: HashMap<EntryId, (usize, SymbolId), FxBuildHasher>,
    pending: Vec<Pending>,
    /// Sections that hold nothing but copies of what has memory already, by object.
    discarded: Vec<FxHashSet<SectionId>>,
}

impl<'c> Binder<'c> {
    pub(crate) fn new(
        core: &'c Core,
        absent: &'c FxHashSet<EntryId>,
        planned: Option<&'c Planned>,
    ) -> Self {
        Self {
            core,
            absent,
            planned,
            owners: HashMap::default(),
            pending: Vec::new(),
            discarded: Vec::new(),
        }
    }

    /// Finds the definitions that will stand for their names: the first of each that has no
    /// memory yet.
    pub(crate) fn find_owners(&mut self, ledger: &Ledger, batch: &[Parsed<'_>]) {
        for (place, parsed) in batch.iter().enumerate() {
            for (id, _) in parsed.graph.symbol_ids() {
                let Some(meaning) = parsed.meaning(id) else {
                    continue;
                };
                // What the name stands for may have changed since the object was read.
                let owns = || is_owner(ledger, self.planned, &parsed.object.unit, meaning.entry);
                let is_ir = parsed.object.origin == Origin::Ir;
                if meaning.is_owner && (!is_ir || owns()) && self.is_wanted(ledger, meaning.entry) {
                    self.owners.entry(meaning.entry).or_insert((place, id));
                }
            }
        }
    }

    fn is_wanted(&self, ledger: &Ledger, entry: EntryId) -> bool {
        match self.planned.and_then(|planned| planned.targets.get(&entry)) {
            Some(target) => !target.keeps_memory,
            None => !ledger.entry(entry).is_present(),
        }
    }

    /// Binds the symbols of one object; what lies elsewhere in the batch is filled in later.
    pub(crate) fn bind(
        &mut self,
        ledger: &mut Ledger,
        batch: &[Parsed<'_>],
        place: usize,
    ) -> Result<Bindings, Error> {
        let parsed = &batch[place];
        let mut bindings = parsed.graph.default_bindings();
        let mut discarded: FxHashSet<SectionId> = FxHashSet::default();
        let mut kept: FxHashSet<SectionId> = FxHashSet::default();
        for (id, symbol) in parsed.graph.symbol_ids() {
            let Some(meaning) = parsed.meaning(id) else {
                continue;
            };
            let section = match symbol.place {
                SymbolPlace::Defined { section, .. } => Some(section),
                _ => None,
            };
            let owns = self.owners.get(&meaning.entry) == Some(&(place, id));
            let is_body = ledger.entry(meaning.entry).is_replaceable();
            let binding = if is_body && section.is_some() {
                // Whoever names the function gets the address that it has for ever.
                Binding::Canonical(ledger.canonical(meaning.entry, &self.core.slots)?)
            } else if owns {
                kept.extend(section);
                self.own(ledger, id, meaning, place)
            } else {
                discarded.extend(section);
                self.reference(ledger, parsed, place, id, meaning)?
            };
            bindings.set(id, binding);
        }
        self.discarded.push(&discarded - &kept);
        Ok(bindings)
    }

    fn own(&mut self, ledger: &Ledger, id: SymbolId, meaning: Meaning, place: usize) -> Binding {
        if ledger.entry(meaning.entry).kind != EntryKind::ThreadLocal {
            return Binding::Own;
        }
        self.pending.push(Pending {
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
        ledger: &mut Ledger,
        parsed: &Parsed<'_>,
        place: usize,
        id: SymbolId,
        meaning: Meaning,
    ) -> Result<Binding, Error> {
        let slots = &self.core.slots;
        if meaning.aspect == UseAspect::Slot {
            let (target, offset) = ledger.target(meaning.entry);
            let slot = slots.slot(ledger.slot(target, slots)?);
            if !parsed.object.unit.is_frozen || offset != 0 {
                return Ok(Binding::Address(slot));
            }
            return Ok(self.frozen_call(ledger, place, id, target, slot));
        }
        let (target, offset) = ledger.address_target(meaning.entry);
        let entry = ledger.entry(target);
        match entry.state {
            State::PerThread { module, offset: at } => {
                return Ok(Binding::Thread {
                    module,
                    offset: at.wrapping_add_signed(offset),
                });
            }
            State::Present(address) if !entry.is_replaceable() => {
                let address = address.checked_add_signed(offset).unwrap_or(address);
                let is_foreign = matches!(entry.definition, Defined::None | Defined::Absolute);
                if is_foreign && entry.kind != EntryKind::Data {
                    return self.foreign(ledger, target, address);
                }
                return Ok(Binding::Address(address));
            }
            _ => {}
        }
        if self.owners.contains_key(&target) && !entry.is_replaceable() {
            self.pending.push(Pending {
                from: place,
                symbol: id,
                target,
                offset,
            });
            return Ok(match entry.kind {
                EntryKind::ThreadLocal => Binding::Thread {
                    module: 0,
                    offset: 0,
                },
                // Somewhere within reach, which is all that the layout has to know.
                _ => Binding::Address(self.core.memory.reach().start),
            });
        }
        if entry.is_replaceable() {
            let canonical = ledger.canonical(target, slots)?;
            return Ok(Binding::Address(
                canonical.checked_add_signed(offset).unwrap_or(canonical),
            ));
        }
        self.missing(ledger, parsed, id, target)
    }

    /// How frozen code calls a function: directly, if that function is never replaced and its body
    /// is in memory or in this batch.
    fn frozen_call(
        &mut self,
        ledger: &mut Ledger,
        place: usize,
        symbol: SymbolId,
        target: EntryId,
        slot: ExecAddr,
    ) -> Binding {
        let entry = ledger.entry(target);
        let is_frozen = entry.kind == EntryKind::Function && ledger.frozen_unit(target).is_some();
        match (&entry.state, entry.definition) {
            (State::Present(function), _) if is_frozen => Binding::FixedSlot {
                slot,
                function: *function,
            },
            (State::Present(function), Defined::None)
                if entry.kind == EntryKind::Function && self.is_near(*function) =>
            {
                let function = *function;
                ledger.entry_mut(target).is_bound = true;
                Binding::FixedSlot { slot, function }
            }
            _ if is_frozen && self.owners.contains_key(&target) => {
                self.pending.push(Pending {
                    from: place,
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

    /// Whether every object reaches an address.
    fn is_near(&self, address: ExecAddr) -> bool {
        let reach = self.core.memory.reach();
        const NEAR: u64 = i32::MAX as u64 - 64;
        address.get().abs_diff(reach.start.get()) < NEAR
            && address.get().abs_diff(reach.end.get()) < NEAR
    }

    /// A function of the host: its own address, and a way to it from nearby.
    fn foreign(
        &self,
        ledger: &mut Ledger,
        target: EntryId,
        address: ExecAddr,
    ) -> Result<Binding, Error> {
        if self.is_near(address) {
            return Ok(Binding::Address(address));
        }
        let slot = ledger.slot(target, &self.core.slots)?;
        Ok(Binding::Foreign {
            address,
            call: self.core.slots.canonical(slot),
        })
    }

    /// A name that nothing defines.
    fn missing(
        &self,
        ledger: &mut Ledger,
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
        match ledger.entry(target).kind {
            // It fails when it is called, and not before.
            EntryKind::Function | EntryKind::Unknown => {
                debug_assert!(self.absent.contains(&target) || is_defined(parsed, id));
                let slot = ledger.slot(target, &self.core.slots)?;
                Ok(Binding::Address(self.core.slots.canonical(slot)))
            }
            // If only a discarded copy of something refers to it, nobody minds.
            EntryKind::Data | EntryKind::ThreadLocal if !self.is_referred_to(parsed, id) => {
                Ok(Binding::Unbound)
            }
            EntryKind::Data | EntryKind::ThreadLocal => Err(Error::MissingData {
                unit: parsed.object.unit.name.clone(),
                name: Arc::from(ledger.entry(target).label()),
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

    /// The sections of an object that aren't laid out.
    pub(crate) fn discarded(&self, place: usize) -> &FxHashSet<SectionId> {
        &self.discarded[place]
    }

    /// Fills in what depends on where the batch's objects are.
    pub(crate) fn locate(
        &mut self,
        batch: &[Parsed<'_>],
        staged: &mut [Staged<'_>],
    ) -> Result<(), Error> {
        let mut modules: Vec<Option<u64>> = vec![None; batch.len()];
        let mut found: HashMap<EntryId, DefinitionKind, FxBuildHasher> = HashMap::default();
        for (entry, (place, symbol)) in &self.owners {
            let one = &mut staged[*place];
            let graph = &batch[*place].graph;
            let size = graph.symbol(*symbol).map_or(0, |symbol| symbol.size);
            let is_body = matches!(one.bindings[*symbol], Binding::Canonical(_));
            let kind = match graph.symbol(*symbol).map(|symbol| symbol.place) {
                Some(SymbolPlace::Defined { section, offset })
                    if one.layout.thread_offset(section).is_some() =>
                {
                    let start = one.layout.thread_offset(section).unwrap_or_default();
                    let module = *modules[*place].get_or_insert_with(thread_local::new_module);
                    DefinitionKind::Thread {
                        module,
                        offset: start.wrapping_add(offset),
                    }
                }
                _ if is_body => DefinitionKind::Body,
                _ => DefinitionKind::Fixed,
            };
            found.insert(*entry, kind);
            one.definitions.push(Definition {
                entry: *entry,
                start: one.address(*symbol).unwrap_or_default(),
                size,
                kind,
            });
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
                    let (place, symbol) = self.owners[&pending.target];
                    let address = staged[place].address(symbol).unwrap_or_default();
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
