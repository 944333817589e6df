//! Modules in memory as bitcode.

use std::ffi::c_void;
use std::ptr;
use std::sync::Arc;

use llvm_sys::bit_writer::LLVMWriteBitcodeToMemoryBuffer;
use llvm_sys::core::{LLVMDisposeMemoryBuffer, LLVMGetBufferSize, LLVMGetBufferStart};
use llvm_sys::prelude::LLVMModuleRef;

use crate::diagnostics::take_message;
use crate::ffi;

/// The bitcode of a module that somebody else built, or what the verifier says against it: LLVM's
/// writer takes rules for granted, and reads stray memory where one is broken.
///
/// # Errors
///
/// The module breaks a rule of the language. The text names the function, if it is a function that
/// does.
///
/// # Safety
///
/// The caller must ensure that `module` is an `LLVMModuleRef` of the LLVM that this crate is linked
/// with, and that no other thread uses its context during the call.
pub unsafe fn verified_bitcode(module: *mut c_void) -> Result<Arc<[u8]>, String> {
    let module: LLVMModuleRef = module.cast();
    let mut message = ptr::null_mut();
    // SAFETY: the module is valid, and a message is ours to free.
    let (failed, reason) = unsafe {
        let failed = ffi::rewire_verify_other(module, &raw mut message);
        (failed, take_message(message))
    };
    if failed {
        return Err(reason);
    }
    // SAFETY: as above.
    Ok(unsafe { written(module) })
}

/// Writes a module as bitcode.
///
/// # Safety
///
/// The caller must ensure that the module is valid, and that LLVM's verifier accepts it.
pub(crate) unsafe fn written(module: LLVMModuleRef) -> Arc<[u8]> {
    // SAFETY: as the caller promises; the buffer is ours.
    unsafe {
        let buffer = LLVMWriteBitcodeToMemoryBuffer(module);
        let start = LLVMGetBufferStart(buffer).cast::<u8>();
        let bytes = std::slice::from_raw_parts(start, LLVMGetBufferSize(buffer)).into();
        LLVMDisposeMemoryBuffer(buffer);
        bytes
    }
}
