//! Own copies: the targets of aliases whose aliasee has lost its name.
//!
//! An alias is a second label at the same place of the same file. If another file's definition of
//! the aliasee's name is elected, the name stands for that definition, but the alias stays where it
//! was. Its target then gets an entry without a name, under an ordinal of its own
//! ([`Ordinal::own_copy`]). A replacement is different: it is a new version of the same definition,
//! and aliases follow it.

use std::sync::Arc;

use rewire_llvm::{Global, GlobalKind, Linkage, Ordinal};

use super::globals::{is_local, kind_of, size_of};
use super::unit::Unit;
use super::{Definition, Entry, EntryId, EntryKind, Ledger, ValueType};
use crate::base::ids::UnitKey;

impl Ledger {
    /// Returns what a name stands for whose elected definition is this global.
    pub(super) fn definition_of(&mut self, unit: &Arc<Unit>, ordinal: Ordinal) -> Definition {
        let is_function = unit.index.globals[ordinal.index()].kind == GlobalKind::Function;
        if is_function
            && !ordinal.is_own_copy()
            && let Some(own) = unit.own_copy(ordinal)
        {
            // The definition has its name back; name and own copy share one body.
            return Definition::Alias(own, 0);
        }
        let definition = match unit.index.globals[ordinal.index()].kind {
            GlobalKind::Alias {
                target: Some((target, offset)),
            } => self
                .aliased(unit, target)
                .map(|target| Definition::Alias(target, offset)),
            GlobalKind::Ifunc {
                resolver: Some(resolver),
            } => self.aliased(unit, resolver).map(Definition::Ifunc),
            _ => None,
        };
        definition.unwrap_or(Definition::Ir(unit.id, ordinal))
    }

    /// Returns the entry that an alias of a unit's global stands for: the entry of the global's
    /// name, or the own copy if another unit has the name.
    fn aliased(&mut self, unit: &Arc<Unit>, target: Ordinal) -> Option<EntryId> {
        let id = unit.entry(target)?;
        let global = &unit.index.globals[target.index()];
        if is_local(global) || !global.is_definition {
            return Some(id);
        }
        if let Some(own) = unit.own_copy(target) {
            return Some(own);
        }
        let has_lost = self.entry(id).alternatives.contains(&(unit.id, target));
        Some(if has_lost {
            self.enter_own_copy(unit, target)
        } else {
            id
        })
    }

    fn enter_own_copy(&mut self, unit: &Arc<Unit>, ordinal: Ordinal) -> EntryId {
        let global = &unit.index.globals[ordinal.index()];
        let own = ordinal.own_copy();
        let mut entry = Entry::new(unit.library, global.name.clone());
        entry.kind = kind_of(global);
        entry.value_type = ValueType::of(global);
        entry.linkage = Linkage::Local;
        entry.size = size_of(global);
        entry.elected = Some((unit.id, own));
        let id = self.add(entry);
        unit.set_own_copy(ordinal, id);
        self.elect_front(unit, own, id);
        let definition = self.definition_of(unit, own);
        let kind = match definition {
            Definition::Alias(to, _) => self.entry(to).kind,
            _ => self.entry(id).kind,
        };
        let entry = self.entry_mut(id);
        entry.definition = definition;
        entry.generation = entry.generation.next();
        entry.kind = match kind {
            EntryKind::Unknown if global.type_name.ends_with(')') => EntryKind::Function,
            EntryKind::Unknown => EntryKind::Data,
            kind => kind,
        };
        id
    }

    /// Sets what the unit's aliases in force stand for, once it is known which of the unit's
    /// definitions have lost their names.
    pub(crate) fn settle_aliases(&mut self, unit: &Arc<Unit>) {
        for ordinal in aliases(unit) {
            let id = unit.entry(ordinal);
            let Some(id) = id.filter(|id| self.entry(*id).elected == Some((unit.id, ordinal)))
            else {
                continue;
            };
            let definition = self.definition_of(unit, ordinal);
            self.entry_mut(id).definition = definition;
        }
    }

    /// Records that a definition has lost its name to another unit's.
    pub(super) fn note_overridden(&mut self, id: EntryId, (loser, ordinal): (UnitKey, Ordinal)) {
        let alternatives = &mut self.entry_mut(id).alternatives;
        if !alternatives.contains(&(loser, ordinal)) {
            alternatives.push((loser, ordinal));
        }
        if let Some(unit) = self.unit(loser).cloned() {
            self.settle_aliases(&unit);
        }
    }

    /// As [`Ledger::note_overridden`], for definitions that a change brings and that won't stand
    /// for their names.
    pub(crate) fn note_losing(&mut self, unit: &Arc<Unit>, losers: &[Ordinal]) {
        let mut is_aliased =
            |ordinal: &Ordinal| aliases(unit).any(|alias| target_of(unit, alias) == Some(*ordinal));
        let losers: Vec<Ordinal> = losers.iter().copied().filter(&mut is_aliased).collect();
        for ordinal in &losers {
            if unit.own_copy(*ordinal).is_none() {
                self.enter_own_copy(unit, *ordinal);
            }
        }
        if !losers.is_empty() {
            self.settle_aliases(unit);
        }
    }
}

/// Returns the unit's aliases and indirect functions, which come last in its module.
fn aliases(unit: &Unit) -> impl Iterator<Item = Ordinal> {
    let is_one = |one: &&Global| {
        matches!(
            one.kind,
            GlobalKind::Alias { .. } | GlobalKind::Ifunc { .. }
        )
    };
    let globals = &unit.index.globals;
    let first = globals.len() - globals.iter().rev().take_while(is_one).count();
    (first as u32..globals.len() as u32).map(Ordinal::new)
}

fn target_of(unit: &Unit, alias: Ordinal) -> Option<Ordinal> {
    match unit.index.globals[alias.index()].kind {
        GlobalKind::Alias { target } => target.map(|(target, _)| target),
        GlobalKind::Ifunc { resolver } => resolver,
        _ => None,
    }
}
