//! Places in memory what has to be there before the program starts: variables in named sections,
//! which the program walks from `__start_NAME` to `__stop_NAME`, tables of constructors, variables
//! marked as used, and module-level assembly.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use rewire_llvm::{Global, GlobalKind, Ordinal};
use rewire_memory::ExecAddr;
use rewire_object::ObjectError;
use rustc_hash::{FxHashMap, FxHashSet};

use crate::base::error::Error;
use crate::base::events::Why;
use crate::base::ids::UnitKey;
use crate::base::object_index::is_identifier;
use crate::base::sync::lock;
use crate::core::Core;
use crate::core::structors::Array;
use crate::ledger::unit::{ExtractScope, Unit};
use crate::ledger::{ArrayPiece, Definition, EntryKind, LibraryId, State};
use crate::link::{self, Linked, Object, Purpose};

/// Places what units need before their code runs, in the order of the units.
pub(crate) fn place(core: &Core, units: &[Arc<Unit>]) -> Result<(), Error> {
    if !units.iter().any(|unit| needs_placing(unit)) {
        return Ok(());
    }
    let units = &still_there(core, units)[..];
    let is_unplaced = |unit: &&Arc<Unit>| {
        unit.index.has_assembly && !unit.has_placed_assembly.load(Ordering::Relaxed)
    };
    let mut sections = named_sections(core, units);
    let mut arrays: FxHashMap<UnitKey, Vec<ArrayPiece>> = FxHashMap::default();
    for (order, unit) in units.iter().enumerate().filter(|it| is_unplaced(&it.1)) {
        let why = || Why::Start;
        let linked = core.observed(unit, &[], why, || {
            let Some(mut object) = core.emit_assembly(unit)? else {
                return Ok(Linked::default());
            };
            let Some(section) = object.first_named_section()? else {
                return link::link(core, &[object], Purpose::Load);
            };
            // This section is placed beside the parts of other units.
            object.section = Some(section.clone());
            let pieces = sections.entry((unit.library, section)).or_default();
            piece_of(pieces, unit, order).assembly = Some(object);
            Ok(Linked::default())
        });
        let linked = match linked {
            // The unit was removed meanwhile.
            Err(_) if still_there(core, std::slice::from_ref(unit)).is_empty() => continue,
            other => other?,
        };
        arrays.insert(unit.id, linked.arrays);
    }
    let mut bounded: FxHashSet<(LibraryId, Arc<str>)> = sections.keys().cloned().collect();
    for unit in units.iter().filter(|unit| has_tables(unit)) {
        let tables = place_file(core, unit)?;
        check_bounds(core, unit, &tables, &mut bounded)?;
        arrays.insert(unit.id, tables);
    }
    // Sections with assembly come first, because others may refer to what the assembly defines.
    let has_assembly = |pieces: &SectionParts| pieces.iter().any(|piece| piece.assembly.is_some());
    let (assembled, others): (Vec<_>, Vec<_>) = sections
        .into_iter()
        .partition(|(_, pieces)| has_assembly(pieces));
    for ((library, section), pieces) in assembled.into_iter().chain(others) {
        for piece in place_section(core, library, &section, pieces)? {
            arrays.entry(piece.unit).or_default().push(piece);
        }
    }
    for unit in units {
        let roots = used(core, unit);
        if !roots.is_empty() {
            let why = || Why::Start;
            core.observed(unit, &roots, why, || {
                let object = object(core, unit, &roots, None)?;
                link::link(core, &[object], Purpose::Load)
            })?;
        }
        let arrays = arrays.get(&unit.id).map_or(&[][..], Vec::as_slice);
        bound_own_sections(core, unit.library, arrays);
        // In the order of an object file of the whole unit: assembly first, the older tables last.
        plan_arrays(core, unit.id, arrays, |array| !array.is_backwards);
        plan_structors(core, unit);
        plan_arrays(core, unit.id, arrays, |array| array.is_backwards);
    }
    Ok(())
}

/// Whether a unit has anything that must be in memory before its code runs.
fn needs_placing(unit: &Unit) -> bool {
    let index = &unit.index;
    let is_in_section = |global: &Global| match &global.kind {
        GlobalKind::Variable { section, .. } => !section.is_empty(),
        _ => false,
    };
    index.has_assembly
        || has_tables(unit)
        || !index.constructors.is_empty()
        || !index.destructors.is_empty()
        || !index.used.is_empty()
        || index.globals.iter().any(is_in_section)
}

/// Whether a unit is an object file with parts of tables.
fn has_tables(unit: &Unit) -> bool {
    unit.index.object.is_some_and(|object| object.has_tables)
}

/// Links an object file, unless it is linked, and returns its parts of tables.
pub(crate) fn place_file(core: &Core, unit: &Arc<Unit>) -> Result<Vec<ArrayPiece>, Error> {
    core.observed(
        unit,
        &[],
        || Why::Start,
        || link::link(core, &[Object::of_file(unit)?], Purpose::Load),
    )?;
    Ok(unit.tables.get().cloned().unwrap_or_default())
}

/// Checks that no other unit has a part of a section of an object file that the program walks by
/// its bounds: the parts don't lie side by side. `bounded` are the sections of other units.
fn check_bounds(
    core: &Core,
    unit: &Unit,
    tables: &[ArrayPiece],
    bounded: &mut FxHashSet<(LibraryId, Arc<str>)>,
) -> Result<(), Error> {
    let ledger = core.ledger();
    for piece in tables.iter().filter(|one| is_identifier(&one.section)) {
        let bounds = ["__start_", "__stop_"].map(|bound| format!("{bound}{}", piece.section));
        let known = bounds.map(|name| ledger.find(unit.library, &name));
        let known = known.iter().flatten().map(|id| ledger.entry(*id));
        let (mut is_walked, mut is_other) = (false, false);
        for known in known {
            is_walked |= known.mentioned().next().is_some();
            is_other |= known.is_present();
        }
        is_other |= !bounded.insert((unit.library, piece.section.clone()));
        if is_walked && is_other {
            return Err(Error::Object(ObjectError::Section {
                object: unit.name.clone(),
                section: piece.section.to_string(),
                index: 0,
                reason: "another unit has a part of it, and those of object files can't lie \
                         beside other parts; join the object files with `ld -r`"
                    .to_owned(),
            }));
        }
    }
    Ok(())
}

/// Returns the units that weren't removed since they were added.
fn still_there(core: &Core, units: &[Arc<Unit>]) -> Vec<Arc<Unit>> {
    let ledger = core.ledger();
    let is_there = |unit: &&Arc<Unit>| {
        let record = ledger.record(unit.id);
        record.is_some_and(|record| !record.has_left())
    };
    units.iter().filter(is_there).cloned().collect()
}

/// Plans the constructors and destructors that a unit's assembly wrote into tables.
pub(crate) fn plan_arrays(
    core: &Core,
    unit: UnitKey,
    pieces: &[ArrayPiece],
    is_wanted: impl Fn(&Array) -> bool,
) {
    for piece in pieces.iter().filter(|piece| piece.unit == unit) {
        if let Some(array) = Array::of(&piece.section).filter(&is_wanted) {
            let members = members(core, [(piece.start, piece.size)]);
            lock(&core.process.structors).plan_array(array, &members, Some(unit));
        }
    }
}

/// Plans a unit's constructors and destructors.
pub(crate) fn plan_structors(core: &Core, unit: &Unit) {
    let all = unit
        .index
        .constructors
        .iter()
        .chain(&unit.index.destructors);
    let associated = all.filter_map(|one| one.associated);
    let elected: FxHashSet<Ordinal> = associated
        .filter(|ordinal| is_elected(core, unit, *ordinal))
        .collect();
    let is_elected = |structor: &rewire_llvm::Structor| {
        structor
            .associated
            .is_none_or(|ordinal| elected.contains(&ordinal))
    };
    lock(&core.process.structors).plan_unit(unit, is_elected);
}

fn object(
    core: &Core,
    unit: &Arc<Unit>,
    roots: &[Ordinal],
    section: Option<Arc<str>>,
) -> Result<Object, Error> {
    let scope = match section {
        Some(_) => ExtractScope::Alone,
        None => ExtractScope::Values,
    };
    let mut object = Object::of_ir(unit, core.emit(unit, roots, scope)?);
    object.section = section;
    Ok(object)
}

fn is_elected(core: &Core, unit: &Unit, ordinal: Ordinal) -> bool {
    let ledger = core.ledger();
    unit.entry(ordinal)
        .is_some_and(|id| ledger.entry(id).definition() == Definition::Ir(unit.id, ordinal))
}

fn used(core: &Core, unit: &Unit) -> Vec<Ordinal> {
    let ledger = core.ledger();
    let is_unplaced = |ordinal: &Ordinal| {
        unit.entry(*ordinal).is_some_and(|id| {
            let entry = ledger.entry(id);
            entry.definition() == Definition::Ir(unit.id, *ordinal)
                && entry.kind() == EntryKind::Data
                && matches!(entry.state(), State::Absent)
        })
    };
    unit.index
        .used
        .iter()
        .copied()
        .filter(is_unplaced)
        .collect()
}

/// A unit's part of a section.
struct SectionPart {
    unit: Arc<Unit>,
    /// The unit's index in the list of units.
    order: usize,
    variables: Vec<Ordinal>,
    assembly: Option<Object>,
}

type SectionParts = Vec<SectionPart>;

/// Returns a unit's part of a section; creates it in the order of units.
fn piece_of<'p>(
    pieces: &'p mut SectionParts,
    unit: &Arc<Unit>,
    order: usize,
) -> &'p mut SectionPart {
    let place = pieces.partition_point(|piece| piece.order < order);
    if pieces.get(place).is_none_or(|piece| piece.order != order) {
        let piece = SectionPart {
            unit: unit.clone(),
            order,
            variables: Vec::new(),
            assembly: None,
        };
        pieces.insert(place, piece);
    }
    &mut pieces[place]
}

/// Returns the sections that have to be placed as a whole, with each unit's variables in them.
fn named_sections(
    core: &Core,
    units: &[Arc<Unit>],
) -> BTreeMap<(LibraryId, Arc<str>), SectionParts> {
    let mut sections: BTreeMap<(LibraryId, Arc<str>), SectionParts> = BTreeMap::new();
    for (order, unit) in units.iter().enumerate() {
        for (place, global) in unit.index.globals.iter().enumerate() {
            let ordinal = Ordinal::new(place as u32);
            let GlobalKind::Variable { section, .. } = &global.kind else {
                continue;
            };
            if !global.is_definition || !is_whole(section) || !is_elected(core, unit, ordinal) {
                continue;
            }
            let pieces = sections
                .entry((unit.library, Arc::from(&**section)))
                .or_default();
            piece_of(pieces, unit, order).variables.push(ordinal);
        }
    }
    sections
}

/// Whether a section has to be placed as a whole: its name is an identifier, so that C code can
/// refer to `__start_NAME`, or it is a table that the C library walks.
fn is_whole(section: &str) -> bool {
    is_identifier(section) || Array::of(section).is_some()
}

fn place_section(
    core: &Core,
    library: LibraryId,
    section: &Arc<str>,
    mut pieces: SectionParts,
) -> Result<Vec<ArrayPiece>, Error> {
    let Some(first) = pieces.first() else {
        return Ok(Vec::new());
    };
    let (unit, variables) = (first.unit.clone(), first.variables.clone());
    let why = || Why::Start;
    let linked = core.observed(&unit, &variables, why, || {
        let mut objects = Vec::new();
        for piece in &mut pieces {
            objects.extend(piece.assembly.take());
            if !piece.variables.is_empty() {
                let of_ir = object(core, &piece.unit, &piece.variables, Some(section.clone()))?;
                objects.push(of_ir);
            }
        }
        if objects.len() > 1 {
            for object in &objects {
                object.check_joins(section)?;
            }
        }
        link::link(core, &objects, Purpose::Load)
    })?;
    let pieces = linked.pieces.iter();
    let pieces = pieces.map(|(_, start, size)| (*start, *size));
    match Array::of(section) {
        Some(array) => {
            let members = members(core, pieces);
            lock(&core.process.structors).plan_array(array, &members, None);
        }
        None => bound_section(core, library, section, pieces),
    }
    Ok(linked.arrays)
}

/// Enters the bounds of sections of assembly that no other unit has a part of.
pub(crate) fn bound_own_sections(core: &Core, library: LibraryId, pieces: &[ArrayPiece]) {
    for piece in pieces {
        if is_identifier(&piece.section) {
            let bounds = [(piece.start, piece.size)];
            bound_section(core, library, &piece.section, bounds.into_iter());
        }
    }
}

/// Enters `__start_NAME` and `__stop_NAME`.
fn bound_section(
    core: &Core,
    library: LibraryId,
    section: &Arc<str>,
    pieces: impl Iterator<Item = (ExecAddr, u64)> + Clone,
) {
    let starts = pieces.clone().map(|(start, _)| start);
    let ends = pieces.map(|(start, size)| start + size);
    let (Some(start), Some(end)) = (starts.min(), ends.max()) else {
        return;
    };
    let mut ledger = core.ledger();
    for (prefix, address) in [("__start_", start), ("__stop_", end)] {
        let id = ledger.find_or_enter(library, &Arc::from(format!("{prefix}{section}")));
        ledger.define_engines_own(id, address);
    }
}

/// Returns the addresses in a table of constructors.
fn members(core: &Core, pieces: impl IntoIterator<Item = (ExecAddr, u64)>) -> Vec<ExecAddr> {
    let pieces = pieces.into_iter();
    let bytes = pieces
        .filter_map(|(start, size)| core.memory.read_bytes(start, usize::try_from(size).ok()?));
    let words = bytes.flat_map(|bytes| {
        let words = bytes.chunks_exact(8).map(|word| {
            let mut eight = [0; 8];
            eight.copy_from_slice(word);
            ExecAddr::new(u64::from_le_bytes(eight))
        });
        words.collect::<Vec<_>>()
    });
    // Some tables are padded with 0 or -1.
    words
        .filter(|address| address.get() != 0 && address.get() != u64::MAX)
        .collect()
}
