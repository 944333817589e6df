//! From an extracted module to an object.

use std::ptr;

use crate::cpu::Cpu;
use crate::diagnostics::{self, take_message};
use crate::error::LlvmError;
use crate::extraction::Extracted;
use crate::ffi;
use crate::level::Level;
use crate::ordinal::Ordinal;
use crate::passes::Passes;
use crate::start;

/// A code generator: a target machine and its pipelines, made once and used again for each
/// function, whatever context it comes from. Making one costs about 100 us; each thread keeps one
/// for each level it uses.
#[derive(Debug)]
pub struct Codegen {
    raw: *mut ffi::RewireCodegen,
    level: Level,
    /// LLVM gave up in the middle of something: it can't be used any more, nor freed.
    is_lost: bool,
}

// SAFETY: it refers to nothing outside of itself between calls.
unsafe impl Send for Codegen {}

impl Drop for Codegen {
    fn drop(&mut self) {
        if self.is_lost {
            return;
        }
        // SAFETY: it is ours.
        unsafe { ffi::rewire_codegen_free(self.raw) };
    }
}

impl Codegen {
    /// Makes a code generator for the host.
    ///
    /// # Errors
    ///
    /// LLVM was built without support for this machine.
    pub fn new(level: Level) -> Result<Self, LlvmError> {
        Self::with(level, &Cpu::default(), None)
    }

    /// Makes a code generator for a processor. With `passes`, these run instead of the level's.
    ///
    /// # Errors
    ///
    /// As [`Codegen::new`].
    pub fn with(level: Level, cpu: &Cpu, passes: Option<&Passes>) -> Result<Self, LlvmError> {
        let codegen = Self {
            raw: start::codegen(level, cpu.name(), cpu.features())?,
            level,
            is_lost: false,
        };
        if let Some(passes) = passes {
            let text = passes.identity();
            let mut message = ptr::null_mut();
            // SAFETY: the code generator is valid, and a message is ours to free.
            let (failed, reason) = unsafe {
                let (start, length) = (text.as_ptr().cast(), text.len());
                let failed = ffi::rewire_set_passes(codegen.raw, start, length, &raw mut message);
                (failed, take_message(message))
            };
            if failed {
                let text = text.to_owned();
                return Err(LlvmError::Passes { text, reason });
            }
        }
        Ok(codegen)
    }

    /// The level it was made for.
    #[must_use]
    pub fn level(&self) -> Level {
        self.level
    }

    /// Whether an error that LLVM doesn't survive has made it unusable.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.is_lost
    }

    pub(crate) fn raw(&self) -> *const ffi::RewireCodegen {
        self.raw
    }

    pub(crate) fn raw_mut(&mut self) -> *mut ffi::RewireCodegen {
        self.raw
    }

    /// Has LLVM work on a module. If it gives up, the module and what it was extracted from are
    /// lost, as is the code generator.
    fn contained(
        &mut self,
        module: &Extracted<'_>,
        work: impl FnOnce(*mut ffi::RewireCodegen),
    ) -> Result<(), LlvmError> {
        let raw = self.raw;
        if self.is_lost || module.is_lost() {
            return Err(LlvmError::Codegen {
                module: module.source_name().clone(),
                reason: "LLVM has given up on it before".to_owned(),
            });
        }
        diagnostics::contained(|| work(raw)).map_err(|reason| {
            self.is_lost = true;
            module.lose();
            LlvmError::Codegen {
                module: module.source_name().clone(),
                reason,
            }
        })
    }

    /// Inlines what has to be inlined and runs the IR passes of the level.
    ///
    /// # Errors
    ///
    /// What LLVM can't survive, see [`Codegen::is_lost`].
    pub fn optimise(&mut self, module: &mut Extracted<'_>) -> Result<(), LlvmError> {
        // SAFETY: both are valid, and we hold them alone.
        self.contained(module, |raw| unsafe {
            ffi::rewire_optimise(raw, module.module_ref());
        })
    }

    /// The same for a module that was extracted whole
    /// ([`Module::extract_whole`](crate::Module::extract_whole)): its functions are also inlined
    /// into one another.
    ///
    /// # Errors
    ///
    /// As [`Codegen::optimise`].
    pub fn optimise_whole(&mut self, module: &mut Extracted<'_>) -> Result<(), LlvmError> {
        // SAFETY: both are valid, and we hold them alone.
        self.contained(module, |raw| unsafe {
            ffi::rewire_optimise_whole(raw, module.module_ref());
        })
    }

    /// The functions whose bodies the last optimised module holds copies of, through any depth, and
    /// the aliases by which it named them.
    #[must_use]
    pub fn inlined(&self) -> Vec<Ordinal> {
        if self.is_lost {
            return Vec::new();
        }
        let mut count = 0;
        // SAFETY: the code generator is valid, and what it lists stands until its next use, for
        // which `self` has to be borrowed anew.
        let inlined = unsafe {
            let first = ffi::rewire_inlined(self.raw, &raw mut count);
            if count == 0 {
                return Vec::new();
            }
            std::slice::from_raw_parts(first, count)
        };
        let ordinals = inlined.iter().map(|place| Ordinal::new(*place as u32));
        ordinals.collect()
    }

    /// Turns each direct call into a call through its callee's slot, then generates code: the
    /// bytes of a relocatable ELF object, which stand until the next call.
    ///
    /// # Errors
    ///
    /// What code generation can't do: inline assembly for another machine, say.
    pub fn emit(&mut self, module: Extracted<'_>) -> Result<&[u8], LlvmError> {
        let (mut bytes, mut length) = (ptr::null(), 0);
        // SAFETY: both are valid, and we hold them alone.
        self.contained(&module, |raw| unsafe {
            ffi::rewire_slot_calls(raw, module.module_ref());
            ffi::rewire_emit(raw, module.module_ref(), &raw mut bytes, &raw mut length);
        })?;
        if let Some(reason) = module.take_diagnostics() {
            return Err(LlvmError::Codegen {
                module: module.source_name().clone(),
                reason,
            });
        }
        // SAFETY: the buffer belongs to the code generator and stands until its next use, for
        // which `self` has to be borrowed anew.
        Ok(unsafe { std::slice::from_raw_parts(bytes.cast(), length) })
    }
}

#[cfg(test)]
mod tests;
