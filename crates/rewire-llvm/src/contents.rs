//! What the definitions of a module are made of and whom they name: for people who want to see
//! it. Linking reads the objects instead.

use std::ffi::{c_char, c_void};
use std::sync::Arc;

use crate::ffi;
use crate::module::Module;
use crate::ordinal::Ordinal;

/// A function's body, or a variable's value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contents {
    /// Basic blocks; 0 for variables.
    pub blocks: usize,
    /// Instructions, without debug records; 0 for variables.
    pub instructions: usize,
    /// Calls of what a pointer leads to.
    pub indirect_calls: usize,
    /// The globals that are named, each once, in the order in which they first occur.
    pub uses: Vec<GlobalUse>,
}

/// How one definition names one global.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GlobalUse {
    /// The global.
    pub target: Ordinal,
    /// How many places call it.
    pub calls: usize,
    /// Whether some place names it in another way: takes its address, reads or writes it.
    pub refers: bool,
}

impl Module {
    /// What a definition is made of. All bodies have to be read before
    /// ([`Module::verify_all`]), and the function's own not taken out ([`Module::is_taken`]);
    /// what isn't there looks empty.
    #[must_use]
    pub fn contents(&self, ordinal: Ordinal) -> Contents {
        assert!(ordinal.index() < self.len());
        let mut size = ffi::RewireSize::default();
        let mut uses: Vec<GlobalUse> = Vec::new();
        // SAFETY: the ordinal is in range; the callback writes through the pointer that goes with
        // it.
        unsafe {
            let data: *mut Vec<GlobalUse> = &raw mut uses;
            ffi::rewire_contents(
                self.index_ref(),
                ordinal.index(),
                &raw mut size,
                push_use,
                data.cast(),
            );
        }
        Contents {
            blocks: size.blocks,
            instructions: size.instructions,
            indirect_calls: size.indirect_calls,
            uses,
        }
    }

    /// The names that module-level assembly defines. Names that aren't UTF-8 are left out.
    #[must_use]
    pub fn assembly_names(&self) -> Vec<Arc<str>> {
        let mut names: Vec<Arc<str>> = Vec::new();
        if self.has_assembly() {
            // SAFETY: the index is valid; the callback writes through the pointer that goes with
            // it.
            unsafe {
                let data: *mut Vec<Arc<str>> = &raw mut names;
                ffi::rewire_assembly_names(self.index_ref(), push_name, data.cast());
            }
        }
        names
    }
}

impl Module {
    /// The assembly within functions, a piece for each place. All bodies have to be read before
    /// ([`Module::verify_all`]). What isn't UTF-8 is left out.
    #[must_use]
    pub fn inline_assembly(&self) -> Vec<(Ordinal, String)> {
        let mut pieces: Vec<(Ordinal, String)> = Vec::new();
        // SAFETY: the index is valid; the callback writes through the pointer that goes with it.
        unsafe {
            let data: *mut Vec<(Ordinal, String)> = &raw mut pieces;
            ffi::rewire_inline_assembly(self.index_ref(), push_assembly, data.cast());
        }
        pieces
    }
}

extern "C" fn push_assembly(
    data: *mut c_void,
    function: usize,
    text: *const c_char,
    length: usize,
) {
    // SAFETY: `inline_assembly` passes a vector that outlives the call, and the shim a text of
    // this length.
    let (pieces, bytes) = unsafe {
        let pieces = &mut *data.cast::<Vec<(Ordinal, String)>>();
        (
            pieces,
            std::slice::from_raw_parts(text.cast::<u8>(), length),
        )
    };
    if let Ok(text) = std::str::from_utf8(bytes) {
        pieces.push((Ordinal::new(function as u32), text.to_owned()));
    }
}

extern "C" fn push_use(data: *mut c_void, used: usize, calls: usize, refers: bool) {
    // SAFETY: `contents` passes a vector that outlives the call.
    let uses = unsafe { &mut *data.cast::<Vec<GlobalUse>>() };
    uses.push(GlobalUse {
        target: Ordinal::new(used as u32),
        calls,
        refers,
    });
}

extern "C" fn push_name(data: *mut c_void, name: *const c_char, length: usize) {
    // SAFETY: `assembly_names` passes a vector that outlives the call, and the shim a name of
    // this length.
    let (names, bytes) = unsafe {
        let names = &mut *data.cast::<Vec<Arc<str>>>();
        (names, std::slice::from_raw_parts(name.cast::<u8>(), length))
    };
    if let Ok(name) = std::str::from_utf8(bytes) {
        names.push(name.into());
    }
}
