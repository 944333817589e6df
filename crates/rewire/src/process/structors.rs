//! Constructors and destructors: what runs before and after the program's main function.

use std::sync::Arc;

use rewire_llvm::Structor;
use rewire_memory::ExecAddr;
use rustc_hash::FxHashSet;

use crate::core::Core;
use crate::error::Error;
use crate::ledger::EntryId;
use crate::process::registered;
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
    /// The units whose constructors have run.
    constructed: FxHashSet<UnitKey>,
}

/// The priority of those that state none.
const USUAL: u32 = 65535;

/// Which of the two lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    Before,
    After,
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

    /// Plans the members of a `.init_array` or `.fini_array` section.
    pub(crate) fn plan_array(&mut self, when: When, priority: Option<u32>, members: &[ExecAddr]) {
        let planned = members.iter().map(|address| Planned {
            priority: priority.unwrap_or(USUAL),
            target: Target::Address(*address),
            unit: None,
        });
        self.list(when).extend(planned);
    }

    /// Takes what is planned, in the order in which it has to run.
    fn take(&mut self, when: When) -> Vec<Target> {
        let list = std::mem::take(self.list(when));
        if when == When::Before {
            self.constructed
                .extend(list.iter().filter_map(|planned| planned.unit));
        }
        Self::in_order(list, when)
    }

    /// Takes what is planned of one unit that leaves: the destructors, if its constructors ran.
    fn take_unit(&mut self, unit: UnitKey) -> Vec<Target> {
        let was_constructed = self.constructed.remove(&unit);
        self.constructors
            .retain(|planned| planned.unit != Some(unit));
        let is_own = |planned: &Planned| planned.unit == Some(unit);
        let (own, others) = std::mem::take(&mut self.destructors)
            .into_iter()
            .partition(is_own);
        self.destructors = others;
        let own: Vec<Planned> = own;
        let has_constructors = was_constructed || own.is_empty();
        let own = if has_constructors { own } else { Vec::new() };
        Self::in_order(own, When::After)
    }

    fn in_order(mut list: Vec<Planned>, when: When) -> Vec<Target> {
        // Stable: those of one priority run in the order of loading, or the reverse.
        list.sort_by_key(|planned| planned.priority);
        if when == When::After {
            list.reverse();
        }
        list.into_iter().map(|planned| planned.target).collect()
    }
}

/// What constructors are called with, as the C library does (`argc`, `argv`, `envp`).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arguments {
    pub(crate) argc: i32,
    pub(crate) argv: *const *const libc::c_char,
    pub(crate) envp: *const *const libc::c_char,
}

/// Runs what is planned for before or after the program.
pub(crate) fn run(core: &Arc<Core>, when: When, arguments: Arguments) -> Result<(), Error> {
    let targets = lock(&core.process.structors).take(when);
    call(core, targets, arguments)
}

/// A unit leaves: runs what it has registered for the process's exit, and its destructors.
pub(crate) fn finalize(core: &Core, unit: &Unit) {
    registered::finalize(unit);
    let targets = lock(&core.process.structors).take_unit(unit.id);
    let none = std::ptr::null();
    let arguments = Arguments {
        argc: 0,
        argv: none,
        envp: none,
    };
    // A function without memory for its slot can't have been constructed either.
    let _ = call(core, targets, arguments);
}

fn call(core: &Core, targets: Vec<Target>, arguments: Arguments) -> Result<(), Error> {
    for target in targets {
        let address = match target {
            Target::Address(address) => address,
            Target::Entry(entry) => {
                let mut ledger = core.ledger();
                let (entry, _) = ledger.target(entry);
                ledger.canonical(entry, &core.slots)?
            }
        };
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
