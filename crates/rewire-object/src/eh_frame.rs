//! Just enough of `.eh_frame` to tell what a relocation that points to discarded code is part of.

/// A frame description entry that a relocation lies in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Fde {
    start: usize,
    end: usize,
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

    /// Whether the field at `offset`, whose target is discarded, may become 0. The offsets of
    /// successive calls must not decrease.
    pub(crate) fn may_be_dead(&mut self, offset: u64) -> bool {
        let Ok(offset) = usize::try_from(offset) else {
            return false;
        };
        while self.next <= offset {
            if !self.advance() {
                return false;
            }
        }
        let Some(fde) = self.current.filter(|fde| fde.start <= offset) else {
            return false;
        };
        // Behind the length (4 bytes) and the pointer to the CIE (4 bytes).
        if offset == fde.start + 8 {
            self.dead = Some(fde);
        }
        self.dead == Some(fde)
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
