//! Finds out where the frame of a quick body has what the heads of its loops need, when a loop of
//! it is hot (`shim/frame_layout.h`).

use std::sync::Arc;

use rewire_llvm::{Codegen, FrameLayout, LlvmError, Ordinal};

use super::compile_error;
use crate::base::error::Error;
use crate::base::frame_text::FrameText;
use crate::base::tier::{BodyPart, Tier};
use crate::core::Core;
use crate::ledger::unit::{ExtractScope, ModuleLease, Unit};
use crate::link::{MadeFrom, QuickFrame, frame_text};

impl Core {
    /// Returns the frame of a function's quick bodies whose code has this text.
    pub(super) fn quick_frame(
        &self,
        unit: &Arc<Unit>,
        function: Ordinal,
        text: FrameText,
    ) -> Result<QuickFrame, Error> {
        let key = (unit.id, function, text);
        if let Some(layout) = self.frames.get(key) {
            return Ok(QuickFrame { text, layout });
        }
        let _guard = self.guard(unit, &[function]);
        let tier = (Tier::Quick, BodyPart::All);
        let how = self.made_from(vec![function], ExtractScope::Values, tier);
        let mut copy = self.copy_for(unit, &how)?;
        let found = self.with_codegen(Tier::Quick.level(), |codegen| {
            let found = self.compile_for_layout(codegen, &mut copy, &how);
            found.map_err(|source| compile_error(unit, &[function], source))
        });
        let (object, layout) = found?;
        let graph = rewire_object::parse(&unit.name, &object)?;
        let mut functions = graph.symbols.iter();
        let is_same = functions.any(|one| frame_text(&graph, one) == Some(text));
        if !is_same {
            let reason = "its quick code came out differently when it was compiled again, so the \
                          loop goes on in it until it ends";
            let source = LlvmError::Body {
                module: unit.name.clone(),
                reason: reason.to_owned(),
            };
            return Err(compile_error(unit, &[function], source));
        }
        let layout = Arc::new(layout);
        self.frames.add(key, layout.clone());
        Ok(QuickFrame { text, layout })
    }

    /// Compiles a function's quick body as it was compiled when it was first called.
    fn compile_for_layout(
        &self,
        codegen: &mut Codegen,
        copy: &mut ModuleLease<'_>,
        how: &MadeFrom,
    ) -> Result<(Vec<u8>, FrameLayout), LlvmError> {
        let unit = copy.unit;
        let (mut extracted, _) = self.extract(copy, how)?;
        if !extracted.find_places(codegen) {
            return Err(LlvmError::Body {
                module: unit.name.clone(),
                reason: "it has no loop whose values stay in its quick body's frame".to_owned(),
            });
        }
        codegen.optimise(&mut extracted)?;
        let object = codegen.emit(extracted)?.to_vec();
        Ok((object, codegen.frame_layout()))
    }
}
