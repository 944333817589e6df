//! What was linked in one step.

use std::ops::Range;

use rewire_memory::unwind::UnwindRegistration;
use rewire_memory::{ExecAddr, RegionKind};

use super::uses::Use;
use crate::base::addresses::BodyAddr;
use crate::base::ids::{EntryId, UnitKey};

/// Where frames are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FrameCounts(pub(crate) ExecAddr);

/// Where the three segments of a linked object lie; each may be empty.
#[derive(Clone, Debug)]
pub(crate) struct BlockMemory {
    pub(crate) code: Range<ExecAddr>,
    pub(crate) read_only: Range<ExecAddr>,
    pub(crate) data: Range<ExecAddr>,
    /// Where the read-only segment is: descriptions of frames may lie behind their code.
    pub(crate) read_only_kind: RegionKind,
}

/// What was linked and published in one step.
#[derive(Debug)]
pub(crate) struct LinkedBlock {
    /// The unit whose IR it was made of, or that has what is still in force of it.
    pub(crate) unit: UnitKey,
    /// Counts up with each block.
    pub(crate) order: u64,
    /// Its place in the unit's list of blocks.
    pub(crate) place: usize,
    pub(crate) memory: BlockMemory,
    /// By address; without thread-local variables, which each thread has elsewhere.
    pub(crate) definitions: Vec<PlacedDefinition>,
    pub(crate) uses: Vec<Use>,
    /// What makes its frames known to the unwinder.
    pub(crate) unwind: Option<UnwindRegistration>,
    /// Constants whose values the code may have been made with, though it doesn't name them.
    pub(crate) folds: Vec<EntryId>,
    /// The number of its thread-local variables' module.
    pub(crate) thread_module: Option<u64>,
    /// Thread-local variables here that no name stands for any more, and that were set aside for
    /// who uses them.
    pub(crate) threads_aside: Vec<EntryId>,
    /// Where the frames of the coroutines are counted whose parts are here.
    pub(crate) frame_counts: Option<FrameCounts>,
    /// How many definitions in force have code here.
    pub(crate) live_code: u32,
    /// How many definitions in force are here, thread-local variables among them.
    pub(crate) live: u32,
    /// How many clients hold its code where it is.
    pub(crate) pins: u32,
    /// It has labels that may be asked for ([`super::labels`]).
    pub(crate) has_labels: bool,
    /// How many clients hold its variables where they are.
    pub(crate) handles: u32,
}

impl BlockMemory {
    /// How many bytes it is.
    pub(crate) fn size(&self) -> u64 {
        let ranges = [&self.code, &self.read_only, &self.data];
        ranges
            .iter()
            .map(|range| range.end.get() - range.start.get())
            .sum()
    }
}

impl LinkedBlock {
    /// The definition whose bytes an address is in.
    pub(crate) fn definition_at(&self, address: ExecAddr) -> Option<&PlacedDefinition> {
        let after = self
            .definitions
            .partition_point(|one| one.start.addr() <= address);
        let mut before = self.definitions[..after].iter().rev();
        before.find(|one| one.range().contains(&address) || one.start.addr() == address)
    }
}

/// A definition that a block holds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PlacedDefinition {
    pub(crate) entry: EntryId,
    pub(crate) start: BodyAddr,
    pub(crate) size: u64,
    /// It is the one in force.
    pub(crate) is_live: bool,
}

impl PlacedDefinition {
    /// Whether it begins in these bytes.
    pub(crate) fn is_in(&self, bytes: &Range<ExecAddr>) -> bool {
        bytes.contains(&self.start.addr())
    }

    pub(crate) fn range(&self) -> Range<ExecAddr> {
        let start = self.start.addr();
        start..start + self.size
    }
}
