//! Determines which static objects of a unit's new version have to be constructed, and which live
//! on.
//!
//! A constructor of the new version must not run again for objects that are alive. The bodies of
//! constructors tell which parts they consist of, and which variables each part initialises
//! (`rewire_llvm::Module::initialisers`). A part runs if its variables are new, and doesn't if they
//! are alive. If one part initialises both kinds, because the optimiser has merged parts, they
//! can't be separated: then all of its variables get new memory and are constructed, and the former
//! objects stay with the code that uses them and are destroyed with it. The same holds for a
//! variable and the flag that says whether it is initialised (static variables of functions,
//! `inline` variables), and for all variables that a thread initialises at once.
//!
//! A part that initialises nothing (a function with the attribute `constructor` that only has
//! effects) ran when the former version was initialised. It runs again only if its name is new: its
//! effects, such as a registration, live on as objects do.

use std::collections::HashMap;
use std::sync::Arc;

use rewire_llvm::{GlobalKind, Initialiser, ModuleIndex, Ordinal};
use rustc_hash::{FxBuildHasher, FxHashSet};

use super::join::ReadModule;
use super::matching::Matched;
use crate::ledger::{EntryId, Ledger, LibraryId};

/// What has to be constructed in a new version.
#[derive(Debug, Default)]
pub(super) struct Construction {
    /// The functions to run, in order.
    pub(super) run: Vec<ConstructorPart>,
    /// Global variables that are alive and are nevertheless constructed anew, in new memory.
    pub(super) renewed: FxHashSet<EntryId>,
}

/// A function that constructs something.
#[derive(Clone, Copy, Debug)]
pub(super) struct ConstructorPart {
    pub(super) function: Ordinal,
    /// If set, the function runs only if the unit's definition of this global is in force.
    pub(super) associated: Option<Ordinal>,
}

/// The variables of a new module, and those of the former version that correspond to them.
struct NewVariables<'a> {
    ledger: &'a Ledger,
    library: LibraryId,
    index: &'a ModuleIndex,
    matched: &'a mut Matched,
    renewed: FxHashSet<EntryId>,
    /// Whether all objects are constructed anew.
    renews_all: bool,
}

impl NewVariables<'_> {
    /// Returns the entry of a variable that is alive and keeps its memory.
    fn living(&self, ordinal: Ordinal) -> Option<EntryId> {
        let global = &self.index.globals[ordinal.index()];
        if global.is_local() {
            let id = *self.matched.get(&ordinal)?;
            return self.ledger.entry(id).is_present().then_some(id);
        }
        let id = self.ledger.find(self.library, &global.name)?;
        let entry = self.ledger.entry(id);
        let (unit, former) = entry.elected()?;
        let former = &self.ledger.unit(unit)?.index.globals[former.index()];
        let is_variable = matches!(
            former.kind,
            GlobalKind::Variable {
                constant: false,
                ..
            }
        );
        let lives = is_variable
            && entry.is_present()
            && entry.value_type().is_some_and(|it| it.id == global.type_id)
            && !self.renewed.contains(&id);
        lives.then_some(id)
    }

    /// Makes variables that are initialised together all live on, or none. Returns whether anything
    /// changed.
    fn settle(&mut self, group: &[Ordinal]) -> bool {
        let living = |one: &&Ordinal| self.living(**one).is_some();
        let count = group.iter().filter(living).count();
        if count == 0 || count == group.len() && !self.renews_all {
            return false;
        }
        for ordinal in group {
            let Some(id) = self.living(*ordinal) else {
                continue;
            };
            if self.index.globals[ordinal.index()].is_local() {
                self.matched.remove(ordinal);
            } else {
                self.renewed.insert(id);
            }
        }
        true
    }
}

/// Whether a module has something that is initialised at run time.
pub(super) fn concerns(index: &ModuleIndex) -> bool {
    let is_flag = |name: &str| name.starts_with(GUARD) || name == "__tls_guard";
    !index.constructors.is_empty() || index.globals.iter().any(|one| is_flag(&one.name))
}

/// The prefix of guard variables, the flags that guard an initialisation.
const GUARD: &str = "_ZGV";

/// Determines what has to be constructed in a module that replaces a unit whose objects are alive.
pub(super) fn plan(
    ledger: &Ledger,
    library: LibraryId,
    read: &ReadModule,
    matched: &mut Matched,
    renews_all: bool,
) -> Construction {
    let (module, index) = (&read.module, &read.index);
    let mut constructors = index.constructors.clone();
    constructors.sort_by_key(|one| one.priority);
    let mut parts = Vec::new();
    for one in &constructors {
        let each = module.initialisers(one.function).into_iter();
        parts.extend(each.map(|it| (it, one.associated)));
    }
    let mut groups: Vec<Vec<Ordinal>> = parts.iter().map(|it| it.0.variables.clone()).collect();
    groups.push(module.thread_initialiser());
    groups.extend(guarded(index));
    let mut variables = NewVariables {
        ledger,
        library,
        index,
        matched,
        renewed: FxHashSet::default(),
        renews_all,
    };
    // A variable that one group renews may belong to another group too.
    while groups
        .iter()
        .fold(false, |changed, group| variables.settle(group) | changed)
    {}
    let is_needed = |(part, _): &&(Initialiser, Option<Ordinal>)| match part.variables.first() {
        Some(one) => variables.living(*one).is_none(),
        None => renews_all || is_new_function(&variables, part.function),
    };
    let needed = parts.iter().filter(is_needed);
    let run = needed.map(|(part, associated)| ConstructorPart {
        function: part.function,
        associated: *associated,
    });
    Construction {
        run: run.collect(),
        renewed: variables.renewed,
    }
}

fn is_new_function(known: &NewVariables<'_>, function: Ordinal) -> bool {
    let global = &known.index.globals[function.index()];
    if global.is_local() {
        return !known.matched.contains_key(&function);
    }
    let found = known.ledger.find(known.library, &global.name);
    found.is_none_or(|id| known.ledger.entry(id).elected().is_none())
}

/// Pairs variables with their guard variables, by name (Itanium C++ ABI, section 5.1.5.2): the
/// guard of `_ZZ1fvE1x` is `_ZGVZ1fvE1x`.
fn guarded(index: &ModuleIndex) -> Vec<Vec<Ordinal>> {
    let is_variable = |kind: &GlobalKind| {
        matches!(
            kind,
            GlobalKind::Variable {
                constant: false,
                ..
            }
        )
    };
    let all = index.numbered();
    let variables = all.filter(|(_, one)| one.is_definition && is_variable(&one.kind));
    let by_name: HashMap<Arc<str>, Ordinal, FxBuildHasher> = variables
        .map(|(ordinal, one)| (one.name.clone(), ordinal))
        .collect();
    let guards = by_name.iter().filter_map(|(name, guard)| {
        let of = by_name.get(&*format!("_Z{}", name.strip_prefix(GUARD)?))?;
        Some(vec![*guard, *of])
    });
    guards.collect()
}
