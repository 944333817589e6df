//! Pointers in the encodings of exception tables (LSB core, section 10.5.1, `DW_EH_PE_*`).

use crate::error::{TableError, TableProblem};
use crate::reader::Reader;

/// No value.
pub(crate) const OMIT: u8 = 0xff;

const FORMAT: u8 = 0x0f;
const RELATION: u8 = 0x70;
const INDIRECT: u8 = 0x80;

/// A type that a handler catches, as the address of its run-time type information
/// (`std::type_info` in C++).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TypeInfo {
    /// Every type: `catch (...)`.
    Any,
    /// The type information is at this address.
    At(u64),
    /// The word at this address holds the address of the type information. Reading it is the
    /// caller's, because this crate reads no live memory.
    Through(u64),
}

/// Where encoded pointers are read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bases {
    /// The address of the first byte of the reader's bytes.
    pub(crate) bytes: u64,
    /// The address of the function.
    pub(crate) function: u64,
}

/// The bytes of a value, if all values in the encoding have the same number.
pub(crate) fn size(encoding: u8) -> Option<usize> {
    match encoding & FORMAT {
        0x00 | 0x04 | 0x0c => Some(8),
        0x02 | 0x0a => Some(2),
        0x03 | 0x0b => Some(4),
        _ => None,
    }
}

/// Reads a value in a format, without what it is relative to.
pub(crate) fn read_raw(reader: &mut Reader<'_>, encoding: u8) -> Result<u64, TableError> {
    let begin = *reader;
    match encoding & FORMAT {
        0x00 | 0x04 | 0x0c => reader.u64(),
        0x01 => reader.uleb(),
        0x02 => reader.u16().map(u64::from),
        0x03 => reader.u32().map(u64::from),
        0x09 => reader.sleb().map(|value| value as u64),
        0x0a => reader.u16().map(|value| i64::from(value as i16) as u64),
        0x0b => reader.i32().map(|value| i64::from(value) as u64),
        _ => Err(begin.error(TableProblem::PointerEncoding(encoding))),
    }
}

/// Reads a pointer. A raw value of 0 is no pointer, whatever it would be relative to.
pub(crate) fn read(
    reader: &mut Reader<'_>,
    encoding: u8,
    bases: Bases,
) -> Result<TypeInfo, TableError> {
    let begin = *reader;
    let raw = read_raw(reader, encoding)?;
    if raw == 0 {
        return Ok(TypeInfo::Any);
    }
    let base = match encoding & RELATION {
        0x00 => 0,
        0x10 => bases.bytes.wrapping_add(begin.at() as u64),
        0x40 => bases.function,
        _ => return Err(begin.error(TableProblem::PointerEncoding(encoding))),
    };
    let address = base.wrapping_add(raw);
    Ok(match encoding & INDIRECT {
        0 => TypeInfo::At(address),
        _ => TypeInfo::Through(address),
    })
}
