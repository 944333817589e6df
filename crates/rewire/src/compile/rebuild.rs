//! Compiles a definition that has a body again.

use std::sync::Arc;

use rewire_llvm::Ordinal;

use crate::base::error::Error;
use crate::base::frame_text::FrameText;
use crate::base::tier::{BodyPart, Tier};
use crate::core::Core;
use crate::ledger::unit::{ExtractScope, Unit};
use crate::link::{self, Linked, Object, Purpose};

impl Core {
    /// Compiles a definition again, or from the head of a loop on, for bodies with a frame.
    pub(super) fn rebuild(
        &self,
        unit: &Arc<Unit>,
        ordinal: Ordinal,
        tier: Tier,
        purpose: Purpose<'_>,
        frame: Option<FrameText>,
    ) -> Result<Linked, Error> {
        let part = match purpose.head() {
            Some(head) => BodyPart::FromHead(head),
            None => BodyPart::All,
        };
        let mut how = self.made_from(vec![ordinal], ExtractScope::Values, (tier, part));
        if let Some(text) = frame {
            how.frame = Some(self.quick_frame(unit, ordinal, text)?);
        }
        let emitted = self.emit_again(unit, how)?;
        link::link(self, &[Object::of_ir(unit, emitted)], purpose)
    }
}
