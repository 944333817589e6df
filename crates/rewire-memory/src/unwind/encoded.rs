//! Reading frame descriptions and exception tables where they lie in memory: `.eh_frame` (LSB core,
//! section 10.6) and the language-specific data that C++ and Rust share (Itanium C++ ABI,
//! "Exception Handling Tables").

/// Reads one value after the other.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader {
    at: *const u8,
}

/// How a pointer is written (LSB core, section 10.5.1).
pub(super) mod pointer {
    pub(in crate::unwind) const ABSOLUTE: u8 = 0x00;
    pub(in crate::unwind) const OMITTED: u8 = 0xff;
    pub(super) const INDIRECT: u8 = 0x80;
    pub(super) const PC_RELATIVE: u8 = 0x10;
    pub(super) const FORMAT: u8 = 0x0f;
    pub(super) const APPLICATION: u8 = 0x70;
}

impl Reader {
    /// # Safety
    ///
    /// The caller must ensure that what is read is well-formed, and that it stays in memory as long
    /// as the reader is used.
    pub(super) unsafe fn new(at: *const u8) -> Self {
        Self { at }
    }

    pub(super) fn position(self) -> *const u8 {
        self.at
    }

    pub(super) fn skip(&mut self, bytes: usize) {
        self.at = self.at.wrapping_add(bytes);
    }

    fn bytes<const N: usize>(&mut self) -> [u8; N] {
        // SAFETY: as `new` was promised.
        let bytes = unsafe { self.at.cast::<[u8; N]>().read_unaligned() };
        self.skip(N);
        bytes
    }

    pub(super) fn byte(&mut self) -> u8 {
        let [byte] = self.bytes();
        byte
    }

    pub(super) fn word(&mut self) -> u32 {
        u32::from_le_bytes(self.bytes())
    }

    pub(super) fn unsigned(&mut self) -> u64 {
        self.leb().0
    }

    pub(super) fn signed(&mut self) -> i64 {
        let (value, bits) = self.leb();
        match bits {
            64.. => value as i64,
            _ => (value << (64 - bits)) as i64 >> (64 - bits),
        }
    }

    /// A number in LEB128, and how many bits were written.
    fn leb(&mut self) -> (u64, u32) {
        let (mut value, mut bits) = (0, 0);
        loop {
            let byte = self.byte();
            if bits < 64 {
                value |= u64::from(byte & 0x7f) << bits;
            }
            bits += 7;
            if byte & 0x80 == 0 {
                return (value, bits);
            }
        }
    }

    /// The field of a pointer, before anything is applied to it; `None` for unknown formats.
    pub(super) fn field(&mut self, encoding: u8) -> Option<i64> {
        Some(match encoding & pointer::FORMAT {
            0x00 | 0x04 | 0x0c => i64::from_le_bytes(self.bytes()),
            0x01 => self.unsigned() as i64,
            0x02 => i64::from(u16::from_le_bytes(self.bytes())),
            0x03 => i64::from(self.word()),
            0x09 => self.signed(),
            0x0a => i64::from(i16::from_le_bytes(self.bytes())),
            0x0b => i64::from(self.word() as i32),
            _ => return None,
        })
    }

    /// A pointer; `None` where its encoding is unknown. A field of 0 is null.
    pub(super) fn pointer(&mut self, encoding: u8) -> Option<u64> {
        let here = self.at as u64;
        let field = self.field(encoding)?;
        if field == 0 {
            return Some(0);
        }
        let value = match encoding & pointer::APPLICATION {
            0 => field as u64,
            pointer::PC_RELATIVE => here.wrapping_add_signed(field),
            _ => return None,
        };
        if encoding & pointer::INDIRECT == 0 {
            return Some(value);
        }
        // SAFETY: the pointer is one to a pointer, which the loader has filled in.
        Some(unsafe { (value as *const u64).read_unaligned() })
    }
}

/// The bytes of a field in this format; `None` if they depend on its value.
pub(super) fn field_size(encoding: u8) -> Option<usize> {
    Some(match encoding & pointer::FORMAT {
        0x00 | 0x04 | 0x0c => 8,
        0x02 | 0x0a => 2,
        0x03 | 0x0b => 4,
        _ => return None,
    })
}
