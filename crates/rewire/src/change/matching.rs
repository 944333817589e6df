//! Matches the local functions and variables of a new module with those of its former version.
//!
//! Compilers number local names as they come (`.str.3`, `f.count.1`), so a name alone says little.
//! A variable is matched by its name without the number, its type, and its position among those
//! that are alike; a constant by its value; a function by its name and type.

use std::collections::HashMap;

use rewire_llvm::{
    Global, GlobalKind, LlvmError, Module, ModuleIndex, Ordinal, TypeId, Visibility, names,
};
use rustc_hash::{FxBuildHasher, FxHashMap};

use crate::ledger::EntryId;
use crate::ledger::unit::Unit;

/// The former entries of a new module's globals.
pub(super) type Matched = FxHashMap<Ordinal, EntryId>;

/// What the same global has in common in two versions of a module.
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
    /// The value as text.
    Constant(Box<str>),
}

/// Returns a local name without the number that distinguishes it from others.
fn base_name(name: &str) -> &str {
    let without = name.trim_end_matches(|c: char| c.is_ascii_digit());
    match without.strip_suffix('.') {
        Some(base) if without.len() < name.len() => base,
        _ => name,
    }
}

/// Whether the text of a value names globals: an `@` that isn't part of a string.
fn names_globals(value: &str) -> bool {
    // LLVM escapes quotes within strings and within quoted names.
    value.split('"').step_by(2).any(|text| text.contains('@'))
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
        // Parts of coroutines aren't matched, because a suspended coroutine resumes in the parts
        // that it was created with.
        GlobalKind::Function if functions && global.coroutine.is_none() => {
            (&*global.name, LikenessKind::Function)
        }
        GlobalKind::Variable { constant: true, .. } => {
            let value = module.value_text(ordinal);
            // A value that refers to names isn't compared, because those names say little too.
            if value.is_empty() || names_globals(&value) {
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

/// Whether a new module has globals that may be locals of the former version: local definitions,
/// and declarations of names that may be local there.
pub(super) fn may_match(index: &ModuleIndex) -> bool {
    let mut globals = index.globals.iter();
    globals.any(|global| {
        global.is_definition == global.is_local() && global.kind != GlobalKind::Intrinsic
    })
}

/// Matches the globals of a new module with those of its former version. With `functions`, its
/// local functions replace those of the former version too.
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

/// Matches declarations of a new module with locals of the former unit of the same name: the text
/// of a body that was taken out of a unit ([`Library::ir`](crate::Library::ir)) declares the unit's
/// locals. If the name is also a global one, the declaration means the local if it is hidden, as it
/// is in text that the engine wrote.
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

/// Returns the unnamed local of a unit that a text refers to by its number.
fn unnamed_local(unit: &Unit, name: &str) -> Option<EntryId> {
    let (order, ordinal) = names::unnamed(name)?;
    let is_here = order == unit.order() && unit.is_own(ordinal);
    unit.entry(ordinal).filter(|_| is_here)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_string_names_no_globals() {
        assert!(names_globals("@x = constant ptr @y"));
        assert!(names_globals("{ ptr @\"a \\22 b\", [2 x i8] c\"ab\" }"));
        assert!(!names_globals("[4 x i8] c\"a@b\\00\""));
        assert!(!names_globals("{ [3 x i8] c\"\\22@\\22\", i32 1 }"));
    }

    #[test]
    fn numbers_are_no_part_of_a_name() {
        assert_eq!(base_name(".str.3"), ".str");
        assert_eq!(base_name("f.count.12"), "f.count");
        assert_eq!(base_name("f.count"), "f.count");
        assert_eq!(base_name("x86"), "x86");
        assert_eq!(base_name("v.1a"), "v.1a");
    }
}
