//! Publishes linked objects: all of a batch at once.

use std::sync::Arc;

use rewire_memory::{ExecAddr, RegionKind};
use rewire_object::{RelocKind, Segment, Symbol, SymbolBinding};
use smallvec::SmallVec;

use super::capture;
use super::definition::{DefinitionKind, LinkedDefinition};
use super::gather::is_defined;
use super::observed;
use super::resolve::{self, Parsed};
use super::{Linked, Origin, Purpose, Staged};
use crate::base::link_observer::LinkRecord;
use crate::base::object_index::is_table;
use crate::base::report::Phase;
use crate::base::sync::Guard;
use crate::core::Core;
use crate::core::recording::{self, Published};
use crate::core::timings::Timer;
use crate::host::thread_local;
use crate::ledger::{
    ArrayPiece, BLOCK_COUNTS, BlockId, BlockMemory, ContinuationKey, EntryId, FrameCounts,
    InheritedMemory, Ledger, LinkedBlock, Located, LoopWords, PlacedDefinition, PlannedNames,
    StaleByte, State, Use, UseAspect,
};

/// Registers unwind tables and stores the slots, then enters definitions and uses in the ledger.
/// Callers of a new body don't wait for the latter; operations that need the ledger do, for its
/// lock.
pub(crate) fn publish(
    core: &Core,
    mut ledger: Guard<'_, Ledger>,
    batch: &[Parsed<'_>],
    mut staged: Vec<Staged<'_>>,
    purpose: Purpose<'_>,
    timer: Timer<'_>,
) -> Linked {
    let timer = timer.then(Phase::Publish);
    if let Some(planned) = purpose.planned() {
        ledger.hold_back(planned, &core.slots);
    }
    for one in &mut staged {
        for memory in one.memory.drain(..) {
            memory.keep();
        }
        if core.observer.is_some() {
            one.observed = observed::read_memory(core, one);
        }
        give_thread_image(one);
        if !one.image.frames.is_empty() {
            one.unwind = Some(core.unwind.register(&one.image.frames));
        }
    }
    if let Some(planned) = purpose.planned() {
        move_values(&ledger, planned, &staged);
    }
    for (parsed, one) in batch.iter().zip(&staged) {
        // Frozen code calls bodies directly, so none of its bodies is ever left for another. For a
        // body of an object file there is none that would be better.
        let counted = match parsed.object.unit.comes_whole() {
            true => None,
            false => core.tiers.counted_calls(parsed.object.tier),
        };
        for definition in &one.definitions {
            if continues(purpose, definition) || definition.kind == DefinitionKind::Spare {
                continue;
            }
            if definition.kind == DefinitionKind::Body {
                ledger.set_counted_calls(definition.entry, counted);
            }
            store_slot(core, &mut ledger, definition, purpose);
        }
    }
    let timer = timer.then(Phase::Record);
    let mut linked = Linked::default();
    if let Some(planned) = purpose.planned() {
        let definitions = staged.iter().flat_map(|one| &one.definitions);
        let definitions = definitions.filter(|one| one.kind != DefinitionKind::Spare);
        let arriving = definitions.map(|definition| definition.entry);
        let mut arriving: SmallVec<[EntryId; 4]> = arriving.collect();
        arriving.sort_unstable();
        linked.former = ledger.put_in_force(planned, &arriving, &core.slots);
        // `put_in_force` has reset the slots of names that assembly redefines, so they are stored
        // again.
        let definitions = staged.iter().flat_map(|one| &one.definitions);
        for one in definitions.filter(|one| planned.assembly.contains_key(&one.entry)) {
            store_slot(core, &mut ledger, one, purpose);
        }
    }
    let mut recorder = Recorder {
        core,
        ledger: &mut ledger,
        purpose,
        linked,
        notes: ForObservers::default(),
    };
    for (parsed, one) in batch.iter().zip(&mut staged) {
        recorder.record(parsed, one);
    }
    let Recorder { linked, notes, .. } = recorder;
    drop(ledger);
    core.changed.notify_all();
    timer.stop();
    notes.tell(core, linked.defined.len());
    linked
}

/// Copies the values of variables that get other memory. What a thread in former code writes to the
/// former memory from here on is lost.
fn move_values(ledger: &Ledger, planned: &PlannedNames, staged: &[Staged<'_>]) {
    for definition in staged.iter().flat_map(|one| &one.definitions) {
        let target = planned.targets.get(&definition.entry);
        if target.is_none_or(|target| target.memory != InheritedMemory::Value)
            || definition.kind != DefinitionKind::Fixed
        {
            continue;
        }
        let State::Present(former) = ledger.entry(definition.entry).state() else {
            continue;
        };
        let size = ledger.entry(definition.entry).size().min(definition.size);
        // SAFETY: the former memory is the variable's until its name is put in force, and nothing
        // uses the new memory yet; both have at least `size` bytes, and are writable.
        unsafe {
            std::ptr::copy(
                former.addr().get() as *const u8,
                definition.start.addr().get() as *mut u8,
                size as usize,
            );
        }
    }
}

/// Points a function's slot at its body: at once, or from the first call on.
fn store_slot(
    core: &Core,
    ledger: &mut Ledger,
    definition: &LinkedDefinition,
    purpose: Purpose<'_>,
) {
    let may_wait = matches!(purpose, Purpose::Call);
    ledger.lead_to_body(definition.entry, definition.start, may_wait, &core.slots);
}

/// Whether a definition is a continuation, which no call enters.
fn continues(purpose: Purpose<'_>, definition: &LinkedDefinition) -> bool {
    let is_body = definition.kind == DefinitionKind::Body;
    is_body && purpose.head().is_some() && purpose.rebuilt() == Some(definition.entry)
}

/// What observers are told once the ledger is unlocked.
#[derive(Debug, Default)]
struct ForObservers {
    records: Vec<LinkRecord>,
    bodies: Vec<Published>,
}

impl ForObservers {
    fn tell(self, core: &Core, definitions: usize) {
        if core.compile_observer.is_some() {
            let variables = definitions - self.bodies.len();
            recording::published(self.bodies, variables);
        }
        if let Some(observer) = &core.observer {
            for record in &self.records {
                observer.linked(record);
            }
        }
    }
}

/// Enters linked objects in the ledger.
struct Recorder<'a, 'p> {
    core: &'a Core,
    ledger: &'a mut Ledger,
    purpose: Purpose<'p>,
    linked: Linked,
    notes: ForObservers,
}

impl Recorder<'_, '_> {
    fn record(&mut self, parsed: &Parsed<'_>, one: &mut Staged<'_>) {
        let (core, ledger, linked) = (self.core, &mut *self.ledger, &mut self.linked);
        note_piece(parsed, one, linked);
        note_arrays(ledger, parsed, one, linked);
        let mut block = block_of(ledger, parsed, one, self.purpose);
        block.unwind = one.unwind.take();
        block.told = one.told.take();
        if core.observer.is_some() {
            let record = LinkRecord::new(ledger, parsed, one, &block);
            self.notes.records.push(record);
        }
        ledger.counts.relocations_applied += one.image.applied;
        ledger.counts.bodies_inlined += parsed.object.inlined().count() as u64;
        if matches!(self.purpose, Purpose::Load) {
            let calls = block.uses.iter();
            let calls = calls.filter(|one| one.aspect == UseAspect::Slot);
            linked.calls.extend(calls.map(|one| one.entry));
        }
        let block = ledger.add_block(block);
        if core.kept.is_some() && parsed.object.origin == Origin::Ir {
            capture::keep(core, ledger, (parsed, one), block);
        }
        note_labels(ledger, parsed, one, block);
        let mut place = 0;
        for definition in &one.definitions {
            if definition.kind == DefinitionKind::Spare {
                place += 1;
                continue;
            }
            linked.defined.push((definition.entry, definition.start));
            if continues(self.purpose, definition) {
                let at = (block, place as u32);
                enter_continuation(ledger, parsed, self.purpose, definition, at);
                place += 1;
                continue;
            }
            let located = match definition.kind {
                DefinitionKind::Thread { module, offset } => Located::PerThread { module, offset },
                _ => Located::At(definition.start),
            };
            let is_better = self.purpose.rebuilt() == Some(definition.entry);
            if is_better {
                ledger.retire_body(definition.entry);
            }
            let is_thread_local = matches!(located, Located::PerThread { .. });
            ledger.set_present(definition.entry, located);
            ledger.set_placed(definition.entry, block, (!is_thread_local).then_some(place));
            place += usize::from(!is_thread_local);
            if definition.kind == DefinitionKind::Body {
                match is_better {
                    _ if parsed.object.origin == Origin::File => {}
                    true => ledger.counts.functions_optimised += 1,
                    false => ledger.counts.functions_compiled += 1,
                }
                if core.compile_observer.is_some() {
                    self.notes.bodies.push(Published {
                        entry: definition.entry,
                        name: ledger.entry(definition.entry).label().into(),
                        address: definition.start.addr(),
                        size: definition.size,
                    });
                }
            }
        }
        // The names that the object was linked for may have left meanwhile. Assembly stays even
        // then, because it was linked for its effects.
        let is_for_names = parsed.object.origin == Origin::Ir && parsed.object.section.is_none();
        if is_for_names && ledger.block(block).is_some_and(|block| block.live == 0) {
            ledger.retire(block);
        }
    }
}

/// Puts a continuation in force, unless its definition has left. In that case only the thread that
/// asked for it enters it, and then it is freed.
fn enter_continuation(
    ledger: &mut Ledger,
    parsed: &Parsed<'_>,
    purpose: Purpose<'_>,
    definition: &LinkedDefinition,
    at: (BlockId, u32),
) {
    let (unit, tier) = (parsed.object.unit.id, parsed.object.tier);
    let entry = ledger.entry(definition.entry);
    if let Some(head) = purpose.head()
        && entry.definition().unit() == Some(unit)
        && entry.is_present()
    {
        ledger.counts.loops_optimised += u64::from(tier.is_optimised());
        let key = ContinuationKey {
            head,
            is_optimised: tier.is_optimised(),
            frame: definition.frame,
        };
        ledger.add_continuation(definition.entry, key, at, definition.start);
    }
}

/// Sets the initial values of the object's thread-local variables, from which each thread's copy is
/// made.
fn give_thread_image(one: &mut Staged<'_>) {
    if let Some(module) = one.thread_module {
        let extent = one.layout.thread_extent();
        let image = std::mem::take(&mut one.image.thread);
        thread_local::set_image(module, image, extent.size, extent.align);
    }
}

/// Records where the object's part of a named section was placed.
fn note_piece(parsed: &Parsed<'_>, one: &Staged<'_>, linked: &mut Linked) {
    let Some(name) = &parsed.object.section else {
        return;
    };
    for (id, section) in parsed.graph.section_ids() {
        if section.name == &**name
            && let Some((segment, offset)) = one.layout.section_offset(id)
        {
            let start = one.placement.segment(segment) + offset;
            linked.pieces.push((Arc::clone(name), start, section.size));
        }
    }
}

/// Records labels: the names that inline assembly defines, and the local names of module-level
/// assembly.
fn note_labels(ledger: &mut Ledger, parsed: &Parsed<'_>, one: &Staged<'_>, block: BlockId) {
    for (id, symbol) in parsed.graph.symbol_ids() {
        let is_label = match parsed.object.origin {
            Origin::Ir => resolve::is_label(symbol),
            Origin::File => false,
            Origin::Assembly => symbol.binding == SymbolBinding::Local && is_defined(parsed, id),
        };
        if is_label
            && parsed.meaning(id).is_none()
            && !symbol.name.is_empty()
            && let Some(at) = one.address(parsed, id)
        {
            let is_global = symbol.binding != SymbolBinding::Local;
            let is_ir = parsed.object.origin == Origin::Ir;
            ledger.note_label(symbol.name, block, at, (is_global, is_ir));
        }
    }
}

/// Records where an object that LLVM didn't compile from IR has parts of tables of constructors.
fn note_arrays(ledger: &Ledger, parsed: &Parsed<'_>, one: &Staged<'_>, linked: &mut Linked) {
    let origin = parsed.object.origin;
    if origin == Origin::Ir {
        return;
    }
    let mut arrays = Vec::new();
    for (id, section) in parsed.graph.section_ids() {
        // Of the groups of one name, only the constructors of the one that counts run.
        let group = section
            .group
            .and_then(|group| parsed.graph.groups.get(group as usize));
        let is_left_out =
            |unit| group.is_some_and(|group| ledger.has_other_group(unit, group.signature));
        if origin == Origin::File && is_left_out(&parsed.object.unit) {
            continue;
        }
        // A part of the batch's named section is bounded together with the other parts.
        if is_table(section)
            && parsed.object.section.as_deref() != Some(section.name)
            && let Some((segment, offset)) = one.layout.section_offset(id)
        {
            arrays.push(ArrayPiece {
                unit: parsed.object.unit.id,
                section: section.name.into(),
                start: one.placement.segment(segment) + offset,
                size: section.size,
            });
        }
    }
    if origin == Origin::File {
        // Whoever places what units need finds them there.
        let _ = parsed.object.unit.tables.set(arrays);
    } else {
        linked.arrays.extend(arrays);
    }
}

fn block_of(
    ledger: &Ledger,
    parsed: &Parsed<'_>,
    one: &Staged<'_>,
    purpose: Purpose<'_>,
) -> LinkedBlock {
    let mut uses = Vec::new();
    for site in rewire_object::sites(&parsed.graph, &one.bindings, &one.layout, &one.placement) {
        let Some(meaning) = parsed.meaning(site.symbol) else {
            continue;
        };
        // A size is taken from the object itself, whatever the name stands for.
        if matches!(site.kind, RelocKind::Size32 | RelocKind::Size64) {
            continue;
        }
        let describes = parsed
            .graph
            .section(site.section)
            .is_some_and(|section| section.role.describes_bodies());
        // Descriptions of a body (frames, exception tables) come and go with the body.
        if describes && defines(one, meaning.entry) {
            continue;
        }
        let (target, _) = ledger.target(meaning.entry);
        uses.push(Use::new(
            target,
            site.at,
            site.kind,
            if site.is_direct {
                UseAspect::Direct
            } else {
                meaning.aspect
            },
            site.symbol.0,
        ));
    }
    let definitions = one.definitions.iter().filter_map(|definition| {
        (!matches!(definition.kind, DefinitionKind::Thread { .. })).then_some(PlacedDefinition {
            entry: definition.entry,
            start: definition.start,
            size: definition.size,
            is_live: false,
            is_continuation: continues(purpose, definition),
            frame: definition.frame,
        })
    });
    let mut definitions: Vec<PlacedDefinition> = definitions.collect();
    // A list like this exists for each function as long as it lives, so memory matters.
    definitions.shrink_to_fit();
    uses.shrink_to_fit();
    let unit = &parsed.object.unit;
    LinkedBlock {
        unit: unit.id,
        order: 0,
        place: 0,
        memory: BlockMemory {
            code: one.range(Segment::Code),
            read_only: one.range(Segment::ReadOnly),
            data: one.range(Segment::Data),
            read_only_kind: if one.joined_end.is_some() {
                RegionKind::Code
            } else {
                RegionKind::ReadOnly
            },
        },
        definitions,
        uses,
        unwind: None,
        folds: parsed.object.copied(),
        thread_module: one.thread_module,
        threads_aside: Vec::new(),
        stale_byte: stale_byte(parsed, one),
        frame_counts: frame_counts(parsed, one),
        tier: parsed.object.tier,
        loop_words: loop_words(parsed, one),
        is_file: parsed.object.origin == Origin::File,
        told: None,
        live_code: 0,
        live: 0,
        pins: 0,
        has_labels: false,
        handles: 0,
    }
}

/// Returns the byte that the object's loops read, if they hold copies of bodies.
fn stale_byte(parsed: &Parsed<'_>, one: &Staged<'_>) -> Option<StaleByte> {
    if parsed.object.folds.is_empty() {
        return None;
    }
    let (_, at) = engines_own(parsed, one, StaleByte::SYMBOL)?;
    Some(StaleByte(at))
}

/// Returns the counters for frames of the object's own coroutines.
fn frame_counts(parsed: &Parsed<'_>, one: &Staged<'_>) -> Option<FrameCounts> {
    let (_, at) = engines_own(parsed, one, BLOCK_COUNTS)?;
    Some(FrameCounts(at))
}

/// Returns the words that the checks at the object's loop heads read, if it has one such body.
fn loop_words(parsed: &Parsed<'_>, one: &Staged<'_>) -> Option<LoopWords> {
    let (symbol, start) = engines_own(parsed, one, LOOP_WORDS)?;
    Some(LoopWords {
        start,
        count: (symbol.size / 4) as u32,
    })
}

/// Returns what the engine has added to an object under this name, and its address.
fn engines_own<'p>(
    parsed: &'p Parsed<'_>,
    one: &Staged<'_>,
    name: &str,
) -> Option<(&'p Symbol<'p>, ExecAddr)> {
    let mut symbols = parsed.graph.symbol_ids();
    let (id, symbol) = symbols.find(|(_, symbol)| symbol.name == name)?;
    Some((symbol, one.address(parsed, id)?))
}

/// The symbol of the words that checks at loop heads read (`shim/continuations.cpp`).
const LOOP_WORDS: &str = "rewire.loops";

fn defines(one: &Staged<'_>, entry: EntryId) -> bool {
    let mut definitions = one.definitions.iter();
    definitions.any(|definition| definition.entry == entry)
}
