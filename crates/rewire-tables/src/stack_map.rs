//! Reads `.llvm_stackmaps`, format version 3.
//!
//! The format is described in LLVM's "Stack maps and patch points in LLVM", section *Stack Map
//! Format*. A header (16 bytes), the functions (24 each), the constants of more than 32 bits (8
//! each), the records. A record is an identifier, an offset, locations (12 each) and live-out
//! registers (4 each), each list padded to 8 bytes.

use crate::error::{TableError, TableKind, TableProblem};
use crate::reader::Reader;

const VERSION: u8 = 3;
const HEADER: usize = 16;
const FUNCTION: usize = 24;
const CONSTANT: usize = 8;

/// The stack map of one object.
///
/// A linked section holds one for each object, one after the other; [`StackMap::parse_all`] reads
/// them. A stack map borrows the bytes, and has been read once in full when it is given out.
///
/// ```
/// use rewire_tables::StackMap;
///
/// // A table with nothing in it.
/// let bytes = [3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
/// let maps = StackMap::parse_all(&bytes)?;
/// assert_eq!(maps.len(), 1);
/// assert_eq!(maps[0].records().count(), 0);
/// # Ok::<(), rewire_tables::TableError>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct StackMap<'d> {
    /// The bytes of the whole section.
    section: &'d [u8],
    /// Where this object's table begins in it.
    start: usize,
    functions: u32,
    constants: u32,
    records: u32,
    /// Where the table ends.
    end: usize,
}

impl<'d> StackMap<'d> {
    /// Reads all tables of a section.
    ///
    /// # Errors
    ///
    /// If a table is malformed, or of another version than 3. The offset counts from the section's
    /// start.
    pub fn parse_all(section: &'d [u8]) -> Result<Vec<Self>, TableError> {
        let mut maps = Vec::new();
        let mut start = 0;
        while start < section.len() {
            let map = Self::parse_at(section, start)?;
            start = map.end;
            maps.push(map);
        }
        Ok(maps)
    }

    fn parse_at(section: &'d [u8], start: usize) -> Result<Self, TableError> {
        let mut reader = Reader::new(section, start, TableKind::StackMap);
        let begin = reader;
        let version = reader.u8()?;
        if version != VERSION {
            return Err(begin.error(TableProblem::Version(version)));
        }
        reader.skip(3)?;
        let mut map = Self {
            section,
            start,
            functions: reader.u32()?,
            constants: reader.u32()?,
            records: reader.u32()?,
            end: section.len(),
        };
        // Counts are compared with the bytes that there are before anything is read, so that a
        // large count takes no time.
        reader.skip(size_of_list(map.functions, FUNCTION))?;
        reader.skip(size_of_list(map.constants, CONSTANT))?;
        let counts = map.functions().map(|function| u64::from(function.records));
        let counted = counts.fold(0, u64::saturating_add);
        if counted != u64::from(map.records) {
            let problem = TableProblem::RecordCount {
                functions: counted,
                table: map.records,
            };
            return Err(begin.error(problem));
        }
        for _ in 0..map.records {
            RecordHead::read(&mut reader, &map)?;
        }
        map.end = reader.at();
        Ok(map)
    }

    /// The functions that have records, in the order in which the compiler wrote them.
    pub fn functions(&self) -> MapFunctions<'d> {
        MapFunctions {
            reader: self.reader(self.start + HEADER),
            left: self.functions,
        }
    }

    /// The constants of more than 32 bits, which locations refer to by their index.
    pub fn constants(&self) -> impl ExactSizeIterator<Item = u64> + 'd {
        let map = *self;
        (0..map.constants).map(move |index| map.constant(index).unwrap_or_default())
    }

    /// All records, each with its function: those of the first function, then those of the second,
    /// and so on.
    pub fn records(&self) -> MapRecords<'d> {
        let records_at = self.constants_at() + size_of_list(self.constants, CONSTANT);
        MapRecords {
            map: *self,
            functions: self.functions(),
            function: None,
            left: 0,
            reader: self.reader(records_at),
        }
    }

    fn constants_at(&self) -> usize {
        self.start + HEADER + size_of_list(self.functions, FUNCTION)
    }

    fn constant(&self, index: u32) -> Option<u64> {
        if index >= self.constants {
            return None;
        }
        let at = self.constants_at() + size_of_list(index, CONSTANT);
        self.reader(at).u64().ok()
    }

    fn reader(&self, at: usize) -> Reader<'d> {
        Reader::new(self.section, at, TableKind::StackMap)
    }
}

/// The bytes of a list. Counts have 32 bits, and elements at most 24 bytes.
fn size_of_list(count: u32, element: usize) -> usize {
    (count as usize).saturating_mul(element)
}

/// A function that has records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MapFunction {
    /// Its address.
    pub address: u64,
    /// What LLVM says of the size of its frame, in bytes. Of no use to walk a stack: arguments
    /// that are pushed for a call aren't counted, and it is `u64::MAX` if the frame has a size
    /// that is known only at run time. Frames are walked by their frame descriptions.
    pub stack_size: u64,
    /// How many records it has.
    pub records: u32,
}

/// Iterates over the functions of a stack map.
#[derive(Clone, Debug)]
pub struct MapFunctions<'d> {
    reader: Reader<'d>,
    left: u32,
}

impl Iterator for MapFunctions<'_> {
    type Item = MapFunction;

    fn next(&mut self) -> Option<MapFunction> {
        self.left = self.left.checked_sub(1)?;
        let (address, stack_size) = (self.reader.u64().ok()?, self.reader.u64().ok()?);
        // A count that doesn't fit is more than the table has; the sum is compared when it is read.
        let records = self.reader.u64().ok()?.try_into().unwrap_or(u32::MAX);
        Some(MapFunction {
            address,
            stack_size,
            records,
        })
    }
}

/// What a record begins with, and where its lists lie.
#[derive(Clone, Copy, Debug)]
struct RecordHead {
    at: usize,
    id: u64,
    offset: u32,
    locations: u16,
    locations_at: usize,
    live_outs: u16,
    live_outs_at: usize,
}

impl RecordHead {
    /// Reads a record and checks each of its locations.
    fn read(reader: &mut Reader<'_>, map: &StackMap<'_>) -> Result<Self, TableError> {
        let at = reader.at();
        let id = reader.u64()?;
        let offset = reader.u32()?;
        reader.skip(2)?;
        let locations = reader.u16()?;
        let locations_at = reader.at();
        for _ in 0..locations {
            Location::read(reader, map)?;
        }
        reader.align()?;
        reader.skip(2)?;
        let live_outs = reader.u16()?;
        let live_outs_at = reader.at();
        reader.skip(usize::from(live_outs) * 4)?;
        reader.align()?;
        Ok(Self {
            at,
            id,
            offset,
            locations,
            locations_at,
            live_outs,
            live_outs_at,
        })
    }
}

/// What a function's values are at one of its instructions.
#[derive(Clone, Copy, Debug)]
pub struct MapRecord<'d> {
    map: StackMap<'d>,
    function: MapFunction,
    head: RecordHead,
}

impl<'d> MapRecord<'d> {
    /// The function that the record is of.
    pub fn function(&self) -> MapFunction {
        self.function
    }

    /// The identifier that the IR gave: the first argument of `llvm.experimental.stackmap` and
    /// `patchpoint`, and of a statepoint the value of its attribute `statepoint-id`, or
    /// 2882400000 without one. Identifiers needn't be unique.
    pub fn id(&self) -> u64 {
        self.head.id
    }

    /// Where it is in its function, in bytes. For a statepoint, this is the return address of its
    /// call; for a patch point or stack map, its own first byte.
    pub fn offset(&self) -> u32 {
        self.head.offset
    }

    /// The address of that instruction; `None` if it is no address of 64 bits.
    pub fn address(&self) -> Option<u64> {
        self.function.address.checked_add(self.head.offset.into())
    }

    /// Where the record begins in the bytes that were read.
    pub fn bytes_offset(&self) -> usize {
        self.head.at
    }

    /// Where the values are.
    pub fn locations(&self) -> Locations<'d> {
        Locations {
            map: self.map,
            reader: self.map.reader(self.head.locations_at),
            left: self.head.locations,
        }
    }

    /// The registers whose values are used after a patch point.
    pub fn live_outs(&self) -> LiveOuts<'d> {
        LiveOuts {
            reader: self.map.reader(self.head.live_outs_at),
            left: self.head.live_outs,
        }
    }
}

/// Iterates over the records of a stack map.
#[derive(Clone, Debug)]
pub struct MapRecords<'d> {
    map: StackMap<'d>,
    functions: MapFunctions<'d>,
    function: Option<MapFunction>,
    /// How many of that function's records are left.
    left: u32,
    reader: Reader<'d>,
}

impl<'d> Iterator for MapRecords<'d> {
    type Item = MapRecord<'d>;

    fn next(&mut self) -> Option<MapRecord<'d>> {
        while self.left == 0 {
            let function = self.functions.next()?;
            self.left = function.records;
            self.function = Some(function);
        }
        self.left -= 1;
        Some(MapRecord {
            map: self.map,
            function: self.function?,
            head: RecordHead::read(&mut self.reader, &self.map).ok()?,
        })
    }
}

/// Where a value is, or what it is. Registers are DWARF's numbers (System V psABI for x86-64,
/// figure 3.36), sizes are bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Location {
    /// The value is in a register.
    Register {
        /// The register.
        register: u16,
        /// The value's size.
        size: u16,
    },
    /// The value is the sum of a register and an offset: the address of a variable on the stack.
    Direct {
        /// The register.
        register: u16,
        /// What is added to it.
        offset: i32,
        /// The value's size.
        size: u16,
    },
    /// The value is in memory, at the sum of a register and an offset: spilled.
    Indirect {
        /// The register.
        register: u16,
        /// What is added to it.
        offset: i32,
        /// The value's size.
        size: u16,
    },
    /// The value is a constant.
    Constant {
        /// The constant, sign-extended.
        value: i32,
        /// The size that LLVM gives; 8 whatever the type.
        size: u16,
    },
    /// The value is a constant that takes more than 32 bits.
    LargeConstant {
        /// Its index among the table's constants.
        index: u32,
        /// The constant.
        value: u64,
        /// The size that LLVM gives; 8 whatever the type.
        size: u16,
    },
}

impl Location {
    /// The bytes of a location.
    pub(crate) const SIZE: usize = 12;

    fn read(reader: &mut Reader<'_>, map: &StackMap<'_>) -> Result<Self, TableError> {
        let begin = *reader;
        let kind = reader.u8()?;
        reader.skip(1)?;
        let size = reader.u16()?;
        let register = reader.u16()?;
        reader.skip(2)?;
        let offset = reader.i32()?;
        Ok(match kind {
            1 => Self::Register { register, size },
            2 => Self::Direct {
                register,
                offset,
                size,
            },
            3 => Self::Indirect {
                register,
                offset,
                size,
            },
            4 => Self::Constant {
                value: offset,
                size,
            },
            5 => {
                let index = offset as u32;
                let Some(value) = map.constant(index) else {
                    return Err(begin.error(TableProblem::ConstantIndex {
                        index,
                        count: map.constants,
                    }));
                };
                Self::LargeConstant { index, value, size }
            }
            _ => return Err(begin.error(TableProblem::LocationKind(kind))),
        })
    }

    /// The constant, if it is one: 64 bits, sign-extended.
    pub fn constant(self) -> Option<u64> {
        match self {
            Self::Constant { value, .. } => Some(i64::from(value) as u64),
            Self::LargeConstant { value, .. } => Some(value),
            _ => None,
        }
    }
}

/// Iterates over a record's locations.
#[derive(Clone, Debug)]
pub struct Locations<'d> {
    map: StackMap<'d>,
    reader: Reader<'d>,
    left: u16,
}

impl Locations<'_> {
    /// Where the next location stands in the bytes that were read.
    pub(crate) fn at(&self) -> usize {
        self.reader.at()
    }

    /// Steps over locations. Stops behind the last one.
    pub(crate) fn skip_ahead(&mut self, count: u16) {
        let count = count.min(self.left);
        if self
            .reader
            .skip(usize::from(count) * Location::SIZE)
            .is_ok()
        {
            self.left -= count;
        }
    }
}

impl Iterator for Locations<'_> {
    type Item = Location;

    fn next(&mut self) -> Option<Location> {
        self.left = self.left.checked_sub(1)?;
        Location::read(&mut self.reader, &self.map).ok()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left.into(), Some(self.left.into()))
    }
}

impl ExactSizeIterator for Locations<'_> {}

/// A register whose value is used after a patch point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LiveOut {
    /// The register, by DWARF's number.
    pub register: u16,
    /// How many of its bytes are used.
    pub size: u8,
}

/// Iterates over a record's live-out registers.
#[derive(Clone, Debug)]
pub struct LiveOuts<'d> {
    reader: Reader<'d>,
    left: u16,
}

impl Iterator for LiveOuts<'_> {
    type Item = LiveOut;

    fn next(&mut self) -> Option<LiveOut> {
        self.left = self.left.checked_sub(1)?;
        let register = self.reader.u16().ok()?;
        let _reserved = self.reader.u8().ok()?;
        let size = self.reader.u8().ok()?;
        Some(LiveOut { register, size })
    }
}
