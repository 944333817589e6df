//! Descriptions of frames, taken apart and put together again without the routine that looks for
//! handlers.

use super::encoded::{Reader, pointer};

/// A frame's description: its own part, and the one that it shares with others.
#[derive(Debug)]
pub(super) struct Description {
    is_signal_frame: bool,
    code_alignment: u64,
    data_alignment: i64,
    return_register: u8,
    /// The routine that decides what happens to exceptions; 0 for none.
    pub(super) personality: u64,
    shared: Vec<u8>,
    own: Vec<u8>,
    /// The function's first byte.
    pub(super) start: u64,
    size: u64,
}

/// As many bytes as a record has from `at` on.
fn length(reader: &mut Reader) -> Option<usize> {
    // Records of 4 GB and more have another format.
    let length = reader.word();
    (length != u32::MAX).then_some(length as usize)
}

fn copied(from: *const u8, to: *const u8) -> Option<Vec<u8>> {
    let size = (to as usize).checked_sub(from as usize)?;
    // SAFETY: both lie in one record.
    Some(unsafe { std::slice::from_raw_parts(from, size) }.to_vec())
}

impl Description {
    /// Reads a description; `None` if it is of an unknown kind.
    ///
    /// # Safety
    ///
    /// The caller must ensure that `at` points to a frame description entry of code that is loaded.
    pub(super) unsafe fn read(at: *const u8) -> Option<Self> {
        // SAFETY: as the caller promises; what it refers to is well-formed as well.
        let mut own = unsafe { Reader::new(at) };
        let size = length(&mut own)?;
        let end = own.position().wrapping_add(size);
        let here = own.position();
        let distance = own.word();
        // SAFETY: as above.
        let mut shared = unsafe { Reader::new(here.wrapping_sub(distance as usize)) };
        let size = length(&mut shared)?;
        let shared_end = shared.position().wrapping_add(size);
        let (_id, version) = (shared.word(), shared.byte());
        let mut letters = Vec::new();
        loop {
            match shared.byte() {
                0 => break,
                letter => letters.push(letter),
            }
        }
        let code_alignment = shared.unsigned();
        let data_alignment = shared.signed();
        let return_register = match version {
            1 => shared.byte(),
            3 => shared.unsigned() as u8,
            _ => return None,
        };
        let (mut encoding, mut personality) = (pointer::ABSOLUTE, 0);
        let mut is_signal_frame = false;
        if let Some((b'z', letters)) = letters.split_first() {
            let size = shared.unsigned();
            let instructions = shared.position().wrapping_add(size as usize);
            for letter in letters {
                match letter {
                    b'R' => encoding = shared.byte(),
                    b'L' => shared.skip(1),
                    b'P' => {
                        let encoding = shared.byte();
                        personality = shared.pointer(encoding)?;
                    }
                    b'S' => is_signal_frame = true,
                    _ => return None,
                }
            }
            // SAFETY: as above.
            shared = unsafe { Reader::new(instructions) };
        } else if !letters.is_empty() {
            return None;
        }
        let start = own.pointer(encoding)?;
        let size = own.field(encoding)? as u64;
        if !letters.is_empty() {
            let augmentation = own.unsigned();
            own.skip(augmentation as usize);
        }
        Some(Self {
            is_signal_frame,
            code_alignment,
            data_alignment,
            return_register,
            personality,
            shared: copied(shared.position(), shared_end)?,
            own: copied(own.position(), end)?,
            start,
            size,
        })
    }

    /// The same frame as one that exceptions pass: its bytes, and where among them the frame
    /// description entry begins.
    pub(super) fn without_handlers(&self) -> (Box<[u8]>, usize) {
        let mut shared = vec![0, 0, 0, 0, 1];
        let letters: &[u8] = if self.is_signal_frame {
            b"zRS\0"
        } else {
            b"zR\0"
        };
        shared.extend(letters);
        unsigned(&mut shared, self.code_alignment);
        signed(&mut shared, self.data_alignment);
        shared.extend([self.return_register, 1, pointer::ABSOLUTE]);
        shared.extend(&self.shared);
        let mut bytes = Vec::new();
        record(&mut bytes, &shared);
        let place = bytes.len();
        let mut own = (place as u32 + 4).to_le_bytes().to_vec();
        own.extend(self.start.to_le_bytes());
        own.extend(self.size.to_le_bytes());
        own.push(0);
        own.extend(&self.own);
        record(&mut bytes, &own);
        // The end of all records.
        bytes.extend([0; 4]);
        (bytes.into(), place)
    }
}

/// Writes a record with its length, filled up with `DW_CFA_nop`.
fn record(bytes: &mut Vec<u8>, content: &[u8]) {
    let size = content.len().next_multiple_of(8);
    bytes.extend((size as u32).to_le_bytes());
    bytes.extend(content);
    bytes.resize(bytes.len() + size - content.len(), 0);
}

fn unsigned(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

fn signed(bytes: &mut Vec<u8>, mut value: i64) {
    while !(-0x40..0x40).contains(&value) {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8 & 0x7f);
}
