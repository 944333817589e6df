//! From an extracted module to an object.

use std::ffi::CString;
use std::ptr;

use llvm_sys::prelude::LLVMModuleRef;
use rewire_sync::OnceLock;

use crate::diagnostics::{self, take_message};
use crate::error::LlvmError;
use crate::ffi;
use crate::module::Extracted;

/// How much work goes into code: LLVM's levels, IR passes included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// No IR passes, the fast instruction selector.
    O0,
    /// Cheap passes.
    O1,
    /// The usual ones.
    O2,
    /// All.
    O3,
}

impl Level {
    /// `0` to `3`.
    #[must_use]
    pub const fn digit(self) -> char {
        match self {
            Self::O0 => '0',
            Self::O1 => '1',
            Self::O2 => '2',
            Self::O3 => '3',
        }
    }
}

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
        let mut message = ptr::null_mut();
        // SAFETY: the shim stores a message of ours to free when it returns null.
        let (raw, reason) = unsafe {
            let raw = ffi::rewire_codegen_new(level as u32, &raw mut message);
            (raw, take_message(message))
        };
        if raw.is_null() {
            return Err(LlvmError::NoTarget { reason });
        }
        Ok(Self {
            raw,
            level,
            is_lost: false,
        })
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

/// The host's triple and data layout.
#[derive(Debug)]
pub(crate) struct Host {
    pub(crate) triple: CString,
    pub(crate) data_layout: CString,
    /// Both as LLVM has them, never freed.
    target: *const ffi::RewireTarget,
}

// SAFETY: nobody changes what it refers to.
unsafe impl Send for Host {}
// SAFETY: as above.
unsafe impl Sync for Host {}

impl Host {
    pub(crate) fn get() -> Result<&'static Self, LlvmError> {
        static HOST: OnceLock<Result<Host, LlvmError>> = OnceLock::new();
        HOST.get_or_init(|| {
            let codegen = Codegen::new(Level::O0)?;
            // SAFETY: the code generator is valid, and the strings are ours.
            let (triple, layout, target) = unsafe {
                (
                    take_message(ffi::rewire_codegen_triple(codegen.raw)),
                    take_message(ffi::rewire_codegen_data_layout(codegen.raw)),
                    ffi::rewire_target_new(codegen.raw),
                )
            };
            Ok(Self {
                triple: CString::new(triple).unwrap_or_default(),
                data_layout: CString::new(layout).unwrap_or_default(),
                target,
            })
        })
        .as_ref()
        .map_err(Clone::clone)
    }

    /// Both, for the shim.
    pub(crate) fn target(&self) -> *const ffi::RewireTarget {
        self.target
    }

    /// Gives a module the host's triple.
    ///
    /// # Safety
    ///
    /// The module is valid, and the caller's alone.
    pub(crate) unsafe fn set_triple(&self, module: LLVMModuleRef) {
        // SAFETY: the target stands for ever; the rest as the caller promises.
        unsafe { ffi::rewire_set_triple(self.target, module) }
    }

    /// Gives a module the host's data layout.
    ///
    /// # Safety
    ///
    /// As for [`Host::set_triple`].
    pub(crate) unsafe fn set_layout(&self, module: LLVMModuleRef) {
        // SAFETY: as above.
        unsafe { ffi::rewire_set_layout(self.target, module) }
    }
}

#[cfg(test)]
mod tests;
