//! What clients see and make of a function's IR before it is optimised.

use std::ffi::c_void;
use std::ptr;

use llvm_sys::core::{LLVMDisposeModule, LLVMPrintModuleToString};

use crate::bitcode;
use crate::diagnostics::take_message;
use crate::extraction::Extracted;
use crate::ffi;

impl Extracted<'_> {
    /// The module as bitcode.
    #[must_use]
    pub fn to_bitcode(&self) -> std::sync::Arc<[u8]> {
        // SAFETY: the module is valid, and the verifier has accepted what it was extracted from.
        unsafe { bitcode::written(self.module_ref()) }
    }

    /// The module as text, with the names that its globals have for the linker.
    #[must_use]
    pub fn to_text(&self) -> String {
        // SAFETY: the module is valid, and the text is ours to free.
        unsafe { take_message(LLVMPrintModuleToString(self.module_ref())) }
    }

    /// The `LLVMModuleRef`, for a client's own use of LLVM. Whoever changes the module has to leave
    /// what it defines there, and to have it verified ([`Extracted::verify`]).
    #[must_use]
    pub fn as_raw(&mut self) -> *mut c_void {
        self.module_ref().cast()
    }

    /// Puts IR, text or bitcode, in the place of the module.
    ///
    /// # Errors
    ///
    /// The IR isn't well-formed, or doesn't define what the module does: what LLVM says.
    pub fn replace_by(&mut self, ir: &[u8]) -> Result<(), String> {
        let (mut module, mut message) = (ptr::null_mut(), ptr::null_mut());
        // SAFETY: the module is valid, and the bytes are a slice; a message is ours to free.
        let (failed, reason) = unsafe {
            let (start, length) = (ir.as_ptr().cast(), ir.len());
            let failed = ffi::rewire_transformed(
                self.module_ref(),
                start,
                length,
                &raw mut module,
                &raw mut message,
            );
            (failed, take_message(message))
        };
        let said = self.take_diagnostics();
        if failed {
            return Err(match reason.is_empty() {
                true => said.unwrap_or_default(),
                false => reason,
            });
        }
        let former = self.put_module(module);
        // SAFETY: nobody else knows the former module.
        unsafe { LLVMDisposeModule(former) };
        Ok(())
    }

    /// Has LLVM's verifier look at the module.
    ///
    /// # Errors
    ///
    /// What it says.
    pub fn verify(&self) -> Result<(), String> {
        let mut message = ptr::null_mut();
        // SAFETY: the module is valid, and a message is ours to free.
        unsafe {
            let failed = ffi::rewire_verify_other(self.module_ref(), &raw mut message);
            let reason = take_message(message);
            if failed { Err(reason) } else { Ok(()) }
        }
    }
}
