//! What each part of the engine's memory is for.

use std::fmt;

use rewire_object::Segment;

/// What a stretch of the range is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RegionKind {
    /// Compiled code: readable, executable.
    Code,
    /// Stubs: readable, executable.
    Stubs,
    /// Counting stubs: readable, executable.
    Counting,
    /// Constants and unwind tables: readable.
    ReadOnly,
    /// Variables: readable, writable.
    Data,
    /// Slots: readable, writable.
    Slots,
}

impl RegionKind {
    pub(crate) const ALL: [Self; 6] = [
        Self::Code,
        Self::Stubs,
        Self::Counting,
        Self::ReadOnly,
        Self::Data,
        Self::Slots,
    ];

    pub(crate) const fn protection(self) -> i32 {
        match self {
            Self::Code | Self::Stubs | Self::Counting => libc::PROT_READ | libc::PROT_EXEC,
            Self::ReadOnly => libc::PROT_READ,
            Self::Data | Self::Slots => libc::PROT_READ | libc::PROT_WRITE,
        }
    }

    /// The region's share of the range, in 32nds.
    pub(crate) const fn share(self) -> u64 {
        match self {
            Self::Code => 11,
            Self::Data => 11,
            Self::ReadOnly => 5,
            Self::Stubs => 3,
            Self::Counting => 1,
            Self::Slots => 1,
        }
    }

    pub(crate) const fn is_writable(self) -> bool {
        matches!(self, Self::Data | Self::Slots)
    }

    pub(crate) const fn is_executable(self) -> bool {
        matches!(self, Self::Code | Self::Stubs | Self::Counting)
    }

    /// What memory is overwritten with when it is given back; `None` where it never is.
    pub(crate) const fn poison(self) -> Option<u8> {
        match self {
            // int3
            Self::Code => Some(0xcc),
            // As an address, this is none that a processor accepts.
            Self::ReadOnly | Self::Data => Some(0xdb),
            // Slots and stubs are given back one by one, see `Slots::free`.
            Self::Stubs | Self::Counting | Self::Slots => None,
        }
    }

    /// Where a segment of an object goes.
    #[must_use]
    pub const fn of(segment: Segment) -> Self {
        match segment {
            Segment::Code => Self::Code,
            Segment::ReadOnly => Self::ReadOnly,
            Segment::Data => Self::Data,
        }
    }
}

impl fmt::Display for RegionKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Code => "code",
            Self::Stubs => "stub",
            Self::Counting => "counting stub",
            Self::ReadOnly => "read-only",
            Self::Data => "data",
            Self::Slots => "slot",
        })
    }
}
