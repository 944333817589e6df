//! Makes linked objects visible: all at once, and the slots last.

use std::sync::{Arc, MutexGuard};

use rewire_memory::ExecAddr;
use rewire_memory::unwind::UnwindRegistration;
use rewire_object::{RelocKind, SectionRole, Segment};

use super::bind::DefinitionKind;
use super::resolve::Parsed;
use super::{Linked, Purpose, Staged};
use crate::core::Core;
use crate::ledger::{Block, Defined, EntryId, Generation, Ledger, State, Use, UseAspect};
use crate::observe::LinkRecord;
use crate::process::thread_local;
use crate::recording::{self, Published};
use crate::report::Phase;

/// Registers the unwind tables, enters definitions and uses, and stores the slots.
pub(crate) fn publish(
    core: &Core,
    mut ledger: MutexGuard<'_, Ledger>,
    batch: &[Parsed<'_>],
    staged: Vec<Staged<'_>>,
    purpose: Purpose,
) -> Linked {
    let timer = core.timings.start(Phase::Publish);
    let mut linked = Linked::default();
    let mut records = Vec::new();
    let mut bodies = Vec::new();
    for (parsed, mut one) in batch.iter().zip(staged) {
        for memory in std::mem::take(&mut one.memory) {
            memory.keep();
        }
        let frames = register_frames(core, parsed, &one);
        if let Some(module) = thread_module(&one) {
            let extent = one.layout.thread_extent();
            let image = std::mem::take(&mut one.image.thread);
            thread_local::set_image(module, image, extent.size, extent.align);
        }
        note_piece(parsed, &one, &mut linked);
        let mut block = block_of(&ledger, parsed, &one);
        block.frames = frames;
        if core.observer.is_some() {
            records.push(LinkRecord::new(core, &ledger, parsed, &one, &block));
        }
        ledger.counts.relocations_applied += one.image.applied;
        if let Some(replaced) = purpose.replaced() {
            retire(&mut ledger, replaced, &one);
        }
        if purpose == Purpose::Load {
            let calls = block.uses.iter();
            let calls = calls.filter(|one| one.aspect == UseAspect::Slot);
            linked.calls.extend(calls.map(|one| one.entry));
        }
        ledger.add_block(block);
        for definition in &one.definitions {
            linked.defined.push((definition.entry, definition.start));
            let state = match definition.kind {
                DefinitionKind::Thread { module, offset } => State::PerThread { module, offset },
                _ => State::Present(definition.start),
            };
            ledger.set_present(definition.entry, state);
            let entry = ledger.entry_mut(definition.entry);
            entry.generation = Generation(entry.generation.get() + 1);
            if definition.kind == DefinitionKind::Body {
                ledger.counts.functions_compiled += 1;
                if core.compile_observer.is_some() {
                    bodies.push(Published {
                        entry: definition.entry,
                        name: ledger.entry(definition.entry).label().into(),
                        address: definition.start,
                        size: definition.size,
                    });
                }
            }
        }
    }
    for (entry, address) in &linked.defined {
        let known = ledger.entry_mut(*entry);
        let is_ahead = purpose == Purpose::Call && !known.called && known.is_replaceable();
        known.is_ahead = is_ahead;
        if let Some(slot) = known.slot {
            core.slots.lead(slot, *address, is_ahead);
        }
        ledger.counts.compiled_ahead += u64::from(is_ahead);
    }
    drop(ledger);
    core.changed.notify_all();
    timer.stop();
    if core.compile_observer.is_some() {
        let variables = linked.defined.len() - bodies.len();
        recording::published(bodies, variables);
    }
    if let Some(observer) = &core.observer {
        for record in &records {
            observer.linked(record);
        }
    }
    linked
}

/// The former body of a replaced function no longer uses anything: it stays in memory, because
/// threads may be in it, but nobody new enters it.
fn retire(ledger: &mut Ledger, replaced: EntryId, one: &Staged<'_>) {
    let is_here = defines(one, replaced);
    let State::Present(former) = ledger.entry(replaced).state else {
        return;
    };
    if !is_here {
        return;
    }
    if let Some((block, defined)) = ledger.definition_at(former) {
        let bytes = defined.start..defined.start + defined.size;
        ledger.forget_uses(block, &bytes);
        ledger.counts.definitions_retired += 1;
    }
}

fn register_frames(core: &Core, parsed: &Parsed<'_>, one: &Staged<'_>) -> Vec<UnwindRegistration> {
    let mut registrations = Vec::new();
    for (id, section) in parsed.graph.section_ids() {
        if section.role != SectionRole::EhFrame {
            continue;
        }
        let Some((segment, offset)) = one.layout.section_offset(id) else {
            continue;
        };
        let start = offset as usize;
        let bytes = one
            .image
            .read_only
            .get(start..start + section.data.len())
            .unwrap_or_default();
        let at = one.placement.segment(segment) + offset;
        registrations.push(core.unwind.register(bytes, at));
    }
    registrations
}

fn thread_module(one: &Staged<'_>) -> Option<u64> {
    let mut definitions = one.definitions.iter();
    definitions.find_map(|definition| match definition.kind {
        DefinitionKind::Thread { module, .. } => Some(module),
        _ => None,
    })
}

/// Notes where the object's piece of a named section went.
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

fn block_of(ledger: &Ledger, parsed: &Parsed<'_>, one: &Staged<'_>) -> Block {
    let mut uses = Vec::new();
    for site in rewire_object::sites(&parsed.graph, &one.bindings, &one.layout, &one.placement) {
        let Some(meaning) = parsed.meaning(site.symbol) else {
            continue;
        };
        // A size is the object's own, wherever the name leads.
        if matches!(site.kind, RelocKind::Size32 | RelocKind::Size64) {
            continue;
        }
        let describes = parsed
            .graph
            .section(site.section)
            .is_some_and(|section| section.role.describes_bodies());
        // What describes a body comes and goes with it.
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
    let code_size = one.layout.extent(Segment::Code).size;
    let code: std::ops::Range<ExecAddr> = one.placement.code..one.placement.code + code_size;
    let definitions = one.definitions.iter().filter_map(|definition| {
        (!matches!(definition.kind, DefinitionKind::Thread { .. })).then_some(Defined {
            entry: definition.entry,
            start: definition.start,
            size: definition.size,
        })
    });
    Block {
        code,
        definitions: definitions.collect(),
        uses,
        frames: Vec::new(),
    }
}

fn defines(one: &Staged<'_>, entry: EntryId) -> bool {
    let mut definitions = one.definitions.iter();
    definitions.any(|definition| definition.entry == entry)
}
