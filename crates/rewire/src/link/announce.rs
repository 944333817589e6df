//! Tells listeners of linked objects before they are published.
//!
//! No lock is held while a listener runs, so what the objects name may get another meaning
//! meanwhile. So an object that was told of is published only if it would be bound and laid out in
//! the same way again. Otherwise the listeners are told that it left, and it is linked anew.

use std::cell::Cell;
use std::sync::Arc;

use rewire_llvm::Ordinal;
use rewire_memory::ExecAddr;
use rewire_object::{Bindings, Layout, LinkGraph, Segment, SymbolId, SymbolPlace};

use super::definition::{DefinitionKind, LinkedDefinition};
use super::staged::StagedUndo;
use super::{Origin, Parsed, Purpose, Staged, View};
use crate::base::error::Error;
use crate::base::ids::UnitKey;
use crate::base::listener::{
    CodeFacts, CodeId, CodeTier, FunctionPart, LoadedCode, LoadedFunction, LoadedSection,
    UnloadedCode,
};
use crate::base::tier::Tier;
use crate::base::told_load::{RegisteredListener, ToldLoad};
use crate::compile::client_calls;
use crate::core::Core;
use crate::ledger::{Definition, EntryId, EntryKind};

/// How an object is bound and laid out, before addresses are known.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Bound {
    bindings: Bindings,
    layout: Layout,
    /// The definitions in the object that will stand for their names.
    owned: Vec<(SymbolId, EntryId)>,
    names: Vec<NameInFile>,
}

/// What the ledger has of a name that an object file names or defines, on which it depends whether
/// the file's definition is put in force or is a spare one.
#[derive(Clone, Copy, Debug, PartialEq)]
struct NameInFile {
    entry: EntryId,
    definition: Definition,
    elected: Option<(UnitKey, Ordinal)>,
    needs_memory: bool,
}

impl Bound {
    /// How the objects of a batch are bound; `None` if there are no listeners.
    pub(super) fn of_listened(
        core: &Core,
        view: &View<'_, '_>,
        bound: &[(Bindings, Layout)],
        batch: &[Parsed<'_>],
    ) -> Option<Vec<Self>> {
        if !core.listeners.are_any() {
            return None;
        }
        let objects = bound.iter().zip(batch);
        let all = objects.map(|((bindings, layout), parsed)| Self {
            bindings: bindings.clone(),
            layout: layout.clone(),
            owned: parsed.owned().collect(),
            names: names_in_file(view, parsed),
        });
        Some(all.collect())
    }
}

fn names_in_file(view: &View<'_, '_>, parsed: &Parsed<'_>) -> Vec<NameInFile> {
    if parsed.object.origin != Origin::File {
        return Vec::new();
    }
    let named = parsed
        .meanings
        .iter()
        .flatten()
        .map(|meaning| meaning.entry);
    let own = parsed.object.unit.own_copies();
    let own = own.iter().map(|(_, entry)| *entry);
    let names = named.chain(own).map(|entry| NameInFile {
        entry,
        definition: view.entry(entry).definition(),
        elected: view.entry(entry).elected(),
        needs_memory: view.needs_memory(entry),
    });
    names.collect()
}

/// Objects that listeners were told of, and that aren't published yet. If they never are, listeners
/// are told that they left, so it has to be dropped without locks.
pub(super) struct Announced<'m> {
    staged: StagedUndo<'m>,
    bound: Vec<Bound>,
}

impl<'m> Announced<'m> {
    /// Whether the objects are bound now as they were when listeners were told. If the last
    /// listener has gone meanwhile, that isn't known.
    pub(super) fn fits(&self, bound: Option<&[Bound]>) -> bool {
        bound == Some(&self.bound)
    }

    /// The objects, to be published.
    pub(super) fn into_staged(mut self) -> Vec<Staged<'m>> {
        std::mem::take(&mut self.staged.0)
    }
}

impl Drop for Announced<'_> {
    fn drop(&mut self) {
        let told = self
            .staged
            .0
            .iter_mut()
            .rev()
            .filter_map(|one| one.told.take());
        let told: Vec<_> = told.collect();
        if !told.is_empty() {
            client_calls::outside(|| told.iter().for_each(|load| load.tell_unloaded()));
        }
    }
}

/// What listeners are told of the objects of a batch; read while the ledger is locked.
pub(super) fn describe(
    view: &View<'_, '_>,
    batch: &[Parsed<'_>],
    staged: &[Staged<'_>],
    purpose: Purpose<'_>,
) -> Vec<CodeFacts> {
    let objects = batch.iter().zip(staged);
    let facts = objects.map(|(parsed, one)| facts_of(view, parsed, one, purpose));
    facts.collect()
}

fn facts_of(
    view: &View<'_, '_>,
    parsed: &Parsed<'_>,
    one: &Staged<'_>,
    purpose: Purpose<'_>,
) -> CodeFacts {
    let unit = &parsed.object.unit;
    let is_function = |definition: &&LinkedDefinition| match definition.kind {
        DefinitionKind::Body => true,
        DefinitionKind::Fixed | DefinitionKind::Spare => {
            view.entry(definition.entry).kind() == EntryKind::Function
        }
        DefinitionKind::Thread { .. } => false,
    };
    let functions = one.definitions.iter().filter(is_function);
    let functions = functions.map(|definition| {
        let entry = view.entry(definition.entry);
        let name = match entry.name() {
            unnamed if unnamed.is_empty() => Arc::from(entry.label()),
            name => name.clone(),
        };
        let start = definition.start.addr();
        let head = purpose.head();
        let is_rebuilt = purpose.rebuilt() == Some(definition.entry);
        LoadedFunction {
            name,
            generation: match view.changes(definition.entry) {
                true => entry.generation().next(),
                false => entry.generation(),
            },
            code: start..start + definition.size,
            part: match head.filter(|_| is_rebuilt) {
                Some(head) => FunctionPart::FromLoopHead(head),
                None => FunctionPart::Whole,
            },
        }
    });
    CodeFacts {
        id: CodeId::next(),
        unit: unit.number(),
        unit_name: unit.name.clone(),
        library: view.library_name(unit.library).clone(),
        tier: match parsed.object.tier {
            _ if parsed.object.origin != Origin::Ir => CodeTier::Given,
            Tier::Quick => CodeTier::Quick,
            Tier::Optimised(level) => CodeTier::Optimised(level),
            Tier::Fixed(level) => CodeTier::Fixed(level),
        },
        functions: functions.collect(),
        memory: Segment::ALL.map(|segment| one.range(segment)),
    }
}

/// Tells listeners of objects that are in memory. No lock may be held.
pub(super) fn announce<'m>(
    core: &Core,
    batch: &[Parsed<'_>],
    staged: Vec<Staged<'m>>,
    bound: Vec<Bound>,
    facts: Vec<CodeFacts>,
) -> Result<Announced<'m>, Error> {
    let mut announced = Announced {
        staged: StagedUndo(staged),
        bound,
    };
    let all = core.listeners.all();
    for ((parsed, one), facts) in batch.iter().zip(&mut announced.staged.0).zip(facts) {
        let unit = &parsed.object.unit;
        let mut listeners = all.iter().filter(|one| one.hears(unit.library, unit.id));
        if listeners.clone().next().is_some() {
            tell(&mut listeners, parsed, one, facts)?;
        }
    }
    Ok(announced)
}

fn tell(
    listeners: &mut dyn Iterator<Item = &Arc<RegisteredListener>>,
    parsed: &Parsed<'_>,
    one: &mut Staged<'_>,
    facts: CodeFacts,
) -> Result<(), Error> {
    let unit = &parsed.object.unit.name;
    let _depth = Depth::enter(unit)?;
    let mut told = Vec::new();
    let result = {
        let sections = sections_of(&parsed.graph, one);
        let address = |place: usize| address_of(parsed, one, place);
        let code = LoadedCode {
            facts: &facts,
            graph: &parsed.graph,
            frames: &one.image.frames,
            sections: &sections,
            addresses: &address,
        };
        let panicked = || Error::ListenerPanicked { unit: unit.clone() };
        client_calls::call_or(panicked, || {
            for registered in listeners {
                if let Some(listener) = registered.listener() {
                    listener.loaded(&code);
                    told.push(Arc::downgrade(registered));
                }
            }
        })
    };
    if !told.is_empty() {
        one.told = Some(Box::new(ToldLoad {
            code: UnloadedCode { facts },
            listeners: told,
        }));
    }
    result
}

/// The sections that were placed, with the bytes that were written.
fn sections_of<'a>(graph: &'a LinkGraph<'_>, one: &'a Staged<'_>) -> Vec<LoadedSection<'a>> {
    let image = &one.image;
    let written = [&image.code, &image.read_only, &image.data];
    let sections = graph.section_ids().filter_map(|(id, section)| {
        let (segment, offset) = one.layout.section_offset(id)?;
        let bytes = written[segment.index()];
        let start = bytes.len().min(offset as usize);
        let end = bytes.len().min((offset + section.size) as usize);
        Some(LoadedSection {
            name: section.name,
            address: one.placement.segment(segment) + offset,
            size: section.size,
            bytes: match section.zero_fill {
                true => &[],
                false => &bytes[start..end],
            },
            segment,
        })
    });
    sections.collect()
}

fn address_of(parsed: &Parsed<'_>, one: &Staged<'_>, place: usize) -> Option<ExecAddr> {
    let id = SymbolId(place as u32);
    let symbol = parsed.graph.symbol(id)?;
    match symbol.place {
        SymbolPlace::Defined { .. } => one.address(parsed, id),
        _ => None,
    }
}

/// How many loads may be under way inside one another.
const MOST_DEPTH: u32 = 8;

thread_local! {
    /// How many listeners' calls are under way on this thread, one inside another.
    static DEPTH: Cell<u32> = const { Cell::new(0) };
}

/// A listener's call that is under way.
struct Depth;

impl Depth {
    fn enter(unit: &Arc<str>) -> Result<Self, Error> {
        let depth = DEPTH.get();
        if depth == MOST_DEPTH {
            let unit = unit.clone();
            return Err(Error::ListenerDepth { unit, depth });
        }
        DEPTH.set(depth + 1);
        Ok(Self)
    }
}

impl Drop for Depth {
    fn drop(&mut self) {
        DEPTH.set(DEPTH.get() - 1);
    }
}
