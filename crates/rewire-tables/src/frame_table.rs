//! Finds a function's exception table by its frame description (LSB core, section 10.6.1).

use crate::encoded::{self, Bases, OMIT, TypeInfo};
use crate::error::{TableError, TableKind, TableProblem};
use crate::reader::Reader;

/// Returns the address of a function's exception table; `None` if it has none.
///
/// `frames` are bytes of `.eh_frame` that lie at `address` in memory, and `entry` is the offset at
/// which the function's frame description entry begins among them. The common entry that it refers
/// to has to be among them too.
///
/// ```
/// use rewire_tables::frame_table;
///
/// let mut frames = vec![17, 0, 0, 0, 0, 0, 0, 0, 1]; // a common entry of version 1
/// frames.extend(b"zLR\0"); // entries have an exception table, and encoded addresses
/// frames.extend([1, 0x78, 16, 2, 0x1b, 0x1b, 0, 0]); // both relative, of 4 bytes
/// frames.extend([17, 0, 0, 0, 25, 0, 0, 0]); // an entry that refers to it
/// frames.extend([0, 0, 0, 0, 8, 0, 0, 0, 4, 0x40, 0, 0, 0]);
/// // The field lies at 21 + 17, and says 0x40.
/// assert_eq!(frame_table(&frames, 0x1000, 21)?, Some(0x1000 + 38 + 0x40));
/// # Ok::<(), rewire_tables::TableError>(())
/// ```
///
/// # Errors
///
/// If there is no frame description entry at that offset, or one that can't be read.
pub fn frame_table(frames: &[u8], address: u64, entry: usize) -> Result<Option<u64>, TableError> {
    let mut own = record(frames, entry)?;
    let begin = own;
    let distance = own.u32()? as usize;
    let common = begin.at().checked_sub(distance).filter(|_| distance > 0);
    let common = common.ok_or(begin.error(TableProblem::FrameRecord))?;
    let letters = Augmentation::read(record(frames, common)?)?;
    let Some(table_encoding) = letters.table.filter(|one| *one != OMIT) else {
        return Ok(None);
    };
    let bases = Bases {
        bytes: address,
        function: 0,
    };
    // The function's address and its size.
    encoded::read_raw(&mut own, letters.code)?;
    encoded::read_raw(&mut own, letters.code)?;
    let _size = own.uleb()?;
    let begin = own;
    match encoded::read(&mut own, table_encoding, bases)? {
        TypeInfo::Any => Ok(None),
        TypeInfo::At(address) => Ok(Some(address)),
        TypeInfo::Through(_) => Err(begin.error(TableProblem::PointerEncoding(table_encoding))),
    }
}

/// A reader of a record, behind its length.
fn record(frames: &[u8], at: usize) -> Result<Reader<'_>, TableError> {
    let mut reader = Reader::new(frames, at, TableKind::Frames);
    let begin = reader;
    let length = reader.u32()?;
    // 0 ends the section; all ones stand in front of a length of 64 bits, which nobody writes.
    if length == 0 || length == u32::MAX {
        return Err(begin.error(TableProblem::FrameRecord));
    }
    let start = reader.at();
    let end = start.checked_add(length as usize);
    let bytes = end.and_then(|end| frames.get(..end));
    let bytes = bytes.ok_or(begin.error(TableProblem::Truncated))?;
    Ok(Reader::new(bytes, start, TableKind::Frames))
}

/// What a common entry says of the entries that refer to it.
struct Augmentation {
    /// The encoding of addresses of code.
    code: u8,
    /// The encoding of addresses of exception tables, if entries have one.
    table: Option<u8>,
}

impl Augmentation {
    fn read(mut reader: Reader<'_>) -> Result<Self, TableError> {
        let begin = reader;
        if reader.u32()? != 0 {
            return Err(begin.error(TableProblem::FrameRecord));
        }
        let begin = reader;
        let version = reader.u8()?;
        let mut letters = reader;
        while reader.u8()? != 0 {}
        reader.uleb()?;
        reader.sleb()?;
        match version {
            1 => drop(reader.u8()?),
            3 => drop(reader.uleb()?),
            _ => return Err(begin.error(TableProblem::FrameVersion(version))),
        }
        let mut found = Self {
            code: 0,
            table: None,
        };
        let begin = letters;
        match letters.u8()? {
            0 => return Ok(found),
            b'z' => {}
            letter => return Err(begin.error(TableProblem::Augmentation(letter))),
        }
        let _size = reader.uleb()?;
        loop {
            let begin = letters;
            match letters.u8()? {
                0 => return Ok(found),
                b'R' => found.code = reader.u8()?,
                b'L' => found.table = Some(reader.u8()?),
                b'P' => {
                    let encoding = reader.u8()?;
                    encoded::read_raw(&mut reader, encoding)?;
                }
                b'S' | b'B' => {}
                letter => return Err(begin.error(TableProblem::Augmentation(letter))),
            }
        }
    }
}
