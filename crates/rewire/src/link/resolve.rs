//! Maps the symbols of an object to entries of the ledger.

use std::sync::Arc;

use rewire_llvm::names::{self, Aspect, GlobalRef};
use rewire_llvm::{GlobalKind, Linkage};
use rewire_memory::CodeMemory;
use rewire_object::{LinkGraph, Segment, Symbol, SymbolBinding, SymbolId, SymbolKind, SymbolPlace};
use smallvec::SmallVec;

use super::{Object, Origin, View, frame_text};
use crate::base::error::Error;
use crate::base::frame_text::FrameText;
use crate::base::object_index::{self, Numbering};
use crate::ledger::unit::Unit;
use crate::ledger::{
    AssemblySymbol, Definition, EntryId, EntryKind, Ledger, NOOP_FRAME, UseAspect,
};

/// The entry that a symbol stands for, and how it is used.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SymbolMeaning {
    pub(crate) entry: EntryId,
    pub(crate) aspect: UseAspect,
    /// Whether the object holds the definition that the entry stands for.
    pub(crate) is_owner: bool,
}

/// A parsed object, with the meaning of each symbol; `None` for symbols that concern no other
/// object.
#[derive(Debug)]
pub(crate) struct Parsed<'a> {
    pub(crate) object: &'a Object,
    pub(crate) graph: LinkGraph<'a>,
    pub(crate) meanings: SmallVec<[Option<SymbolMeaning>; 4]>,
}

impl<'a> Parsed<'a> {
    /// Returns the quick frame that a function of the object has, or continues.
    pub(crate) fn frame_of(&self, function: &Symbol<'_>) -> Option<FrameText> {
        match &self.object.made_from.as_ref()?.frame {
            Some(frame) => Some(frame.text),
            None if self.object.stays_in_frame => frame_text(&self.graph, function),
            None => None,
        }
    }

    /// Parses an object. Its symbols get their meanings in [`Parsed::resolve`].
    pub(crate) fn new(object: &'a Object) -> Result<Self, Error> {
        let mut graph = rewire_object::parse(&object.unit.name, &object.bytes)?;
        if let Some(name) = &object.section {
            // The parts of a section can only be placed side by side in one segment, whatever each
            // part was declared as.
            for section in graph.sections.iter_mut().filter(|one| one.name == &**name) {
                section.segment = Segment::Data;
            }
        }
        if object.origin == Origin::File {
            bound_own_sections(&mut graph);
        }
        Ok(Self {
            object,
            graph,
            meanings: SmallVec::new(),
        })
    }

    pub(crate) fn meaning(&self, symbol: SymbolId) -> Option<SymbolMeaning> {
        self.meanings.get(symbol.index()).copied().flatten()
    }

    /// Returns the definitions in the object that stand for their names.
    pub(crate) fn owned(&self) -> impl Iterator<Item = (SymbolId, EntryId)> + '_ {
        let meanings = (0..).map(SymbolId).zip(&self.meanings);
        meanings.filter_map(|(symbol, meaning)| {
            let meaning = meaning.filter(|meaning| meaning.is_owner)?;
            Some((symbol, meaning.entry))
        })
    }

    /// Looks up the meaning of each symbol in the ledger, unless that was done before.
    pub(crate) fn resolve(
        &mut self,
        memory: &CodeMemory,
        view: &mut View<'_, '_>,
    ) -> Result<(), Error> {
        if !self.meanings.is_empty() {
            return Ok(());
        }
        if self.object.origin == Origin::File {
            self.meanings = file_meanings(view, &self.object.unit, &self.graph)?;
            return Ok(());
        }
        let mut meanings = SmallVec::with_capacity(self.graph.symbols.len());
        for (id, symbol) in self.graph.symbol_ids() {
            let is_common = self.graph.is_common(id);
            let meaning = meaning_of(memory, view, self.object, symbol, is_common)?;
            meanings.push(meaning);
        }
        self.meanings = meanings;
        Ok(())
    }
}

/// Makes `__start_NAME` and `__stop_NAME` mean the object's own section, if it has one of this
/// name. Another object with such a section is refused where the bounds are entered.
fn bound_own_sections(graph: &mut LinkGraph<'_>) {
    for place in 0..graph.symbols.len() {
        let symbol = &graph.symbols[place];
        if symbol.place != SymbolPlace::Undefined {
            continue;
        }
        let (name, is_end) = match symbol.name.strip_prefix("__start_") {
            Some(name) => (name, false),
            None => match symbol.name.strip_prefix("__stop_") {
                Some(name) => (name, true),
                None => continue,
            },
        };
        let found = graph
            .section_ids()
            .find(|(_, one)| one.name == name && object_index::is_table(one));
        let bound = found.map(|(id, one)| SymbolPlace::Defined {
            section: id,
            offset: if is_end { one.size } else { 0 },
        });
        if let Some(bound) = bound {
            graph.symbols[place].place = bound;
        }
    }
}

/// Returns the meanings of the symbols of an object file.
fn file_meanings(
    view: &mut View<'_, '_>,
    unit: &Unit,
    graph: &LinkGraph<'_>,
) -> Result<SmallVec<[Option<SymbolMeaning>; 4]>, Error> {
    if view.record(unit.id).is_none_or(|record| record.has_left()) {
        return Err(Error::NoUnit);
    }
    let numbering = Numbering::new(graph);
    let symbols = numbering.ordinals().zip(&graph.symbols);
    let meanings = symbols.map(|(ordinal, symbol)| {
        let ordinal = ordinal?;
        let entry = unit.entry(ordinal)?;
        if symbol.place != SymbolPlace::Undefined {
            // The bounds of its own sections mean what the object itself says.
            let is_definition = unit.index.globals[ordinal.index()].is_definition;
            return is_definition.then(|| SymbolMeaning {
                entry,
                aspect: UseAspect::Address,
                is_owner: view.is_owner(unit, entry),
            });
        }
        view.import(entry);
        // What is only called needn't be found before it is called.
        let is_called = unit.index.globals[ordinal.index()].kind == GlobalKind::Function;
        Some(SymbolMeaning {
            entry,
            aspect: match is_called && symbol.kind == SymbolKind::None {
                true => UseAspect::Slot,
                false => UseAspect::Address,
            },
            is_owner: false,
        })
    });
    Ok(meanings.collect())
}

fn meaning_of(
    memory: &CodeMemory,
    view: &mut View<'_, '_>,
    object: &Object,
    symbol: &Symbol<'_>,
    is_common: bool,
) -> Result<Option<SymbolMeaning>, Error> {
    if symbol.name.is_empty() || symbol.place == SymbolPlace::GotBase {
        return Ok(None);
    }
    let unit = &object.unit;
    if symbol.place != SymbolPlace::Undefined {
        return match object.origin {
            Origin::Ir | Origin::File => Ok(own_meaning(view, object, symbol)),
            Origin::Assembly => assembly_meaning(view, unit, symbol, is_common),
        };
    }
    let meant = names::meaning(symbol.name);
    let entry = match meant.global {
        GlobalRef::Local(number) => match object.entry(number) {
            Some(entry) => entry,
            None => return Ok(None),
        },
        GlobalRef::Named(name) => match unit.local(name) {
            Some(local) => local,
            None if name == NOOP_FRAME => view.noop_frame(memory)?,
            None => named(view, unit, name),
        },
    };
    let entry = match meant.aspect {
        Aspect::Frames => view.frame_counts_of(entry, unit, memory)?,
        _ => entry,
    };
    view.import(entry);
    let aspect = match meant.aspect {
        Aspect::Slot => UseAspect::Slot,
        Aspect::Itself | Aspect::FromItself | Aspect::Front | Aspect::Frames => UseAspect::Address,
    };
    Ok(Some(SymbolMeaning {
        entry,
        aspect,
        is_owner: false,
    }))
}

fn named(ledger: &mut Ledger, unit: &Unit, name: &str) -> EntryId {
    match ledger.find(unit.library, name) {
        Some(entry) => entry,
        None => match ledger.own_of_origin(unit, name) {
            Some(own) => own,
            None => ledger.find_or_enter(unit.library, &Arc::from(name)),
        },
    }
}

/// Whether a symbol of an object that was compiled from IR is a label of inline assembly. LLVM's
/// code generation gives all its other symbols a type.
pub(super) fn is_label(symbol: &Symbol<'_>) -> bool {
    let is_here = matches!(
        symbol.place,
        SymbolPlace::Defined { .. } | SymbolPlace::Absolute(_)
    );
    symbol.kind == SymbolKind::None && is_here && !symbol.name.contains(".rewire.")
}

/// Returns the meaning of a symbol that an object compiled from IR defines.
fn own_meaning(view: &View<'_, '_>, object: &Object, symbol: &Symbol<'_>) -> Option<SymbolMeaning> {
    let unit = &object.unit;
    // Labels get no meaning here: names that need one ask for it later
    // ([`crate::compile::assembly_labels`]).
    if symbol.binding == SymbolBinding::Local || is_label(symbol) && !unit.defines(symbol.name) {
        return None;
    }
    let meant = names::meaning(symbol.name);
    let entry = match meant.global {
        GlobalRef::Local(number) => object.entry(number)?,
        // Symbols that code generation makes up (`DW.ref.*`) concern no other object.
        GlobalRef::Named(name) => view.find(unit.library, name)?,
    };
    let entry = match meant.aspect {
        Aspect::Front => view.entry(entry).prefixed_stub()?,
        _ => entry,
    };
    Some(SymbolMeaning {
        entry,
        aspect: UseAspect::Address,
        is_owner: view.is_owner(unit, entry),
    })
}

/// Returns the meaning of a symbol that module-level assembly defines, and enters its name in the
/// ledger.
fn assembly_meaning(
    view: &mut View<'_, '_>,
    unit: &Unit,
    symbol: &Symbol<'_>,
    is_common: bool,
) -> Result<Option<SymbolMeaning>, Error> {
    let entry = if symbol.binding == SymbolBinding::Local {
        // A local symbol is seen by other code only if the unit's IR declares it.
        match view.find(unit.library, symbol.name) {
            Some(entry) if unit.entries.contains(&Some(entry)) => entry,
            _ => return Ok(None),
        }
    } else {
        named(view, unit, symbol.name)
    };
    let owned = SymbolMeaning {
        entry,
        aspect: UseAspect::Address,
        is_owner: true,
    };
    // If the unit has left while its assembly was compiled, it defines nothing any more.
    if view.record(unit.id).is_none_or(|record| record.has_left()) {
        return Err(Error::NoUnit);
    }
    // The change puts this unit's definition in force when it is committed.
    if view.planned_assembly(entry) == Some(unit.id) {
        return Ok(Some(owned));
    }
    let known = view.entry(entry);
    match known.definition() {
        Definition::None if known.is_bound() => {
            return Err(Error::Frozen {
                name: known.name().clone(),
                unit: unit.name.clone(),
            });
        }
        Definition::None | Definition::Engine | Definition::Lazy => {}
        Definition::Alias(..) if known.elected().is_none() => {}
        Definition::Assembly(owner) if owner == unit.id => {}
        _ if symbol.binding != SymbolBinding::Weak
            && view.gives_way(entry, is_common.then_some(symbol.size)) =>
        {
            view.give_way(entry);
        }
        _ if symbol.binding == SymbolBinding::Weak || is_common => {
            return Ok(Some(SymbolMeaning {
                entry,
                aspect: UseAspect::Address,
                is_owner: false,
            }));
        }
        _ => {
            return Err(Error::Duplicate {
                name: known.name().clone(),
                first: view.defining_unit(known).unwrap_or_default(),
                second: unit.name.clone(),
            });
        }
    }
    let symbol = AssemblySymbol {
        linkage: match symbol.binding {
            SymbolBinding::Weak => Linkage::Weak,
            _ if is_common => Linkage::Common,
            _ => Linkage::External,
        },
        kind: match symbol.kind {
            SymbolKind::Func => EntryKind::Function,
            SymbolKind::Tls => EntryKind::ThreadLocal,
            _ => EntryKind::Data,
        },
        size: symbol.size,
    };
    view.define_by_assembly(entry, unit.id, symbol);
    Ok(Some(owned))
}
