//! Determines which unit registers something with the C library ([`super::registrations`]).

use std::ffi::c_void;
use std::ptr;
use std::sync::Arc;

use rewire_memory::ExecAddr;

use crate::base::ids::{LibraryId, UnitKey};
use crate::core::Core;
use crate::core::registry::engines;
use crate::host::fork_lock;
use crate::host::running_code::{HANDLE, running_anywhere};
use crate::ledger::State;

/// The unit that registers something.
pub(super) struct Registrant {
    pub(super) core: Arc<Core>,
    pub(super) unit: UnitKey,
}

impl Registrant {
    /// Returns the unit of the code that a call returns to, otherwise the unit that defines the
    /// function it passed.
    pub(super) fn calling(returns_to: u64, function: u64) -> Option<Self> {
        Self::of_caller(returns_to).or_else(|| Self::defining(function))
    }

    fn of_caller(returns_to: u64) -> Option<Self> {
        let inside = ExecAddr::new(returns_to.wrapping_sub(1));
        let running = running_anywhere();
        let _no_fork = fork_lock::enter_engine();
        engines().into_iter().find_map(|core| {
            let unit = {
                let ledger = core.ledger();
                let code = ledger.definition_at(inside);
                let block = code.and_then(|(block, _)| ledger.block(block));
                let running = running.filter(|(engine, _)| *engine == ledger.engine);
                let unit = block.map(|block| block.unit).or(running.map(|it| it.1));
                unit.filter(|unit| ledger.unit(*unit).is_some())?
            };
            Some(Self { core, unit })
        })
    }

    /// Returns the unit that defines the function at an address.
    fn defining(function: u64) -> Option<Self> {
        let address = ExecAddr::new(function);
        let _no_fork = fork_lock::enter_engine();
        engines().into_iter().find_map(|core| {
            let slot = core.slots.at_canonical(address)?;
            let unit = {
                let ledger = core.ledger();
                let (unit, _) = ledger.entry(ledger.of_slot(slot)?).elected()?;
                ledger.unit(unit)?.id
            };
            Some(Self { core, unit })
        })
    }

    /// Returns the unit that defines the function a call passed, otherwise the unit of the code
    /// that the call returns to.
    pub(super) fn of_function(function: u64, returns_to: u64) -> Option<Self> {
        Self::defining(function).or_else(|| Self::of_caller(returns_to))
    }

    /// Returns the `__dso_handle` of the unit's library.
    pub(super) fn handle(&self) -> *mut c_void {
        let _no_fork = fork_lock::enter_engine();
        let ledger = self.core.ledger();
        let library = ledger
            .unit(self.unit)
            .map_or(LibraryId::MAIN, |unit| unit.library);
        let handle = ledger
            .find(library, HANDLE)
            .map(|id| ledger.entry(id).state());
        match handle {
            Some(State::Present(address)) => address.addr().get() as *mut c_void,
            _ => ptr::null_mut(),
        }
    }
}
