//! Constructors and destructors: what runs before and after the program's main function.

use rewire_llvm::{Ordinal, Structor};
use rewire_memory::ExecAddr;
use rustc_hash::FxHashSet;

use crate::core::Core;
use crate::error::Error;
use crate::ids::UnitKey;
use crate::ledger::EntryId;
use crate::process::registering::Running;
use crate::process::{exit_functions, fork, registering};
use crate::sync::lock;
use crate::unit::Unit;

/// A function to be run, or the address of one.
#[derive(Clone, Copy, Debug)]
enum Target {
    Entry(EntryId),
    Address(ExecAddr),
}

#[derive(Clone, Copy, Debug)]
struct Planned {
    priority: u32,
    target: Target,
    /// Whose it is, if one unit's.
    unit: Option<UnitKey>,
    /// The body to call, once the entry stands for something else.
    body: Option<ExecAddr>,
}

/// What is still to be run.
#[derive(Debug, Default)]
pub(crate) struct Structors {
    constructors: Vec<Planned>,
    destructors: Vec<Planned>,
    /// The units whose constructors, if they have any, have run.
    constructed: FxHashSet<UnitKey>,
    /// Units whose pending constructors somebody was told of.
    warned: FxHashSet<UnitKey>,
    /// The process's exit runs the destructors.
    is_awaiting_exit: bool,
}

/// The priority of those that state none.
const USUAL: u32 = 65535;

/// Which of the two lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    Before,
    After,
}

/// A table of functions that the C library runs, as the name of its section says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Array {
    pub(crate) when: When,
    pub(crate) priority: Option<u32>,
    /// It is of the older kind, whose last member runs first.
    pub(crate) is_backwards: bool,
}

impl Array {
    /// Which table a section is a piece of.
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
                // Linkers sort those in with the others, whose numbers count up.
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
    fn list(&mut self, when: When) -> &mut Vec<Planned> {
        match when {
            When::Before => &mut self.constructors,
            When::After => &mut self.destructors,
        }
    }

    /// Plans those of `llvm.global_ctors` and `llvm.global_dtors`.
    pub(crate) fn plan_unit(&mut self, unit: &Unit, is_elected: impl Fn(&Structor) -> bool) {
        for (when, structors) in [
            (When::Before, &unit.index.constructors),
            (When::After, &unit.index.destructors),
        ] {
            for structor in structors.iter().filter(|one| is_elected(one)) {
                if let Some(entry) = unit.entry(structor.function) {
                    self.list(when).push(Planned {
                        priority: structor.priority,
                        target: Target::Entry(entry),
                        unit: Some(unit.id),
                        body: None,
                    });
                }
            }
        }
    }

    /// Plans what a table of constructors or destructors holds; `unit` says whose it is, if one
    /// unit's.
    pub(crate) fn plan_array(&mut self, array: Array, members: &[ExecAddr], unit: Option<UnitKey>) {
        let plan = |address: &ExecAddr| Planned {
            priority: array.priority.unwrap_or(USUAL),
            target: Target::Address(*address),
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

    /// Takes what is planned, in the order in which it has to run.
    fn take(&mut self, when: When) -> Vec<Planned> {
        Self::in_order(std::mem::take(self.list(when)), when)
    }

    /// Takes the destructors of one unit, if its constructors ran.
    fn take_unit(&mut self, unit: UnitKey) -> Vec<Planned> {
        let was_constructed = self.constructed.remove(&unit);
        self.warned.remove(&unit);
        self.constructors
            .retain(|planned| planned.unit != Some(unit));
        let is_own = |planned: &Planned| planned.unit == Some(unit);
        let (own, others) = std::mem::take(&mut self.destructors)
            .into_iter()
            .partition(is_own);
        self.destructors = others;
        let own: Vec<Planned> = own;
        Self::in_order(if was_constructed { own } else { Vec::new() }, When::After)
    }

    /// Takes the constructors of some units that haven't run; those that are no one unit's, too.
    fn take_pending(&mut self, is_wanted: impl Fn(Option<UnitKey>) -> bool) -> Vec<Planned> {
        let (taken, others) = std::mem::take(&mut self.constructors)
            .into_iter()
            .partition(|planned| is_wanted(planned.unit));
        self.constructors = others;
        let taken: Vec<Planned> = taken;
        let all = taken.iter().chain(&self.destructors);
        let units = all.filter_map(|planned| planned.unit);
        self.constructed
            .extend(units.filter(|unit| is_wanted(Some(*unit))));
        Self::in_order(taken, When::Before)
    }

    /// Whether constructors of a unit haven't run.
    pub(crate) fn is_pending(&self, unit: UnitKey) -> bool {
        let mut constructors = self.constructors.iter();
        constructors.any(|planned| planned.unit == Some(unit))
    }

    /// Whether constructors of a unit haven't run, and nobody was told so.
    pub(super) fn is_first_use(&mut self, unit: UnitKey) -> bool {
        !self.constructors.is_empty() && self.is_pending(unit) && self.warned.insert(unit)
    }

    /// A unit takes the place of one whose objects live: none of its IR's constructors is pending.
    pub(crate) fn adopt(&mut self, unit: UnitKey) {
        self.constructors.retain(|planned| {
            planned.unit != Some(unit) || matches!(planned.target, Target::Address(_))
        });
        self.constructed.insert(unit);
    }

    /// Whether a unit has destructors that have to run.
    pub(super) fn has_destructors(&self, unit: UnitKey) -> bool {
        let mut destructors = self.destructors.iter();
        self.constructed.contains(&unit) && destructors.any(|one| one.unit == Some(unit))
    }

    /// The functions that are a unit's destructors, if its constructors ran.
    pub(super) fn destructors_of(&self, unit: UnitKey) -> Vec<EntryId> {
        if !self.constructed.contains(&unit) {
            return Vec::new();
        }
        let own = self.destructors.iter().filter(|one| one.unit == Some(unit));
        let entries = own.filter_map(|one| match one.target {
            Target::Entry(entry) => Some(entry),
            Target::Address(_) => None,
        });
        entries.collect()
    }

    /// Has a body called instead of what a destructor's name stands for by then.
    pub(super) fn call_body(&mut self, unit: UnitKey, destructor: EntryId, body: ExecAddr) {
        for one in self
            .destructors
            .iter_mut()
            .filter(|one| one.unit == Some(unit))
        {
            if matches!(one.target, Target::Entry(entry) if entry == destructor) {
                one.body = Some(body);
            }
        }
    }

    /// Has what the names of a unit's destructors stand for called again.
    pub(super) fn call_by_name(&mut self, unit: UnitKey) {
        for one in self
            .destructors
            .iter_mut()
            .filter(|one| one.unit == Some(unit))
        {
            one.body = None;
        }
    }

    /// Forgets a unit that was given back.
    pub(crate) fn forget(&mut self, unit: UnitKey) {
        let _ = self.take_unit(unit);
    }

    fn in_order(mut list: Vec<Planned>, when: When) -> Vec<Planned> {
        // Stable: those of one priority run in the order of loading, or the reverse.
        list.sort_by_key(|planned| planned.priority);
        if when == When::After {
            list.reverse();
            // A unit and its newer version may both have planned one function.
            let mut seen = FxHashSet::default();
            list.retain(|planned| match (planned.target, planned.body) {
                (Target::Entry(entry), None) => seen.insert(entry),
                _ => true,
            });
        }
        list
    }
}

/// What constructors are called with, as the C library does (`argc`, `argv`, `envp`).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arguments {
    pub(crate) argc: i32,
    pub(crate) argv: *const *const libc::c_char,
    pub(crate) envp: *const *const libc::c_char,
}

/// What they are called with where there is no program.
impl Default for Arguments {
    fn default() -> Self {
        static NOTHING: [usize; 1] = [0];
        let none = NOTHING.as_ptr().cast();
        Self {
            argc: 0,
            argv: none,
            envp: none,
        }
    }
}

/// Runs the destructors that are planned for after the program.
pub(crate) fn run_destructors(core: &Core, arguments: Arguments) -> Result<(), Error> {
    let planned = {
        let _no_fork = fork::enter_engine();
        lock(&core.process.structors).take(When::After)
    };
    call(core, planned, arguments)
}

/// Whether somebody has to see to it that the process's exit runs the destructors; who asks is it.
pub(crate) fn awaits_exit(core: &Core) -> bool {
    let _no_fork = fork::enter_engine();
    !std::mem::replace(&mut lock(&core.process.structors).is_awaiting_exit, true)
}

/// Runs the constructors that haven't run of some of the units that are there.
pub(crate) fn initialise(
    core: &Core,
    is_wanted: impl Fn(Option<UnitKey>) -> bool,
    arguments: Arguments,
) -> Result<(), Error> {
    let planned = {
        let _no_fork = fork::enter_engine();
        // In this order: whoever holds the ledger may want these.
        let ledger = core.ledger();
        let has_left = |unit: UnitKey| ledger.record(unit).is_none_or(|it| it.has_left());
        let is_wanted = |unit: Option<UnitKey>| is_wanted(unit) && !unit.is_some_and(has_left);
        lock(&core.process.structors).take_pending(is_wanted)
    };
    call(core, planned, arguments)
}

/// Runs functions of a unit that construct something, in order.
pub(crate) fn construct(core: &Core, unit: &Unit, functions: &[Ordinal]) -> Result<(), Error> {
    let entries = functions
        .iter()
        .filter_map(|function| unit.entry(*function));
    let planned = entries.map(|entry| Planned {
        priority: USUAL,
        target: Target::Entry(entry),
        unit: Some(unit.id),
        body: None,
    });
    call(core, planned.collect(), Arguments::default())
}

/// Runs the destructors of a unit, if its constructors ran; not those that a newer version has
/// taken over.
pub(super) fn destroy(core: &Core, unit: UnitKey) {
    let planned = {
        let _no_fork = fork::enter_engine();
        let mut planned = lock(&core.process.structors).take_unit(unit);
        let ledger = core.ledger();
        planned.retain(|one| match (one.target, one.body) {
            (Target::Entry(entry), None) => {
                ledger.entry(entry).elected.is_some_and(|it| it.0 == unit)
            }
            _ => true,
        });
        planned
    };
    // A function without memory for its slot can't have been constructed either.
    let _ = call(core, planned, Arguments::default());
}

/// The engine is given up: the same for all of its units, in the order of a process's exit.
pub(crate) fn finalize_all(core: &Core, arguments: Arguments) -> Result<(), Error> {
    exit_functions::call_all(core);
    let constructed = |planned: &Planned| {
        let structors = lock(&core.process.structors);
        planned
            .unit
            .is_none_or(|unit| structors.constructed.contains(&unit))
    };
    let mut planned = {
        let _no_fork = fork::enter_engine();
        lock(&core.process.structors).take(When::After)
    };
    planned.retain(constructed);
    let called = call(core, planned, arguments);
    // Those may have registered more.
    exit_functions::call_all(core);
    for unit in {
        let _no_fork = fork::enter_engine();
        core.ledger().all_units()
    } {
        registering::forget_fork_handlers(&unit);
    }
    called
}

fn call(core: &Core, planned: Vec<Planned>, arguments: Arguments) -> Result<(), Error> {
    for one in planned {
        let (address, engine) = {
            let _no_fork = fork::enter_engine();
            let mut ledger = core.ledger();
            let address = match (one.target, one.body) {
                (_, Some(address)) | (Target::Address(address), None) => address,
                (Target::Entry(entry), None) => {
                    let (entry, _) = ledger.target(entry);
                    ledger.canonical(entry, &core.slots)?
                }
            };
            (address, ledger.engine)
        };
        let _running = Running::new(engine, one.unit);
        // SAFETY: the unit named this address as a constructor or destructor; it is called as
        // the C library calls them, with arguments that it may ignore.
        unsafe {
            let function: extern "C-unwind" fn(
                i32,
                *const *const libc::c_char,
                *const *const libc::c_char,
            ) = std::mem::transmute(address.get());
            function(arguments.argc, arguments.argv, arguments.envp);
        }
    }
    Ok(())
}
