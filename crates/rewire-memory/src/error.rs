//! What can go wrong with memory.

use std::io;
use std::sync::Arc;

use rewire_object::ExecAddr;

use crate::region_kind::RegionKind;

/// An error of reserving, growing or writing code memory.
#[derive(Clone, Debug, thiserror::Error)]
pub enum MemoryError {
    /// The kernel gave no address range.
    #[error("cannot reserve {size} bytes of address space: {source}")]
    Reserve {
        /// Bytes asked for.
        size: usize,
        /// The kernel's answer.
        source: Arc<io::Error>,
    },
    /// A region of the range is used up.
    #[error("the {region} region of {size} bytes is full ({wanted} more bytes are needed)")]
    Full {
        /// Which one.
        region: RegionKind,
        /// Its size in bytes.
        size: u64,
        /// Bytes asked for.
        wanted: u64,
    },
    /// Pages could not be made accessible.
    #[error("cannot make {size} bytes at {address} accessible: {source}")]
    Protect {
        /// The first address.
        address: ExecAddr,
        /// Bytes.
        size: u64,
        /// The kernel's answer.
        source: Arc<io::Error>,
    },
    /// Bytes could not be written to pages that are not writable.
    #[error("cannot write {size} bytes of code at {address}: {source}")]
    Write {
        /// The first address.
        address: ExecAddr,
        /// Bytes.
        size: usize,
        /// The kernel's answer.
        source: Arc<io::Error>,
    },
    /// Memory was given back that isn't in use, or that can't be given back.
    #[error("{start} to {end} isn't {region} memory in use that can be given back")]
    NotInUse {
        /// The region that it was said to be in.
        region: RegionKind,
        /// The first address.
        start: ExecAddr,
        /// The address behind the last byte.
        end: ExecAddr,
    },
    /// A read of `/proc` failed.
    #[error("cannot read {path}: {source}")]
    Proc {
        /// The file.
        path: &'static str,
        /// The kernel's answer.
        source: Arc<io::Error>,
    },
}
