//! IR passes that a client chooses.

use std::ptr;
use std::sync::Arc;

use crate::cpu::Cpu;
use crate::diagnostics::take_message;
use crate::error::LlvmError;
use crate::ffi;
use crate::level::Level;
use crate::start;

/// IR passes, as LLVM's `opt -passes=` takes them: `function(sroa,early-cse)`. An empty text is
/// no passes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Passes {
    text: Arc<str>,
}

impl Passes {
    /// Takes the text of a pipeline.
    ///
    /// # Errors
    ///
    /// LLVM doesn't understand it.
    pub fn new(text: &str) -> Result<Self, LlvmError> {
        let baseline = Cpu::default();
        let codegen = start::codegen(Level::O0, baseline.name(), baseline.features())?;
        let mut message = ptr::null_mut();
        // SAFETY: the code generator is valid and ours to free, and so is a message.
        let (failed, reason) = unsafe {
            let failed =
                ffi::rewire_set_passes(codegen, text.as_ptr().cast(), text.len(), &raw mut message);
            ffi::rewire_codegen_free(codegen);
            (failed, take_message(message))
        };
        match failed {
            true => Err(LlvmError::Passes {
                text: text.to_owned(),
                reason,
            }),
            false => Ok(Self { text: text.into() }),
        }
    }

    /// The text, which says all that they do.
    #[must_use]
    pub fn identity(&self) -> &str {
        &self.text
    }
}
