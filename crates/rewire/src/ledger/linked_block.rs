//! [`LinkedBlock`]: what was linked in one step.

use std::ops::Range;
use std::sync::atomic::{AtomicU8, Ordering};

use rewire_memory::unwind::UnwindRegistration;
use rewire_memory::{ExecAddr, RegionKind};

use super::continuation::LoopWords;
use super::uses::Use;
use crate::base::addresses::BodyAddr;
use crate::base::frame_text::FrameText;
use crate::base::ids::{EntryId, UnitKey};
use crate::base::tier::Tier;
use crate::base::told_load::ToldLoad;

/// The address of a pair of counters for coroutine frames ([`super::coroutines`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FrameCounts(pub(crate) ExecAddr);

/// The address of a byte that is 0 until the code of its block is stale: something of which the
/// code holds a copy was replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StaleByte(pub(crate) ExecAddr);

impl StaleByte {
    /// The byte's symbol in an object.
    pub(crate) const SYMBOL: &str = ".rewire.stale";

    /// Has loops call the functions themselves from now on.
    fn set(self) {
        // SAFETY: the byte is in the data of a block that is in the ledger, so it is mapped,
        // writable and nothing else; code only reads it, atomically.
        unsafe { (*(self.0.get() as *const AtomicU8)).store(1, Ordering::Release) };
    }
}

/// The memory of the three segments of a linked object; each may be empty.
#[derive(Clone, Debug)]
pub(crate) struct BlockMemory {
    pub(crate) code: Range<ExecAddr>,
    pub(crate) read_only: Range<ExecAddr>,
    pub(crate) data: Range<ExecAddr>,
    /// The region of the read-only segment. It may be the code region, because frame descriptions
    /// may lie behind their code.
    pub(crate) read_only_kind: RegionKind,
}

/// One linked and published object: its memory, definitions and uses.
#[derive(Debug)]
pub(crate) struct LinkedBlock {
    /// The unit whose IR it was compiled from, or the unit that has taken over what is still in
    /// force of it.
    pub(crate) unit: UnitKey,
    /// The position among all blocks in the order of linking.
    pub(crate) order: u64,
    /// Its index in the unit's list of blocks.
    pub(crate) place: usize,
    pub(crate) memory: BlockMemory,
    /// The definitions, sorted by address. Thread-local variables aren't among them, because each
    /// thread has its own copy elsewhere.
    pub(crate) definitions: Vec<PlacedDefinition>,
    pub(crate) uses: Vec<Use>,
    /// The registration of its frames with the unwinder.
    pub(crate) unwind: Option<UnwindRegistration>,
    /// Constants whose values the code may contain although it doesn't name them.
    pub(crate) folds: Vec<EntryId>,
    /// The module number of its thread-local variables.
    pub(crate) thread_module: Option<u64>,
    /// Entries of thread-local variables in this block that were set aside for their users.
    pub(crate) threads_aside: Vec<EntryId>,
    /// The byte that its loops read to learn that a body of which they hold a copy was replaced.
    pub(crate) stale_byte: Option<StaleByte>,
    /// The counters for frames of the coroutines whose parts are in this block.
    pub(crate) frame_counts: Option<FrameCounts>,
    /// How its code was compiled.
    pub(crate) tier: Tier,
    /// What the checks at its loop heads read.
    pub(crate) loop_words: Option<LoopWords>,
    /// Whether it is a client's object file, which is freed with its unit alone. Besides the
    /// definitions in force it has copies of what other units define.
    pub(crate) is_file: bool,
    /// The listeners that were told that it was loaded. Taken when they are told that it left.
    pub(crate) told: Option<Box<ToldLoad>>,
    /// The number of definitions in force that have code in this block.
    pub(crate) live_code: u32,
    /// The number of definitions in force in this block, including thread-local variables.
    pub(crate) live: u32,
    /// The number of pins that keep its code in memory.
    pub(crate) pins: u32,
    /// Whether it has labels that names may come to stand for ([`super::labels`]).
    pub(crate) has_labels: bool,
    /// The number of client handles that keep its variables in memory.
    pub(crate) handles: u32,
}

impl BlockMemory {
    /// Returns the total size in bytes.
    pub(crate) fn size(&self) -> u64 {
        let ranges = [&self.code, &self.read_only, &self.data];
        ranges
            .iter()
            .map(|range| range.end.get() - range.start.get())
            .sum()
    }
}

impl LinkedBlock {
    /// Has loops in its code call what they hold copies of.
    pub(super) fn tell_stale(&self) {
        if let Some(byte) = self.stale_byte {
            byte.set();
        }
    }

    /// Returns the definition that contains an address.
    pub(crate) fn definition_at(&self, address: ExecAddr) -> Option<&PlacedDefinition> {
        self.definition_until(address).map(|(found, _)| found)
    }

    /// Returns the definition that contains an address, and the end of the bytes from there on that
    /// it contains and no other begins in.
    pub(super) fn definition_until(
        &self,
        address: ExecAddr,
    ) -> Option<(&PlacedDefinition, ExecAddr)> {
        let after = self
            .definitions
            .partition_point(|one| one.start.addr() <= address);
        let (before, behind) = self.definitions.split_at(after);
        let mut before = before.iter().rev();
        let found =
            before.find(|one| one.range().contains(&address) || one.start.addr() == address)?;
        let end = found.range().end;
        let next = behind.first().map_or(end, |next| next.start.addr());
        Some((found, end.min(next)))
    }
}

/// A definition in a block.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PlacedDefinition {
    pub(crate) entry: EntryId,
    pub(crate) start: BodyAddr,
    pub(crate) size: u64,
    /// Whether it is in force.
    pub(crate) is_live: bool,
    /// Whether it begins at the head of a loop: its caller is the frame of another body of the
    /// function.
    pub(crate) is_continuation: bool,
    /// The quick frame that holds what it needs at the heads of its loops: its own, or, for a
    /// continuation, its caller's. Without one, that is in the transfer buffer.
    pub(crate) frame: Option<FrameText>,
}

impl PlacedDefinition {
    /// Whether its first byte is in this range.
    pub(crate) fn is_in(&self, bytes: &Range<ExecAddr>) -> bool {
        bytes.contains(&self.start.addr())
    }

    pub(crate) fn range(&self) -> Range<ExecAddr> {
        let start = self.start.addr();
        start..start + self.size
    }
}
