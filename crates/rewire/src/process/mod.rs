//! Makes compiled code a program: constructors and destructors, registrations with the C library,
//! signal handlers, what a C library's static part supplies, the C++ library, named sections,
//! forks, and the exit.

mod builtins;
pub(crate) mod cxx;
mod exit_functions;
mod forking;
mod host_names;
mod loop_heads;
mod main;
mod quick_exit;
mod registrant;
mod registrations;
pub(crate) mod sections;
mod signal_waits;
mod signals;
pub(crate) mod static_parts;
pub(crate) mod structors;
pub(crate) mod unit_endings;

pub(crate) use host_names::host_symbol;
pub(crate) use main::{end, find as find_main, run as run_main, run_constructors};
pub(crate) use sections::plan_structors as plan_again;

use std::sync::Arc;

use crate::base::error::Error;
use crate::base::ids::UnitKey;
use crate::base::sync::lock;
use crate::core::Core;
use crate::ledger::LibraryId;
use crate::ledger::unit::Unit;

/// Places in memory what units need before their code runs, the C++ library included.
pub(crate) fn place(core: &Core, units: &[Arc<Unit>]) -> Result<(), Error> {
    for unit in units {
        cxx::load_if_needed(core, unit);
    }
    core.restore_image();
    sections::place(core, units)
}

/// Runs the pending constructors of the units that `own` selects.
pub(crate) fn initialise(core: &Arc<Core>, own: impl Fn(UnitKey) -> bool) -> Result<(), Error> {
    main::prepare_exit(core);
    let is_wanted = |unit: Option<UnitKey>| unit.is_some_and(&own);
    structors::initialise(core, is_wanted, structors::Arguments::default())
}

/// Whether a unit has pending constructors.
pub(crate) fn has_pending_constructors(core: &Core, unit: &Unit) -> bool {
    lock(&core.process.structors).is_pending(unit.id)
}

/// Logs, once for each unit, that the unit's code is about to be used although its constructors
/// haven't run.
pub(crate) fn warn_if_pending(core: &Core, library: LibraryId, name: &str) {
    let unit = {
        let ledger = core.ledger();
        let id = ledger.find(library, name).map(|id| ledger.target(id).0);
        let unit = id.and_then(|id| ledger.entry(id).elected());
        unit.and_then(|(unit, _)| ledger.unit(unit).cloned())
    };
    if let Some(unit) = unit
        && lock(&core.process.structors).is_first_use(unit.id)
    {
        tracing::warn!(
            unit = &*unit.name,
            name,
            "is used, and constructors of its unit haven't run"
        );
    }
}
