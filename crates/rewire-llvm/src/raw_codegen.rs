//! Making the shim's code generators.

use std::ptr;

use crate::diagnostics::take_message;
use crate::error::LlvmError;
use crate::ffi;
use crate::level::Level;

/// A code generator for the host, to be freed with `rewire_codegen_free`.
pub(crate) fn new(level: Level) -> Result<*mut ffi::RewireCodegen, LlvmError> {
    let mut message = ptr::null_mut();
    // SAFETY: the shim stores a message of ours to free when it returns null.
    let (raw, reason) = unsafe {
        let raw = ffi::rewire_codegen_new(level as u32, &raw mut message);
        (raw, take_message(message))
    };
    if raw.is_null() {
        return Err(LlvmError::NoTarget { reason });
    }
    Ok(raw)
}
