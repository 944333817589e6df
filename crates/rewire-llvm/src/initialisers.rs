//! Which variables constructors initialise.

use std::ffi::c_void;

use crate::ffi;
use crate::module::Module;
use crate::ordinal::Ordinal;

/// A function that does part of a constructor's work, or all of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Initialiser {
    /// The function.
    pub function: Ordinal,
    /// The variables that it initialises: none if it is run for something else that it does.
    pub variables: Vec<Ordinal>,
}

impl Module {
    /// The parts of a constructor, in the order in which they run. clang makes a function for each
    /// variable; where the optimiser has merged them, the constructor is one part. What it writes,
    /// or passes to a function as its first argument, before it reads it, counts as initialised.
    ///
    /// All bodies must have been read ([`Module::verify_all`]); what isn't there looks empty.
    #[must_use]
    pub fn initialisers(&self, constructor: Ordinal) -> Vec<Initialiser> {
        assert!(constructor.index() < self.len());
        let mut parts: Vec<Initialiser> = Vec::new();
        // SAFETY: the ordinal is in range; the callbacks write through the pointer that goes with
        // them.
        unsafe {
            let data: *mut Vec<Initialiser> = &raw mut parts;
            ffi::rewire_initialisers(
                self.index_ref(),
                constructor.index(),
                push_part,
                push_variable,
                data.cast(),
            );
        }
        parts
    }

    /// The variables of threads that are initialised together, with the flag that says whether they
    /// are.
    #[must_use]
    pub fn thread_initialiser(&self) -> Vec<Ordinal> {
        let mut variables: Vec<Ordinal> = Vec::new();
        // SAFETY: the callback writes through the pointer that goes with it.
        unsafe {
            let data: *mut Vec<Ordinal> = &raw mut variables;
            ffi::rewire_thread_initialiser(self.index_ref(), push, data.cast());
        }
        variables
    }
}

extern "C" fn push(data: *mut c_void, ordinal: usize) {
    // SAFETY: `thread_initialiser` passes a vector that outlives the call.
    let list = unsafe { &mut *data.cast::<Vec<Ordinal>>() };
    list.push(Ordinal::new(ordinal as u32));
}

extern "C" fn push_part(data: *mut c_void, ordinal: usize) {
    // SAFETY: `initialisers` passes a vector that outlives the call.
    let list = unsafe { &mut *data.cast::<Vec<Initialiser>>() };
    list.push(Initialiser {
        function: Ordinal::new(ordinal as u32),
        variables: Vec::new(),
    });
}

extern "C" fn push_variable(data: *mut c_void, ordinal: usize) {
    // SAFETY: as above.
    let list = unsafe { &mut *data.cast::<Vec<Initialiser>>() };
    if let Some(last) = list.last_mut() {
        last.variables.push(Ordinal::new(ordinal as u32));
    }
}
