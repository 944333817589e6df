//! The constructors and destructors that still have to run, in order.

use std::collections::VecDeque;

use rewire_llvm::Structor;
use rewire_memory::ExecAddr;
use rustc_hash::FxHashSet;

use crate::base::ids::{EntryId, UnitKey};
use crate::ledger::unit::Unit;

/// The function to run: by entry, or by address.
#[derive(Clone, Copy, Debug)]
pub(crate) enum StructorTarget {
    Entry(EntryId),
    Address(ExecAddr),
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct PlannedStructor {
    pub(crate) priority: u32,
    pub(crate) target: StructorTarget,
    /// The unit that it belongs to, if it belongs to one.
    pub(crate) unit: Option<UnitKey>,
    /// The body to call, if the entry stands for something else by now.
    pub(crate) body: Option<ExecAddr>,
}

/// The constructors and destructors that still have to run.
#[derive(Debug, Default)]
pub(crate) struct Structors {
    constructors: Vec<PlannedStructor>,
    destructors: Vec<PlannedStructor>,
    /// The units whose constructors, if they have any, have run.
    pub(crate) constructed: FxHashSet<UnitKey>,
    /// Units whose pending constructors were logged.
    warned: FxHashSet<UnitKey>,
    /// Whether the process's exit will run the destructors.
    pub(crate) is_awaiting_exit: bool,
}

/// The priority of constructors and destructors that state none.
pub(crate) const USUAL: u32 = 65535;

/// Selects constructors (before the program) or destructors (after it).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    Before,
    After,
}

/// A table of functions that the C library runs, as identified by the name of its section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Array {
    pub(crate) when: When,
    pub(crate) priority: Option<u32>,
    /// Whether it is of the older kind (`.ctors`, `.dtors`), whose last member runs first.
    pub(crate) is_backwards: bool,
}

impl Array {
    /// Returns the table that a section is part of, if it is part of one.
    pub(crate) fn of(section: &str) -> Option<Self> {
        let tables = [
            (".preinit_array", When::Before, false),
            (".init_array", When::Before, false),
            (".fini_array", When::After, false),
            (".ctors", When::Before, true),
            (".dtors", When::After, true),
        ];
        tables.into_iter().find_map(|(table, when, is_backwards)| {
            let rest = section.strip_prefix(table)?;
            let stated = match rest.strip_prefix('.') {
                None if rest.is_empty() => None,
                Some(number) => number.parse::<u32>().ok(),
                None => return None,
            };
            let priority = match stated {
                // Linkers merge these into the newer tables, whose priorities count the other way.
                Some(number) if is_backwards => Some(USUAL.saturating_sub(number)),
                None if table == ".preinit_array" => Some(0),
                stated => stated,
            };
            Some(Self {
                when,
                priority,
                is_backwards,
            })
        })
    }
}

impl Structors {
    fn list(&mut self, when: When) -> &mut Vec<PlannedStructor> {
        match when {
            When::Before => &mut self.constructors,
            When::After => &mut self.destructors,
        }
    }

    /// Plans the functions in `llvm.global_ctors` and `llvm.global_dtors`.
    pub(crate) fn plan_unit(&mut self, unit: &Unit, is_elected: impl Fn(&Structor) -> bool) {
        for (when, structors) in [
            (When::Before, &unit.index.constructors),
            (When::After, &unit.index.destructors),
        ] {
            for structor in structors.iter().filter(|one| is_elected(one)) {
                if let Some(entry) = unit.entry(structor.function) {
                    self.list(when).push(PlannedStructor {
                        priority: structor.priority,
                        target: StructorTarget::Entry(entry),
                        unit: Some(unit.id),
                        body: None,
                    });
                }
            }
        }
    }

    /// Plans the functions in a table of constructors or destructors. `unit` is the unit that the
    /// table belongs to, if it belongs to one.
    pub(crate) fn plan_array(&mut self, array: Array, members: &[ExecAddr], unit: Option<UnitKey>) {
        let plan = |address: &ExecAddr| PlannedStructor {
            priority: array.priority.unwrap_or(USUAL),
            target: StructorTarget::Address(*address),
            unit,
            body: None,
        };
        let list = self.list(array.when);
        if array.is_backwards {
            list.extend(members.iter().rev().map(plan));
        } else {
            list.extend(members.iter().map(plan));
        }
    }

    /// Takes all planned functions, in the order in which they have to run.
    pub(crate) fn take(&mut self, when: When) -> Vec<PlannedStructor> {
        Self::in_order(std::mem::take(self.list(when)), when)
    }

    /// Takes the destructors of one unit, if its constructors ran.
    pub(crate) fn take_unit(&mut self, unit: UnitKey) -> Vec<PlannedStructor> {
        let was_constructed = self.constructed.remove(&unit);
        self.warned.remove(&unit);
        self.constructors
            .retain(|planned| planned.unit != Some(unit));
        let is_own = |planned: &PlannedStructor| planned.unit == Some(unit);
        let (own, others) = std::mem::take(&mut self.destructors)
            .into_iter()
            .partition(is_own);
        self.destructors = others;
        let own: Vec<PlannedStructor> = own;
        Self::in_order(if was_constructed { own } else { Vec::new() }, When::After)
    }

    /// Takes the pending constructors of some units; `is_wanted` also decides about constructors
    /// that belong to no unit.
    pub(crate) fn take_pending(
        &mut self,
        is_wanted: impl Fn(Option<UnitKey>) -> bool,
    ) -> Vec<PlannedStructor> {
        let (taken, others) = std::mem::take(&mut self.constructors)
            .into_iter()
            .partition(|planned| is_wanted(planned.unit));
        self.constructors = others;
        let taken: Vec<PlannedStructor> = taken;
        let all = taken.iter().chain(&self.destructors);
        let units = all.filter_map(|planned| planned.unit);
        self.constructed
            .extend(units.filter(|unit| is_wanted(Some(*unit))));
        Self::in_order(taken, When::Before)
    }

    /// Puts back constructors that were taken, before those that were planned since.
    pub(crate) fn put_back(&mut self, taken: &mut VecDeque<PlannedStructor>) {
        let later = std::mem::take(&mut self.constructors);
        self.constructors = taken.drain(..).chain(later).collect();
    }

    /// Whether a unit has pending constructors.
    pub(crate) fn is_pending(&self, unit: UnitKey) -> bool {
        let mut constructors = self.constructors.iter();
        constructors.any(|planned| planned.unit == Some(unit))
    }

    /// Whether a unit has pending constructors, and this wasn't logged yet.
    pub(crate) fn is_first_use(&mut self, unit: UnitKey) -> bool {
        !self.constructors.is_empty() && self.is_pending(unit) && self.warned.insert(unit)
    }

    /// Marks a unit as constructed, because it replaces a unit whose objects are alive: none of its
    /// IR's constructors is pending.
    pub(crate) fn adopt(&mut self, unit: UnitKey) {
        self.constructors.retain(|planned| {
            planned.unit != Some(unit) || matches!(planned.target, StructorTarget::Address(_))
        });
        self.constructed.insert(unit);
    }

    /// Whether a unit has destructors that have to run.
    pub(crate) fn has_destructors(&self, unit: UnitKey) -> bool {
        let mut destructors = self.destructors.iter();
        self.constructed.contains(&unit) && destructors.any(|one| one.unit == Some(unit))
    }

    /// Returns a unit's destructors, if its constructors ran.
    pub(crate) fn destructors_of(&self, unit: UnitKey) -> Vec<EntryId> {
        if !self.constructed.contains(&unit) {
            return Vec::new();
        }
        let own = self.destructors.iter().filter(|one| one.unit == Some(unit));
        let entries = own.filter_map(|one| match one.target {
            StructorTarget::Entry(entry) => Some(entry),
            StructorTarget::Address(_) => None,
        });
        entries.collect()
    }

    /// Sets the body to be called instead of what a destructor's name stands for by then.
    pub(crate) fn call_body(&mut self, unit: UnitKey, destructor: EntryId, body: ExecAddr) {
        for one in self
            .destructors
            .iter_mut()
            .filter(|one| one.unit == Some(unit))
        {
            if matches!(one.target, StructorTarget::Entry(entry) if entry == destructor) {
                one.body = Some(body);
            }
        }
    }

    /// Lets whatever the names of a unit's destructors stand for be called again.
    pub(crate) fn call_by_name(&mut self, unit: UnitKey) {
        for one in self
            .destructors
            .iter_mut()
            .filter(|one| one.unit == Some(unit))
        {
            one.body = None;
        }
    }

    /// Forgets a unit that was freed.
    pub(crate) fn forget(&mut self, unit: UnitKey) {
        let _ = self.take_unit(unit);
    }

    fn in_order(mut list: Vec<PlannedStructor>, when: When) -> Vec<PlannedStructor> {
        // The sort is stable: functions of equal priority run in the order of loading, or its
        // reverse.
        list.sort_by_key(|planned| planned.priority);
        if when == When::After {
            list.reverse();
            // A unit and its newer version may both have planned the same function.
            let mut seen = FxHashSet::default();
            list.retain(|planned| match (planned.target, planned.body) {
                (StructorTarget::Entry(entry), None) => seen.insert(entry),
                _ => true,
            });
        }
        list
    }
}
