//! C++ exceptions in flight.

use super::memory::Memory;

pub(super) struct Exceptions;

impl Exceptions {
    pub(super) fn find() -> Option<Self> {
        None
    }

    pub(super) fn in_flight(&self, _thread_pointer: u64, _memory: &mut Memory) -> bool {
        false
    }
}
