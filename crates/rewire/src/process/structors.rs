//! Runs constructors and destructors, before and after the program's main function.

use std::collections::VecDeque;

use rewire_llvm::Ordinal;

use super::exit_functions;
use crate::base::error::Error;
use crate::base::ids::UnitKey;
use crate::base::recovery;
use crate::base::sync::lock;
use crate::core::Core;
use crate::core::structors::{PlannedStructor, StructorTarget, USUAL, When};
use crate::host::fork_lock;
use crate::host::running_code::Running;
use crate::ledger::unit::Unit;
use crate::process::registrations;

/// The arguments of constructors, as the C library passes them (`argc`, `argv`, `envp`).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arguments {
    pub(crate) argc: i32,
    pub(crate) argv: *const *const libc::c_char,
    pub(crate) envp: *const *const libc::c_char,
}

/// The arguments where there is no program.
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

/// Runs the destructors that are planned for the process's exit.
pub(crate) fn run_destructors(core: &Core, arguments: Arguments) -> Result<(), Error> {
    let planned = {
        let _no_fork = fork_lock::enter_engine();
        lock(&core.process.structors).take(When::After)
    };
    call(core, planned, arguments)
}

/// Returns whether the caller has to arrange that the process's exit runs the destructors: `true`
/// for the first caller only.
pub(crate) fn awaits_exit(core: &Core) -> bool {
    let _no_fork = fork_lock::enter_engine();
    !std::mem::replace(&mut lock(&core.process.structors).is_awaiting_exit, true)
}

/// Runs the pending constructors of the units that `is_wanted` selects and that haven't left.
pub(crate) fn initialise(
    core: &Core,
    is_wanted: impl Fn(Option<UnitKey>) -> bool,
    arguments: Arguments,
) -> Result<(), Error> {
    let planned = {
        let _no_fork = fork_lock::enter_engine();
        // Locked in this order, because a thread that holds the ledger may want this lock.
        let ledger = core.ledger();
        let has_left = |unit: UnitKey| ledger.record(unit).is_none_or(|it| it.has_left());
        let is_wanted = |unit: Option<UnitKey>| is_wanted(unit) && !unit.is_some_and(has_left);
        lock(&core.process.structors).take_pending(is_wanted)
    };
    let mut pending = Pending {
        core,
        left: planned.into(),
    };
    while let Some(one) = pending.left.pop_front() {
        call_one(core, one, arguments)?;
    }
    Ok(())
}

/// Runs functions of a unit that construct objects, in order.
pub(crate) fn construct(core: &Core, unit: &Unit, functions: &[Ordinal]) -> Result<(), Error> {
    let entries = functions
        .iter()
        .filter_map(|function| unit.entry(*function));
    let planned = entries.map(|entry| PlannedStructor {
        priority: USUAL,
        target: StructorTarget::Entry(entry),
        unit: Some(unit.id),
        body: None,
    });
    call(core, planned.collect(), Arguments::default())
}

/// Runs the destructors of a unit, if its constructors ran, except those that a newer version has
/// taken over.
pub(super) fn destroy(core: &Core, unit: UnitKey) {
    let planned = {
        let _no_fork = fork_lock::enter_engine();
        let mut planned = lock(&core.process.structors).take_unit(unit);
        let ledger = core.ledger();
        planned.retain(|one| match (one.target, one.body) {
            (StructorTarget::Entry(entry), None) => {
                ledger.entry(entry).elected().is_some_and(|it| it.0 == unit)
            }
            _ => true,
        });
        planned
    };
    for one in planned {
        // Other errors don't matter: a function without memory for its slot can't have been
        // constructed either.
        if let Err(Error::Stopped { stopped }) = call_one(core, one, Arguments::default()) {
            recovery::tell_of(&stopped);
        }
    }
}

/// Ends all units of an engine that is being dropped, in the order of a process's exit.
pub(crate) fn finalize_all(core: &Core, arguments: Arguments) -> Result<(), Error> {
    exit_functions::call_all(core);
    let constructed = |planned: &PlannedStructor| {
        let structors = lock(&core.process.structors);
        planned
            .unit
            .is_none_or(|unit| structors.constructed.contains(&unit))
    };
    let mut planned = {
        let _no_fork = fork_lock::enter_engine();
        lock(&core.process.structors).take(When::After)
    };
    planned.retain(constructed);
    let called = call(core, planned, arguments);
    // The destructors may have registered more exit functions.
    exit_functions::call_all(core);
    for unit in {
        let _no_fork = fork_lock::enter_engine();
        core.ledger().all_units()
    } {
        registrations::forget_fork_handlers(&unit);
    }
    called
}

fn call(core: &Core, planned: Vec<PlannedStructor>, arguments: Arguments) -> Result<(), Error> {
    for one in planned {
        call_one(core, one, arguments)?;
    }
    Ok(())
}

/// Constructors that are being run. If one of them throws, is abandoned or is stopped, those after
/// it are pending again; that one isn't.
struct Pending<'c> {
    core: &'c Core,
    left: VecDeque<PlannedStructor>,
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        if !self.left.is_empty() {
            let _no_fork = fork_lock::enter_engine();
            lock(&self.core.process.structors).put_back(&mut self.left);
        }
    }
}

fn call_one(core: &Core, one: PlannedStructor, arguments: Arguments) -> Result<(), Error> {
    let (address, engine) = {
        let _no_fork = fork_lock::enter_engine();
        let mut ledger = core.ledger();
        let address = match (one.target, one.body) {
            (_, Some(address)) | (StructorTarget::Address(address), None) => address,
            (StructorTarget::Entry(entry), None) => {
                let (entry, _) = ledger.target(entry);
                ledger.canonical(entry, &core.slots)?.addr()
            }
        };
        (address, ledger.engine)
    };
    let _running = Running::new(engine, one.unit);
    let Arguments { argc, argv, envp } = arguments;
    if recovery::is_wanted() {
        let arguments = [argc as u64, argv as u64, envp as u64];
        // SAFETY: as below.
        return unsafe { recovery::call(core, address, arguments) }
            .map_err(|stopped| Error::Stopped { stopped });
    }
    // SAFETY: the unit states that this is a constructor or destructor; it is called as the C
    // library calls them, with arguments that it may ignore.
    unsafe {
        let function: extern "C-unwind" fn(
            i32,
            *const *const libc::c_char,
            *const *const libc::c_char,
        ) = std::mem::transmute(address.get());
        function(argc, argv, envp);
    }
    Ok(())
}
