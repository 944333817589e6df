//! Constructors and destructors: what runs before and after the program's main function.

use std::sync::Arc;

use rewire_llvm::Structor;
use rewire_memory::ExecAddr;

use crate::core::Core;
use crate::error::Error;
use crate::ledger::EntryId;
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
}

/// What is still to be run.
#[derive(Debug, Default)]
pub(crate) struct Structors {
    constructors: Vec<Planned>,
    destructors: Vec<Planned>,
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
        });
        self.list(when).extend(planned);
    }

    /// Takes what is planned, in the order in which it has to run.
    fn take(&mut self, when: When) -> Vec<Target> {
        let mut list = std::mem::take(self.list(when));
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
