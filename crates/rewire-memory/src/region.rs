//! A stretch of the reserved range with one protection.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use rewire_object::ExecAddr;

use crate::error::MemoryError;
use crate::mirror::Mirror;
use crate::page::PAGE;
use crate::region_kind::RegionKind;
use crate::space::{FreeBlock, Space, Taken};

/// Pages are made accessible in steps, so that it happens rarely; neighbouring steps have the
/// same protection, so the kernel keeps them as one mapping.
const STEP: u64 = 1 << 20;

/// The least bytes of a free block for which the kernel is called to take pages back.
const WORTH_A_CALL: u64 = 64 << 10;

/// Where in its region a block may lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BlockPlacement {
    /// Wherever it fits best.
    Anywhere,
    /// Above everything in use.
    AtEnd,
    /// At an address above everything in use.
    Exactly(u64),
}

#[derive(Debug)]
pub(crate) struct Region {
    kind: RegionKind,
    space: Space,
    /// Everything below is accessible.
    open: u64,
    mirror: Option<Arc<Mirror>>,
}

impl Region {
    pub(crate) fn new(kind: RegionKind, range: Range<u64>) -> Self {
        Self {
            kind,
            open: range.start,
            space: Space::new(range),
            mirror: None,
        }
    }

    /// Has it be written through a mirror from now on, before anything is given out.
    pub(crate) fn set_mirror(&mut self, mirror: Arc<Mirror>) {
        self.mirror = Some(mirror);
    }

    pub(crate) fn space(&self) -> &Space {
        &self.space
    }

    pub(crate) fn space_mut(&mut self) -> &mut Space {
        &mut self.space
    }

    /// Gives out bytes.
    pub(crate) fn allocate(
        &mut self,
        size: u64,
        align: u64,
        place: BlockPlacement,
    ) -> Result<Taken, MemoryError> {
        if place == BlockPlacement::Anywhere
            && let Some(taken) = self.space.take_free(size, align)
        {
            return Ok(taken);
        }
        let block = match place {
            BlockPlacement::Exactly(address) => self.space.at_end_from(address, size),
            BlockPlacement::Anywhere | BlockPlacement::AtEnd => self.space.at_end(size, align),
        };
        let block = block.ok_or_else(|| MemoryError::Full {
            region: self.kind,
            size: self.space.end() - self.space.start(),
            wanted: size,
        })?;
        if block.end() > self.open {
            self.open_to(block.end())?;
        }
        Ok(self.space.take_at_end(block))
    }

    fn open_to(&mut self, top: u64) -> Result<(), MemoryError> {
        // Larger steps once much is in use.
        let used = self.open - self.space.start();
        let step = STEP.max((used / 4).next_power_of_two().min(16 * STEP));
        let to = top.next_multiple_of(step).min(self.space.end());
        let size = to - self.open;
        let protection = self.kind.protection();
        let refused = |source| MemoryError::Protect {
            address: ExecAddr::new(self.open),
            size,
            source: Arc::new(source),
        };
        // SAFETY: the pages lie in the reserved range, which is ours, and nothing has been given
        // out of them yet.
        let failed =
            unsafe { libc::mprotect(self.open as *mut libc::c_void, size as usize, protection) };
        if failed != 0 {
            return Err(refused(io::Error::last_os_error()));
        }
        if let Some(mirror) = &self.mirror {
            mirror.open(self.open..to).map_err(refused)?;
        }
        self.open = to;
        Ok(())
    }
}

/// Gives the kernel the whole pages of a free block back, once that is worth a system call. They
/// read as zero then.
///
/// # Safety
///
/// The caller must ensure that the block is free, and that it lies in private anonymous memory that
/// isn't code: pages of zeros would run as instructions.
pub(crate) unsafe fn release_pages(block: &mut FreeBlock) {
    let pages = whole_pages(&block.range);
    if pages.end - pages.start < WORTH_A_CALL || block.dirty < WORTH_A_CALL {
        return;
    }
    // SAFETY: nobody uses the bytes.
    if unsafe { discard(&pages) } {
        block.dirty = 0;
    }
}

/// Makes writable memory read as zero; large stretches without committing memory.
///
/// # Safety
///
/// The caller must ensure that the range is mapped, writable, private and anonymous, and that
/// nobody else uses it.
pub(crate) unsafe fn clear(range: Range<u64>) {
    let pages = whole_pages(&range);
    // SAFETY: as the caller promises.
    let rest = if pages.end - pages.start >= WORTH_A_CALL && unsafe { discard(&pages) } {
        [range.start..pages.start, pages.end..range.end]
    } else {
        [range.start..range.end, range.end..range.end]
    };
    for part in rest {
        // SAFETY: as the caller promises.
        unsafe {
            std::ptr::write_bytes(part.start as *mut u8, 0, (part.end - part.start) as usize);
        }
    }
}

/// The pages that lie in a range wholly.
fn whole_pages(range: &Range<u64>) -> Range<u64> {
    let start = range.start.next_multiple_of(PAGE);
    start..(range.end / PAGE * PAGE).max(start)
}

/// Whether the kernel took the pages back (not those that the program locked in memory, see
/// madvise(2)).
///
/// # Safety
///
/// The caller must ensure that the pages are mapped, private and anonymous, and that nobody needs
/// what is in them.
unsafe fn discard(pages: &Range<u64>) -> bool {
    let size = (pages.end - pages.start) as usize;
    // SAFETY: as the caller promises.
    unsafe { libc::madvise(pages.start as *mut libc::c_void, size, libc::MADV_DONTNEED) == 0 }
}
