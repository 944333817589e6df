//! [`FrameText`]: which quick bodies have the same frame.

use std::hash::Hasher;
use std::num::NonZeroU64;

use rustc_hash::FxHasher;

/// A fingerprint of a quick body's machine code before it is linked. Bodies with the same have what
/// the heads of their loops need at the same places of their frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct FrameText(NonZeroU64);

impl FrameText {
    pub(crate) fn of(code: &[u8]) -> Self {
        let mut hasher = FxHasher::default();
        hasher.write(code);
        hasher.write_usize(code.len());
        Self(NonZeroU64::new(hasher.finish()).unwrap_or(NonZeroU64::MAX))
    }

    /// As a number, 0 for none.
    pub(crate) fn to_number(text: Option<Self>) -> u64 {
        text.map_or(0, |text| text.0.get())
    }

    pub(crate) fn from_number(number: u64) -> Option<Self> {
        NonZeroU64::new(number).map(Self)
    }
}
