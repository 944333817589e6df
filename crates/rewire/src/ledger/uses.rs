//! [`Use`]: a place in linked bytes that depends on a name.
//!
//! Each linked block has a list of the uses in it, because they come and go with it. Each entry has
//! a list of references to its uses, and each use knows its index in that list. So the time to
//! enter or remove a block's uses depends on that block alone, however many users a name has.
//!
//! A retired body keeps its uses until its memory is freed: a thread may still be in it, so
//! whatever it names has to stay in memory. Such uses aren't reported as users.

use rewire_memory::ExecAddr;
use rewire_object::RelocKind;
use slotmap::new_key_type;

use crate::base::ids::EntryId;

new_key_type! {
    /// Identifies a linked block.
    pub(crate) struct BlockId;
}

/// What a use takes from the name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UseAspect {
    /// The function's slot, which leads to the body in force: a call.
    Slot,
    /// The body itself, by a direct call that can't be retargeted: frozen code calls a function of
    /// a frozen unit or of the host.
    Direct,
    /// The canonical address, or the location of a thread-local variable.
    Address,
}

/// One applied relocation that refers to a name.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Use {
    pub(crate) entry: EntryId,
    /// The address of the relocated field.
    pub(crate) at: ExecAddr,
    pub(crate) kind: RelocKind,
    pub(crate) aspect: UseAspect,
    /// The symbol's index in the object.
    pub(crate) symbol: u32,
    /// Its index in [`Entry::users`](super::Entry).
    back: u32,
}

impl Use {
    pub(crate) fn new(
        entry: EntryId,
        at: ExecAddr,
        kind: RelocKind,
        aspect: UseAspect,
        symbol: u32,
    ) -> Self {
        Self {
            entry,
            at,
            kind,
            aspect,
            symbol,
            back: 0,
        }
    }

    pub(crate) fn set_back(&mut self, place: usize) {
        self.back = place as u32;
    }

    pub(crate) fn back(&self) -> usize {
        self.back as usize
    }
}

/// Identifies a use: its block, and its index in `LinkedBlock::uses`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct UseRef {
    pub(crate) block: BlockId,
    pub(crate) place: u32,
}
