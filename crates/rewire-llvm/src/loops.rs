//! Checks at the heads of loops, where a function leaves one of its bodies and goes on in another
//! (`shim/continuations.cpp`).

use std::ptr;

use crate::codegen::Codegen;
use crate::error::LlvmError;
use crate::extraction::Extracted;
use crate::ffi;

/// Where the frame of a quick body has the values that are needed at the heads of its loops
/// (`shim/frame_layout.h`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FrameLayout {
    /// The distance of each from the transfer buffer, in bytes.
    places: Box<[i32]>,
}

impl Extracted<'_> {
    /// Counts, in each function, how often the heads of its loops are passed. After `limit` passes
    /// the engine is asked (`__rewire_loop`), which may name a continuation. The code generator
    /// must be the one that the module's code will come from.
    ///
    /// Returns whether all that continuations need stays in the functions' frames
    /// ([`Extracted::find_places`]); otherwise they find it in the transfer buffer.
    pub fn count_loops(&mut self, codegen: &Codegen, limit: u32) -> bool {
        // SAFETY: both are valid, and the module is ours.
        unsafe { ffi::rewire_count_loops(codegen.raw(), self.module_ref(), limit) }
    }

    /// As [`Extracted::count_loops`] for a module with one function, and has the code generator
    /// find out where the frame has what continuations need ([`Codegen::frame_layout`]). The code
    /// will be the same. Returns whether it stays in the frame.
    pub fn find_places(&mut self, codegen: &mut Codegen) -> bool {
        // SAFETY: both are valid, and we hold them alone.
        unsafe { ffi::rewire_find_places(codegen.raw_mut(), self.module_ref()) }
    }

    /// Has loops that may come to hold copies of other functions' bodies watch a word, and ask the
    /// engine when it isn't 0.
    pub fn poll_loops(&mut self) {
        // SAFETY: the module is ours.
        unsafe { ffi::rewire_poll_loops(self.module_ref()) };
    }

    /// Makes the only function its continuation at a head: `extern "C" fn(buffer) -> next`. Its
    /// loops are counted with a limit, else they poll. It follows a quick body with this frame;
    /// without one, a body that has put its values into the transfer buffer.
    ///
    /// # Errors
    ///
    /// There are several functions, there is no such head, or the frame lacks a value.
    pub fn continue_at(
        &mut self,
        head: u32,
        limit: Option<u32>,
        frame: Option<&FrameLayout>,
    ) -> Result<(), LlvmError> {
        let (places, count) = match frame {
            // Not null, even for no places.
            Some(frame) => (frame.places.as_ptr(), frame.places.len()),
            None => (ptr::null(), 0),
        };
        // SAFETY: the module is ours, and so many places are there.
        let made = unsafe {
            let (counts, limit) = (limit.is_some(), limit.unwrap_or(0));
            ffi::rewire_continue_at(self.module_ref(), head, counts, limit, places, count)
        };
        match made {
            true => Ok(()),
            false => Err(LlvmError::Body {
                module: self.source_name().clone(),
                reason: format!("no body can go on at its loop {head}"),
            }),
        }
    }
}

impl Codegen {
    /// What the last generated code that was asked for it has found ([`Extracted::find_places`]).
    #[must_use]
    pub fn frame_layout(&self) -> FrameLayout {
        let mut count = 0;
        // SAFETY: the code generator is valid, and its list stands until its next use.
        let places = unsafe {
            let first = ffi::rewire_places(self.raw(), &raw mut count);
            match count {
                0 => &[],
                _ => std::slice::from_raw_parts(first, count),
            }
        };
        FrameLayout {
            places: places.into(),
        }
    }
}
