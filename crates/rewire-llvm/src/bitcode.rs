//! Modules in memory as bitcode.

use std::ffi::c_void;
use std::ptr;
use std::sync::Arc;

use llvm_sys::analysis::LLVMVerifierFailureAction::LLVMReturnStatusAction;
use llvm_sys::analysis::{LLVMVerifyFunction, LLVMVerifyModule};
use llvm_sys::bit_writer::LLVMWriteBitcodeToMemoryBuffer;
use llvm_sys::core::{
    LLVMDisposeMemoryBuffer, LLVMGetBufferSize, LLVMGetBufferStart, LLVMGetFirstFunction,
    LLVMGetNextFunction, LLVMGetValueName2, LLVMIsDeclaration,
};
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
/// `module` is an `LLVMModuleRef` of the LLVM that this crate is linked with, and no other thread
/// uses its context meanwhile.
pub unsafe fn verified_bitcode(module: *mut c_void) -> Result<Arc<[u8]>, String> {
    let module: LLVMModuleRef = module.cast();
    let mut message = ptr::null_mut();
    // SAFETY: the module is valid, and a message is ours to free.
    let (failed, reason) = unsafe {
        let failed = LLVMVerifyModule(module, LLVMReturnStatusAction, &raw mut message);
        (
            ffi::is_true(failed),
            take_message(message).trim_end().to_owned(),
        )
    };
    if failed {
        // SAFETY: as above.
        let culprit = unsafe { first_invalid_function(module) };
        return Err(match culprit {
            Some(name) => format!("in {name}: {reason}"),
            None => reason,
        });
    }
    // SAFETY: as above.
    Ok(unsafe { written(module) })
}

/// # Safety
///
/// The module is valid, and keeps the rules of the language.
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

/// # Safety
///
/// The module is valid, if it breaks rules of the language.
unsafe fn first_invalid_function(module: LLVMModuleRef) -> Option<String> {
    // SAFETY: the functions are the module's.
    unsafe {
        let first = Some(LLVMGetFirstFunction(module)).filter(|one| !one.is_null());
        let mut functions = std::iter::successors(first, |one| {
            Some(LLVMGetNextFunction(*one)).filter(|next| !next.is_null())
        });
        let invalid = functions.find(|one| {
            !ffi::is_true(LLVMIsDeclaration(*one))
                && ffi::is_true(LLVMVerifyFunction(*one, LLVMReturnStatusAction))
        })?;
        let mut size = 0;
        let name = LLVMGetValueName2(invalid, &raw mut size).cast::<u8>();
        let name = std::slice::from_raw_parts(name, size);
        Some(String::from_utf8_lossy(name).into_owned())
    }
}
