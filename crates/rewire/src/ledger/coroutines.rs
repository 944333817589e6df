//! Counts suspended coroutines. A coroutine resumes in the body that created it, however often its
//! function was replaced since, so it keeps that body in memory.
//!
//! Compiled code counts the frames (`rewire-llvm/shim/coroutines.cpp`). If the engine splits a
//! coroutine, its parts are in the same block as its function, and so are the counters. If the
//! front end has split it, its parts are functions of the unit, each compiled when it is first
//! called; their frames are counted per unit. Frames that exist keep in memory what has left: the
//! block alone, or the whole unit.

use std::ffi::c_void;
use std::sync::Arc;

use rewire_llvm::CoroutinePart;
use rewire_memory::{CodeMemory, ExecAddr, RegionKind};

use super::linked_block::FrameCounts;
use super::unit::Unit;
use super::{Definition, Entry, EntryId, EntryKind, Ledger, LibraryId, LinkedBlock, State};
use crate::base::addresses::BodyAddr;
use crate::base::error::Error;

/// The symbol of a block's own counters.
pub(crate) const BLOCK_COUNTS: &str = ".rewire.frames";

/// The symbol of the shared frame of coroutines that do nothing.
pub(crate) const NOOP_FRAME: &str = ".rewire.noop";

/// Resumes and destroys a coroutine that does nothing.
extern "C" fn do_nothing(_frame: *mut c_void) {}

/// The size in bytes of the two counters: frames that began, and frames that ended.
const SIZE: u64 = 16;

impl FrameCounts {
    /// Reads the counters, in an order in which existing frames are never taken for ended. Neither
    /// counter ever decreases, so a frame that was counted as ended before `begun` is read is
    /// counted in `begun` as well.
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

/// The number of coroutine frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CoroutineFrames {
    /// The number of frames that ever began. If none are suspended, and none begin during a scan of
    /// stacks, only what a stack holds can lead into the code.
    pub(crate) begun: u64,
    /// The number of frames that began and haven't ended.
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

    /// Returns these frames as the holder of the code, if there are any.
    pub(crate) fn holder(self) -> Option<Arc<str>> {
        match (self.suspended, self.are_known) {
            (0, true) => None,
            (1, _) => Some("a suspended coroutine".into()),
            (0, false) => Some("coroutines whose frames can't be counted".into()),
            (many, _) => Some(format!("{many} suspended coroutines").into()),
        }
    }
}

/// Allocates memory for a variable that the engine itself defines.
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
    /// Returns the entry of the frame counters of the unit that a part of a coroutine belongs to;
    /// creates it when it is first named. `user` is the unit that names it.
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

    /// Returns the entry of the frame of coroutines that do nothing; creates it when it is first
    /// named. The engine owns it, because frames keep its address.
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

    /// Removes the counters of a unit that is being freed, and returns their memory.
    pub(super) fn free_frame_counts(&mut self, unit: &Unit) -> Option<std::ops::Range<ExecAddr>> {
        let (id, FrameCounts(address)) = unit.frame_counts.get()?;
        self.entries.remove(*id);
        Some(*address..*address + SIZE)
    }

    /// Returns the frames that lead into a block of code.
    pub(super) fn frames_of_block(
        &self,
        block: &LinkedBlock,
        memory: &CodeMemory,
    ) -> CoroutineFrames {
        let counts = block.frame_counts;
        counts.map_or(CoroutineFrames::NONE, |counts| counts.read(memory))
    }

    /// Returns the frames that lead into code of a unit, or to its functions.
    pub(super) fn frames_of_unit(&self, unit: &Unit, memory: &CodeMemory) -> CoroutineFrames {
        let counts = unit.frame_counts.get();
        let mut frames = counts.map_or(CoroutineFrames::NONE, |(_, counts)| counts.read(memory));
        let parts = unit.index.globals.iter().zip(&unit.entries);
        let mut uncounted =
            parts.filter(|(global, _)| global.coroutine == Some(CoroutinePart::Uncounted));
        // A frame holds the addresses of the functions that resume and destroy it. Frames of an
        // uncounted coroutine may exist if such an address was given out.
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

    /// Returns the number of suspended coroutines that keep something retired in memory.
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
