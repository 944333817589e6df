//! What waits to be freed, and what was removed from the ledger to be freed ([`super::leaving`]).

use std::ops::Range;
use std::sync::Arc;

use rewire_memory::unwind::UnwindRegistration;
use rewire_memory::{ExecAddr, RegionKind, SlotId};
use rustc_hash::FxHashSet;

use super::linked_block::LinkedBlock;
use super::unit::Unit;
use super::uses::BlockId;
use crate::base::ids::{EntryId, UnitKey};
use crate::base::told_load::ToldLoad;

/// Everything that waits to be freed.
#[derive(Debug, Default)]
pub(super) struct WaitingToBeFreed {
    /// Retired blocks.
    pub(super) blocks: Vec<BlockId>,
    pub(super) units: Vec<UnitKey>,
    /// Names that may not be needed any more ([`super::unused_names`]).
    pub(super) names: Vec<EntryId>,
    /// The bytes that all of these hold: machine code, variables, IR.
    pub(super) bytes: u64,
    /// Removed units whose copies of IR are still in memory.
    pub(super) copied: Vec<Arc<Unit>>,
}

/// A retired item: what is freed together, and the code that no thread may be in when it is.
#[derive(Debug)]
pub(crate) struct Retired {
    pub(crate) what: RetiredItem,
    pub(crate) code: Vec<Range<ExecAddr>>,
    /// The stubs of its functions. A thread that calls a function for the first time is in the
    /// function's stub, and nowhere else if the call was a jump.
    pub(crate) stubs: Vec<Range<ExecAddr>>,
    /// The slots of those stubs.
    pub(super) slots: Vec<SlotId>,
    /// The item's name in reports.
    pub(crate) label: Arc<str>,
    /// What keeps it in memory, other than threads.
    pub(crate) kept_by: Option<Arc<str>>,
    /// The number of its coroutines' frames that ever began.
    pub(super) frames_begun: u64,
    /// The number of calls that were sent into it since it left.
    pub(super) handed_out: u64,
}

/// The kinds of retired items.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum RetiredItem {
    Block(BlockId),
    Unit(UnitKey),
    /// A name and its stub.
    Name(EntryId),
}

/// What was removed from the ledger, to be freed without the ledger's lock.
#[derive(Debug, Default)]
pub(crate) struct Freed {
    /// Blocks, with their unwinder registrations.
    pub(crate) blocks: Vec<LinkedBlock>,
    pub(crate) unwind: Vec<UnwindRegistration>,
    /// What listeners have to be told before the memory is freed.
    pub(crate) told: Vec<ToldLoad>,
    pub(crate) memory: Vec<(RegionKind, Range<ExecAddr>)>,
    /// Slots whose stubs were scanned for, and in which no thread is.
    pub(super) looked_at: FxHashSet<SlotId>,
    pub(crate) thread_modules: Vec<u64>,
    /// Names whose records of a former definition have to be forgotten elsewhere as well.
    pub(crate) entries: Vec<EntryId>,
    pub(crate) units: Vec<Arc<Unit>>,
}

impl Retired {
    /// Whether it is a whole unit.
    pub(crate) fn is_unit(&self) -> bool {
        matches!(self.what, RetiredItem::Unit(_))
    }

    /// Whether it is code or a unit, which clients know, rather than a name.
    pub(crate) fn is_code(&self) -> bool {
        !matches!(self.what, RetiredItem::Name(_))
    }
}
