//! Checks at the heads of loops, where a function leaves one of its bodies and goes on in another
//! (`shim/continuations.cpp`).

use crate::codegen::Codegen;
use crate::error::LlvmError;
use crate::extraction::Extracted;
use crate::ffi;

impl Extracted<'_> {
    /// Counts, in each function, how often the heads of its loops are passed. After more than
    /// `limit` passes the engine is asked (`__rewire_loop`), which may name a continuation.
    /// The code generator must be the one that the module's code will come from.
    pub fn count_loops(&mut self, codegen: &Codegen, limit: u32) {
        // SAFETY: both are valid, and the module is ours.
        unsafe { ffi::rewire_count_loops(codegen.raw(), self.module_ref(), limit) };
    }

    /// Has loops that may come to hold copies of other functions' bodies watch a word, and ask the
    /// engine when it isn't 0.
    pub fn poll_loops(&mut self) {
        // SAFETY: the module is ours.
        unsafe { ffi::rewire_poll_loops(self.module_ref()) };
    }

    /// Makes the only function its continuation at a head: `extern "C" fn(buffer) -> next`. Its
    /// loops are counted with a limit, else they poll.
    ///
    /// # Errors
    ///
    /// There are several functions, or there is no such head.
    pub fn continue_at(&mut self, head: u32, limit: Option<u32>) -> Result<(), LlvmError> {
        // SAFETY: the module is ours.
        let made = unsafe {
            let (counts, limit) = (limit.is_some(), limit.unwrap_or(0));
            ffi::rewire_continue_at(self.module_ref(), head, counts, limit)
        };
        match made {
            true => Ok(()),
            false => Err(LlvmError::Body {
                module: self.source_name().clone(),
                reason: format!("no body can go on at its loop {head}"),
            }),
        }
    }
}
