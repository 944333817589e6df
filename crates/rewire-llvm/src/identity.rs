//! What the code of an extracted module is made from.

use std::slice;

use libc::{c_char, c_void};

use crate::extraction::Extracted;
use crate::ffi;
use crate::ordinal::Ordinal;

/// The version of LLVM that this crate was built with.
pub const LLVM_VERSION: &str = env!("REWIRE_LLVM_VERSION");

/// Identifies what this crate does between IR and object: a hash of the shim's sources.
pub const CODEGEN_VERSION: &str = env!("REWIRE_LLVM_SOURCES");

/// What a part of an extracted module is to its code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum IdentityPart {
    /// The bodies that are compiled.
    Body,
    /// A body that is there to be inlined.
    ImportedBody,
    /// A variable with its value, which comes along or may be folded.
    Variable,
}

impl Extracted<'_> {
    /// Tells what the module's code is made from, part by part, each with a name for people and
    /// bytes. Two modules with the same parts compile to the same object, but for the numbers of
    /// locals in the names of its symbols: the result lists the ordinals of these locals, in an
    /// order that is the same for both. Names of locals and of values within bodies are not part
    /// of the bytes, nor is what else the unit defines.
    ///
    /// Returns `None`, after any number of calls, if the module contains something of which it
    /// isn't known how code depends on it.
    #[must_use]
    pub fn identity(
        &self,
        tell: &mut dyn FnMut(IdentityPart, &str, &[u8]),
    ) -> Option<Vec<Ordinal>> {
        let mut visitor = Visitor {
            tell,
            locals: Vec::new(),
        };
        // SAFETY: the module is valid, and the visitor outlives the call.
        let is_known = unsafe {
            ffi::rewire_identity(
                self.module_ref(),
                tell_part,
                tell_local,
                (&raw mut visitor).cast(),
            )
        };
        is_known.then_some(visitor.locals)
    }
}

struct Visitor<'t> {
    tell: &'t mut dyn FnMut(IdentityPart, &str, &[u8]),
    locals: Vec<Ordinal>,
}

extern "C" fn tell_part(
    data: *mut c_void,
    kind: u8,
    name: *const c_char,
    name_length: usize,
    bytes: *const u8,
    length: usize,
) {
    let part = match kind {
        0 => IdentityPart::Body,
        1 => IdentityPart::ImportedBody,
        _ => IdentityPart::Variable,
    };
    let slice = |start: *const u8, length| match length {
        0 => &[][..],
        // SAFETY: the shim passes `length` bytes that stay until this returns.
        _ => unsafe { slice::from_raw_parts(start, length) },
    };
    let name = String::from_utf8_lossy(slice(name.cast(), name_length));
    // SAFETY: it is the visitor of `identity`, which nobody else uses meanwhile.
    let visitor = unsafe { &mut *data.cast::<Visitor<'_>>() };
    (visitor.tell)(part, &name, slice(bytes, length));
}

extern "C" fn tell_local(data: *mut c_void, ordinal: u32) {
    // SAFETY: it is the visitor of `identity`, which nobody else uses meanwhile.
    let visitor = unsafe { &mut *data.cast::<Visitor<'_>>() };
    visitor.locals.push(Ordinal::new(ordinal));
}

#[cfg(test)]
mod tests;
