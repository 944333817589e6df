//! What LLVM says while it works: diagnostics of a context, and errors it does not survive.

use std::cell::RefCell;
use std::ffi::{CStr, c_char, c_void};

use llvm_sys::LLVMDiagnosticSeverity;
use llvm_sys::core::{
    LLVMContextSetDiagnosticHandler, LLVMDisposeMessage, LLVMGetDiagInfoDescription,
    LLVMGetDiagInfoSeverity,
};
use llvm_sys::error_handling::LLVMInstallFatalErrorHandler;
use llvm_sys::prelude::{LLVMContextRef, LLVMDiagnosticInfoRef};
use rewire_sync::OnceLock;

use crate::ffi;

/// Takes ownership of a message that LLVM or the shim made.
///
/// # Safety
///
/// `message` is null or comes from `LLVMCreateMessage` and is not used afterwards.
pub(crate) unsafe fn take_message(message: *mut c_char) -> String {
    if message.is_null() {
        return String::new();
    }
    // SAFETY: as the caller promises, it is a C string of ours to free.
    unsafe {
        let text = CStr::from_ptr(message).to_string_lossy().trim().to_owned();
        LLVMDisposeMessage(message);
        text
    }
}

/// Collects the errors that LLVM reports to a context; warnings and remarks are dropped.
///
/// It has to outlive the context, and its address must not change: hence the box.
#[derive(Debug)]
pub(crate) struct Diagnostics {
    errors: Box<RefCell<Vec<String>>>,
}

impl Diagnostics {
    /// Makes the context report here.
    pub(crate) fn install(context: LLVMContextRef) -> Self {
        let errors = Box::new(RefCell::new(Vec::new()));
        let data: *const RefCell<Vec<String>> = &raw const *errors;
        // SAFETY: the context is valid, and the box outlives it: `Module` drops it last.
        unsafe {
            LLVMContextSetDiagnosticHandler(context, Some(collect), data as *mut c_void);
        }
        Self { errors }
    }

    /// The errors since the last call, a line each; `None` when there were none.
    pub(crate) fn take(&self) -> Option<String> {
        let errors = std::mem::take(&mut *self.errors.borrow_mut());
        (!errors.is_empty()).then(|| errors.join("\n"))
    }
}

extern "C" fn collect(info: LLVMDiagnosticInfoRef, data: *mut c_void) {
    // SAFETY: LLVM passes a valid diagnostic, and `data` is what `install` gave it.
    unsafe {
        if LLVMGetDiagInfoSeverity(info) != LLVMDiagnosticSeverity::LLVMDSError {
            return;
        }
        let text = take_message(LLVMGetDiagInfoDescription(info));
        let errors = &*data.cast::<RefCell<Vec<String>>>();
        errors.borrow_mut().push(text);
    }
}

static FATAL: OnceLock<fn(&str)> = OnceLock::new();

/// Has `hook` called when LLVM meets an error that it doesn't survive; LLVM ends the process
/// when the hook returns. The first hook stays. Affects the whole process.
pub fn set_fatal_error_hook(hook: fn(&str)) {
    if FATAL.set(hook).is_ok() {
        // SAFETY: the handler is a function that lives as long as the process.
        unsafe {
            LLVMInstallFatalErrorHandler(Some(fatal));
            ffi::rewire_on_out_of_memory(fatal);
        }
    }
}

extern "C" fn fatal(reason: *const c_char) {
    // SAFETY: LLVM passes a C string.
    let reason = unsafe { CStr::from_ptr(reason) };
    if let Some(hook) = FATAL.get() {
        hook(&reason.to_string_lossy());
    }
}
