//! Who uses a name, and where exactly.
//!
//! Uses are kept by the linked block that contains them, because they come and go with it; each
//! entry knows the places of its uses in those lists, and each use knows its place in the
//! entry's list. So a block's uses enter and leave in time that depends on that block alone,
//! however many users a name has.
//!
//! A body that nobody enters any more keeps its uses until its memory is given back, because a
//! thread may still be in it: what it names must be there as long as it is. Such uses aren't shown
//! as users.

use rewire_memory::ExecAddr;
use rewire_object::RelocKind;
use slotmap::new_key_type;

use crate::base::ids::EntryId;

new_key_type! {
    /// The number of a linked block.
    pub(crate) struct BlockId;
}

/// What a use takes of the name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UseAspect {
    /// The word that leads to its current body: a call.
    Slot,
    /// The body itself, by a direct call that can't be retargeted: of a function of a frozen unit,
    /// or of the host, by frozen code.
    Direct,
    /// Its address, or a thread-local variable's place.
    Address,
}

/// One relocation that was applied for a name.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Use {
    pub(crate) entry: EntryId,
    /// The address of the field.
    pub(crate) at: ExecAddr,
    pub(crate) kind: RelocKind,
    pub(crate) aspect: UseAspect,
    /// The object's number of the symbol.
    pub(crate) symbol: u32,
    /// Its place in the entry's list of users.
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

/// The place of a use: the how manieth of which block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct UseRef {
    pub(crate) block: BlockId,
    pub(crate) place: u32,
}
