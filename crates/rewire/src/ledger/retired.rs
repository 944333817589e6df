//! What waits to be given back, and what was taken out of the ledger to be ([`super::leaving`]).

use std::ops::Range;
use std::sync::Arc;

use rewire_memory::unwind::UnwindRegistration;
use rewire_memory::{ExecAddr, RegionKind, SlotId};
use rustc_hash::FxHashSet;

use super::linked_block::LinkedBlock;
use super::unit::Unit;
use super::uses::BlockId;
use crate::base::ids::{EntryId, UnitKey};

/// What waits to be given back.
#[derive(Debug, Default)]
pub(super) struct WaitingToBeFreed {
    /// Blocks with code, and none of it in force.
    pub(super) blocks: Vec<BlockId>,
    pub(super) units: Vec<UnitKey>,
    /// Names that nobody may need any more ([`super::unused_names`]).
    pub(super) names: Vec<EntryId>,
    /// Bytes that all of these hold: machine code, variables, IR.
    pub(super) bytes: u64,
    /// Units that were removed, and whose copies of IR are still in memory.
    pub(super) copied: Vec<Arc<Unit>>,
}

/// What goes together, and the code that no thread may be in then.
#[derive(Debug)]
pub(crate) struct Retired {
    pub(crate) what: RetiredItem,
    pub(crate) code: Vec<Range<ExecAddr>>,
    /// The stubs of its functions: a thread that calls one for the first time is in its stub, and
    /// nowhere else if the call was a jump.
    pub(crate) stubs: Vec<Range<ExecAddr>>,
    /// The slots of those.
    pub(super) slots: Vec<SlotId>,
    /// What people know it by.
    pub(crate) label: Arc<str>,
    /// Who needs it, if it isn't threads.
    pub(crate) kept_by: Option<Arc<str>>,
    /// How many frames of its coroutines ever began.
    pub(super) frames_begun: u64,
    /// How often calls were sent into it since it left.
    pub(super) handed_out: u64,
}

/// See the module's documentation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum RetiredItem {
    Block(BlockId),
    Unit(UnitKey),
    /// A name, with its stub.
    Name(EntryId),
}

/// What was taken out of the ledger, to be given back without its lock.
#[derive(Debug, Default)]
pub(crate) struct Freed {
    /// Blocks, with their registrations.
    pub(crate) blocks: Vec<LinkedBlock>,
    pub(crate) unwind: Vec<UnwindRegistration>,
    pub(crate) memory: Vec<(RegionKind, Range<ExecAddr>)>,
    /// Slots in whose stubs no thread is.
    pub(super) looked_at: FxHashSet<SlotId>,
    pub(crate) thread_modules: Vec<u64>,
    /// Names of which nothing may be remembered that is about a former definition.
    pub(crate) entries: Vec<EntryId>,
    pub(crate) units: Vec<Arc<Unit>>,
}

impl Retired {
    /// Whether it is a whole unit.
    pub(crate) fn is_unit(&self) -> bool {
        matches!(self.what, RetiredItem::Unit(_))
    }

    /// Whether it is something that clients know.
    pub(crate) fn is_code(&self) -> bool {
        !matches!(self.what, RetiredItem::Name(_))
    }
}
