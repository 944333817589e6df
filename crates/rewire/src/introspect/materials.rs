//! [`BodyMaterials`]: what a function's code was made from.

use std::sync::Arc;

use rewire_llvm::Level;

use crate::core::Core;
use crate::ledger::{Definition, EntryId, EntryKind, Generation, Ledger, LibraryId};

/// What the code of a function was made from, at the moment of asking: a change of any of it, and
/// of nothing else, makes the code stale ([`Library::materials`](crate::Library::materials)).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct BodyMaterials {
    /// The function.
    pub name: Arc<str>,
    /// The generation of its definition.
    pub generation: Generation,
    /// The unit whose IR it was compiled from.
    pub unit: Arc<str>,
    /// The level at which it was compiled.
    pub level: Level,
    /// Whether it was compiled again because it was hot.
    pub is_optimised: bool,
    /// The functions of whose bodies the code holds copies, through any depth, in the order of
    /// their names.
    pub inlined: Vec<Material>,
    /// The constants whose values the optimiser saw, and other names by which it called what it
    /// inlined.
    pub folded: Vec<Material>,
}

/// Something of which code holds a copy.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct Material {
    /// Its name; empty if it has none.
    pub name: Arc<str>,
    /// The unit that defines it; `None` for what IR given to
    /// [`Library::inline_from`](crate::Library::inline_from) describes.
    pub unit: Option<Arc<str>>,
    /// Its generation.
    pub generation: Generation,
}

pub(crate) fn of(core: &Core, library: LibraryId, name: &str) -> Option<BodyMaterials> {
    let ledger = core.ledger();
    let (id, _) = ledger.target(ledger.seen_by_code(library, name)?);
    let entry = ledger.entry(id);
    let (Definition::Ir(unit, _), EntryKind::Function) = (entry.definition(), entry.kind()) else {
        return None;
    };
    let (block, _) = entry.placed()?;
    let block = ledger.block(block)?;
    let mut copied = block.folds.clone();
    copied.sort_unstable();
    copied.dedup();
    let (functions, others): (Vec<EntryId>, Vec<EntryId>) = copied.into_iter().partition(|id| {
        let is_alias = matches!(ledger.entry(*id).definition(), Definition::Alias(..));
        ledger.entry(*id).kind() == EntryKind::Function && !is_alias
    });
    Some(BodyMaterials {
        name: entry.label().into(),
        generation: entry.generation(),
        unit: ledger.unit(unit)?.name.clone(),
        level: block.tier.level(),
        is_optimised: block.tier.is_optimised(),
        inlined: materials(&ledger, &functions),
        folded: materials(&ledger, &others),
    })
}

fn materials(ledger: &Ledger, entries: &[EntryId]) -> Vec<Material> {
    let described = entries.iter().map(|id| {
        let entry = ledger.entry(*id);
        Material {
            name: entry.name().clone(),
            unit: ledger.defining_unit(entry),
            generation: entry.generation(),
        }
    });
    let mut materials: Vec<Material> = described.collect();
    materials.sort_unstable();
    materials
}
