//! Which of a new module's own functions and variables are those of its former version.
//!
//! Compilers number local names as they come (`.str.3`, `f.count.1`), so a name says little. A
//! variable is matched by the name without its number, its type, and its place among those alike;
//! a constant by its value; a function by its name and type.

use std::collections::HashMap;

use rewire_llvm::{
    Global, GlobalKind, LlvmError, Module, ModuleIndex, Ordinal, TypeId, Visibility, names,
};
use rustc_hash::{FxBuildHasher, FxHashMap};

use crate::ledger::EntryId;
use crate::ledger::unit::Unit;

/// Old entries for a new module's globals.
pub(super) type Matched = FxHashMap<Ordinal, EntryId>;

/// What two globals share that are the same one in two versions.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Likeness {
    name: Box<str>,
    type_id: TypeId,
    what: LikenessKind,
}

#[derive(Debug, PartialEq, Eq, Hash)]
enum LikenessKind {
    Function,
    Variable {
        thread_local: bool,
    },
    /// The value.
    Constant(Box<str>),
}

/// A local name without the number that tells it from others of its name.
fn base_name(name: &str) -> &str {
    let without = name.trim_end_matches(|c: char| c.is_ascii_digit());
    match without.strip_suffix('.') {
        Some(base) if without.len() < name.len() => base,
        _ => name,
    }
}

fn likeness(
    module: &Module,
    ordinal: Ordinal,
    global: &Global,
    functions: bool,
) -> Option<Likeness> {
    if !global.is_local() || !global.is_definition {
        return None;
    }
    let (name, what) = match global.kind {
        // A suspended coroutine goes on with the parts that were made with it.
        GlobalKind::Function if functions && global.coroutine.is_none() => {
            (&*global.name, LikenessKind::Function)
        }
        GlobalKind::Variable { constant: true, .. } => {
            let value = module.value_text(ordinal);
            // What it names has names that say little, too.
            if value.is_empty() || value.contains('@') {
                return None;
            }
            ("", LikenessKind::Constant(value.into()))
        }
        GlobalKind::Variable { thread_local, .. } => (
            base_name(&global.name),
            LikenessKind::Variable { thread_local },
        ),
        _ => return None,
    };
    Some(Likeness {
        name: name.into(),
        type_id: global.type_id,
        what,
    })
}

/// Whether a new module has globals that may be a former version's own: local definitions, and
/// declarations of what others may call so.
pub(super) fn may_match(index: &ModuleIndex) -> bool {
    let mut globals = index.globals.iter();
    globals.any(|global| {
        global.is_definition == global.is_local() && global.kind != GlobalKind::Intrinsic
    })
}

/// Finds the globals of a new module in the unit that was its former version. `functions`: its
/// local functions take the places of those as well.
pub(super) fn match_locals(
    former: &Unit,
    module: &Module,
    index: &ModuleIndex,
    functions: bool,
) -> Result<Matched, LlvmError> {
    let mut matched = Matched::default();
    let mut wanted: HashMap<Likeness, Vec<Ordinal>, FxBuildHasher> = HashMap::default();
    for (ordinal, global) in index.numbered() {
        if let Some(alike) = likeness(module, ordinal, global, functions) {
            wanted.entry(alike).or_default().push(ordinal);
        }
    }
    if wanted.is_empty() {
        return Ok(matched);
    }
    let mut copy = former.copy(&[])?;
    let old = copy.whole()?;
    let mut found: HashMap<Likeness, Vec<EntryId>, FxBuildHasher> = HashMap::default();
    for (ordinal, global) in former.index.numbered() {
        if let Some(entry) = former.entry(ordinal)
            && let Some(alike) = likeness(old, ordinal, global, functions)
            && wanted.contains_key(&alike)
        {
            found.entry(alike).or_default().push(entry);
        }
    }
    for (alike, ordinals) in wanted {
        let entries = found.remove(&alike).unwrap_or_default();
        matched.extend(ordinals.into_iter().zip(entries));
    }
    Ok(matched)
}

/// The locals of a unit that a new module declares under their names, as something of its own
/// module: a body that was taken out of a unit and is handed back names them so. Where others know
/// the name as well, it is the unit's own if it is hidden, as it is in a text of the engine's.
pub(super) fn declared_locals(
    former: &Unit,
    index: &ModuleIndex,
    is_global: impl Fn(&str) -> bool,
) -> Matched {
    let declared = index.numbered().filter(|(_, global)| {
        !global.is_definition && !global.is_local() && global.kind != GlobalKind::Intrinsic
    });
    let locals = declared.filter_map(|(ordinal, global)| {
        let local = match former.local(&global.name) {
            Some(local) => local,
            None => unnamed_local(former, &global.name)?,
        };
        let is_own = global.visibility == Visibility::Hidden || !is_global(&global.name);
        is_own.then_some((ordinal, local))
    });
    locals.collect()
}

/// The local of a unit that a text calls by its number.
fn unnamed_local(unit: &Unit, name: &str) -> Option<EntryId> {
    let (order, ordinal) = names::unnamed(name)?;
    let is_here = order == unit.order() && unit.is_own(ordinal);
    unit.entry(ordinal).filter(|_| is_here)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_no_part_of_a_name() {
        assert_eq!(base_name(".str.3"), ".str");
        assert_eq!(base_name("f.count.12"), "f.count");
        assert_eq!(base_name("f.count"), "f.count");
        assert_eq!(base_name("x86"), "x86");
        assert_eq!(base_name("v.1a"), "v.1a");
    }
}
