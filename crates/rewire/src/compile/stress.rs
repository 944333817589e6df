//! Does at random what otherwise happens to few functions ([`crate::Options::stress`]).

use crate::base::error::Error;
use crate::base::events::Why;
use crate::core::Core;
use crate::core::tiers::StressStep;
use crate::ledger::{Definition, EntryId};
use crate::link::Purpose;

impl Core {
    /// Called when a function was called as often as was drawn for it.
    pub(super) fn stress(&self, id: EntryId, definition: Definition) {
        let Some(stress) = &self.tiers.stress else {
            return;
        };
        let step = stress.step();
        if let Err(error) = self.take_stress_step(id, definition, step) {
            tracing::debug!(%error, ?step, "not done");
        }
    }

    fn take_stress_step(
        &self,
        id: EntryId,
        definition: Definition,
        step: StressStep,
    ) -> Result<(), Error> {
        let Definition::Ir(unit, ordinal) = definition else {
            return Ok(());
        };
        let unit = self.unit(unit)?;
        match step {
            StressStep::Compile(tier) => {
                let work = || self.rebuild(&unit, ordinal, tier, Purpose::Improve(id), None);
                self.observed(&unit, &[ordinal], || Why::Hot, work)?;
            }
            StressStep::Drop => {
                let mut ledger = self.ledger();
                let entry = ledger.entry(id);
                if entry.definition() == definition && entry.changing().is_none() {
                    ledger.set_stale(id, &self.slots);
                }
            }
            StressStep::Replace => {
                let compile_error = |source| super::compile_error(&unit, &[ordinal], source);
                let text = unit.text(ordinal).map_err(compile_error)?;
                let (library, name) = {
                    let ledger = self.ledger();
                    let entry = ledger.entry(id);
                    (entry.library(), entry.name().clone())
                };
                (self.above.renew)(self, library, &name, text.as_bytes())?;
            }
        }
        Ok(())
    }
}
