//! The machine that code is generated for: this one.

use std::ffi::CString;

use llvm_sys::prelude::LLVMModuleRef;
use rewire_sync::OnceLock;

use crate::cpu::Cpu;
use crate::diagnostics::take_message;
use crate::error::LlvmError;
use crate::ffi;
use crate::level::Level;
use crate::start;

/// The host's triple and data layout.
#[derive(Debug)]
pub(crate) struct Host {
    pub(crate) triple: CString,
    pub(crate) data_layout: CString,
    /// Triple and layout as the shim takes them; never freed.
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
            let baseline = Cpu::default();
            let codegen = start::codegen(Level::O0, baseline.name(), baseline.features())?;
            // SAFETY: the code generator is valid and ours to free, and so are the strings.
            let (triple, layout, target) = unsafe {
                let told = (
                    take_message(ffi::rewire_codegen_triple(codegen)),
                    take_message(ffi::rewire_codegen_data_layout(codegen)),
                    ffi::rewire_target_new(codegen),
                );
                ffi::rewire_codegen_free(codegen);
                told
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

    /// Triple and layout as the shim takes them.
    pub(crate) fn target(&self) -> *const ffi::RewireTarget {
        self.target
    }

    /// Gives a module the host's triple.
    ///
    /// # Safety
    ///
    /// The caller must ensure that the module is valid, and that no other thread uses it.
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
