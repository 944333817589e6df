//! Just enough of `.eh_frame` to tell which functions it describes, and what a relocation that
//! points to discarded code is part of.

use crate::addr::ExecAddr;

/// The description of a function's frame, linked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The function's first byte.
    pub start: ExecAddr,
    /// Its bytes.
    pub size: u64,
    /// Where the frame description entry lies in `.eh_frame`.
    pub description: ExecAddr,
}

/// A frame description entry that a relocation lies in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Fde {
    start: usize,
    end: usize,
}

impl Fde {
    /// Behind the length (4 bytes) and the pointer to the CIE (4 bytes).
    const INITIAL_LOCATION: usize = 8;

    fn initial_location(self) -> u64 {
        (self.start + Self::INITIAL_LOCATION) as u64
    }
}

/// Walks the records of a `.eh_frame` section (LSB core, section 10.6.1) along with its
/// relocations, which come in the order of their offsets.
///
/// When a function is discarded, its frame description stays in the section, and its initial
/// location becomes a raw 0. Unwinders take that for "removed" and skip the entry. Only a
/// description whose initial location points to discarded code may point to discarded code
/// elsewhere, too: in a common information entry (a personality), or in the description of a
/// function that is kept, a 0 would be silently wrong.
pub(crate) struct FrameWalk<'data> {
    bytes: &'data [u8],
    next: usize,
    current: Option<Fde>,
    dead: Option<Fde>,
}

impl<'data> FrameWalk<'data> {
    pub(crate) fn new(bytes: &'data [u8]) -> Self {
        Self {
            bytes,
            next: 0,
            current: None,
            dead: None,
        }
    }

    /// The offset of the description whose initial location is the field at `offset`, of `width`
    /// bytes, and how many bytes of code it describes: a field of the same width behind that one.
    /// The offsets of successive calls must not decrease.
    pub(crate) fn describes(&mut self, offset: u64, width: usize) -> Option<(u64, u64)> {
        let fde = self
            .at(offset)
            .filter(|fde| offset == fde.initial_location())?;
        let size = fde.start + Fde::INITIAL_LOCATION + width;
        let bytes = self.bytes.get(size..fde.end)?.get(..width)?;
        let mut word = [0; 8];
        word.get_mut(..width)?.copy_from_slice(bytes);
        Some((fde.start as u64, u64::from_le_bytes(word)))
    }

    /// Whether the field at `offset`, whose target is discarded, may become 0. The offsets of
    /// successive calls must not decrease.
    pub(crate) fn may_be_dead(&mut self, offset: u64) -> bool {
        let Some(fde) = self.at(offset) else {
            return false;
        };
        if offset == fde.initial_location() {
            self.dead = Some(fde);
        }
        self.dead == Some(fde)
    }

    /// The description that a field lies in.
    fn at(&mut self, offset: u64) -> Option<Fde> {
        let offset = usize::try_from(offset).ok()?;
        while self.next <= offset {
            if !self.advance() {
                return None;
            }
        }
        self.current.filter(|fde| fde.start <= offset)
    }

    /// Steps to the next record; fails at the end, and at what isn't a record.
    fn advance(&mut self) -> bool {
        let start = self.next;
        let word = |at: usize| -> Option<u32> {
            let bytes = self.bytes.get(at..at.checked_add(4)?)?;
            bytes.try_into().ok().map(u32::from_le_bytes)
        };
        let Some(length) = word(start) else {
            return false;
        };
        // The 64-bit format is for sections beyond 4 GiB; nobody emits it.
        if length == u32::MAX {
            return false;
        }
        let Some(end) = (start + 4).checked_add(length as usize) else {
            return false;
        };
        self.next = end;
        // 0 in the second word makes a common information entry; a length of 0 is a terminator.
        let is_fde = length > 4 && word(start + 4).is_some_and(|pointer| pointer != 0);
        self.current = is_fde.then_some(Fde { start, end });
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(pointer: u32, payload: usize) -> Vec<u8> {
        let mut bytes = (payload as u32 + 4).to_le_bytes().to_vec();
        bytes.extend(pointer.to_le_bytes());
        bytes.resize(bytes.len() + payload, 0);
        bytes
    }

    #[test]
    fn only_descriptions_of_dead_functions_are_tombstones() {
        // A CIE at 0, descriptions at 24 and 48, a terminator at 72.
        let bytes = [record(0, 16), record(28, 16), record(52, 16), vec![0; 4]].concat();
        let mut walk = FrameWalk::new(&bytes);
        assert!(!walk.may_be_dead(9), "a personality");
        assert!(walk.may_be_dead(24 + 8), "an initial location");
        assert!(walk.may_be_dead(24 + 17), "its language-specific data");
        assert!(!walk.may_be_dead(48 + 17), "that of a living function");
        assert!(!walk.may_be_dead(72));
        assert!(!walk.may_be_dead(4000));
    }
}
