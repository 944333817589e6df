//! Compiles a definition that has a body again.

use std::sync::Arc;

use rewire_llvm::Ordinal;

use super::{BodyPart, compile_error};
use crate::base::error::Error;
use crate::base::report::Phase;
use crate::base::tier::Tier;
use crate::core::Core;
use crate::ledger::unit::{ExtractScope, Unit};
use crate::link::{self, Linked, Object, Purpose};

impl Core {
    /// Compiles a definition again, or from the head of a loop on.
    pub(super) fn rebuild(
        &self,
        unit: &Arc<Unit>,
        ordinal: Ordinal,
        tier: Tier,
        purpose: Purpose<'_>,
    ) -> Result<Linked, Error> {
        let roots = [ordinal];
        let guard = self.guard(unit, &roots);
        let timer = self.timings.start(Phase::Extract);
        let copy = unit.copy(&roots);
        timer.stop();
        let mut copy = copy.map_err(|source| compile_error(unit, &roots, source))?;
        let part = match purpose.head() {
            Some(head) => BodyPart::FromHead(head),
            None => BodyPart::All,
        };
        let emitted = self.emit_for(&mut copy, &roots, ExtractScope::Values, (tier, part))?;
        drop((copy, guard));
        link::link(self, &[Object::of_ir(unit, emitted)], purpose)
    }
}
