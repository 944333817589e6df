//! Finishes a change whose names are in force: constructs objects, then opens the construction
//! gate. The program runs meanwhile, so nothing is held but the claims of the names.

use std::sync::Arc;
use std::time::Instant;

use rewire_llvm::Ordinal;

use super::changed::Changed;
use crate::base::error::Error;
use crate::base::events::{Removal, Replacement};
use crate::core::Core;
use crate::core::recording::span_since;
use crate::ledger::EntryId;
use crate::ledger::unit::Unit;
use crate::process::structors;
use crate::process::unit_endings;

/// A change that failed.
pub(super) struct FailedChange {
    pub(super) error: Error,
    /// Its number, if its names were in force by then; it has to be undone.
    pub(super) moved: Option<u64>,
}

/// See the module's documentation. Dropping it opens the gate and releases the names.
pub(crate) struct Finishing<'c> {
    pub(super) core: &'c Core,
    pub(super) changed: Changed,
    /// The claimed names, which no other change may touch meanwhile.
    pub(super) claimed: Vec<EntryId>,
    pub(super) is_gated: bool,
    /// Units whose objects are destroyed before new ones are constructed.
    pub(super) destroyed: Vec<Arc<Unit>>,
    /// The functions that construct objects, by unit.
    pub(super) constructed: Vec<(Arc<Unit>, Vec<Ordinal>)>,
    /// Whether the destructors of a leaving unit still have to run.
    pub(super) has_endings: bool,
    /// The number by which the change is undone if a constructor fails; `None` if it can't be.
    pub(super) number: Option<u64>,
    pub(super) began: Instant,
}

impl Finishing<'_> {
    /// Whether the destructors of a leaving unit still have to run, once no thread is in it.
    pub(crate) fn has_endings(&self) -> bool {
        self.has_endings
    }

    /// Destroys and constructs objects, opens the gate, and notifies the observer.
    pub(super) fn complete(mut self) -> Result<Changed, Error> {
        let core = self.core;
        for unit in &self.destroyed {
            unit_endings::run(core, unit);
        }
        let mut constructed = self.constructed.iter();
        constructed
            .try_for_each(|(unit, functions)| structors::construct(core, unit, functions))?;
        core.history.trim(core);
        let changed = std::mem::take(&mut self.changed);
        let began = self.began;
        drop(self);
        if let Some(observer) = &core.compile_observer {
            for one in &changed.replaced {
                observer.replaced(&Replacement {
                    function: one.name.clone(),
                    generation: one.generation,
                    span: span_since(began),
                });
            }
            if !changed.removed.is_empty() {
                observer.removed(&Removal {
                    names: changed.removed.clone(),
                    span: span_since(began),
                });
            }
        }
        Ok(changed)
    }
}

impl Drop for Finishing<'_> {
    fn drop(&mut self) {
        let _no_fork = crate::host::fork_lock::enter_engine();
        let mut ledger = self.core.ledger();
        if self.is_gated {
            ledger.open_gate(&self.core.slots);
        }
        ledger.release_names(&self.claimed);
        drop(ledger);
        self.core.changed.notify_all();
    }
}
