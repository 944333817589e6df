//! [`KeptBlock`]: what of a linked block goes into an image of the program.

use crate::base::ids::EntryId;
use crate::base::program_image::{BoundField, ImageBytes, ImageFrame};

/// The bytes of a linked block before anything ran, and which of them depend on where things lie.
/// Places are offsets from the start of the engine's range.
#[derive(Debug)]
pub(crate) struct KeptBlock {
    /// The code, with the constants behind it that lie in the code's region.
    pub(crate) code: ImageBytes,
    pub(crate) read_only: ImageBytes,
    /// The data as far as it isn't zero.
    pub(crate) data: ImageBytes,
    pub(crate) frames: Vec<ImageFrame>,
    /// The words that hold an offset from the range's start, to which that is to be added.
    pub(crate) moved: Vec<u32>,
    pub(crate) bound: Vec<KeptBound>,
    /// The names that are null in it.
    pub(crate) nothing: Vec<EntryId>,
}

/// A field whose value depends on an address outside of the image.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KeptBound {
    pub(crate) entry: EntryId,
    pub(crate) at: u32,
    pub(crate) addend: i64,
    pub(crate) field: BoundField,
}
