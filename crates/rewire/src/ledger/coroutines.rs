//! Suspended coroutines: they go on in the body that made them, however often their function was
//! replaced since, so they keep it.
//!
//! Compiled code counts the frames (`rewire-llvm/shim/coroutines.cpp`). A coroutine that the engine
//! splits has its parts in the same block as its function, and the counts with them. One that the
//! front end split has parts that are functions of its unit, each compiled when it is first called;
//! their frames are counted by unit. Both hold what leaves: a block alone, or the unit as a whole.

use std::ffi::c_void;
use std::sync::Arc;

use rewire_llvm::CoroutinePart;
use rewire_memory::{CodeMemory, ExecAddr, RegionKind};

use super::linked_block::FrameCounts;
use super::unit::Unit;
use super::{Definition, Entry, EntryId, EntryKind, Ledger, LibraryId, LinkedBlock, State};
use crate::base::addresses::BodyAddr;
use crate::base::error::Error;

/// The symbol of a block's own counts.
pub(crate) const BLOCK_COUNTS: &str = ".rewire.frames";

/// The symbol of the frame of coroutines that do nothing.
pub(crate) const NOOP_FRAME: &str = ".rewire.noop";

/// What resumes and destroys such a coroutine.
extern "C" fn do_nothing(_frame: *mut c_void) {}

/// Bytes of the two counts: of frames that began, and of those that ended.
const SIZE: u64 = 16;

impl FrameCounts {
    /// The counts, such that frames which are there are never taken for ended: neither count ever
    /// falls, so what had ended before the other count was read began before as well.
    fn read(self, memory: &CodeMemory) -> CoroutineFrames {
        let ended = memory.load(self.0 + 8).unwrap_or_default();
        let begun = memory.load(self.0).unwrap_or_default();
        CoroutineFrames {
            begun,
            suspended: begun.saturating_sub(ended),
            are_known: ended <= begun,
        }
    }
}

/// Frames of coroutines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CoroutineFrames {
    /// How many ever began. If none are suspended, and none begin while stacks are looked at, only
    /// what a stack holds can lead to the code.
    pub(crate) begun: u64,
    /// How many began and haven't ended.
    pub(crate) suspended: u64,
    /// Whether all frames are counted.
    are_known: bool,
}

impl CoroutineFrames {
    const NONE: Self = Self {
        begun: 0,
        suspended: 0,
        are_known: true,
    };

    fn and(self, other: Self) -> Self {
        Self {
            begun: self.begun.wrapping_add(other.begun),
            suspended: self.suspended + other.suspended,
            are_known: self.are_known && other.are_known,
        }
    }

    /// Who needs the code, if it is these.
    pub(crate) fn holder(self) -> Option<Arc<str>> {
        match (self.suspended, self.are_known) {
            (0, true) => None,
            (1, _) => Some("a suspended coroutine".into()),
            (0, false) => Some("coroutines whose frames can't be counted".into()),
            (many, _) => Some(format!("{many} suspended coroutines").into()),
        }
    }
}

/// Gives memory to a variable that the engine itself defines.
fn place(memory: &CodeMemory, bytes: &[u8]) -> Result<ExecAddr, Error> {
    let mut place = memory.allocate(RegionKind::Data, bytes.len() as u64, 8)?;
    place.write(bytes)?;
    Ok(place.keep().start)
}

fn placed_entry(library: LibraryId, name: &str, address: ExecAddr) -> Entry {
    let mut entry = Entry::new(library, Arc::from(name));
    entry.definition = Definition::Engine;
    entry.kind = EntryKind::Data;
    entry.state = State::Present(BodyAddr::new(address));
    entry
}

impl Ledger {
    /// The entry of the counts of the unit that a part of a coroutine belongs to, made when it is
    /// first named. `user` is the unit that names it.
    pub(crate) fn frame_counts_of(
        &mut self,
        part: EntryId,
        user: &Unit,
        memory: &CodeMemory,
    ) -> Result<EntryId, Error> {
        let owner = self
            .entry(part)
            .elected
            .and_then(|(unit, _)| self.unit(unit));
        let owner = owner.cloned();
        let unit = owner.as_deref().unwrap_or(user);
        if let Some((id, _)) = unit.frame_counts.get() {
            return Ok(*id);
        }
        let address = place(memory, &[0; SIZE as usize])?;
        let id = self.add(placed_entry(unit.library, BLOCK_COUNTS, address));
        let _ = unit.frame_counts.set((id, FrameCounts(address)));
        Ok(id)
    }

    /// The entry of the frame of coroutines that do nothing, made when it is first named: the
    /// engine's, because frames keep its address.
    pub(crate) fn noop_frame(&mut self, memory: &CodeMemory) -> Result<EntryId, Error> {
        if let Some(known) = self.noop_frame {
            return Ok(known);
        }
        let function = (do_nothing as *const () as u64).to_ne_bytes();
        let address = place(memory, &[function, function].concat())?;
        let id = self.add(placed_entry(LibraryId::MAIN, NOOP_FRAME, address));
        self.noop_frame = Some(id);
        Ok(id)
    }

    /// The counts of a unit that has left, and their memory.
    pub(super) fn free_frame_counts(&mut self, unit: &Unit) -> Option<std::ops::Range<ExecAddr>> {
        let (id, FrameCounts(address)) = unit.frame_counts.get()?;
        self.entries.remove(*id);
        Some(*address..*address + SIZE)
    }

    /// The frames that lead into a block of code.
    pub(super) fn frames_of_block(
        &self,
        block: &LinkedBlock,
        memory: &CodeMemory,
    ) -> CoroutineFrames {
        let counts = block.frame_counts;
        counts.map_or(CoroutineFrames::NONE, |counts| counts.read(memory))
    }

    /// The frames that lead into code of a unit, or to its functions.
    pub(super) fn frames_of_unit(&self, unit: &Unit, memory: &CodeMemory) -> CoroutineFrames {
        let counts = unit.frame_counts.get();
        let mut frames = counts.map_or(CoroutineFrames::NONE, |(_, counts)| counts.read(memory));
        let parts = unit.index.globals.iter().zip(&unit.entries);
        let mut uncounted =
            parts.filter(|(global, _)| global.coroutine == Some(CoroutinePart::Uncounted));
        // A frame has the address of what goes on with it.
        frames.are_known &= !uncounted.any(|(_, id)| {
            let entry = id.map(|id| self.entry(id));
            entry.is_some_and(|entry| entry.has_escaped)
        });
        let blocks = self.record(unit.id).map(|record| &record.blocks);
        let blocks = blocks.into_iter().flatten();
        let blocks = blocks.filter_map(|id| self.block(*id));
        blocks.fold(frames, |all, block| {
            all.and(self.frames_of_block(block, memory))
        })
    }

    /// How many suspended coroutines keep something that has left.
    pub(crate) fn suspended_coroutines(&self, memory: &CodeMemory) -> u64 {
        let is_leaving = |block: &LinkedBlock| {
            let record = self.record(block.unit);
            record.is_some_and(|record| record.standing == super::Standing::Leaving)
        };
        let blocks = self.leaving.blocks.iter();
        let blocks = blocks.filter_map(|id| self.block(*id));
        let alone = blocks.filter(|block| !is_leaving(block));
        let alone = alone.map(|block| self.frames_of_block(block, memory).suspended);
        let units = self.leaving.units.iter().filter_map(|id| self.unit(*id));
        let whole = units.map(|unit| self.frames_of_unit(unit, memory).suspended);
        alone.sum::<u64>() + whole.sum::<u64>()
    }
}
