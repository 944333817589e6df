//! Constructors and destructors: what runs before and after the program's main function.

use rewire_llvm::Structor;
use rewire_memory::ExecAddr;
use rustc_hash::FxHashSet;

use crate::core::Core;
use crate::error::Error;
use crate::ledger::EntryId;
use crate::process::registering::Running;
use crate::process::{exit_functions, fork, registering};
use crate::sync::lock;
use crate::unit::{Unit, UnitKey};

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
}

/// What is still to be run.
#[derive(Debug, Default)]
pub(crate) struct Structors {
    constructors: Vec<Planned>,
    destructors: Vec<Planned>,
    /// The units whose constructors, if they have any, have run.
    constructed: FxHashSet<UnitKey>,
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
        let list = std::mem::take(self.list(when));
        if when == When::Before {
            let all = list.iter().chain(&self.destructors);
            self.constructed
                .extend(all.filter_map(|planned| planned.unit));
        }
        Self::in_order(list, when)
    }

    /// Takes what is planned of one unit that leaves: the destructors, if its constructors ran.
    fn take_unit(&mut self, unit: UnitKey) -> Vec<Planned> {
        let was_constructed = self.constructed.remove(&unit);
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

    fn in_order(mut list: Vec<Planned>, when: When) -> Vec<Planned> {
        // Stable: those of one priority run in the order of loading, or the reverse.
        list.sort_by_key(|planned| planned.priority);
        if when == When::After {
            list.reverse();
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

/// Runs what is planned for before or after the program.
pub(crate) fn run(core: &Core, when: When, arguments: Arguments) -> Result<(), Error> {
    let planned = {
        let _inside = fork::hold_off();
        lock(&core.process.structors).take(when)
    };
    call(core, planned, arguments)
}

/// Whether somebody has to see to it that the process's exit runs the destructors; who asks is it.
pub(crate) fn awaits_exit(core: &Core) -> bool {
    let _inside = fork::hold_off();
    !std::mem::replace(&mut lock(&core.process.structors).is_awaiting_exit, true)
}

/// A unit leaves: runs what it has registered for the process's exit, and its destructors.
pub(crate) fn finalize(core: &Core, unit: &Unit) {
    exit_functions::call_of_unit(core, unit.id);
    registering::forget_fork_handlers(unit);
    let planned = lock(&core.process.structors).take_unit(unit.id);
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
        let _inside = fork::hold_off();
        lock(&core.process.structors).take(When::After)
    };
    planned.retain(constructed);
    let called = call(core, planned, arguments);
    // Those may have registered more.
    exit_functions::call_all(core);
    for unit in {
        let _inside = fork::hold_off();
        core.ledger().all_units()
    } {
        registering::forget_fork_handlers(&unit);
    }
    called
}

fn call(core: &Core, planned: Vec<Planned>, arguments: Arguments) -> Result<(), Error> {
    for one in planned {
        let (address, engine) = {
            let _inside = fork::hold_off();
            let mut ledger = core.ledger();
            let address = match one.target {
                Target::Address(address) => address,
                Target::Entry(entry) => {
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
