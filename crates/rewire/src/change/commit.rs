//! Commits a change: reads its modules, plans what each name will stand for (`plan.rs`), and puts
//! the names in force.

use std::sync::Arc;
use std::time::Instant;

use rewire_llvm::{Global, GlobalKind, Linkage, Ordinal};
use rewire_memory::ExecAddr;
use rustc_hash::FxHashSet;

use super::changed::Changed;
use super::construction::{self, Construction};
use super::finishing::{FailedChange, Finishing};
use super::join::ReadModule;
use super::matching::{self, Matched, declared_locals, match_locals};
use super::pending::PendingChange;
use super::removing;
use super::steps::{Step, Terms};
use super::undo;
use crate::base::error::Error;
use crate::base::ids::{UnitId, UnitKey};
use crate::base::sync::lock;
use crate::compile::failure;
use crate::core::Core;
use crate::host::fork_lock;
use crate::ledger::unit::{Unit, UnitPlace};
use crate::ledger::{Definition, EntryId, Ledger, LibraryId, Standing};
use crate::link::Object;
use crate::process::cxx;

/// A step whose module has been read.
enum ReadStep {
    Module {
        read: Box<ReadModule>,
        how: ModuleRole,
    },
    Address {
        name: Arc<str>,
        address: ExecAddr,
    },
    Remove(Arc<str>),
    RemoveUnit(UnitKey),
}

/// How a module's definitions are to be used.
#[derive(Clone, Debug, PartialEq, Eq)]
enum ModuleRole {
    Add { is_frozen: bool },
    Define,
    Replace(Arc<str>),
    Reload(UnitKey),
}

/// Implements [`Change::commit`](super::Change::commit), up to the point where objects are
/// constructed.
pub(super) fn commit(
    core: &Core,
    library: LibraryId,
    terms: Terms,
) -> Result<Finishing<'_>, Error> {
    let began = Instant::now();
    let begun = terms.steps.into_iter().map(|step| begin(core, step));
    let begun = begun.collect::<Result<Vec<_>, _>>()?;
    if !core.ledger().is_library(library) {
        return Err(Error::NoLibrary);
    }
    core.stop_keeping_image();
    let mut work = PendingChange::new(core, library);
    work.type_change = terms.type_change;
    work.resets_variables = terms.resets_variables;
    work.is_forced = terms.is_forced;
    work.renews_objects = terms.renews_objects;
    let result = work.run(begun);
    work.end(result, began)
        .map_err(|failed| undo_what_moved(core, failed))
}

/// Constructs the objects that a change needs. If a constructor fails, the change is undone; the
/// objects that were constructed before it are destroyed when their unit leaves.
pub(super) fn complete(finishing: Finishing<'_>) -> Result<Changed, Error> {
    let (core, moved) = (finishing.core, finishing.number);
    failure::catch(|| finishing.complete()).map_err(|error| {
        let _no_fork = fork_lock::enter_engine();
        undo_what_moved(core, FailedChange { error, moved })
    })
}

fn undo_what_moved(core: &Core, failed: FailedChange) -> Error {
    if let Some(number) = failed.moved {
        undo::undo_failed(core, number);
    }
    core.history.trim(core);
    failed.error
}

fn begin(core: &Core, step: Step) -> Result<ReadStep, Error> {
    let (source, how) = match step {
        Step::Remove(name) => return Ok(ReadStep::Remove(name)),
        Step::DefineAddress { name, address } => return Ok(ReadStep::Address { name, address }),
        Step::RemoveUnit(unit) => return Ok(ReadStep::RemoveUnit(key(core, unit)?)),
        Step::Add { source, is_frozen } => (source, ModuleRole::Add { is_frozen }),
        Step::Define(source) => (source, ModuleRole::Define),
        Step::Replace { name, source } => (source, ModuleRole::Replace(name)),
        Step::Reload { unit, source } => (source, ModuleRole::Reload(key(core, unit)?)),
    };
    let read = ReadModule::new(core, source, !matches!(how, ModuleRole::Add { .. }))?;
    if let ModuleRole::Replace(name) = &how {
        read.defines_only(name)?;
    }
    Ok(ReadStep::Module {
        read: Box::new(read),
        how,
    })
}

/// Returns the ledger's key of a client's unit.
fn key(core: &Core, unit: UnitId) -> Result<UnitKey, Error> {
    unit.key(core.ledger().engine)
}

/// Returns the names that the steps affect.
fn names_of(
    library: LibraryId,
    ledger: &mut Ledger,
    begun: &[ReadStep],
) -> Result<Vec<EntryId>, Error> {
    let mut names: Vec<EntryId> = Vec::new();
    for step in begun {
        match step {
            ReadStep::Module { read, how } => {
                names.extend(ledger.defined_names(library, &read.index));
                for one in read.assembly.iter().flat_map(|it| &it.names) {
                    names.extend(match one.is_local {
                        true => ledger.find(library, &one.name),
                        false => Some(ledger.find_or_enter(library, &one.name)),
                    });
                }
                if let ModuleRole::Reload(unit) = how {
                    names.extend(removing::names_of(ledger, *unit)?);
                }
            }
            ReadStep::Address { name, .. } => {
                names.push(ledger.find_or_enter(library, name));
            }
            ReadStep::Remove(name) => names.extend(ledger.find(library, name)),
            ReadStep::RemoveUnit(unit) => names.extend(removing::names_of(ledger, *unit)?),
        }
    }
    names.sort_unstable();
    names.dedup();
    Ok(names)
}

fn is_alias(global: &Global) -> bool {
    matches!(
        global.kind,
        GlobalKind::Alias { .. } | GlobalKind::Ifunc { .. }
    )
}

impl<'c> PendingChange<'c> {
    fn run(&mut self, begun: Vec<ReadStep>) -> Result<(), Error> {
        let library = self.library;
        self.claim(|ledger| names_of(library, ledger, &begun))?;
        self.going = self.going(&begun)?;
        let mut removals = Vec::new();
        for step in begun {
            match step {
                ReadStep::Module { read, how } => self.take(*read, &how)?,
                ReadStep::Address { name, address } => self.define_address(&name, address)?,
                other => removals.push(other),
            }
        }
        for step in removals {
            match step {
                ReadStep::Remove(name) => self.remove(&name)?,
                ReadStep::RemoveUnit(unit) => self.remove_unit(unit)?,
                ReadStep::Module { .. } | ReadStep::Address { .. } => {}
            }
        }
        self.check_withdrawn()?;
        self.find_mismatches();
        self.move_names()
    }

    /// Returns the names whose definitions the steps remove, whatever replaces them.
    fn going(&self, begun: &[ReadStep]) -> Result<FxHashSet<EntryId>, Error> {
        let ledger = self.core.ledger();
        let mut going = FxHashSet::default();
        for step in begun {
            match step {
                ReadStep::Module { .. } | ReadStep::Address { .. } => {}
                ReadStep::Remove(name) => going.extend(ledger.find(self.library, name)),
                ReadStep::RemoveUnit(unit) => going.extend(removing::names_of(&ledger, *unit)?),
            }
        }
        Ok(going)
    }

    /// Plans a module's definitions.
    fn take(&mut self, read: ReadModule, how: &ModuleRole) -> Result<(), Error> {
        let former = self.former(&read, how)?;
        let mut matched = self.matched(&read, how, former.as_deref())?;
        let construction = match &former {
            Some(former) => self.construction(&read, former, &mut matched),
            None => None,
        };
        let (source, module, index, contracts, assembly) = read.into_parts();
        let place = UnitPlace {
            library: self.library,
            is_frozen: matches!(how, ModuleRole::Add { is_frozen: true }),
            standing: Standing::Joining,
        };
        let core = self.core;
        let mut ledger = core.ledger();
        let origin = former
            .as_deref()
            .filter(|_| !matches!(how, ModuleRole::Reload(_)));
        let origin = origin.map(|it| it.inherited.origin.unwrap_or(it.id));
        let unit = ledger.join(source, module, index, place, &matched, origin);
        self.note_types(&ledger, &unit);
        let stays = match how {
            // Assembly is in force as long as its unit is loaded.
            _ if unit.index.has_assembly => true,
            ModuleRole::Add { .. } => true,
            ModuleRole::Reload(unit) => ledger
                .record(*unit)
                .is_some_and(|record| record.standing == Standing::UntilRemoved),
            ModuleRole::Define | ModuleRole::Replace(_) => false,
        };
        let standing = if stays {
            Standing::UntilRemoved
        } else {
            Standing::WhileInForce
        };
        self.joined.push((unit.clone(), standing));
        self.constructions
            .extend(construction.map(|it| (unit.clone(), it)));
        // Parts of the unit are linked only after the names are in force, and may fail then; so
        // what the names stood for must be remembered.
        self.planned.is_remembered |= unit.index.has_assembly || !unit.index.used.is_empty();
        self.changed.units.push(unit.number());
        if let Some(assembly) = assembly {
            let names = assembly.names.into_iter().map(|one| (one.name, unit.id));
            self.assembled.extend(names);
            self.assemblies
                .push(Object::of_assembly(&unit, assembly.bytes));
        }
        if matches!(how, ModuleRole::Add { .. }) {
            ledger.check_new(&unit, &self.going)?;
        }
        for (ordinal, global) in unit.index.numbered() {
            let Some(id) = unit.entry(ordinal) else {
                continue;
            };
            if !global.is_definition {
                continue;
            }
            if global.is_local() {
                let is_former = matched.contains_key(&ordinal);
                // A local function is replaced and keeps its address. A local variable keeps its
                // memory, if that suffices.
                if is_former
                    && (global.kind == GlobalKind::Function
                        || ledger.too_small(global, id).is_some())
                {
                    self.replace(&mut ledger, &unit, ordinal, id, &contracts)?;
                }
            } else if matches!(how, ModuleRole::Add { .. }) && !self.going.contains(&id) {
                if ledger.adds(&unit, ordinal, id) {
                    self.planned.overridden.insert(id);
                    self.define(&mut ledger, &unit, ordinal, id)?;
                }
            } else {
                self.define_or_replace(&mut ledger, &unit, ordinal, &contracts, former.as_deref())?;
            }
        }
        self.note_losing(&mut ledger, &unit);
        if let ModuleRole::Reload(old) = how {
            self.reload(&ledger, *old)?;
        }
        drop(ledger);
        cxx::load_if_needed(core, &unit);
        Ok(())
    }

    /// Tells the ledger which definitions of a module won't stand for their names.
    fn note_losing(&self, ledger: &mut Ledger, unit: &Arc<Unit>) {
        // Only aliases need this; they come last in a module.
        if !unit.index.globals.last().is_some_and(is_alias) {
            return;
        }
        let losers = unit.index.numbered().filter(|(ordinal, global)| {
            let Some(id) = unit.entry(*ordinal) else {
                return false;
            };
            let this = (unit.id, *ordinal);
            let planned = self.planned.targets.get(&id);
            let planned = planned.map(|target| (target.unit, target.ordinal));
            global.is_definition
                && !global.is_local()
                && planned.or(ledger.entry(id).elected()) != Some(this)
        });
        let losers: Vec<Ordinal> = losers.map(|(ordinal, _)| ordinal).collect();
        ledger.note_losing(unit, &losers);
    }

    /// Returns the unit that a module is a newer version of, or brings newer bodies for.
    fn former(&self, read: &ReadModule, how: &ModuleRole) -> Result<Option<Arc<Unit>>, Error> {
        let ledger = self.core.ledger();
        if let ModuleRole::Reload(unit) = how {
            let unit = ledger.unit(*unit).cloned().ok_or(Error::NoUnit)?;
            if unit.library != self.library {
                return Err(Error::OtherLibrary {
                    unit: unit.name.clone(),
                    library: ledger.library_name(unit.library).clone(),
                });
            }
            return Ok(Some(unit));
        }
        if let ModuleRole::Replace(name) = how
            && ledger.find(self.library, name).is_none_or(|id| {
                let entry = ledger.entry(id);
                entry.definition() == Definition::None && !entry.is_present()
            })
        {
            return Err(Error::Unknown { name: name.clone() });
        }
        if matches!(how, ModuleRole::Add { .. }) {
            return Ok(None);
        }
        let definitions = read.index.globals.iter().filter(|global| {
            global.is_definition && !global.is_local() && global.linkage == Linkage::External
        });
        let mut units = definitions.filter_map(|global| {
            let id = ledger.find(self.library, &global.name)?;
            let (unit, _) = ledger.entry(id).elected()?;
            ledger.unit(unit).cloned()
        });
        Ok(units.next())
    }

    /// Returns what has to be constructed in a module, if the objects of its former version are
    /// alive. Removes from `matched` what is constructed anew.
    fn construction(
        &mut self,
        read: &ReadModule,
        former: &Unit,
        matched: &mut Matched,
    ) -> Option<Construction> {
        if !construction::concerns(&read.index) {
            return None;
        }
        let ledger = self.core.ledger();
        let lives = !lock(&self.core.process.structors).is_pending(former.id);
        let mut construction = construction::plan(
            &ledger,
            self.library,
            read,
            matched,
            self.renews_objects && lives,
        );
        drop(ledger);
        self.renewed.extend(construction.renewed.drain());
        lives.then_some(construction)
    }

    fn matched(
        &self,
        read: &ReadModule,
        how: &ModuleRole,
        former: Option<&Unit>,
    ) -> Result<Matched, Error> {
        let Some(former) = former.filter(|_| matching::may_match(&read.index)) else {
            return Ok(Matched::default());
        };
        let all = matches!(how, ModuleRole::Reload(_));
        let scopes: Vec<Arc<Unit>> = {
            let ledger = self.core.ledger();
            let scopes = ledger.scopes_of(former).into_iter();
            scopes.filter_map(|it| ledger.unit(it).cloned()).collect()
        };
        let mut matched = Matched::default();
        let mut taken = FxHashSet::default();
        // The former unit itself comes first in `scopes`, so its matches take precedence.
        for scope in &scopes {
            for (ordinal, id) in match_locals(scope, &read.module, &read.index, all)? {
                if !matched.contains_key(&ordinal) && taken.insert(id) {
                    matched.insert(ordinal, id);
                }
            }
        }
        let ledger = self.core.ledger();
        matched.retain(|_, id| !ledger.entry(*id).label().is_empty());
        if !all {
            let is_global = |name: &str| {
                ledger.find(self.library, name).is_some_and(|id| {
                    let entry = ledger.entry(id);
                    entry.definition() != Definition::None || entry.is_present()
                })
            };
            for scope in &scopes {
                for (ordinal, id) in declared_locals(scope, &read.index, is_global) {
                    matched.entry(ordinal).or_insert(id);
                }
            }
        }
        Ok(matched)
    }
}
