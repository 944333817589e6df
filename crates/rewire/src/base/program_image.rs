//! [`ProgramImage`]: what a program had in memory at its end, as plain data and as bytes.
//!
//! All places are offsets from the start of the engine's range of memory, in which everything lies
//! where it lay. So most fields of linked code hold the same bytes in each run: displacements
//! within the range. The others are listed: words with an address within the range
//! ([`ImageBlock::moved`]), and fields that depend on an address outside ([`ImageBlock::bound`]).

mod bytes;

use std::ops::{Deref, Range};

use rewire_cache::Entry;

/// What a program had in memory.
#[derive(Debug, Default)]
pub(crate) struct ProgramImage {
    /// The size of the range that the places are in.
    pub(crate) range: u64,
    /// The number of slots, those that aren't in use included.
    pub(crate) slots: u32,
    /// What blocks define and refer to.
    pub(crate) names: Vec<ImageName>,
    /// In the order in which they were linked.
    pub(crate) blocks: Vec<ImageBlock>,
    /// The first place of all code, and the code, with gaps.
    pub(crate) code_start: u32,
    pub(crate) code: ImageBytes,
    /// The same of constants.
    pub(crate) read_only_start: u32,
    pub(crate) read_only: ImageBytes,
}

/// Bytes of an image.
#[derive(Clone, Debug)]
pub(crate) enum ImageBytes {
    Own(Vec<u8>),
    /// A part of an entry of the cache.
    Kept(Entry, Range<usize>),
}

impl Default for ImageBytes {
    fn default() -> Self {
        Self::Own(Vec::new())
    }
}

impl Deref for ImageBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Own(bytes) => bytes,
            Self::Kept(entry, range) => &entry.body()[range.clone()],
        }
    }
}

impl ImageBytes {
    /// A part of the bytes; `None` if it isn't within them.
    pub(crate) fn part(&self, range: Range<usize>) -> Option<Self> {
        self.get(range.clone())?;
        Some(match self {
            Self::Own(bytes) => Self::Own(bytes[range].to_vec()),
            Self::Kept(entry, all) => {
                let range = all.start + range.start..all.start + range.end;
                Self::Kept(entry.clone(), range)
            }
        })
    }
}

/// A name that blocks define or refer to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ImageName {
    pub(crate) what: NameIdentity,
    pub(crate) expected: NameStanding,
    pub(crate) slot: Option<u32>,
}

/// How the next run finds a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NameIdentity {
    /// The number of a unit, and the bits of an ordinal in it.
    Global { unit: u32, ordinal: u32 },
    /// A name of the main library.
    Named(Box<str>),
}

/// What a name stood for, and has to stand for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum NameStanding {
    /// The global by which it is found.
    Global = 0,
    /// An address that isn't part of the image: the host's, the client's or the engine's.
    Outside = 1,
    /// Nothing: code holds a null address.
    Nothing = 2,
    /// Only its slot is referred to, whatever it stands for.
    Slot = 3,
}

/// One linked object.
#[derive(Clone, Debug, Default)]
pub(crate) struct ImageBlock {
    pub(crate) unit: u32,
    pub(crate) tier: u8,
    /// Where its code lies; empty if only its data is left.
    pub(crate) code: Range<u32>,
    pub(crate) read_only: Range<u32>,
    /// Whether the constants lie behind the code, in the code's region.
    pub(crate) is_joined: bool,
    pub(crate) data: Range<u32>,
    /// The first bytes of its data; what follows is zero.
    pub(crate) data_bytes: ImageBytes,
    pub(crate) definitions: Vec<ImageDefinition>,
    pub(crate) uses: Vec<ImageUse>,
    /// The names whose values or bodies its code holds copies of.
    pub(crate) folds: Vec<u32>,
    pub(crate) frames: Vec<ImageFrame>,
    /// The words that hold an offset from the range's start, to which that is to be added.
    pub(crate) moved: Vec<u32>,
    pub(crate) bound: Vec<ImageBound>,
    pub(crate) stale_byte: Option<u32>,
    /// The first word, and the number of words.
    pub(crate) loop_words: Option<(u32, u32)>,
}

/// A definition in a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ImageDefinition {
    pub(crate) name: u32,
    pub(crate) start: u32,
    pub(crate) size: u32,
    /// Its quick frame ([`FrameText`](super::frame_text::FrameText)); 0 for none.
    pub(crate) frame: u64,
    /// Whether the name stands for it.
    pub(crate) is_in_force: bool,
}

/// A place in a block that depends on a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ImageUse {
    pub(crate) name: u32,
    pub(crate) at: u32,
    pub(crate) symbol: u32,
    pub(crate) kind: u8,
    pub(crate) aspect: u8,
}

/// The description of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ImageFrame {
    pub(crate) start: u32,
    pub(crate) size: u32,
    pub(crate) description: u32,
}

/// A field whose value depends on an address outside of the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ImageBound {
    pub(crate) name: u32,
    pub(crate) at: u32,
    pub(crate) addend: i64,
    pub(crate) field: BoundField,
}

/// What a field holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum BoundField {
    /// The address, in 8 bytes.
    Word = 0,
    /// The distance from the field to the address, in 4 bytes.
    Distance = 1,
}
