//! Reads numbers from bytes, and notes where it is.

use crate::error::{TableError, TableKind, TableProblem};

/// Reads little-endian numbers one after the other.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'d> {
    bytes: &'d [u8],
    at: usize,
    table: TableKind,
}

impl<'d> Reader<'d> {
    /// A reader at an offset, which may lie past the end: then the first number is an error.
    pub(crate) fn new(bytes: &'d [u8], at: usize, table: TableKind) -> Self {
        Self { bytes, at, table }
    }

    /// Where the next number stands.
    pub(crate) fn at(&self) -> usize {
        self.at
    }

    pub(crate) fn error(&self, problem: TableProblem) -> TableError {
        TableError {
            table: self.table,
            offset: self.at,
            problem,
        }
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], TableError> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let Some((array, _)) = rest.split_first_chunk::<N>() else {
            return Err(self.error(TableProblem::Truncated));
        };
        self.at += N;
        Ok(*array)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, TableError> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(crate) fn u16(&mut self) -> Result<u16, TableError> {
        self.array().map(u16::from_le_bytes)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, TableError> {
        self.array().map(u32::from_le_bytes)
    }

    pub(crate) fn i32(&mut self) -> Result<i32, TableError> {
        self.array().map(i32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self) -> Result<u64, TableError> {
        self.array().map(u64::from_le_bytes)
    }

    /// Steps over bytes.
    pub(crate) fn skip(&mut self, count: usize) -> Result<(), TableError> {
        match self.at.checked_add(count) {
            Some(end) if end <= self.bytes.len() => self.at = end,
            _ => return Err(self.error(TableProblem::Truncated)),
        }
        Ok(())
    }

    /// Steps over what is left up to a multiple of 8.
    pub(crate) fn align(&mut self) -> Result<(), TableError> {
        self.skip(self.at.wrapping_neg() % 8)
    }

    /// An unsigned LEB128 number (DWARF 5, section 7.6).
    pub(crate) fn uleb(&mut self) -> Result<u64, TableError> {
        let start = *self;
        let mut value = 0_u64;
        let mut shift = 0;
        loop {
            let byte = self.u8()?;
            let bits = u64::from(byte & 0x7f);
            // Padding with zeroes is allowed; bits that would be lost aren't.
            if shift >= 64 && bits != 0 || shift == 63 && bits > 1 {
                return Err(start.error(TableProblem::NumberTooLong));
            }
            if shift < 64 {
                value |= bits << shift;
            }
            if byte & 0x80 == 0 {
                return Ok(value);
            }
            shift += 7;
        }
    }

    /// A signed LEB128 number (DWARF 5, section 7.6).
    pub(crate) fn sleb(&mut self) -> Result<i64, TableError> {
        let start = *self;
        let mut value = 0_i64;
        let mut shift = 0;
        loop {
            let byte = self.u8()?;
            let bits = i64::from(byte & 0x7f);
            if shift < 63 {
                value |= bits << shift;
            } else if shift == 63 && (bits == 0 || bits == 0x7f) {
                value |= bits << 63;
            } else if shift == 63 || bits != (value >> 63) & 0x7f {
                // Only the sign may be repeated.
                return Err(start.error(TableProblem::NumberTooLong));
            }
            shift += 7;
            if byte & 0x80 == 0 {
                let is_negative = byte & 0x40 != 0;
                return Ok(match is_negative && shift < 64 {
                    true => value | (-1 << shift),
                    false => value,
                });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reader(bytes: &[u8]) -> Reader<'_> {
        Reader::new(bytes, 0, TableKind::Exception)
    }

    #[test]
    fn numbers_of_variable_length() {
        let unsigned = |bytes: &[u8]| reader(bytes).uleb().map_err(|error| error.problem);
        let signed = |bytes: &[u8]| reader(bytes).sleb().map_err(|error| error.problem);
        assert_eq!(unsigned(&[0xe5, 0x8e, 0x26]), Ok(624_485));
        assert_eq!(unsigned(&[0x80, 0x80, 0]), Ok(0));
        let most = [&[0xff; 9][..], &[1]].concat();
        assert_eq!(unsigned(&most), Ok(u64::MAX));
        let too_long = [&[0xff; 9][..], &[2]].concat();
        assert_eq!(unsigned(&too_long), Err(TableProblem::NumberTooLong));
        assert_eq!(unsigned(&[0x80; 40]), Err(TableProblem::Truncated));
        assert_eq!(signed(&[0x7f]), Ok(-1));
        assert_eq!(signed(&[0x80, 0x7f]), Ok(-128));
        assert_eq!(signed(&[0xc0, 0xbb, 0x78]), Ok(-123_456));
        let least = [&[0x80; 9][..], &[0x7f]].concat();
        assert_eq!(signed(&least), Ok(i64::MIN));
        let padded = [&[0xff; 12][..], &[0x7f]].concat();
        assert_eq!(signed(&padded), Ok(-1));
        let too_long = [&[0x80; 9][..], &[0x02]].concat();
        assert_eq!(signed(&too_long), Err(TableProblem::NumberTooLong));
    }
}
