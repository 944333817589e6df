//! LLVM's start: its static objects, and the ways into it.
//!
//! LLVM has hundreds of static objects, most of them options. To construct them takes half of the
//! time in which a program starts that needs no LLVM. So a program may have its linker gather
//! their constructors in a range of their own (rewire-cli/llvm_constructors.ld); in others they
//! run before `main`, as usual.
//!
//! Each function of LLVM's and the shim's that takes no object of LLVM's is called here and nowhere
//! else, after the constructors have run. All others take an object that one of these returned.

#![expect(
    clippy::disallowed_methods,
    reason = "these calls belong here, see clippy.toml"
)]

use std::ffi::{CStr, c_char};
use std::ptr;
use std::sync::Once;
use std::sync::atomic::{AtomicU8, Ordering};

use llvm_sys::core::{LLVMContextCreate, LLVMGetVersion};
use llvm_sys::error_handling::LLVMInstallFatalErrorHandler;
use llvm_sys::prelude::LLVMContextRef;

use crate::diagnostics::{self, take_message};
use crate::error::LlvmError;
use crate::ffi::RewireCodegen;
use crate::level::Level;

/// The shim's functions that take no object of LLVM's.
mod entrances {
    use super::{RewireCodegen, c_char};
    use libc::c_uint;

    unsafe extern "C" {
        pub(super) fn rewire_construct();
        pub(super) fn rewire_on_out_of_memory(handler: extern "C" fn(*const c_char));
        pub(super) fn rewire_host_cpu() -> *mut c_char;
        pub(super) fn rewire_host_features() -> *mut c_char;
        pub(super) fn rewire_codegen_new(
            level: c_uint,
            cpu: *const c_char,
            features: *const c_char,
            error: *mut *mut c_char,
        ) -> *mut RewireCodegen;
    }
}

/// What has happened, of the two things after which LLVM gets a handler for lack of memory.
static STATE: AtomicU8 = AtomicU8::new(0);
const STARTED: u8 = 1;
const HAS_HOOK: u8 = 2;

/// Returns once LLVM can be used. It runs on whichever thread needs LLVM first.
fn start() {
    static START: Once = Once::new();
    START.call_once(|| {
        // SAFETY: it is called once, and before anything of LLVM's. The constructors touch what
        // belongs to LLVM alone.
        unsafe { entrances::rewire_construct() };
        type Handler = extern "C" fn(*const c_char);
        let handler = diagnostics::fatal as extern "C-unwind" fn(*const c_char);
        // SAFETY: the handler lives as long as the process. It unwinds only where
        // `diagnostics::contained` has been entered; LLVM's frames have descriptions and nothing
        // to clean up.
        unsafe {
            let handler =
                std::mem::transmute::<extern "C-unwind" fn(*const c_char), Handler>(handler);
            LLVMInstallFatalErrorHandler(Some(handler));
        }
        reached(STARTED);
    });
}

/// Has `hook` called when LLVM has no memory left, or meets an error that it doesn't survive
/// outside of code generation; LLVM ends the process when the hook returns. The first hook stays.
/// Affects the whole process, and doesn't start LLVM.
pub fn set_fatal_error_hook(hook: fn(&str)) {
    if diagnostics::keep_hook(hook) {
        reached(HAS_HOOK);
    }
}

/// The second of the two to be reached installs the handler.
fn reached(one: u8) {
    let before = STATE.fetch_or(one, Ordering::SeqCst);
    if before | one == STARTED | HAS_HOOK && before != STARTED | HAS_HOOK {
        // SAFETY: the handler is a function that lives as long as the process.
        unsafe { entrances::rewire_on_out_of_memory(diagnostics::out_of_memory) };
    }
}

/// Makes a context, which belongs to the caller.
pub(crate) fn context() -> LLVMContextRef {
    start();
    // SAFETY: LLVM has started.
    unsafe { LLVMContextCreate() }
}

/// This machine's processor and its features, as LLVM calls them.
pub(crate) fn host() -> (String, String) {
    start();
    // SAFETY: LLVM has started; the texts are ours to free.
    unsafe {
        (
            take_message(entrances::rewire_host_cpu()),
            take_message(entrances::rewire_host_features()),
        )
    }
}

/// Makes a code generator for the host, to be freed with `rewire_codegen_free`.
pub(crate) fn codegen(
    level: Level,
    cpu: &CStr,
    features: &CStr,
) -> Result<*mut RewireCodegen, LlvmError> {
    start();
    let mut message = ptr::null_mut();
    // SAFETY: LLVM has started; the shim stores a message of ours to free when it returns null.
    let (raw, reason) = unsafe {
        let (cpu, features) = (cpu.as_ptr(), features.as_ptr());
        let raw = entrances::rewire_codegen_new(level as u32, cpu, features, &raw mut message);
        (raw, take_message(message))
    };
    if raw.is_null() {
        return Err(LlvmError::NoTarget { reason });
    }
    Ok(raw)
}

/// LLVM's major version.
pub(crate) fn version() -> u32 {
    start();
    let (mut major, mut minor, mut patch) = (0, 0, 0);
    // SAFETY: it stores three numbers.
    unsafe { LLVMGetVersion(&raw mut major, &raw mut minor, &raw mut patch) };
    major
}
