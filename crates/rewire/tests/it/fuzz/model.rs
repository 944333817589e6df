//! What each name stands for, after changes of which nothing is known but what they said.

use std::collections::BTreeMap;

use rewire::UnitId;

use super::input::CopyKind;
use super::module::{Definition, Definitions};
use super::names;

/// What a function gives that isn't there.
pub(crate) const MISSING: i32 = -1000;

/// A definition that there is.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    pub(crate) definition: Definition,
    /// `None` for what is made when it is called.
    pub(crate) unit: Option<UnitId>,
    /// The memory of a variable, by its number.
    pub(crate) cell: usize,
    pub(crate) is_frozen: bool,
    /// How many copies had come before.
    age: usize,
}

/// The values of variables, by the numbers of their memory. Undoing changes none.
pub(crate) type Cells = Vec<i32>;

#[derive(Clone, Debug, Default)]
pub(crate) struct Model {
    in_force: BTreeMap<String, Held>,
    /// The copies that may take over, in the order in which they came.
    spare: BTreeMap<String, Vec<Held>>,
    copies: usize,
}

impl Held {
    fn new(definition: Definition, unit: UnitId) -> Self {
        Self {
            definition,
            unit: Some(unit),
            cell: 0,
            is_frozen: false,
            age: 0,
        }
    }

    fn is_weak(&self) -> bool {
        matches!(
            self.definition,
            Definition::Copy {
                kind: CopyKind::Weak | CopyKind::Group,
                ..
            }
        )
    }
}

impl Model {
    pub(crate) fn find(&self, name: &str) -> Option<&Definition> {
        self.in_force.get(name).map(|held| &held.definition)
    }

    pub(crate) fn unit_of(&self, name: &str) -> Option<UnitId> {
        self.in_force.get(name)?.unit
    }

    pub(crate) fn cell_of(&self, name: &str) -> Option<usize> {
        let held = self.in_force.get(name)?;
        matches!(held.definition, Definition::Variable { .. }).then_some(held.cell)
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &String> {
        self.in_force.keys()
    }

    /// What a function gives, or a variable holds.
    pub(crate) fn value(&self, name: &str, cells: &Cells) -> i32 {
        let Some(held) = self.in_force.get(name) else {
            return MISSING;
        };
        match &held.definition {
            Definition::Constant(value) | Definition::Copy { value, .. } => *value,
            Definition::Variable { .. } => cells[held.cell],
            Definition::Pointer(to) | Definition::Alias(to) => self.value(to, cells),
            Definition::Function(made) => {
                let named = made.calls.iter().chain(&made.reads);
                let values = named.map(|name| self.value(name, cells));
                values.fold(made.add, i32::wrapping_add)
            }
        }
    }

    /// Whether a definition names one of these, which aren't there any more.
    pub(crate) fn misses(&self, names: &[String]) -> bool {
        let gone = |name: &String| names.contains(name) && !self.in_force.contains_key(name);
        let mut held = self.in_force.values();
        held.any(|held| held.definition.names().into_iter().any(gone))
    }

    /// What is there without a change: from the beginning, or because it was called.
    pub(crate) fn begin(&mut self, name: &str, definition: Definition, unit: Option<UnitId>) {
        let held = Held {
            definition,
            unit,
            cell: 0,
            is_frozen: names::is_frozen(name) && !self.in_force.contains_key(name),
            age: 0,
        };
        self.in_force.insert(name.to_owned(), held);
    }

    /// Definitions take the place of those of their names. A variable keeps its memory, unless its
    /// type changes or it is reset.
    pub(crate) fn define(
        &mut self,
        definitions: Definitions,
        unit: UnitId,
        resets: bool,
        cells: &mut Cells,
    ) {
        for (name, definition) in definitions {
            let mut held = Held::new(definition, unit);
            if let Definition::Variable { value, is_wide } = held.definition {
                let former = self.in_force.get(&name);
                let former = former.filter(|former| {
                    matches!(former.definition, Definition::Variable { is_wide: was_wide, .. }
                        if was_wide == is_wide)
                });
                held.cell = match former {
                    Some(former) if !resets => former.cell,
                    _ => {
                        cells.push(value);
                        cells.len() - 1
                    }
                };
            }
            self.in_force.insert(name, held);
        }
    }

    /// A copy comes: the first counts, unless one is strong.
    pub(crate) fn add_copy(&mut self, name: &str, copy: Definition, unit: UnitId) {
        let mut held = Held::new(copy, unit);
        self.copies += 1;
        held.age = self.copies;
        let spare = self.spare.entry(name.to_owned()).or_default();
        match self.in_force.get_mut(name) {
            None => {
                self.in_force.insert(name.to_owned(), held);
            }
            Some(first) if first.is_weak() && !held.is_weak() => {
                spare.push(std::mem::replace(first, held));
                spare.sort_by_key(|one| one.age);
            }
            Some(_) => spare.push(held),
        }
    }

    pub(crate) fn has_strong(&self, name: &str) -> bool {
        self.in_force.get(name).is_some_and(|held| !held.is_weak())
    }

    /// A name's definition goes: the first of the copies takes over.
    pub(crate) fn remove(&mut self, name: &str) {
        self.in_force.remove(name);
        let spare = self.spare.get_mut(name);
        if let Some(spare) = spare.filter(|spare| !spare.is_empty()) {
            self.in_force.insert(name.to_owned(), spare.remove(0));
        }
    }

    /// All that a unit defines goes; the names that it had.
    pub(crate) fn remove_unit(&mut self, unit: UnitId) -> Vec<String> {
        for spare in self.spare.values_mut() {
            spare.retain(|one| one.unit != Some(unit));
        }
        let of_unit = self
            .in_force
            .iter()
            .filter(|(_, held)| held.unit == Some(unit));
        let names: Vec<String> = of_unit.map(|(name, _)| name.clone()).collect();
        for name in &names {
            self.remove(name);
        }
        names
    }

    /// Whether a definition would be of another type than that of its name.
    pub(crate) fn retypes(&self, name: &str, definition: &Definition) -> bool {
        let takes = |one: &Definition| matches!(one, Definition::Function(made) if made.takes);
        let is_wide = |one: &Definition| matches!(one, Definition::Variable { is_wide: true, .. });
        let former = self.find(name);
        former.is_some_and(|former| {
            takes(former) != takes(definition) || is_wide(former) != is_wide(definition)
        })
    }

    /// Whether frozen code, which is never compiled again, names one of these that would be of
    /// another type.
    pub(crate) fn binds(&self, all: &Definitions) -> bool {
        let frozen = self.in_force.values().filter(|held| held.is_frozen);
        frozen.flat_map(|held| held.definition.names()).any(|name| {
            let definition = all.get(name);
            definition.is_some_and(|definition| self.retypes(name, definition))
        })
    }

    /// Whether a definition is one like that of its name, but for what it does.
    pub(crate) fn is_like(&self, name: &str, definition: &Definition) -> bool {
        match (self.find(name), definition) {
            (None, _) => true,
            (Some(Definition::Function(one)), Definition::Function(other)) => {
                (one.is_inlined, one.takes) == (other.is_inlined, other.takes)
            }
            (
                Some(Definition::Variable { is_wide: one, .. }),
                Definition::Variable { is_wide: other, .. },
            ) => one == other,
            _ => false,
        }
    }

    pub(crate) fn has_frozen<'a>(&self, mut names: impl Iterator<Item = &'a String>) -> bool {
        names.any(|name| self.is_frozen(name))
    }

    pub(crate) fn is_frozen(&self, name: &str) -> bool {
        self.in_force.get(name).is_some_and(|held| held.is_frozen)
    }
}
